//! Ends the lanes of a boot, segment after segment: what is known of them is where it begins, and a segment that was never
//! opened and now never will be is where it ends.

use std::collections::BTreeMap;

use crate::{Incarnation, LaneId, StoreError};

use super::rules::Rules;
use super::segments::{Answer, Registered, SealIf, SegmentId, SegmentState, Segments};

impl<S: Segments> Rules<S> {
    /// Seals every lane of the boot. A boot registers the first segments of all its lanes before it opens any: so a boot
    /// that has sealed one lane, and then finds no lane that is not sealed, has sealed them all.
    pub(super) async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError> {
        let mut known = self.known_lanes(incarnation).await?;
        // Also those of which nothing is known yet: a boot may be about to open them.
        for lane in 0..self.options.lanes.max(1) {
            known.entry(LaneId { incarnation, lane }).or_default();
        }
        let mut sealed: BTreeMap<LaneId, Vec<Registered>> = BTreeMap::new();
        loop {
            let fresh = known.into_iter().filter(|(lane, _)| !sealed.contains_key(lane)).collect::<Vec<_>>();
            if fresh.is_empty() {
                return Ok(());
            }
            let seals = fresh.iter().map(|(lane, segments)| self.seal_lane(*lane, segments));
            futures_util::future::try_join_all(seals).await?;
            sealed.extend(fresh);
            known = self.known_lanes(incarnation).await?;
        }
    }

    async fn known_lanes(
        &self,
        incarnation: Incarnation,
    ) -> Result<BTreeMap<LaneId, Vec<Registered>>, StoreError> {
        let mut lanes: BTreeMap<LaneId, Vec<Registered>> = BTreeMap::new();
        for registered in self.ask(|| self.segments.registered(Some(incarnation))).await? {
            lanes.entry(registered.segment.lane).or_default().push(registered);
        }
        Ok(lanes)
    }

    async fn seal_lane(&self, lane: LaneId, known: &[Registered]) -> Result<(), StoreError> {
        let highest = known.last().map(|registered| registered.segment.segment);
        let is_open = |registered: &&Registered| registered.sealed_at_ms.is_none();
        let mut number = match known.iter().find(is_open).or(known.last()) {
            Some(registered) => registered.segment.segment,
            None => 0,
        };
        #[cfg(test)]
        let first = number;
        loop {
            let segment = SegmentId { lane, segment: number };
            let is_known = highest.is_some_and(|highest| number <= highest);
            #[cfg(test)]
            if super::mutant::is(super::mutant::Mutant::NextNotSealed) && !is_known && number > first {
                return Ok(());
            }
            let was_opened = self.seal_segment(segment, is_known).await?;
            if was_opened || is_known {
                let sealed_at_ms = Some(self.now_ms());
                let is_noted =
                    known.iter().any(|known| known.segment == segment && known.sealed_at_ms.is_some());
                if !is_noted {
                    let registered = Registered { segment, sealed_at_ms, is_home: false };
                    self.write(|| self.segments.register(registered)).await?;
                }
            } else {
                return Ok(());
            }
            number += 1;
        }
    }

    /// Seals a segment; whether it was ever opened, as far as that is to be seen. Of one that is known to have existed the first
    /// try is the one for open segments, of the others that for segments which were never opened.
    async fn seal_segment(&self, segment: SegmentId, is_known: bool) -> Result<bool, StoreError> {
        let mut when = if is_known { SealIf::NotSealed } else { SealIf::NeverOpened };
        loop {
            match (self.write(|| self.segments.seal(segment, when)).await?, when) {
                (Answer::Applied, SealIf::NeverOpened) => return Ok(false),
                (Answer::Applied, SealIf::NotSealed | SealIf::AtPosition(_)) => return Ok(true),
                (Answer::Refused(SegmentState { position, sealed: true }), _) => {
                    return Ok(position.is_some());
                }
                (Answer::Refused(SegmentState { sealed: false, .. }), _) => when = SealIf::NotSealed,
            }
        }
    }
}
