//! The one writer: a thread that makes one commit of all writes that wait (group commit), so that a hundred appends
//! share one fsync.
//!
//! The outcome of a write is known only after the commit. A write that is refused (fenced, a key taken) writes nothing and
//! leaves the others of its group alone. After an error that leaves the file in doubt all writes of the group are answered
//! "unknown" and the thread ends for good: the next start finds out from the file what the disk holds, never a second try
//! on a page cache that may lie.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::StoreError;

use super::SqliteOptions;
use super::database::checkpoint;
use super::fault::{Fault, Reach};

/// The most writes of one commit: enough to share an fsync, few enough that the first does not wait for ever.
const GROUP_WRITES_MAX: usize = 256;

/// How long the checkpoint of an idle store waits for a reader: writes that come meanwhile wait as long.
const IDLE_BUSY: Duration = Duration::from_millis(20);

/// What a write takes while it waits, beside its bodies, in bytes: about.
pub(super) const WRITE_BYTES: usize = 256;

/// What the writer did since it was opened, and what waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqliteStats {
    /// Transactions; each that wrote something is one fsync.
    pub commits: u64,
    /// Events that were made durable.
    pub events: u64,
    /// Writes that wait now.
    pub queue_depth: usize,
}

/// Why a write has no outcome.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Nothing was written.
    Nothing(StoreError),
    /// It may have been.
    Unknown,
}

impl Unwritten {
    /// For calls whose error says nothing about what was written.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Unwritten::Nothing(error) => error,
            Unwritten::Unknown => StoreError::Unavailable("the outcome of the commit is unknown".into()),
        }
    }
}

/// The way to the thread.
pub(super) struct Writer {
    /// None once it was closed.
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    gauges: Arc<Gauges>,
    bytes_waiting_max: usize,
    failed: watch::Receiver<bool>,
}

#[derive(Default)]
struct Gauges {
    commits: AtomicU64,
    events: AtomicU64,
    waiting: AtomicUsize,
    bytes_waiting: AtomicUsize,
}

impl Writer {
    pub(super) fn start(connection: Connection, options: &SqliteOptions) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(options.writes_waiting_max.max(1));
        let (failing, failed) = watch::channel(false);
        let gauges = Arc::new(Gauges::default());
        let thread = WriterThread {
            connection,
            jobs,
            gauges: Arc::clone(&gauges),
            failing,
            idle: Duration::from_millis(options.wal_idle_ms.max(1).into()),
            busy: Duration::from_millis(options.busy_ms.into()),
        };
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || thread.run())?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            gauges,
            bytes_waiting_max: options.write_bytes_waiting_max,
            failed,
        })
    }

    /// Runs `work` in the next commit, in one transaction with others, and returns its outcome once that commit is
    /// durable. `work` writes all of its own or nothing, and may be run again when the commit is tried again.
    /// `bytes` is about what it holds in memory while it waits.
    pub(super) async fn write<T, W>(&self, bytes: usize, work: W) -> Result<T, Unwritten>
    where
        T: Send + 'static,
        W: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(Waiting { work, bytes, outcome: None, reply })).map_err(Unwritten::Nothing)?;
        // No answer: the thread panicked, before or after its commit.
        answer.await.unwrap_or(Err(Unwritten::Unknown))
    }

    /// Counts events that became durable.
    pub(super) fn count_events(&self, events: usize) {
        self.gauges.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> SqliteStats {
        SqliteStats {
            commits: self.gauges.commits.load(Ordering::Relaxed),
            events: self.gauges.events.load(Ordering::Relaxed),
            queue_depth: self.gauges.waiting.load(Ordering::Relaxed),
        }
    }

    /// Turns true when the thread has given up, once.
    pub(super) fn failed(&self) -> watch::Receiver<bool> {
        self.failed.clone()
    }

    /// Whether the thread has given up: then nothing is on its way any more.
    pub(super) fn has_failed(&self) -> bool {
        *self.failed.borrow()
    }

    /// Takes no more writes, and waits until those that were taken are done and the checkpoint is made.
    pub(super) fn close(&self) {
        self.queue.lock().expect("nobody panics while holding it").take();
        let mut thread = self.thread.lock().expect("nobody panics while holding it");
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let unavailable = |why: &str| Err(StoreError::Unavailable(why.into()));
        if self.has_failed() {
            return unavailable("it stopped after a failed write");
        }
        let queue = self.queue.lock().expect("nobody panics while holding it");
        let Some(queue) = queue.as_ref() else { return unavailable("it is closed") };
        let bytes = job.bytes();
        if self.gauges.bytes_waiting.load(Ordering::Relaxed) + bytes > self.bytes_waiting_max {
            return unavailable("too much waits to be written");
        }
        self.gauges.arrived(bytes);
        queue.try_send(job).or_else(|refused| {
            self.gauges.left(bytes);
            match refused {
                TrySendError::Full(_) => unavailable("too many writes wait"),
                TrySendError::Disconnected(_) => unavailable("it stopped after a failed write"),
            }
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Gauges {
    fn arrived(&self, bytes: usize) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.bytes_waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    fn left(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.bytes_waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A write in the queue, with an outcome of any type.
trait Job: Send {
    fn bytes(&self) -> usize;
    /// Runs it and keeps its outcome.
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;
    /// Answers the caller: with the kept outcome when it was `committed`.
    fn settle(self: Box<Self>, committed: Result<(), Unwritten>);
}

struct Waiting<T, W> {
    work: W,
    bytes: usize,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T, Unwritten>>,
}

impl<T, W> Job for Waiting<T, W>
where
    T: Send,
    W: FnMut(&Connection) -> Result<T, Fault> + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        self.outcome = Some((self.work)(connection)?);
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), Unwritten>) {
        let Waiting { work, outcome, reply, .. } = *self;
        // What it holds is let go of before its caller goes on.
        drop(work);
        // A caller that does not wait any more needs no answer.
        let _ = reply.send(committed.map(|()| outcome.expect("what was committed was run")));
    }
}

struct WriterThread {
    connection: Connection,
    jobs: Receiver<Box<dyn Job>>,
    gauges: Arc<Gauges>,
    failing: watch::Sender<bool>,
    /// After so long without a write the write-ahead log is emptied.
    idle: Duration,
    /// How long a write waits for another process.
    busy: Duration,
}

impl WriterThread {
    fn run(self) {
        // What an earlier run left was moved when the store was opened.
        let mut in_wal = false;
        loop {
            let next = if in_wal {
                self.jobs.recv_timeout(self.idle)
            } else {
                self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let went_on = match next {
                Ok(first) => {
                    in_wal = true;
                    self.write(self.gather(first))
                }
                Err(RecvTimeoutError::Timeout) => self.empty_wal(&mut in_wal),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if went_on.is_break() {
                return;
            }
        }
        if let Err(error) = checkpoint(&self.connection) {
            // Nothing is lost: the next start makes the checkpoint.
            tracing::warn!(%error, "no checkpoint was made at the end");
        }
    }

    /// Moves the write-ahead log into the database and cuts it to nothing, unless a reader or another process is in
    /// the way: then it is tried again after the next idle time. Breaks when the file is in doubt.
    fn empty_wal(&self, in_wal: &mut bool) -> ControlFlow<()> {
        let patient = |busy| self.connection.busy_timeout(busy);
        let emptied = patient(IDLE_BUSY).and_then(|()| checkpoint(&self.connection));
        match patient(self.busy).and(emptied) {
            Ok(emptied) => *in_wal = !emptied,
            Err(error) => match Fault::from(error).reach() {
                Reach::Write(error) | Reach::Group(error) => {
                    tracing::debug!(%error, "the write-ahead log could not be emptied now");
                }
                Reach::Store(cause) => return self.give_up(Vec::new(), &cause),
            },
        }
        ControlFlow::Continue(())
    }

    /// `first` and what waits behind it.
    fn gather(&self, first: Box<dyn Job>) -> Vec<Box<dyn Job>> {
        let group: Vec<_> =
            std::iter::once(first).chain(self.jobs.try_iter()).take(GROUP_WRITES_MAX).collect();
        group.iter().for_each(|job| self.gauges.left(job.bytes()));
        group
    }

    /// Commits the group and answers its callers; breaks when the file is in doubt.
    fn write(&self, mut group: Vec<Box<dyn Job>>) -> ControlFlow<()> {
        while !group.is_empty() {
            let Err((culprit, fault)) = self.attempt(&mut group) else {
                self.gauges.commits.fetch_add(1, Ordering::Relaxed);
                group.into_iter().for_each(|job| job.settle(Ok(())));
                return ControlFlow::Continue(());
            };
            let reach = match self.roll_back() {
                Ok(()) => fault.reach(),
                Err(error) => Reach::Store(format!("{error}, rolling back after {fault:?}")),
            };
            match (reach, culprit) {
                (Reach::Write(error), Some(culprit)) => {
                    // The others are tried again without it.
                    group.remove(culprit).settle(Err(Unwritten::Nothing(error)));
                }
                (Reach::Group(error), _) => {
                    for job in group {
                        job.settle(Err(Unwritten::Nothing(error.clone())));
                    }
                    return ControlFlow::Continue(());
                }
                (Reach::Store(cause), _) => return self.give_up(group, &cause),
                (Reach::Write(error), None) => return self.give_up(group, &error.to_string()),
            }
        }
        ControlFlow::Continue(())
    }

    /// One transaction of all of them; on a fault also whose it was, none when it was the commit's.
    fn attempt(&self, group: &mut [Box<dyn Job>]) -> Result<(), (Option<usize>, Fault)> {
        // Immediate: a process beside us may write as well, and must not slip in between our look and our write.
        self.statement("BEGIN IMMEDIATE").map_err(|fault| (None, fault))?;
        for (place, job) in group.iter_mut().enumerate() {
            job.run(&self.connection).map_err(|fault| (Some(place), fault))?;
        }
        self.statement("COMMIT").map_err(|fault| (None, fault))
    }

    /// SQLite may have done it by itself.
    fn roll_back(&self) -> Result<(), rusqlite::Error> {
        if self.connection.is_autocommit() { Ok(()) } else { self.connection.execute_batch("ROLLBACK") }
    }

    fn statement(&self, sql: &str) -> Result<(), Fault> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn give_up(&self, group: Vec<Box<dyn Job>>, cause: &str) -> ControlFlow<()> {
        tracing::error!(
            cause,
            "a write failed: the store takes no more writes until the server is started again"
        );
        // Before the answers: a caller that gets "unknown" and tries again must find the writer stopped.
        self.failing.send_replace(true);
        for job in group {
            job.settle(Err(Unwritten::Unknown));
        }
        for job in self.jobs.try_iter() {
            self.gauges.left(job.bytes());
            job.settle(Err(Unwritten::Nothing(StoreError::Unavailable(
                "it stopped after a failed write".into(),
            ))));
        }
        ControlFlow::Break(())
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failing.send_replace(true);
        }
    }
}
