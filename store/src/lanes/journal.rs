//! Journals: what was appended through a lane, in its order. A reader stands in a batch of a segment; a batch that is not
//! seen yet makes it wait, and a segment is only left behind when it is sealed and all its batches were read.

use crate::{
    Incarnation, JournalEntry, JournalError, JournalPage, JournalPosition, JournalRest, LaneId, PAGE_MAX,
    StoreError,
};

use super::rules::Rules;
use super::segments::{Registered, SegmentId, SegmentState, Segments};

/// Rows that one page reads: a row has up to [`PLACES`] entries.
const ROWS_MAX: usize = 32;
/// A batch has at most 256 events, so no more groups.
const PLACES: u64 = 256;

/// Where in a segment. As a number it is 0 at the beginning of what is kept, and else one more than `batch * 256 + place`:
/// a reader that has only waited so far is told when it missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    batch: u64,
    /// Groups of the batch that were read.
    place: u64,
}

impl Place {
    fn of(position: u64) -> Self {
        let number = position.saturating_sub(1);
        Self { batch: number / PLACES, place: number % PLACES }
    }

    fn position(self) -> u64 {
        1 + self.batch * PLACES + self.place
    }
}

impl<S: Segments> Rules<S> {
    /// As [`super::LaneLog::lanes`].
    pub(super) async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        let registered = self.registered(None).await?;
        let mut lanes: Vec<LaneId> =
            registered.into_iter().map(|registered| registered.segment.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        Ok(lanes)
    }

    /// The segments that are known, of one boot or of all, in order.
    pub(super) async fn registered(&self, of: Option<Incarnation>) -> Result<Vec<Registered>, StoreError> {
        let mut registered = self.ask(|| self.segments.registered(of)).await?;
        registered.sort_by_key(|registered| registered.segment);
        Ok(registered)
    }

    /// As [`super::LaneLog::journal`].
    pub(super) async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError> {
        let limit = limit.min(PAGE_MAX);
        // Before the rows are read: what is sealed now gets no more of them.
        let mut known = self.registered(Some(lane.incarnation)).await?;
        known.retain(|registered| registered.segment.lane == lane);
        let lowest = known.first().ok_or(JournalError::Trimmed)?.segment.segment;
        let is_beginning = after == JournalPosition::default();
        if after.segment < lowest && !is_beginning {
            return Err(JournalError::Trimmed);
        }
        let segment = SegmentId { lane, segment: after.segment.max(lowest) };
        let mut place = Place::of(after.position);
        let rows = self.ask(|| self.segments.journal(segment, place.batch, ROWS_MAX)).await?;
        let is_more = rows.len() == ROWS_MAX;
        let mut entries: Vec<JournalEntry> = Vec::new();
        for (position, row) in rows {
            if position != place.batch {
                // The batch before it is on its way to where this was read.
                return Ok(page(entries, segment, place, JournalRest::Later));
            }
            let groups = row.len() as u64;
            let behind = row.into_iter().skip(usize::try_from(place.place).unwrap_or(usize::MAX));
            for entry in behind {
                if entries.len() == limit {
                    return Ok(page(entries, segment, place, JournalRest::More));
                }
                entries.push(entry);
                place.place += 1;
            }
            debug_assert!(place.place >= groups, "a batch was read to its end");
            place = Place { batch: position + 1, place: 0 };
        }
        let is_known_sealed =
            |registered: &Registered| registered.segment == segment && registered.sealed_at_ms.is_some();
        if is_more {
            return Ok(page(entries, segment, place, JournalRest::More));
        }
        if !known.iter().any(is_known_sealed) {
            return Ok(page(entries, segment, place, JournalRest::Later));
        }
        self.behind(known, segment, place, entries, is_beginning).await
    }

    /// What follows the last row of a sealed segment.
    async fn behind(
        &self,
        known: Vec<Registered>,
        segment: SegmentId,
        place: Place,
        entries: Vec<JournalEntry>,
        is_beginning: bool,
    ) -> Result<JournalPage, JournalError> {
        match self.write(|| self.segments.state(segment)).await?.position {
            Some(batches) if batches > place.batch => {
                return Ok(page(entries, segment, place, JournalRest::Later));
            }
            Some(_) => {}
            // Dropped since, and read before that.
            None if !entries.is_empty() => return Ok(page(entries, segment, place, JournalRest::More)),
            // Never opened, or dropped: at its beginning nothing is missed.
            None if is_beginning => return Ok(page(entries, segment, place, JournalRest::Ended)),
            None => return Err(JournalError::Trimmed),
        }
        let next = SegmentId { segment: segment.segment + 1, ..segment };
        let beginning = Place { batch: 0, place: 0 };
        if known.iter().any(|registered| registered.segment == next) {
            return Ok(page(entries, next, beginning, JournalRest::More));
        }
        Ok(match self.write(|| self.segments.state(next)).await? {
            SegmentState { position: Some(_), .. } => page(entries, next, beginning, JournalRest::More),
            SegmentState { position: None, sealed: true } => {
                page(entries, segment, place, JournalRest::Ended)
            }
            SegmentState { position: None, sealed: false } => {
                page(entries, segment, place, JournalRest::Later)
            }
        })
    }
}

fn page(entries: Vec<JournalEntry>, segment: SegmentId, place: Place, rest: JournalRest) -> JournalPage {
    let next = JournalPosition { segment: segment.segment, position: place.position() };
    JournalPage { entries, next, rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_number_and_none_is_the_beginning() {
        for (batch, place, position) in [(0, 0, 1), (0, 255, 256), (1, 0, 257), (7, 3, 1796)] {
            let of = Place { batch, place };
            assert_eq!((of.position(), Place::of(position)), (position, of));
        }
        assert_eq!(Place::of(0), Place { batch: 0, place: 0 });
    }
}
