//! What an agent is offered. The routers of his teams decide when an offer begins and ends; here it is shown to him.

use std::collections::BTreeMap;

use domain::{ConversationId, Load, Status, TeamId, Timestamp};
use tokio::time::Instant;

use super::{Desk, will};
use crate::team::TeamKey;
use crate::{Notice, OfferEnd, Push};

/// After so many offers in a row that he did not answer he is taken to be away.
const MISSES_MAX: u32 = 2;
/// An offer whose router is not heard of goes so long after its end.
const FORGOTTEN_AFTER_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Offers(BTreeMap<ConversationId, Offered>);

#[derive(Debug)]
struct Offered {
    by: TeamId,
    since: Instant,
    expires_at: Timestamp,
}

impl Offers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of other teams than `team`, without what he carries: of that the end of the offer is on its way.
    pub(super) fn elsewhere(&self, team: TeamId, load: &Load) -> usize {
        let open = self.0.iter().filter(|(conversation, _)| !load.carries(**conversation));
        open.filter(|(_, offered)| offered.by != team).count()
    }

    /// All of them, without what he carries.
    pub(super) fn besides(&self, load: &Load) -> impl Iterator<Item = (ConversationId, Timestamp)> {
        let open = self.0.iter().filter(|(conversation, _)| !load.carries(**conversation));
        open.map(|(conversation, offered)| (*conversation, offered.expires_at))
    }

    pub(super) fn drop_old(&mut self, now: Timestamp) {
        self.0.retain(|_, offered| now <= offered.expires_at.plus_ms(FORGOTTEN_AFTER_MS));
    }
}

/// Offers in a row that he did not answer. One that ran out while he answered another is none: he was busy, not away.
#[derive(Debug, Default)]
pub(super) struct Misses {
    count: u32,
    answered: Option<Instant>,
}

impl Misses {
    /// He gave a sign of himself.
    pub(super) fn answer(&mut self) {
        *self = Self { count: 0, answered: Some(Instant::now()) };
    }

    /// An offer that he has had since `since` ran out; says whether he is to be taken for away.
    fn miss(&mut self, since: Instant) -> bool {
        self.count += u32::from(self.answered.is_none_or(|answered| answered < since));
        self.count >= MISSES_MAX
    }
}

impl Desk {
    pub(super) fn offered(&mut self, team: TeamId, conversation: ConversationId, expires_at: Timestamp) {
        if self.status != Status::Online || self.disabled || !self.present() {
            let team = TeamKey { workspace: self.key.workspace, team };
            self.node.outbox.put(Notice::Refused { team, conversation, agent: self.key.agent });
            return;
        }
        let offered = Offered { by: team, since: Instant::now(), expires_at };
        self.offers.0.insert(conversation, offered);
        self.push(&Push::Offer { conversation, expires_at });
    }

    /// The conversation looks different from what the offer showed.
    pub(super) fn show_offer_again(&mut self, conversation: ConversationId) {
        if let Some(expires_at) = self.offers.0.get(&conversation).map(|offered| offered.expires_at) {
            self.push(&Push::Offer { conversation, expires_at });
        }
    }

    pub(super) fn offer_ended(&mut self, team: TeamId, conversation: ConversationId, why: OfferEnd) {
        if self.offers.0.get(&conversation).is_none_or(|offered| offered.by != team) {
            return;
        }
        let Some(offered) = self.offers.0.remove(&conversation) else { return };
        self.push(&Push::OfferEnded { conversation, why });
        match why {
            OfferEnd::Accepted | OfferEnd::Declined => self.misses.answer(),
            OfferEnd::Taken | OfferEnd::Withdrawn => {}
            OfferEnd::Expired => {
                if self.misses.miss(offered.since) && self.status == Status::Online {
                    self.misses.answer();
                    // At once, so that no third offer comes between.
                    self.set_status(Status::Away);
                    will::keep_away(&self.node, self.key);
                }
            }
        }
    }
}
