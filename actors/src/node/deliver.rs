//! Brings a notice to the actor of this node that it is for.

use super::ask::Address;
use super::local::Node;
use crate::mail::{AgentMessage, TeamMessage};
use crate::words::{AgentKey, Notice, TeamKey};

impl Node {
    /// Delivers a notice to the actor that it is for. An agent who is not in memory reads the heads when they are; a router
    /// that is not in memory is started. [`Notice::Release`] and [`Notice::Give`] are given back: they span two actors, and
    /// are the cluster's to carry out.
    pub async fn deliver(&self, notice: Notice) -> Option<Notice> {
        match notice {
            Notice::Release { .. } | Notice::Give { .. } => return Some(notice),
            Notice::Assigned { agent, conversation, epoch, head } => {
                self.tell_agent(agent, AgentMessage::Assigned { conversation, epoch, head });
            }
            Notice::Lost { agent, conversation, epoch, why } => {
                self.tell_agent(agent, AgentMessage::Lost { conversation, epoch, why });
            }
            Notice::Settled { agent, conversation, assigned } => {
                // An actor that ended took its reservations with it.
                self.tell_agent(agent, AgentMessage::Settled { conversation, assigned });
            }
            Notice::NotReleased { agent } => drop(self.tell_agent(agent, AgentMessage::Failed)),
            Notice::Report { agent, team } => drop(self.tell_agent(agent, AgentMessage::Report(team))),
            Notice::OfferEnded { agent, team, conversation, why } => {
                self.tell_agent(agent, AgentMessage::OfferEnded { team, conversation, why });
            }
            Notice::OfferTouched { agent, conversation, position } => {
                self.tell_agent(agent, AgentMessage::OfferTouched { conversation, position });
            }
            Notice::Queue { agent, news } => drop(self.tell_agent(agent, AgentMessage::Queue(news))),
            Notice::Offer { agent, team, conversation, position, expires_at } => {
                let offer = AgentMessage::Offer { team, conversation, position, expires_at };
                if !self.tell_agent(agent, offer) {
                    let team = TeamKey { workspace: agent.workspace, team };
                    let refused = TeamMessage::Refused { conversation, agent: agent.agent };
                    self.tell_team(team, refused).await;
                }
            }
            Notice::CallOut { team } => {
                for (key, handle) in self.context.agents.living() {
                    if key.workspace == team.workspace {
                        // An actor that ended reports when it starts again.
                        handle.tell(AgentMessage::Report(team.team));
                    }
                }
            }
            Notice::Joined { team, joined } => self.tell_team(team, TeamMessage::Joined(joined)).await,
            Notice::Left { team, conversation, taken } => {
                self.tell_team(team, TeamMessage::Left { conversation, taken }).await;
            }
            Notice::Agent { team, report } => self.tell_team(team, TeamMessage::Agent(report)).await,
            Notice::Refused { team, conversation, agent } => {
                self.tell_team(team, TeamMessage::Refused { conversation, agent }).await;
            }
            Notice::Given { team, conversation, agent, given } => {
                self.tell_team(team, TeamMessage::Given { conversation, agent, given }).await;
            }
        }
        None
    }

    /// Tells an agent's actor, if it is in memory; says whether it is.
    pub(crate) fn tell_agent(&self, key: AgentKey, message: AgentMessage) -> bool {
        let is_starting = self.context.agents.is_starting(&key);
        // An actor that ended took what it knew with it.
        let told = self.context.agents.get(&key).is_some_and(|handle| handle.tell(message));
        if is_starting && !told {
            self.compare_when_started(key);
        }
        told
    }

    /// What an actor reads while it is started may be older than a notice that came meanwhile: then it reads once more.
    fn compare_when_started(&self, key: AgentKey) {
        let node = self.clone();
        tokio::spawn(async move {
            if let Ok(handle) = key.reach(&node).await {
                // One that ended already compares nothing.
                handle.tell(AgentMessage::Reconcile);
            }
        });
    }

    async fn tell_team(&self, key: TeamKey, message: TeamMessage) {
        match key.reach(self).await {
            // A router that just ended finds it when it reads its queue.
            Ok(handle) => drop(handle.tell(message)),
            Err(error) => tracing::warn!(team = %key.team, %error, "a router was not notified"),
        }
    }
}
