//! What the router answers to those who ask where a conversation stands, and why.

use domain::{AssignmentMode, ConversationId, Explanation, Rule, choose};

use super::router::Router;
use crate::mail::Reply;
use crate::words::{PositionWhenKnown, QueuePosition};

impl Router {
    pub(super) fn position(&self, conversation: ConversationId) -> Option<QueuePosition> {
        if !self.read {
            return None;
        }
        let offered_to = self.queue.get(conversation)?.offer().map(|offer| offer.agent);
        let position = self.queue.position(conversation)?;
        Some(QueuePosition { position, expected_wait_s: self.expected_wait_s(position), offered_to })
    }

    /// Answers now, or as soon as it is known that the conversation waits here. When the wait that is asked for is over
    /// already, there is no position.
    pub(super) fn position_when_known(
        &mut self,
        PositionWhenKnown { conversation, since }: PositionWhenKnown,
        reply: Reply<Option<QueuePosition>>,
    ) {
        let position = self.position(conversation);
        let left = self.read && self.gone.get(&conversation).is_some_and(|gone| *gone >= since);
        if position.is_some() || left || self.questions.is_full() {
            // The caller may be gone; the answer is for nobody else.
            let _ = reply.send(Ok(position));
        } else {
            self.questions.put(conversation, reply);
        }
    }

    pub(super) fn answer_questions(&mut self) {
        let mut questions = std::mem::take(&mut self.questions);
        questions.answer(|conversation| self.position(conversation));
        self.questions = questions;
    }

    pub(super) fn waiting(&self) -> Option<usize> {
        self.read.then(|| self.queue.len())
    }

    pub(super) fn explain(&self, conversation: ConversationId) -> Option<(QueuePosition, Explanation)> {
        let waiting = self.queue.get(conversation)?;
        let position = self.position(conversation)?;
        if let Some(offer) = waiting.offer() {
            return Some((position, offer.why.clone()));
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
        Some((position, Explanation::of(rule, &candidates)))
    }
}
