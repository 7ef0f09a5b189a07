//! Carries what one actor tells another.

use domain::{Command, Principal, Request};

use super::Node;
use crate::agent::AgentMessage;
use crate::team::TeamMessage;
use crate::{AgentKey, ExecuteError, Notice, TeamKey};

impl Node {
    /// Carries a notice to the actor that it is for. An agent who is not in memory reads the heads when he is; a router
    /// that is not in memory is started.
    pub async fn deliver(&self, notice: Notice) {
        match notice {
            Notice::Assigned { agent, key, epoch, head } => {
                let agent = AgentKey { workspace: key.workspace, agent };
                let conversation = key.conversation;
                self.tell_agent(agent, AgentMessage::Assigned { conversation, epoch, head });
            }
            Notice::Lost { agent, key, epoch, why } => {
                let agent = AgentKey { workspace: key.workspace, agent };
                self.tell_agent(agent, AgentMessage::Lost { conversation: key.conversation, epoch, why });
            }
            Notice::Release { key, agent, epoch, reason } => {
                let command = Command::Release { assignment_epoch: epoch, reason };
                let request = Request { by: Principal::System, client_id: None, command };
                match self.execute(key, request).await {
                    Ok(_) => {}
                    Err(ExecuteError::Rejected(rejection)) => {
                        tracing::debug!(conversation = %key.conversation, %rejection, "nothing to give back");
                    }
                    // He looks again soon, and asks again if he must.
                    Err(error) => {
                        tracing::warn!(conversation = %key.conversation, %error, "not given back yet");
                        let agent = AgentKey { workspace: key.workspace, agent };
                        self.tell_agent(agent, AgentMessage::Failed);
                    }
                }
            }
            Notice::Joined { team, joined } => self.tell_team(team, TeamMessage::Joined(joined)).await,
            Notice::Left { team, conversation, taken } => {
                self.tell_team(team, TeamMessage::Left { conversation, taken }).await;
            }
            Notice::Agent { team, state } => self.tell_team(team, TeamMessage::Agent(state)).await,
            Notice::Refused { team, conversation, agent } => {
                self.tell_team(team, TeamMessage::Refused { conversation, agent }).await;
            }
            Notice::CallOut { team } => {
                for (key, handle) in self.shared.agents.living() {
                    if key.workspace == team.workspace {
                        // An actor that ended tells when it starts again.
                        let _ = handle.actor.cast(AgentMessage::Report(team.team));
                    }
                }
            }
            Notice::Report { agent, team } => drop(self.tell_agent(agent, AgentMessage::Report(team))),
            Notice::Offer { agent, team, conversation, expires_at } => {
                let offer = AgentMessage::Offer { team, conversation, expires_at };
                if !self.tell_agent(agent, offer) {
                    let team = TeamKey { workspace: agent.workspace, team };
                    let refused = TeamMessage::Refused { conversation, agent: agent.agent };
                    self.tell_team(team, refused).await;
                }
            }
            Notice::OfferEnded { agent, team, conversation, why } => {
                self.tell_agent(agent, AgentMessage::OfferEnded { team, conversation, why });
            }
            Notice::Queue { agent, news } => drop(self.tell_agent(agent, AgentMessage::Queue(news))),
        }
    }
}
