//! One lane at work: writes pointers for what waits, sends one batch at a time, and rolls when the segment is full.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::log::OnItsWay;
use crate::{Append, ConversationKey, LanesEnd, StoreError};

use super::pointed::Pointed;
use super::queue::{Queue, Queued, weight};
use super::rules::Rules;
use super::segments::{SegmentId, Segments, StoredGroup};
use super::settle::{Outcome, Rolled};
use super::tries::away;

/// Pointers that one lane writes at a time.
const POINTING_MAX: usize = 64;
/// A segment this full, in parts of 8, has its conversations pointed to the next one as well.
const NEARLY_FULL: u64 = 6;

/// Why a lane takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The boot is over.
    Ended(LanesEnd),
    /// The boot is closing them.
    Closed,
}

/// What waits for a group.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) reply: oneshot::Sender<Result<Append, StoreError>>,
    pub(super) on_its_way: OnItsWay,
}

impl Queued<Waiter> {
    fn answer(self, outcome: Result<Append, StoreError>) {
        let Waiter { reply, on_its_way } = self.waiter;
        drop(on_its_way);
        // The caller may have gone.
        let _ = reply.send(outcome);
    }
}

/// Where callers meet the lane.
#[derive(Debug)]
pub(super) struct Door {
    /// None: nothing is taken any more.
    queue: Mutex<Option<Queue<Waiter>>>,
    wake: Notify,
    /// The segment that the lane writes to, [`ROLLING`] while it is between two.
    current: AtomicU64,
    is_busy: AtomicBool,
}

const ROLLING: u64 = u64::MAX;

impl Door {
    pub(super) fn new(segment: u64) -> Self {
        Self {
            queue: Mutex::new(Some(Queue::default())),
            wake: Notify::new(),
            current: AtomicU64::new(segment),
            is_busy: AtomicBool::new(false),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Option<Queue<Waiter>>> {
        self.queue.lock().expect("nobody panics while holding it")
    }

    /// Puts a group into the queue.
    pub(super) fn enter<S>(&self, queued: Queued<Waiter>, rules: &Rules<S>) -> Result<(), Refused> {
        let entered = match self.queue().as_mut() {
            Some(queue) => queue.push(queued, &rules.options).map_err(|_| Refused::Full),
            None => Err(Refused::Shut),
        };
        self.wake.notify_one();
        entered
    }

    /// The segment that the lane writes to; none while it rolls.
    pub(super) fn segment(&self) -> Option<u64> {
        Some(self.current.load(Ordering::SeqCst)).filter(|segment| *segment != ROLLING)
    }

    /// Whether a statement of the lane is on its way, with which a look would contend.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    fn shut(&self) -> Vec<Queued<Waiter>> {
        self.queue().take().map(|mut queue| queue.take_all()).unwrap_or_default()
    }
}

/// Why a group was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too much waits.
    Full,
    /// The lane has ended.
    Shut,
}

/// One lane, which its task runs.
pub(super) struct Lane<S> {
    pub(super) rules: Arc<Rules<S>>,
    pub(super) door: Arc<Door>,
    pub(super) end: Arc<watch::Sender<Option<End>>>,
    segment: SegmentId,
    /// Batches, rows and bytes that the segment has.
    position: u64,
    rows: u64,
    bytes: u64,
    opened: Instant,
    here: Pointed,
    next: Pointed,
    in_flight: FuturesUnordered<BoxFuture<'static, Done>>,
    pointing: FuturesUnordered<BoxFuture<'static, Pointing>>,
}

/// A batch, with those who wait for it.
struct Batch {
    position: u64,
    groups: Vec<StoredGroup>,
    waiters: Vec<Waiter>,
}

enum Done {
    Batch(Batch, Outcome),
    Rolled(Rolled),
}

struct Pointing {
    key: ConversationKey,
    segment: SegmentId,
    answer: Result<(), StoreError>,
}

/// Lets nobody wait for a lane that has stopped.
struct Stop(Arc<Door>, Arc<watch::Sender<Option<End>>>);

impl Drop for Stop {
    fn drop(&mut self) {
        // Those who still wait hear that nothing is known, as nobody answers them.
        drop(self.0.shut());
        if std::thread::panicking() {
            self.1
                .send_if_modified(|end| end.is_none() && end.replace(End::Ended(LanesEnd::Failed)).is_none());
        }
    }
}

impl<S: Segments> Lane<S> {
    pub(super) fn new(
        rules: Arc<Rules<S>>,
        door: Arc<Door>,
        end: Arc<watch::Sender<Option<End>>>,
        segment: SegmentId,
        position: u64,
    ) -> Self {
        Self {
            rules,
            door,
            end,
            segment,
            position,
            rows: 0,
            bytes: 0,
            opened: Instant::now(),
            here: Pointed::default(),
            next: Pointed::default(),
            in_flight: FuturesUnordered::new(),
            pointing: FuturesUnordered::new(),
        }
    }

    /// Works until the lanes end or are closed.
    pub(super) async fn run(mut self) {
        let _stop = Stop(Arc::clone(&self.door), Arc::clone(&self.end));
        let mut ends = self.end.subscribe();
        loop {
            let end = *ends.borrow_and_update();
            if end.is_none() || end == Some(End::Closed) {
                self.point();
                self.start();
            }
            self.door.is_busy.store(!self.in_flight.is_empty(), Ordering::Relaxed);
            if self.in_flight.is_empty() && self.is_over(end) {
                return;
            }
            let old = tokio::time::sleep_until(self.opened + self.rules.options.segment_age);
            tokio::select! {
                biased;
                Some(done) = self.in_flight.next() => self.done(done),
                Some(pointing) = self.pointing.next() => self.pointed(pointing),
                () = self.door.wake.notified() => {}
                // The sender is our own, so this is no error.
                _ = ends.changed() => {}
                () = old, if self.position > 0 && self.in_flight.is_empty() && !self.is_full() => {}
            }
        }
    }

    /// Whether the lane stops, with nothing on its way; what still waits is answered then.
    fn is_over(&self, end: Option<End>) -> bool {
        let outcome = match end {
            None => return false,
            Some(End::Closed) => {
                let mut queue = self.door.queue();
                if queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
                    return false;
                }
                *queue = None;
                return true;
            }
            Some(End::Ended(LanesEnd::Sealed)) => Ok(Append::Fenced),
            Some(End::Ended(LanesEnd::Failed)) => Err(failed()),
        };
        for queued in self.door.shut() {
            queued.answer(outcome.clone());
        }
        true
    }

    fn is_rolling(&self) -> bool {
        self.door.segment().is_none()
    }

    /// The segment that the next batch goes to.
    fn target(&self) -> (SegmentId, &Pointed) {
        if self.is_rolling() { (self.following(), &self.next) } else { (self.segment, &self.here) }
    }

    fn following(&self) -> SegmentId {
        SegmentId { segment: self.segment.segment + 1, ..self.segment }
    }

    /// Writes the pointers that what waits needs.
    fn point(&mut self) {
        #[cfg(test)]
        if super::mutant::is(super::mutant::Mutant::PointerAfter) {
            return;
        }
        let room = POINTING_MAX.saturating_sub(self.here.asked() + self.next.asked());
        let (target, pointed) = self.target();
        let keys: Vec<ConversationKey> = match self.door.queue().as_ref() {
            Some(queue) => queue.keys().filter(|key| !pointed.has(*key)).take(room).collect(),
            None => return,
        };
        for key in keys {
            self.point_to(target, key);
        }
    }

    fn point_to(&mut self, segment: SegmentId, key: ConversationKey) {
        let pointed = if segment == self.segment { &mut self.here } else { &mut self.next };
        if !pointed.ask(key) {
            return;
        }
        let rules = Arc::clone(&self.rules);
        self.pointing.push(Box::pin(async move {
            #[cfg(test)]
            if super::mutant::is(super::mutant::Mutant::PointerFoundCounts) {
                let _ = rules.writing().attempt(rules.segments.point(key, segment)).await;
                if rules.segments.pointers(key).await.is_ok_and(|found| found.contains(&segment)) {
                    return Pointing { key, segment, answer: Ok(()) };
                }
            }
            let answer = rules.write(|| rules.segments.point(key, segment)).await;
            Pointing { key, segment, answer }
        }));
    }

    fn pointed(&mut self, Pointing { key, segment, answer }: Pointing) {
        let is_acknowledged = answer.is_ok();
        if segment == self.segment {
            self.here.answered(key, is_acknowledged);
        } else if segment == self.following() {
            self.next.answered(key, is_acknowledged);
        }
        let Err(error) = answer else { return };
        if segment == self.target().0 {
            let waiting = self.door.queue().as_mut().map(|queue| queue.take_of(key)).unwrap_or_default();
            for queued in waiting {
                queued.answer(Err(error.clone()));
            }
        }
    }

    /// Sends what can be sent.
    fn start(&mut self) {
        #[cfg(not(test))]
        let is_free = self.in_flight.is_empty();
        #[cfg(test)]
        let is_free = self.in_flight.is_empty()
            || (super::mutant::is(super::mutant::Mutant::TwoInFlight)
                && self.in_flight.len() < 2
                && !self.is_rolling()
                && !self.is_full());
        if !is_free {
            return;
        }
        if self.is_full() {
            return self.roll();
        }
        let taken = {
            let here = &self.here;
            let is_ready = |key| {
                #[cfg(test)]
                if super::mutant::is(super::mutant::Mutant::PointerNotAwaited)
                    || super::mutant::is(super::mutant::Mutant::PointerAfter)
                {
                    return true;
                }
                here.has(key)
            };
            self.door
                .queue()
                .as_mut()
                .map(|queue| queue.take(&self.rules.options, is_ready))
                .unwrap_or_default()
        };
        if !taken.is_empty() {
            self.send(taken);
        }
    }

    fn send(&mut self, taken: Vec<Queued<Waiter>>) {
        let (groups, waiters): (Vec<_>, Vec<_>) =
            taken.into_iter().map(|queued| (queued.group, queued.waiter)).unzip();
        if self.is_nearly_full() {
            for group in &groups {
                self.point_to(self.following(), group.key);
            }
        }
        let (rules, segment, position) = (Arc::clone(&self.rules), self.segment, self.position);
        self.in_flight.push(Box::pin(async move {
            let outcome = Arc::clone(&rules).settle(segment, position, &groups).await;
            #[cfg(test)]
            if super::mutant::is(super::mutant::Mutant::PointerAfter) {
                for group in &groups {
                    let _ = rules.write(|| rules.segments.point(group.key, segment)).await;
                }
            }
            Done::Batch(Batch { position, groups, waiters }, outcome)
        }));
    }

    fn roll(&mut self) {
        // Before anything is sent: who finds the segment sealed must know that it may be by this roll.
        self.door.current.store(ROLLING, Ordering::SeqCst);
        let (rules, segment, position) = (Arc::clone(&self.rules), self.segment, self.position);
        self.in_flight.push(Box::pin(async move { Done::Rolled(rules.roll(segment, position).await) }));
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Batch(batch, outcome) => self.settled(batch, outcome),
            Done::Rolled(Rolled::Open) => {
                self.segment = self.following();
                (self.position, self.rows, self.bytes) = (0, 0, 0);
                self.opened = Instant::now();
                self.here = std::mem::take(&mut self.next);
                self.door.current.store(self.segment.segment, Ordering::SeqCst);
            }
            Done::Rolled(Rolled::Sealed) => self.ends(LanesEnd::Sealed),
            Done::Rolled(Rolled::Lost(cause)) => self.fails(&cause),
        }
    }

    fn settled(&mut self, batch: Batch, outcome: Outcome) {
        let answer = match outcome {
            Outcome::Written => {
                self.position = batch.position + 1;
                // Events, heads, and the row of the journal.
                let rows: usize = batch.groups.iter().map(|group| group.events.len() + 1).sum();
                self.rows += rows as u64 + 1;
                self.bytes += batch.groups.iter().map(weight).sum::<usize>() as u64;
                Ok(Append::Applied)
            }
            Outcome::WrittenThenSealed => {
                self.ends(LanesEnd::Sealed);
                Ok(Append::Applied)
            }
            Outcome::Fenced => {
                self.ends(LanesEnd::Sealed);
                Ok(Append::Fenced)
            }
            Outcome::Forgotten => {
                self.ends(LanesEnd::Sealed);
                Ok(Append::Unknown)
            }
            Outcome::NotSent(failure) => Err(away(&failure)),
            Outcome::Lost(cause) => {
                self.fails(&cause);
                Ok(Append::Unknown)
            }
        };
        for (group, waiter) in batch.groups.into_iter().zip(batch.waiters) {
            Queued { group, waiter }.answer(answer.clone());
        }
    }

    fn fails(&self, cause: &str) {
        tracing::error!(segment = ?self.segment, cause, "the store lost what it had acknowledged: nothing more is written");
        self.ends(LanesEnd::Failed);
    }

    fn ends(&self, end: LanesEnd) {
        self.end.send_if_modified(|known| {
            let is_first = !matches!(known, Some(End::Ended(_)));
            if is_first {
                *known = Some(End::Ended(end));
            }
            is_first
        });
    }

    fn is_full(&self) -> bool {
        self.position > 0 && (self.fullness() >= 8 || self.opened.elapsed() >= self.rules.options.segment_age)
    }

    fn is_nearly_full(&self) -> bool {
        let hour = Duration::from_hours(1);
        self.fullness() >= NEARLY_FULL || self.opened.elapsed() + hour >= self.rules.options.segment_age
    }

    /// In parts of 8.
    fn fullness(&self) -> u64 {
        let options = &self.rules.options;
        let rows = self.rows * 8 / options.segment_rows_max.max(1);
        rows.max(self.bytes * 8 / options.segment_bytes_max.max(1))
    }
}

/// What callers hear after the store failed.
pub(super) fn failed() -> StoreError {
    StoreError::Unavailable("the store lost what it had acknowledged".into())
}
