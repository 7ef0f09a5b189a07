//! One coarse tick for the whole node, instead of a timer in each actor.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{StreamExt, TryStreamExt, iter};
use store::{ConversationKey, StoreError};
use tokio::time::MissedTickBehavior;

use super::ask::Address;
use super::local::Node;
use crate::mail::{AgentMessage, ConversationMessage, TeamMessage};
use crate::runtime::Context;
use crate::words::ExecuteError;

/// How exact timers are.
const TICK: Duration = Duration::from_millis(250);
/// How often the node looks for what is idle, and starts what is unsettled.
const IDLE_TICKS: u64 = 4;
/// How often agents' actors and routers compare what they know with the store.
const RECONCILE_TICKS: u64 = 120;
/// How many unsettled conversations are started at once: everybody else comes back at the same time.
const STARTS_AT_ONCE: usize = 16;

/// Ticks until the node ends.
pub(super) async fn run(context: Weak<Context>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks: u64 = 0;
    loop {
        interval.tick().await;
        let Some(context) = context.upgrade() else { return };
        ticks += 1;
        // What an actor that ended is not told, it finds when it starts again.
        for (_, handle) in context.teams.living() {
            handle.tell(TeamMessage::Tick);
        }
        for (_, handle) in context.agents.living() {
            if handle.shown.moved(context.uptime_ms(), context.settings.agent_grace) {
                handle.tell(AgentMessage::PresenceMoved);
            }
        }
        if ticks.is_multiple_of(IDLE_TICKS) {
            passivate_idle(&context);
            revive_routers(&context).await;
            context.crashes.sweep();
        }
        if ticks.is_multiple_of(RECONCILE_TICKS) || ticks == 1 {
            context.visitors.sweep(context.uptime_ms());
            reconcile(&context);
        }
    }
}

fn passivate_idle(context: &Context) {
    let passivate_after_ms = context.settings.passivate_after.as_millis() as u64;
    let idle_since = context.uptime_ms().saturating_sub(passivate_after_ms);
    for (_, handle) in context.conversations.living() {
        let activity = &handle.shown;
        if activity.used_ms.load(Ordering::Relaxed) < idle_since
            && activity.subscribers.load(Ordering::Relaxed) == 0
        {
            // An actor that ended has left already.
            handle.tell(ConversationMessage::Passivate { only_idle: true });
        }
    }
    context.conversations.sweep();
    context.agents.sweep();
}

/// A router that crashed is missed by nobody who asks: those who wait only wait.
async fn revive_routers(context: &Arc<Context>) {
    for (key, handle) in context.teams.living() {
        if !handle.lives()
            && let Err(error) = key.reach(&Node::of(context)).await
        {
            tracing::warn!(team = %key.team, %error, "a router was not started again");
        }
    }
}

fn reconcile(context: &Context) {
    for (_, handle) in context.agents.living() {
        handle.tell(AgentMessage::Reconcile);
    }
    for (_, handle) in context.teams.living() {
        // Its records too: a command beside this server may have changed them.
        handle.tell(TeamMessage::Reload);
        handle.tell(TeamMessage::Reconcile);
    }
}

/// Starts conversations whose last append is unsettled, until the node ends.
pub(super) async fn settle(context: Weak<Context>) {
    loop {
        tokio::time::sleep(TICK * IDLE_TICKS as u32).await;
        let Some(context) = context.upgrade() else { return };
        let node = Node::of(&context);
        let starts = iter(context.unsettled.keys()).map(|key| start_unsettled(&node, key));
        // The first that the store does not answer ends this round.
        if let Err(error) = starts.buffer_unordered(STARTS_AT_ONCE).try_collect::<()>().await {
            tracing::debug!(%error, "what became of some appends is not known yet");
        }
    }
}

async fn start_unsettled(node: &Node, key: ConversationKey) -> Result<(), StoreError> {
    match key.reach(node).await {
        Ok(_) => {}
        Err(ExecuteError::Store(error)) => return Err(error),
        // Another node has it, and notifies its own; reconciling finds the rest.
        Err(error) => tracing::debug!(conversation = %key.conversation, %error, "not started"),
    }
    node.context.unsettled.forget(&key);
    Ok(())
}
