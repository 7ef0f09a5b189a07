//! What became of a batch or of a roll: statements are repeated as they were until they are answered, and nothing is concluded
//! from what a read does not find.
//!
//! A segment has one writer, which has one batch on its way; so the number of batches, which every refusal tells, says
//! whether that batch is there. Once the segment is sealed the number is final.

use std::sync::Arc;

use super::rules::Rules;
use super::segments::{Answer, Failure, Registered, SealIf, SegmentId, SegmentState, Segments, StoredGroup};

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there, and the segment was open.
    Written,
    /// It is there, and the segment was sealed behind it.
    WrittenThenSealed,
    /// The segment was sealed before, and the batch is not there nor will be.
    Fenced,
    /// The segment was sealed so long ago that it is dropped.
    Forgotten,
    /// Nothing was ever sent.
    NotSent(Failure),
    /// The database lost what it had acknowledged.
    Lost(String),
}

/// What became of a roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rolled {
    /// The next segment is open.
    Open,
    /// Somebody sealed it first.
    Sealed,
    /// The database lost what it had acknowledged.
    Lost(String),
}

impl<S: Segments> Rules<S> {
    /// Appends a batch as the one behind `position` others. While nothing is known this does not answer.
    pub(super) async fn settle(
        self: Arc<Self>,
        segment: SegmentId,
        position: u64,
        groups: &[StoredGroup],
    ) -> Outcome {
        let mut tries = self.writing();
        let mut was_sent = false;
        loop {
            let attempt = tries.made();
            let append = self.segments.append(segment, position, groups, attempt);
            let answer = tries.attempt(append).await;
            was_sent |= !matches!(answer, Err(Failure::NotSent(_)));
            match answer {
                Ok(answer) => {
                    if let Some(outcome) = outcome_of(answer, position) {
                        return outcome;
                    }
                }
                Err(failure) if !was_sent && tries.are_over() => return Outcome::NotSent(failure),
                Err(failure) => {
                    #[cfg(test)]
                    if super::mutant::is(super::mutant::Mutant::ReadBeforeSeal)
                        && let Ok(rows) = self.segments.journal(segment, position, 1).await
                    {
                        return if rows.is_empty() { Outcome::NotSent(failure) } else { Outcome::Written };
                    }
                    if tries.are_over() {
                        tracing::debug!(?failure, attempt, "a batch is not settled yet");
                    }
                }
            }
            tries.pause().await;
        }
    }

    /// Seals a segment that has `position` batches, and opens the next one. While nothing is known this does not answer.
    pub(super) async fn roll(self: Arc<Self>, segment: SegmentId, position: u64) -> Rolled {
        let seal = || self.segments.seal(segment, SealIf::AtPosition(position));
        if let Answer::Refused(state @ SegmentState { sealed: false, .. }) =
            self.writing().repeat_always(seal).await
        {
            return Rolled::Lost(lost(state, position));
        }
        // A refusal may come of an attempt before, or of a boot that evicts this one; that boot also seals what is next.
        let sealed_at_ms = Some(self.now_ms());
        let next = SegmentId { segment: segment.segment + 1, ..segment };
        match self.writing().repeat_always(|| self.segments.open(next)).await {
            Answer::Applied | Answer::Refused(SegmentState { position: Some(0), sealed: false }) => {}
            Answer::Refused(SegmentState { sealed: true, .. }) => return Rolled::Sealed,
            Answer::Refused(state) => return Rolled::Lost(lost(state, 0)),
        }
        for registered in [
            Registered { segment, sealed_at_ms, is_home: false },
            Registered { segment: next, sealed_at_ms: None, is_home: false },
        ] {
            self.writing().repeat_always(|| self.segments.register(registered)).await;
        }
        Rolled::Open
    }
}

/// Reads the answer to a batch behind `position` others; none: nothing is known.
fn outcome_of(answer: Answer, position: u64) -> Option<Outcome> {
    let Answer::Refused(state) = answer else { return Some(Outcome::Written) };
    Some(match state {
        SegmentState { sealed: true, position: None } => Outcome::Forgotten,
        SegmentState { sealed: true, position: Some(batches) } if batches > position => {
            Outcome::WrittenThenSealed
        }
        SegmentState { sealed: true, position: Some(_) } => Outcome::Fenced,
        SegmentState { sealed: false, position: Some(batches) } if batches > position => Outcome::Written,
        // Refused where nothing refuses it.
        SegmentState { sealed: false, position: Some(batches) } if batches == position => return None,
        SegmentState { sealed: false, .. } => Outcome::Lost(lost(state, position)),
    })
}

fn lost(state: SegmentState, position: u64) -> String {
    format!("a segment has {:?} batches, and {position} were acknowledged", state.position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_batches_says_whether_one_is_there() {
        let refused = |position, sealed| Answer::Refused(SegmentState { position, sealed });
        let cases = [
            (Answer::Applied, Some(Outcome::Written)),
            (refused(Some(8), false), Some(Outcome::Written)),
            (refused(Some(9), false), Some(Outcome::Written)),
            (refused(Some(7), false), None),
            (refused(Some(7), true), Some(Outcome::Fenced)),
            (refused(Some(8), true), Some(Outcome::WrittenThenSealed)),
            (refused(None, true), Some(Outcome::Forgotten)),
        ];
        for (answer, expected) in cases {
            assert_eq!(outcome_of(answer, 7), expected, "{answer:?}");
        }
        for answer in [refused(Some(6), false), refused(None, false)] {
            assert!(matches!(outcome_of(answer, 7), Some(Outcome::Lost(_))), "{answer:?}");
        }
    }
}
