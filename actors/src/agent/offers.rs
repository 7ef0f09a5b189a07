//! What an agent is offered, and how often in a row they did not respond.

use std::collections::BTreeMap;

use domain::{ConversationId, Load, TeamId, Timestamp};
use tokio::time::Instant;

/// After so many offers in a row without a response the agent is taken to be away.
const MISSES_MAX: u32 = 2;
/// An offer whose router is not heard of goes so long after its end.
const FORGOTTEN_AFTER_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Offers(BTreeMap<ConversationId, Offered>);

#[derive(Debug)]
pub(super) struct Offered {
    pub(super) by: TeamId,
    pub(super) since: Instant,
    pub(super) expires_at: Timestamp,
}

impl Offers {
    pub(super) fn put(&mut self, conversation: ConversationId, offered: Offered) {
        self.0.insert(conversation, offered);
    }

    pub(super) fn get(&self, conversation: ConversationId) -> Option<&Offered> {
        self.0.get(&conversation)
    }

    /// Takes out what this team offers.
    pub(super) fn take(&mut self, conversation: ConversationId, team: TeamId) -> Option<Offered> {
        if self.0.get(&conversation)?.by != team {
            return None;
        }
        self.0.remove(&conversation)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of other teams than `team`, without what the agent carries: of that the end of the offer is on its way.
    pub(super) fn elsewhere(&self, team: TeamId, load: &Load) -> usize {
        let open = self.0.iter().filter(|(conversation, _)| !load.carries(**conversation));
        open.filter(|(_, offered)| offered.by != team).count()
    }

    /// All of them, without what the agent carries.
    pub(super) fn besides(&self, load: &Load) -> impl Iterator<Item = (ConversationId, Timestamp)> {
        let open = self.0.iter().filter(|(conversation, _)| !load.carries(**conversation));
        open.map(|(conversation, offered)| (*conversation, offered.expires_at))
    }

    pub(super) fn drop_old(&mut self, now: Timestamp) {
        self.0.retain(|_, offered| now <= offered.expires_at.plus_ms(FORGOTTEN_AFTER_MS));
    }
}

/// Offers in a row that were missed. An offer that expires while the agent responds to another is not counted as missed.
#[derive(Debug, Default)]
pub(super) struct Misses {
    count: u32,
    answered: Option<Instant>,
}

impl Misses {
    /// The agent responded to something.
    pub(super) fn answer(&mut self) {
        *self = Self { count: 0, answered: Some(Instant::now()) };
    }

    /// An offer that the agent had since `since` expired; says whether the agent is to be taken for away.
    pub(super) fn miss(&mut self, since: Instant) -> bool {
        self.count += u32::from(self.answered.is_none_or(|answered| answered < since));
        self.count >= MISSES_MAX
    }
}
