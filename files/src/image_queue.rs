//! The two threads on which images are decoded, and the queue before them. Decoding takes CPU and memory, so it runs
//! neither on the threads of the server nor on those of its disk, and no uploader can take both threads, or all the time of
//! one, from the others. A thread that has nothing to do for a while ends, because only then the system gets its memory
//! back.
//!
//! The order follows from the cost: each uploader pays for each image, the image of the uploader who has paid least comes
//! first, and an uploader has one image in work at a time. So a small image of a new uploader passes a hundred costly ones,
//! whether one uploader or a hundred sent them. Each costly image still gets its turn: the queue's own account rises with
//! the work that was done, and the account of a new uploader begins there.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// So many images are worked on at once. Each may take the memory of twice its file, and what its decoding may allocate. The
/// others wait on the disk.
const THREADS: usize = 2;
/// How many images of one uploader wait; one more is refused.
const WAITING_PER_UPLOADER_MAX: usize = 32;
/// How many images of all uploaders wait; one more is refused.
const WAITING_MAX: usize = 256;
/// An image that is not in work after this time is given up, because its sender waits for the answer.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// An idle thread ends after so long. The allocator gives back what was freed a tenth of a second before a thread ends.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// Names the uploader who pays for an image.
pub(super) trait Payer: Copy + Eq + Hash + Send + 'static {}

impl<P: Copy + Eq + Hash + Send + 'static> Payer for P {}

/// An image was not worked on.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    /// Too many images wait, or this one waited too long.
    #[error("too many images are worked on now")]
    Full,
    /// The work panicked.
    #[error("working on an image panicked")]
    Panicked,
}

/// The threads and their queue. The threads end when this is dropped; jobs that still wait are not done.
pub(super) struct ImageQueue<P: Payer> {
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    line: Mutex<Line<P>>,
    /// A job came, a payer's job ended, or the queue was closed.
    changed: Condvar,
}

impl<P: Payer> Shared<P> {
    fn line(&self) -> MutexGuard<'_, Line<P>> {
        self.line.lock().expect("nobody panics while holding it")
    }
}

/// One image's work.
struct Job<P> {
    run: Box<dyn FnOnce() + Send>,
    payer: P,
    cost: u64,
}

struct Line<P> {
    /// In the order in which they are done: by what the payer will have paid with the job, then as the jobs came.
    jobs: BTreeMap<(u64, u64), Job<P>>,
    accounts: HashMap<P, Account>,
    /// What a payer with no account has paid.
    paid: u64,
    came: u64,
    /// How many threads there are, and how many of these have nothing to do.
    threads: usize,
    idle: usize,
    is_closed: bool,
}

/// The account of a payer, kept while a job of the payer waits or is in work.
#[derive(Default)]
struct Account {
    paid: u64,
    waiting: usize,
    is_in_work: bool,
}

impl<P> Default for Line<P> {
    fn default() -> Self {
        Self {
            jobs: BTreeMap::new(),
            accounts: HashMap::new(),
            paid: 0,
            came: 0,
            threads: 0,
            idle: 0,
            is_closed: false,
        }
    }
}

impl<P: Payer> Line<P> {
    fn push(&mut self, job: Job<P>) -> Result<(), QueueError> {
        let account =
            self.accounts.entry(job.payer).or_insert(Account { paid: self.paid, ..Account::default() });
        if self.jobs.len() >= WAITING_MAX || account.waiting >= WAITING_PER_UPLOADER_MAX {
            self.forget(&job.payer);
            return Err(QueueError::Full);
        }
        account.waiting += 1;
        account.paid = account.paid.max(self.paid).saturating_add(job.cost);
        self.jobs.insert((account.paid, self.came), job);
        self.came += 1;
        Ok(())
    }

    /// The next job, of a payer who has none in work.
    fn next(&mut self) -> Option<Job<P>> {
        let is_free = |payer: &P| self.accounts.get(payer).is_none_or(|account| !account.is_in_work);
        let place = *self.jobs.iter().find(|(_, job)| is_free(&job.payer))?.0;
        let payers = self.accounts.len().max(1) as u64;
        let job = self.jobs.remove(&place)?;
        self.paid = self.paid.saturating_add(job.cost / payers);
        if let Some(account) = self.accounts.get_mut(&job.payer) {
            account.waiting -= 1;
            account.is_in_work = true;
        }
        Some(job)
    }

    fn ended(&mut self, payer: P) {
        if let Some(account) = self.accounts.get_mut(&payer) {
            account.is_in_work = false;
        }
        self.forget(&payer);
    }

    /// Removes the account of a payer who has no job here.
    fn forget(&mut self, payer: &P) {
        if self.accounts.get(payer).is_some_and(|account| account.waiting == 0 && !account.is_in_work) {
            self.accounts.remove(payer);
        }
    }
}

impl<P: Payer> ImageQueue<P> {
    /// An empty queue without threads: the first job starts one.
    pub(super) fn new() -> Self {
        Self { shared: Arc::new(Shared { line: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Runs `work` on one of the threads, at a cost to `payer` in pixels and bytes. When this is dropped before the work has
    /// begun, the work never begins.
    ///
    /// # Errors
    /// [`QueueError::Full`]: the work was not begun; the client may try again. [`QueueError::Panicked`]: the work was begun.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        payer: P,
        cost: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, QueueError> {
        let (begun, has_begun) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let run = Box::new(move || {
            // This fails only when nobody waits for the answer any more.
            if begun.send(()).is_ok() {
                let _ = done.send(work());
            }
        });
        self.push(Job { run, payer, cost })?;
        match tokio::time::timeout(WAIT_MAX, has_begun).await {
            Ok(Ok(())) => is_done.await.map_err(|_| QueueError::Panicked),
            Ok(Err(_)) | Err(_) => Err(QueueError::Full),
        }
    }
}

impl<P: Payer> ImageQueue<P> {
    /// Takes a job, and starts a thread when none is free to do it.
    fn push(&self, job: Job<P>) -> Result<(), QueueError> {
        let mut line = self.shared.line();
        line.push(job)?;
        if line.idle > 0 || line.threads == THREADS {
            self.shared.changed.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        match thread::Builder::new().name("image".to_owned()).spawn(move || work(&shared)) {
            Ok(_) => line.threads += 1,
            // Another thread does the job in its turn.
            Err(_) if line.threads > 0 => {}
            // Nobody waits for the job, so it is never begun.
            Err(_) => return Err(QueueError::Full),
        }
        Ok(())
    }
}

impl<P: Payer> Drop for ImageQueue<P> {
    fn drop(&mut self) {
        self.shared.line().is_closed = true;
        self.shared.changed.notify_all();
    }
}

/// What one thread does: job after job, until none comes for a while or the queue is closed.
fn work<P: Payer>(shared: &Shared<P>) {
    while let Some(job) = await_job(shared) {
        // The panic is logged by the hook, and the sender of the image finds that no answer comes.
        let _ = catch_unwind(AssertUnwindSafe(job.run));
        shared.line().ended(job.payer);
        shared.changed.notify_one();
    }
}

/// The next job, as soon as there is one. None when the thread is to end; it is not counted any more then.
fn await_job<P: Payer>(shared: &Shared<P>) -> Option<Job<P>> {
    let mut line = shared.line();
    let mut is_over = false;
    loop {
        let job = if line.is_closed { None } else { line.next() };
        if job.is_some() || line.is_closed || is_over {
            line.threads -= usize::from(job.is_none());
            return job;
        }
        line.idle += 1;
        let waited = shared.changed.wait_timeout(line, IDLE_MAX);
        let (again, waited) = waited.expect("nobody panics while holding it");
        line = again;
        line.idle -= 1;
        is_over = waited.timed_out();
    }
}

#[cfg(test)]
mod tests;
