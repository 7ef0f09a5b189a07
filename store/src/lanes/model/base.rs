//! A database as the model has it: conditional statements are linearizable, plain writes stand on one or more of three
//! replicas, and every statement may be late, lost, or done without an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::Seq;

use crate::{ConversationKey, JournalEntry};

use super::super::segments::{
    Answer, Failure, Registered, SealIf, SegmentId, SegmentState, StoredGroup, StoredHead,
};
use super::super::tries::Chance;
use super::truth::Truth;

const REPLICAS: usize = 3;

/// The database, and what the model knows of the truth.
pub(super) struct Base {
    pub(super) chance: Chance,
    /// Of a thousand statements so many go wrong; none in calm weather.
    pub(super) trouble: u64,
    pub(super) is_calm: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) truth: Truth,
    segments: BTreeMap<SegmentId, Segment>,
    replicas: [Replica; REPLICAS],
    /// The stamp of the latest plain write.
    stamp: u64,
}

#[derive(Default)]
struct Segment {
    position: Option<u64>,
    sealed: bool,
    journal: Vec<Vec<JournalEntry>>,
    events: BTreeMap<(ConversationKey, Seq), Vec<u8>>,
    heads: BTreeMap<ConversationKey, StoredHead>,
}

/// What plain writes made of one replica.
#[derive(Default)]
struct Replica {
    pointers: BTreeMap<(ConversationKey, SegmentId), (u64, bool)>,
    home: BTreeMap<(ConversationKey, Seq), Vec<u8>>,
    heads: BTreeMap<ConversationKey, StoredHead>,
    registered: BTreeMap<SegmentId, (u64, Option<Registered>)>,
    erased_homes: BTreeSet<ConversationKey>,
    erased: BTreeSet<(SegmentId, ConversationKey)>,
    dropped: BTreeSet<SegmentId>,
}

/// A statement that changes something.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Open(SegmentId),
    Append(SegmentId, u64, Vec<StoredGroup>),
    Seal(SegmentId, SealIf),
    Plain(Plain),
}

/// A write that stands on replicas.
#[derive(Clone, Debug)]
pub(super) enum Plain {
    Erase(SegmentId, ConversationKey),
    Point(ConversationKey, SegmentId, bool),
    PutHome(StoredGroup),
    EraseHome(ConversationKey),
    Register(SegmentId, Option<Registered>),
    Drop(SegmentId),
}

/// What becomes of a statement.
enum Fate {
    /// Done and answered.
    Answered,
    NotSent,
    /// Never done, without an answer.
    Lost,
    /// Done, without an answer.
    Silent,
    /// Done much later, without an answer.
    Late,
    /// A plain write that one replica got, without an answer.
    Partial,
}

impl Base {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let chance = Chance::of(seed);
        let trouble = [0, 30, 120, 300][chance.below(4) as usize];
        Arc::new(Self { chance, trouble, is_calm: AtomicBool::new(false), state: Mutex::default() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn one_in(&self, count: u64) -> bool {
        self.chance.below(count) == 0
    }

    fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    fn fate(&self) -> Fate {
        if self.is_calm() || self.chance.below(1000) >= self.trouble {
            return Fate::Answered;
        }
        match self.chance.below(10) {
            0 => Fate::NotSent,
            1 => Fate::Lost,
            2 | 3 => Fate::Silent,
            4..=6 => Fate::Late,
            _ => Fate::Partial,
        }
    }

    /// A way over the network.
    async fn travel(&self) {
        let ms = self.chance.below(8).saturating_sub(4);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms * ms)).await;
        }
    }

    /// Nothing comes, or word that nothing is known.
    async fn silence<T>(&self) -> Result<T, Failure> {
        if self.one_in(2) {
            std::future::pending::<()>().await;
        }
        self.travel().await;
        Err(Failure::Unknown("no answer".into()))
    }

    /// Carries a change out, or not.
    pub(super) async fn change(self: &Arc<Self>, change: Change) -> Result<Answer, Failure> {
        let fate = self.fate();
        if matches!(fate, Fate::NotSent) {
            return Err(Failure::NotSent("no server".into()));
        }
        if matches!(fate, Fate::Late) {
            let base = Arc::clone(self);
            let ms = [10, 100, 300, 1_500][self.chance.below(4) as usize];
            let delay = Duration::from_millis(self.chance.below(ms) + 1);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                base.carry_out(change, false);
            });
            return self.silence().await;
        }
        self.travel().await;
        match fate {
            Fate::Answered => {
                let answer = self.carry_out(self.torn(change), false);
                self.travel().await;
                Ok(answer)
            }
            Fate::Silent => {
                self.carry_out(change, false);
                self.silence().await
            }
            Fate::Partial => {
                if matches!(change, Change::Plain(_)) {
                    self.carry_out(change, true);
                }
                self.silence().await
            }
            Fate::Lost | Fate::NotSent | Fate::Late => self.silence().await,
        }
    }

    /// Reads from two replicas.
    pub(super) async fn read<T>(&self, look: impl FnOnce(&State, [usize; 2]) -> T) -> Result<T, Failure> {
        match self.fate() {
            Fate::Answered => {}
            Fate::NotSent => return Err(Failure::NotSent("no server".into())),
            Fate::Lost | Fate::Silent | Fate::Late | Fate::Partial => return self.silence().await,
        }
        self.travel().await;
        let found = look(&self.state(), self.quorum());
        self.travel().await;
        Ok(found)
    }

    /// A copy that lacks an event, now and then: no rule may rest on copying alone.
    fn torn(&self, mut change: Change) -> Change {
        if let Change::Plain(Plain::PutHome(group)) = &mut change
            && group.events.len() > 1
            && self.trouble > 0
            && !self.is_calm()
            && self.one_in(20)
        {
            group.events.remove(0);
        }
        change
    }

    fn quorum(&self) -> [usize; 2] {
        let away = self.chance.below(REPLICAS as u64) as usize;
        [(away + 1) % REPLICAS, (away + 2) % REPLICAS]
    }

    fn carry_out(&self, change: Change, is_partial: bool) -> Answer {
        let quorum = self.quorum();
        let is_everywhere = self.one_in(2);
        let state = &mut *self.state();
        match change {
            Change::Open(id) => {
                let segment = state.segments.entry(id).or_default();
                if segment.position.is_some() || segment.sealed {
                    return Answer::Refused(state.segment_state(id, quorum));
                }
                segment.position = Some(0);
                Answer::Applied
            }
            Change::Append(id, position, groups) => {
                let segment = state.segments.entry(id).or_default();
                if segment.position != Some(position) || segment.sealed {
                    return Answer::Refused(state.segment_state(id, quorum));
                }
                segment.append(position, &groups);
                state.truth.written(id, &groups);
                Answer::Applied
            }
            Change::Seal(id, when) => {
                let segment = state.segments.entry(id).or_default();
                let holds = !segment.sealed
                    && match when {
                        SealIf::AtPosition(position) => segment.position == Some(position),
                        SealIf::NotSealed => true,
                        SealIf::NeverOpened => segment.position.is_none(),
                    };
                if !holds {
                    return Answer::Refused(state.segment_state(id, quorum));
                }
                segment.sealed = true;
                Answer::Applied
            }
            Change::Plain(plain) => {
                state.stamp += 1;
                let stamp = state.stamp;
                let reached = if is_partial {
                    &quorum[..1]
                } else if is_everywhere {
                    &[0, 1, 2][..]
                } else {
                    &quorum[..]
                };
                for &place in reached {
                    state.replicas[place].write(stamp, &plain);
                }
                Answer::Applied
            }
        }
    }
}

impl Segment {
    fn append(&mut self, position: u64, groups: &[StoredGroup]) {
        self.position = Some(position + 1);
        let mut row = Vec::with_capacity(groups.len());
        for StoredGroup { key, events, head } in groups {
            let (first, last) = (events[0].seq, events[events.len() - 1].seq);
            row.push(JournalEntry { key: *key, first, last });
            self.events.extend(events.iter().map(|event| ((*key, event.seq), event.body.clone())));
            self.heads.insert(*key, StoredHead { last, head: head.clone() });
        }
        self.journal.push(row);
    }
}

impl Replica {
    fn write(&mut self, stamp: u64, plain: &Plain) {
        match plain {
            Plain::Erase(id, key) => drop(self.erased.insert((*id, *key))),
            Plain::Point(key, id, stands) => drop(self.pointers.insert((*key, *id), (stamp, *stands))),
            Plain::PutHome(group) => {
                for event in &group.events {
                    self.home.insert((group.key, event.seq), event.body.clone());
                }
                let last = group.events[group.events.len() - 1].seq;
                let head =
                    self.heads.entry(group.key).or_insert(StoredHead { last: Seq::ZERO, head: Vec::new() });
                if head.last <= last {
                    *head = StoredHead { last, head: group.head.clone() };
                }
            }
            Plain::EraseHome(key) => drop(self.erased_homes.insert(*key)),
            Plain::Register(id, registered) => {
                let known = self.registered.entry(*id).or_default();
                *known = (
                    stamp,
                    registered.map(|registered| known.1.map_or(registered, |known| merge(known, registered))),
                );
            }
            Plain::Drop(id) => drop(self.dropped.insert(*id)),
        }
    }
}

fn merge(one: Registered, other: Registered) -> Registered {
    Registered {
        segment: one.segment,
        sealed_at_ms: one.sealed_at_ms.max(other.sealed_at_ms),
        is_home: one.is_home || other.is_home,
    }
}

impl State {
    fn of(&self, quorum: [usize; 2]) -> impl Iterator<Item = &Replica> {
        quorum.into_iter().map(|place| &self.replicas[place])
    }

    fn is_dropped(&self, id: SegmentId, quorum: [usize; 2]) -> bool {
        self.of(quorum).any(|replica| replica.dropped.contains(&id))
    }

    pub(super) fn segment_state(&self, id: SegmentId, quorum: [usize; 2]) -> SegmentState {
        let Some(segment) = self.segments.get(&id) else { return SegmentState::default() };
        let position = segment.position.filter(|_| !self.is_dropped(id, quorum));
        SegmentState { position, sealed: segment.sealed }
    }

    pub(super) fn journal(
        &self,
        id: SegmentId,
        from: u64,
        limit: usize,
        quorum: [usize; 2],
    ) -> Vec<(u64, Vec<JournalEntry>)> {
        let Some(segment) = self.segments.get(&id).filter(|_| !self.is_dropped(id, quorum)) else {
            return Vec::new();
        };
        let rows = segment.journal.iter().enumerate().skip(from as usize).take(limit);
        rows.map(|(place, row)| (place as u64, row.clone())).collect()
    }

    /// A conversation's events in a segment, in order.
    pub(super) fn slice(
        &self,
        id: SegmentId,
        key: ConversationKey,
        quorum: [usize; 2],
    ) -> Vec<(Seq, Vec<u8>)> {
        let is_gone =
            self.is_dropped(id, quorum) || self.of(quorum).any(|replica| replica.erased.contains(&(id, key)));
        match self.segments.get(&id) {
            Some(segment) if !is_gone => {
                let range = segment.events.range((key, Seq::ZERO)..=(key, Seq(u64::MAX)));
                range.map(|((_, seq), body)| (*seq, body.clone())).collect()
            }
            Some(_) | None => Vec::new(),
        }
    }

    pub(super) fn head(&self, id: SegmentId, key: ConversationKey, quorum: [usize; 2]) -> Option<StoredHead> {
        if self.slice(id, key, quorum).is_empty() {
            return None;
        }
        self.segments.get(&id)?.heads.get(&key).cloned()
    }

    fn is_home_erased(&self, key: ConversationKey, quorum: [usize; 2]) -> bool {
        self.of(quorum).any(|replica| replica.erased_homes.contains(&key))
    }

    pub(super) fn home(&self, key: ConversationKey, quorum: [usize; 2]) -> Vec<(Seq, Vec<u8>)> {
        if self.is_home_erased(key, quorum) {
            return Vec::new();
        }
        let mut events = BTreeMap::new();
        for replica in self.of(quorum) {
            let range = replica.home.range((key, Seq::ZERO)..=(key, Seq(u64::MAX)));
            events.extend(range.map(|((_, seq), body)| (*seq, body.clone())));
        }
        events.into_iter().collect()
    }

    pub(super) fn home_head(&self, key: ConversationKey, quorum: [usize; 2]) -> Option<StoredHead> {
        if self.is_home_erased(key, quorum) {
            return None;
        }
        self.of(quorum).filter_map(|replica| replica.heads.get(&key)).max_by_key(|head| head.last).cloned()
    }

    pub(super) fn pointers(&self, key: ConversationKey, quorum: [usize; 2]) -> Vec<SegmentId> {
        let mut latest = BTreeMap::<SegmentId, (u64, bool)>::new();
        for replica in self.of(quorum) {
            for (&(of, id), &pointer) in &replica.pointers {
                if of == key {
                    let known = latest.entry(id).or_insert(pointer);
                    *known = pointer.max(*known);
                }
            }
        }
        latest.into_iter().filter(|(_, (_, stands))| *stands).map(|(id, _)| id).collect()
    }

    pub(super) fn registered(&self, quorum: [usize; 2]) -> Vec<Registered> {
        let mut latest = BTreeMap::<SegmentId, (u64, Option<Registered>)>::new();
        for replica in self.of(quorum) {
            for (&id, &registered) in &replica.registered {
                let known = latest.entry(id).or_insert(registered);
                let newer = if registered.0 > known.0 { registered } else { *known };
                let both = registered.1.zip(known.1).map(|(one, other)| merge(one, other));
                *known = (newer.0, newer.1.and(both.or(newer.1)));
            }
        }
        latest.into_values().filter_map(|(_, registered)| registered).collect()
    }
}
