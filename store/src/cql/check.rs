//! Looks whether what nodes have written hangs together: the chain of each lane, the journals, the pointers. For `doctor`, and
//! after a restore, whose tables may be of different moments.

use std::collections::{BTreeMap, BTreeSet};

use crate::lanes::segments::{Failure, Registered, SegmentId, Segments};
use crate::{ConversationKey, LaneId, StoreError};

use super::segments::CqlSegments;
use super::shared::CqlStore;

/// Rows of a journal that are read at a time.
const JOURNAL_ROWS: usize = 64;
/// Conversations of a segment whose pointers are looked at.
const POINTERS_MAX: usize = 500;
/// Faults that are told; there may be more.
const FAULTS_MAX: usize = 20;

/// What [`CqlStore::check_lanes`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanesReport {
    /// Lanes of all boots.
    pub lanes: usize,
    /// Their segments.
    pub segments: usize,
    /// Segments whose events are not at home yet.
    pub segments_not_home: usize,
    /// Batches in the journals of all of them.
    pub batches: u64,
    /// What is wrong, in words for the operator; at most 20.
    pub faults: Vec<String>,
}

impl CqlStore {
    /// Looks at the lanes of all boots, also while servers write, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the store did not answer, and nothing is known.
    pub async fn check_lanes(&self) -> Result<LanesReport, StoreError> {
        let segments = &*self.shared.segments;
        let mut lanes: BTreeMap<LaneId, Vec<Registered>> = BTreeMap::new();
        for registered in segments.registered(None).await? {
            lanes.entry(registered.segment.lane).or_default().push(registered);
        }
        let mut report = LanesReport { lanes: lanes.len(), ..LanesReport::default() };
        for known in lanes.values() {
            check_lane(segments, known, &mut report).await?;
        }
        report.faults.truncate(FAULTS_MAX);
        Ok(report)
    }
}

async fn check_lane(
    segments: &CqlSegments,
    known: &[Registered],
    report: &mut LanesReport,
) -> Result<(), StoreError> {
    for pair in known.windows(2) {
        let [earlier, later] = [pair[0].segment, pair[1].segment];
        if later.segment != earlier.segment + 1 {
            report.faults.push(format!("{} is followed by segment {}", name(earlier), later.segment));
        }
        if !segments.state(earlier).await?.sealed {
            report.faults.push(format!("{} is open and has another behind it", name(earlier)));
        }
    }
    for Registered { segment, is_home, .. } in known {
        report.segments += 1;
        report.segments_not_home += usize::from(!is_home);
        // None: it was dropped meanwhile, or never opened.
        let Some(batches) = segments.state(*segment).await?.position else { continue };
        let keys = check_journal(segments, *segment, batches, report).await?;
        if !is_home {
            check_pointers(segments, *segment, &keys, report).await?;
        }
    }
    Ok(())
}

/// Whether the journal has a row for each batch; and the conversations that it names.
async fn check_journal(
    segments: &CqlSegments,
    segment: SegmentId,
    batches: u64,
    report: &mut LanesReport,
) -> Result<BTreeSet<ConversationKey>, Failure> {
    let (mut keys, mut next) = (BTreeSet::new(), 0);
    while next < batches {
        let rows = segments.journal(segment, next, JOURNAL_ROWS).await?;
        if rows.first().is_none_or(|(position, _)| *position != next) {
            report.faults.push(format!("{} has {batches} batches and no row {next}", name(segment)));
        }
        let Some((last, _)) = rows.last() else { break };
        report.batches += rows.iter().filter(|(position, _)| *position < batches).count() as u64;
        next = last + 1;
        keys.extend(rows.into_iter().flat_map(|(_, entries)| entries).map(|entry| entry.key));
    }
    Ok(keys)
}

/// Whether the conversations lead to the segment, as long as their events are there alone.
async fn check_pointers(
    segments: &CqlSegments,
    segment: SegmentId,
    keys: &BTreeSet<ConversationKey>,
    report: &mut LanesReport,
) -> Result<(), Failure> {
    for key in keys.iter().take(POINTERS_MAX) {
        if segments.pointers(*key).await?.contains(&segment) {
            continue;
        }
        // It may have been moved home, or erased, since.
        let Some(there) = segments.head(segment, *key).await? else { continue };
        if segments.home_head(*key).await?.is_none_or(|home| home.last < there.last) {
            let conversation = key.conversation;
            report.faults.push(format!("{conversation} does not lead to {}, which has it", name(segment)));
        }
    }
    Ok(())
}

fn name(SegmentId { lane, segment }: SegmentId) -> String {
    format!("segment {segment} of lane {} of the boot {}", lane.lane, lane.incarnation.0)
}
