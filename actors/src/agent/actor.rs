//! The actor of one agent who is there.

use std::sync::Arc;

use domain::{Agent, Rejection, ReleaseReason};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::live::{LiveAgent, Opened};
use super::reconcile::{held_by, teams_of};
use crate::mail::{AgentHandle, AgentMessage, AgentPresence, Asked, Refusal};
use crate::runtime::{Context, Stats};
use crate::words::{AgentKey, ExecuteError};

struct AgentActor;

/// Reads the agent's record and what they hold, and starts their actor.
///
/// # Errors
/// [`Rejection::NotFound`] when there is no such agent; otherwise nothing was done, and the caller may ask again.
pub(crate) async fn activate(node: &Arc<Context>, key: AgentKey) -> Result<AgentHandle, ExecuteError> {
    node.may_start()?;
    let records = &*node.store.records;
    let record = store::get::<Agent>(records, key.workspace, &key.agent.to_string()).await?;
    let agent = record.ok_or(Rejection::NotFound)?.document;
    let held = held_by(node, key).await?;
    let teams = teams_of(node, key).await?;
    let presence = Arc::new(AgentPresence::from(node.uptime_ms()));
    let opened = Opened {
        node: Arc::clone(node),
        agent,
        workspace: key.workspace,
        teams,
        held,
        presence: Arc::clone(&presence),
    };
    let supervisor = node.supervisor.get_cell();
    let (actor, _) = AgentActor::spawn_linked(None, AgentActor, opened, supervisor)
        .await
        .map_err(|error| ExecuteError::not_started(&error))?;
    Ok(AgentHandle::new(actor, node.settings.mailbox_places, presence))
}

impl Actor for AgentActor {
    type Msg = AgentMessage;
    type State = LiveAgent;
    type Arguments = Opened;

    async fn pre_start(
        &self,
        _: ActorRef<AgentMessage>,
        opened: Opened,
    ) -> Result<LiveAgent, ActorProcessingErr> {
        Ok(LiveAgent::new(opened))
    }

    async fn handle(
        &self,
        myself: ActorRef<AgentMessage>,
        message: AgentMessage,
        agent: &mut LiveAgent,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            AgentMessage::View(asked) => drop(asked.answer(Ok(agent.view()))),
            AgentMessage::SetStatus(asked) => {
                agent.misses.answer();
                agent.set_status(asked.ask.0);
                asked.answer(Ok(agent.view()));
            }
            AgentMessage::Reserve(asked) => {
                let conversation = asked.ask.conversation;
                let answer = agent.reserve(conversation, asked.ask.reserve_for);
                let reserved = answer.is_ok();
                if !asked.answer(answer.map_err(Refusal::from)) && reserved {
                    agent.settle(conversation, None);
                }
            }
            AgentMessage::Attach(Asked { ask, reply, permit: _permit }) => {
                agent.attach(ask.session);
                if reply.send(Ok(agent.view())).is_err() {
                    agent.detach(ask.session);
                }
            }
            AgentMessage::Detach { session } => agent.detach(session),
            AgentMessage::Settled { conversation, assigned } => agent.settle(conversation, assigned),
            AgentMessage::Assigned { conversation, epoch, head } => agent.assigned(conversation, epoch, head),
            AgentMessage::Lost { conversation, epoch, why } => agent.lost(conversation, epoch, why),
            AgentMessage::Changed { capacity, disabled } => agent.change(capacity, disabled),
            AgentMessage::PresenceMoved => {
                if !agent.holds_on() {
                    let held_something = agent.load.held().next().is_some();
                    Stats::add(&agent.node.stats.agents_lost, u64::from(held_something));
                    agent.give_all_back(ReleaseReason::AgentGone);
                }
            }
            AgentMessage::Teams(teams) => agent.set_teams(teams),
            AgentMessage::TeamsChanged => agent.read_teams(&myself),
            AgentMessage::Offer { team, conversation, position, expires_at } => {
                agent.offered(team, conversation, position, expires_at);
            }
            AgentMessage::OfferEnded { team, conversation, why } => {
                agent.offer_ended(team, conversation, why);
            }
            AgentMessage::OfferTouched { conversation, position } => {
                agent.show_offer_again(conversation, position);
            }
            AgentMessage::Report(team) => agent.report_again(Some(team)),
            AgentMessage::Queue(news) => agent.queue_moved(news),
            AgentMessage::Reconcile => agent.reconcile(&myself),
            AgentMessage::Failed => agent.reconcile_soon(&myself),
            AgentMessage::Held { asked_at, before, listed } => agent.compare(asked_at, &before, &listed),
            #[cfg(any(test, feature = "testing"))]
            AgentMessage::Inspect(reply) => {
                let _ = reply.send(agent.load.clone());
            }
        }
        agent.publish();
        Ok(())
    }
}
