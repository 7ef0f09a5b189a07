//! The routers of the agent's teams decide when an offer begins and ends; here it is shown to the agent.

use std::sync::Arc;

use domain::{ConversationId, Status, TeamId, Timestamp};
use tokio::time::Instant;

use super::live::LiveAgent;
use super::offers::Offered;
use super::status::write_status;
use crate::words::{Notice, OfferEnd, Push, QueuePosition, TeamKey};

impl LiveAgent {
    pub(super) fn offered(
        &mut self,
        team: TeamId,
        conversation: ConversationId,
        position: QueuePosition,
        expires_at: Timestamp,
    ) {
        if self.status != Status::Online || self.disabled || !self.present() {
            let team = TeamKey { workspace: self.key.workspace, team };
            self.node.outbox.put(Notice::Refused { team, conversation, agent: self.key.agent });
            return;
        }
        self.offers.put(conversation, Offered { by: team, since: Instant::now(), expires_at });
        self.push(Push::Offer { conversation, position, expires_at });
    }

    /// The conversation looks different from what the offer showed.
    pub(super) fn show_offer_again(&mut self, conversation: ConversationId, position: QueuePosition) {
        if let Some(expires_at) = self.offers.get(conversation).map(|offered| offered.expires_at) {
            self.push(Push::Offer { conversation, position, expires_at });
        }
    }

    pub(super) fn offer_ended(&mut self, team: TeamId, conversation: ConversationId, why: OfferEnd) {
        let Some(offered) = self.offers.take(conversation, team) else { return };
        self.push(Push::OfferEnded { conversation, why });
        match why {
            OfferEnd::Accepted | OfferEnd::Declined => self.misses.answer(),
            OfferEnd::Taken | OfferEnd::Withdrawn => {}
            OfferEnd::Expired => {
                if self.misses.miss(offered.since) && self.status == Status::Online {
                    self.misses.answer();
                    // At once, so that no third offer comes between.
                    self.set_status(Status::Away);
                    self.keep_away();
                }
            }
        }
    }

    /// Keeps in the record that the agent does not respond; the actor knows it already.
    fn keep_away(&self) {
        let (node, key) = (Arc::clone(&self.node), self.key);
        tokio::spawn(async move {
            if let Err(error) = write_status(&node, key, Status::Away).await {
                tracing::warn!(agent = %key.agent, %error, "an agent who does not respond is online again after a restart");
            }
        });
    }
}
