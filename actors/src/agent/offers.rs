//! What an agent is offered. The routers of his teams decide when an offer begins and ends; here it is shown to him.

use std::collections::BTreeMap;

use domain::{ConversationId, Status, TeamId, Timestamp};

use super::{Desk, will};
use crate::team::TeamKey;
use crate::{Notice, OfferEnd, Push};

/// After so many offers in a row that he did not answer he is taken to be away.
const MISSES_MAX: u32 = 2;
/// An offer whose router is not heard of goes so long after its end.
const FORGOTTEN_AFTER_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Offers(BTreeMap<ConversationId, (TeamId, Timestamp)>);

impl Offers {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn of_other_teams(&self, team: TeamId) -> usize {
        self.0.values().filter(|(other, _)| *other != team).count()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (ConversationId, Timestamp)> + '_ {
        self.0.iter().map(|(conversation, (_, expires_at))| (*conversation, *expires_at))
    }

    pub(super) fn drop_old(&mut self, now: Timestamp) {
        self.0.retain(|_, (_, expires_at)| now <= expires_at.plus_ms(FORGOTTEN_AFTER_MS));
    }
}

/// Offers in a row that he did not answer.
#[derive(Debug, Default)]
pub(super) struct Misses(u32);

impl Misses {
    pub(super) fn forget(&mut self) {
        self.0 = 0;
    }
}

impl Desk {
    pub(super) fn offered(&mut self, team: TeamId, conversation: ConversationId, expires_at: Timestamp) {
        if self.status != Status::Online || self.disabled || !self.present() {
            let team = TeamKey { workspace: self.key.workspace, team };
            self.node.outbox.put(Notice::Refused { team, conversation, agent: self.key.agent });
            return;
        }
        self.offers.0.insert(conversation, (team, expires_at));
        self.push(&Push::Offer { conversation, expires_at });
    }

    pub(super) fn offer_ended(&mut self, team: TeamId, conversation: ConversationId, why: OfferEnd) {
        if self.offers.0.get(&conversation).is_none_or(|(of, _)| *of != team) {
            return;
        }
        self.offers.0.remove(&conversation);
        self.push(&Push::OfferEnded { conversation, why });
        match why {
            OfferEnd::Accepted | OfferEnd::Declined => self.misses.forget(),
            OfferEnd::Taken | OfferEnd::Withdrawn => {}
            OfferEnd::Expired => {
                self.misses.0 += 1;
                if self.misses.0 >= MISSES_MAX && self.status == Status::Online {
                    self.misses.forget();
                    // At once, so that no third offer comes between.
                    self.set_status(Status::Away);
                    will::keep_away(&self.node, self.key);
                }
            }
        }
    }
}
