//! What the router tells those who ask where a conversation stands, and why.

use domain::{AssignmentMode, ConversationId, Explanation, Rule, Timestamp, choose};
use tokio::sync::oneshot;

use super::{Desk, Place};

/// So many questions wait for their conversation; more are answered at once that it is not known.
const ASKED_MAX: usize = 1_000;

/// Questions for the place of conversations that this router has not heard of yet.
#[derive(Debug, Default)]
pub(super) struct Asked(Vec<(ConversationId, oneshot::Sender<Option<Place>>)>);

impl Asked {
    /// Who asked waits no longer.
    pub(super) fn drop_gone(&mut self) {
        self.0.retain(|(_, reply)| !reply.is_closed());
    }
}

impl Desk {
    pub(super) fn place(&self, conversation: ConversationId) -> Option<Place> {
        if !self.read {
            return None;
        }
        let offered_to = self.queue.get(conversation)?.offer().map(|offer| offer.agent);
        let position = self.queue.position(conversation)?;
        Some(Place { position, expected_wait_s: self.expected_wait_s(position), offered_to })
    }

    /// Answers now, or as soon as it is known that the conversation waits here. `since`: when it was queued, and after
    /// which assignment; when that wait is over already, there is no place.
    pub(super) fn place_when_known(
        &mut self,
        conversation: ConversationId,
        since: (Timestamp, u64),
        reply: oneshot::Sender<Option<Place>>,
    ) {
        let place = self.place(conversation);
        let left = self.read && self.gone.get(&conversation).is_some_and(|gone| *gone >= since);
        if place.is_some() || left || self.asked.0.len() >= ASKED_MAX {
            // Whoever asked may be gone; the answer is only for him.
            let _ = reply.send(place);
        } else {
            self.asked.0.push((conversation, reply));
        }
    }

    pub(super) fn answer_asked(&mut self) {
        for (conversation, reply) in std::mem::take(&mut self.asked.0) {
            match self.place(conversation) {
                Some(place) => drop(reply.send(Some(place))),
                None => self.asked.0.push((conversation, reply)),
            }
        }
    }

    pub(super) fn waiting(&self) -> Option<usize> {
        self.read.then(|| self.queue.len())
    }

    fn expected_wait_s(&self, position: u64) -> Option<u64> {
        self.members.there().next()?;
        self.pace.expected_wait_s(position)
    }

    pub(super) fn explain(&self, conversation: ConversationId) -> Option<(Place, Explanation)> {
        let waiting = self.queue.get(conversation)?;
        let place = self.place(conversation)?;
        if let Some(offer) = waiting.offer() {
            return Some((place, offer.why.clone()));
        }
        let team = self.team.as_ref()?;
        let candidates = self.candidates(waiting);
        let rule = match team.assignment {
            AssignmentMode::Manual => Rule::Manual,
            AssignmentMode::Offer | AssignmentMode::Auto => {
                choose(team.strategy, waiting.preferred, &candidates)
                    .map_or(Rule::Nobody, |choice| choice.rule)
            }
        };
        Some((place, Explanation::of(rule, &candidates)))
    }
}
