//! The conversations that wait for a team, in their order, and where each stands on its way to an agent.

use std::collections::{BTreeMap, HashMap};

use domain::{AgentId, Candidate, ConversationId, Exclusion, Explanation, Needs, Timestamp, VisitorId};
use tokio::time::Instant;

/// A conversation that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) conversation: ConversationId,
    pub(super) queued_at: Timestamp,
    /// Of its last assignment; the next one is refused when it has moved.
    pub(super) epoch: u64,
    pub(super) visitor: VisitorId,
    pub(super) needs: Needs,
    /// The visitor's last agent, who is asked first.
    pub(super) preferred: Option<AgentId>,
    pub(super) step: Step,
    exclusions: Vec<Excluded>,
    /// The position and the expected wait that its visitor was last told.
    pub(super) told: Option<(u64, Option<u64>)>,
}

/// Where it stands on its way to an agent.
#[derive(Debug)]
pub(super) enum Step {
    /// The agent of the visitor's last conversation is being read.
    Looking,
    /// It waits for an agent who may have it.
    Free,
    /// It could not be given, and is not tried again before then: what failed at once may fail so again.
    Resting(Instant),
    Offered(Offer),
    /// The assignment to this agent is being written, since then.
    Giving {
        agent: AgentId,
        since: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Offer {
    pub(super) agent: AgentId,
    pub(super) ends: Instant,
    pub(super) why: Explanation,
}

/// An agent who is not to be asked while there is another.
#[derive(Debug)]
struct Excluded {
    agent: AgentId,
    because: Exclusion,
    /// Of two the greater came later.
    order: u64,
    until: Option<Instant>,
}

impl Waiting {
    pub(super) fn new(
        conversation: ConversationId,
        (queued_at, epoch): (Timestamp, u64),
        visitor: VisitorId,
        needs: Needs,
    ) -> Self {
        Self {
            conversation,
            queued_at,
            epoch,
            visitor,
            needs,
            preferred: None,
            step: Step::Looking,
            exclusions: Vec::new(),
            told: None,
        }
    }

    pub(super) fn exclude(&mut self, agent: AgentId, because: Exclusion, order: u64, until: Option<Instant>) {
        self.exclusions.retain(|excluded| excluded.agent != agent);
        self.exclusions.push(Excluded { agent, because, order, until });
    }

    /// The candidate, as this conversation sees them.
    pub(super) fn judge(&self, candidate: Candidate, now: Instant) -> Candidate {
        let excluded = self.exclusions.iter().find(|excluded| excluded.agent == candidate.agent);
        match excluded.filter(|excluded| excluded.until.is_none_or(|until| now < until)) {
            Some(excluded) if candidate.excluded_by.is_none() => {
                Candidate { excluded_by: Some(excluded.because), passed: excluded.order, ..candidate }
            }
            Some(_) | None => candidate,
        }
    }

    /// The agent that it is offered or being given to.
    pub(super) fn with(&self) -> Option<AgentId> {
        match &self.step {
            Step::Looking | Step::Free | Step::Resting(_) => None,
            Step::Offered(offer) => Some(offer.agent),
            Step::Giving { agent, .. } => Some(*agent),
        }
    }

    pub(super) fn offer(&self) -> Option<&Offer> {
        match &self.step {
            Step::Offered(offer) => Some(offer),
            Step::Looking | Step::Free | Step::Resting(_) | Step::Giving { .. } => None,
        }
    }
}

/// In the order of first queueing in the team; of two at the same time the smaller id comes first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<(Timestamp, ConversationId), Waiting>,
    places: HashMap<ConversationId, Timestamp>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Puts it in, and gives back what stood there of the same conversation.
    pub(super) fn insert(&mut self, waiting: Waiting) -> Option<Waiting> {
        let before = self.remove(waiting.conversation);
        self.places.insert(waiting.conversation, waiting.queued_at);
        self.order.insert((waiting.queued_at, waiting.conversation), waiting);
        before
    }

    pub(super) fn remove(&mut self, conversation: ConversationId) -> Option<Waiting> {
        let queued_at = self.places.remove(&conversation)?;
        self.order.remove(&(queued_at, conversation))
    }

    pub(super) fn get(&self, conversation: ConversationId) -> Option<&Waiting> {
        self.order.get(&(*self.places.get(&conversation)?, conversation))
    }

    pub(super) fn get_mut(&mut self, conversation: ConversationId) -> Option<&mut Waiting> {
        self.order.get_mut(&(*self.places.get(&conversation)?, conversation))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.order.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.order.values_mut()
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.order.values().next()
    }

    /// From 1.
    pub(super) fn position(&self, conversation: ConversationId) -> Option<u64> {
        let queued_at = *self.places.get(&conversation)?;
        Some(self.order.range(..=(queued_at, conversation)).count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(n: u8, at: u64) -> Waiting {
        let id = ConversationId::from_hash([n; 16]);
        let visitor = VisitorId::from_hash([n; 16]);
        Waiting::new(id, (Timestamp::from_ms(at), 0), visitor, Needs::default())
    }

    #[test]
    fn the_order_is_by_time_then_id_and_a_place_is_found_by_it() {
        let mut queue = Queue::default();
        for (n, at) in [(3, 20), (1, 30), (2, 20)] {
            assert!(queue.insert(waiting(n, at)).is_none());
        }
        let ids: Vec<_> = queue.iter().map(|waiting| waiting.conversation).collect();
        assert_eq!(ids, [2, 3, 1].map(|n| ConversationId::from_hash([n; 16])));
        assert_eq!(ids.iter().map(|id| queue.position(*id)).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
        assert!(queue.insert(waiting(2, 40)).is_some(), "it moved to the end");
        assert_eq!(queue.position(ids[0]), Some(3));
        queue.remove(ids[1]);
        assert_eq!((queue.len(), queue.position(ids[1]), queue.position(ids[0])), (2, None, Some(2)));
    }

    #[test]
    fn an_exclusion_holds_until_its_time_and_leaves_a_better_reason_alone() {
        let now = Instant::now();
        let agent = AgentId::from_hash([9; 16]);
        let candidate = Candidate { agent, load: 0, capacity: 5, excluded_by: None, turn: 0, passed: 0 };
        let mut one = waiting(1, 0);
        let later = now + std::time::Duration::from_secs(60);
        one.exclude(agent, Exclusion::Released, 7, Some(later));
        assert_eq!(one.judge(candidate, now).excluded_by, Some(Exclusion::Released));
        assert_eq!(one.judge(candidate, later).excluded_by, None);
        let full = Candidate { excluded_by: Some(Exclusion::Full), ..candidate };
        assert_eq!(one.judge(full, now).excluded_by, Some(Exclusion::Full));
    }
}
