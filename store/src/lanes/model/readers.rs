//! Those who read meanwhile, and a mover, over ways of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::Seq;

use crate::{ConversationKey, JournalError, JournalPosition, JournalRest, LaneId, StoreError};

use super::super::log::LaneLog;
use super::link::Link;
use super::node::{World, key, sleep_ms};

/// Reads one log after the other until it is stopped.
pub(super) async fn read(world: Arc<World>, shards: usize) {
    let log = world.log(Link::new(&world.base), 1);
    loop {
        sleep_ms(world.below(50)).await;
        let key = key(world.below(shards as u64) as usize);
        read_once(&world, &log, key).await;
    }
}

async fn read_once(world: &World, log: &LaneLog<Link>, key: ConversationKey) {
    let before = world.base.state().truth.before(key);
    let known = before.acknowledged.0;
    let limit = 1 + world.below(9);
    match world.below(3) {
        0 => {
            let after = world.below(known + 2);
            let page = log.read(key, Seq(after), limit as usize).await;
            let least = known.min(after + limit);
            let least = if least > after { Seq(least) } else { Seq::ZERO };
            let (first, truth) = (Some(Seq(after + 1)), &mut world.base.state().truth);
            truth.check_page(key, "a read", before, (first, least), &page);
        }
        1 => {
            let from = 1 + world.below(known + 3);
            let page = log.read_before(key, Seq(from), limit as usize).await;
            let truth = &mut world.base.state().truth;
            truth.check_page(key, "a read back", before, (None, Seq(known.min(from - 1))), &page);
            if let Ok(events) = &page
                && !truth.erasing.contains(&key)
                && (events.len() as u64) < limit
                && events.first().is_some_and(|event| event.seq != Seq(1))
            {
                truth.fault(format!("a read back of {key:?} ends early: {events:?}"));
            }
        }
        _ => {
            let head = log.head(key).await;
            world.base.state().truth.check_head(key, before, &head);
        }
    }
}

/// Follows all journals.
pub(super) struct Follower {
    log: LaneLog<Link>,
    positions: BTreeMap<LaneId, JournalPosition>,
    pub(super) ended: BTreeSet<LaneId>,
    last: BTreeMap<(LaneId, ConversationKey), Seq>,
    seen: BTreeSet<(ConversationKey, Seq)>,
}

impl Follower {
    pub(super) fn new(world: &World) -> Self {
        Self {
            log: world.log(Link::new(&world.base), 2),
            positions: BTreeMap::new(),
            ended: BTreeSet::new(),
            last: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// One page of each lane; whether all of them are ended.
    pub(super) async fn follow(&mut self, world: &World) -> Result<bool, StoreError> {
        let lanes = self.log.lanes().await?;
        for &lane in &lanes {
            if self.ended.contains(&lane) {
                continue;
            }
            let after = self.positions.get(&lane).copied().unwrap_or_default();
            let is_ending = world.is_ending.load(Ordering::Relaxed);
            let limit = if is_ending { 100 } else { 1 + world.below(6) as usize };
            match self.log.journal(lane, after, limit).await {
                Ok(page) => {
                    for entry in page.entries {
                        for seq in entry.first.0..=entry.last.0 {
                            self.saw(world, lane, entry.key, Seq(seq));
                        }
                    }
                    if page.rest == JournalRest::More && page.next == after {
                        world.fault(format!("the journal of {lane:?} does not get on from {after}"));
                    }
                    self.positions.insert(lane, page.next);
                    if page.rest == JournalRest::Ended {
                        self.ended.insert(lane);
                    }
                }
                Err(JournalError::Trimmed) => {
                    // A lane that is about to be known may come and go; what was read of is there for as long as it is kept.
                    self.positions.remove(&lane);
                    if is_kept(world) && after > (JournalPosition { segment: 0, position: 1 }) {
                        world.fault(format!("the journal of {lane:?} is trimmed at {after}"));
                    }
                }
                Err(JournalError::Store(error @ StoreError::Corrupt(_))) => {
                    world.fault(format!("the journal of {lane:?}: {error}"));
                }
                Err(JournalError::Store(_)) => {}
            }
        }
        Ok(lanes.iter().all(|lane| self.ended.contains(lane)))
    }

    /// Where it stands in what has not ended.
    pub(super) fn waiting(&self) -> String {
        let waiting = self.positions.iter().filter(|(lane, _)| !self.ended.contains(lane));
        format!("{:?}", waiting.collect::<Vec<_>>())
    }

    fn saw(&mut self, world: &World, lane: LaneId, key: ConversationKey, seq: Seq) {
        let truth = &mut world.base.state().truth;
        if truth.written.get(&(key, seq)).is_none_or(|(_, segment)| segment.lane != lane) {
            truth.fault(format!("the journal of {lane:?} has {key:?} {seq:?}, which is not written there"));
        }
        if !self.seen.insert((key, seq)) {
            truth.fault(format!("journals have {key:?} {seq:?} twice"));
        }
        let last = self.last.insert((lane, key), seq);
        if last.is_some_and(|last| last >= seq) {
            truth.fault(format!("the journal of {lane:?} has {key:?} {seq:?} behind {last:?}"));
        }
    }

    /// When all lanes have ended: everything that was written was seen, unless it was kept for a moment alone.
    pub(super) fn check(&self, world: &World) {
        if !is_kept(world) {
            return;
        }
        let truth = &mut world.base.state().truth;
        let unseen = truth.written.iter().find(|(place, _)| !self.seen.contains(place));
        if let Some(unseen) = unseen.map(|unseen| format!("no journal has {unseen:?}")) {
            truth.fault(unseen);
        }
    }
}

/// Whether journals stay for as long as the schedule lasts.
fn is_kept(world: &World) -> bool {
    world.options.segment_keep >= Duration::from_hours(1)
}

/// Follows until it is stopped.
pub(super) async fn follow(world: Arc<World>, follower: Arc<tokio::sync::Mutex<Follower>>) {
    loop {
        sleep_ms(20 + world.below(100)).await;
        let _ = follower.lock().await.follow(&world).await;
    }
}

/// Moves segments home until it is stopped: in every second schedule as fast as it can.
pub(super) async fn sweep(world: Arc<World>) {
    let log = world.log(Link::new(&world.base), 4);
    let pause_ms = if world.one_in(2) { 10 } else { 300 };
    loop {
        sleep_ms(1 + world.below(pause_ms)).await;
        if let Err(error @ StoreError::Corrupt(_)) = log.sweep(|_| true).await {
            world.fault(format!("the mover: {error}"));
        }
    }
}
