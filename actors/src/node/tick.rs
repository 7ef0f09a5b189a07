//! One coarse tick for the whole node, instead of a timer in each actor.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::ask::Address;
use super::local::Node;
use crate::mail::{AgentMessage, ConversationMessage, TeamMessage};
use crate::runtime::Context;

/// How exact timers are.
const TICK: Duration = Duration::from_millis(250);
/// How often the node looks for what is idle.
const IDLE_TICKS: u64 = 4;
/// How often agents' actors and routers compare what they know with the store.
const RECONCILE_TICKS: u64 = 120;

/// Ticks until the node is gone, or its lanes have ended.
pub(super) async fn run(context: Weak<Context>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks: u64 = 0;
    loop {
        interval.tick().await;
        let Some(context) = context.upgrade().filter(|context| !context.is_over()) else { return };
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
            && activity.listeners.load(Ordering::Relaxed) == 0
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
