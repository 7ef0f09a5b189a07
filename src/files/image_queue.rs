//! The two threads on which images are decoded, and the queue before them. Decoding takes CPU and memory, so it has
//! neither the threads of the server nor those of its disk, and nobody can take both threads, or all the time of one,
//! from the others.
//!
//! What is done next follows from what it costs: each uploader pays for each image, whoever has paid least comes
//! first, and an uploader has one image in work at a time. So a small image of somebody new passes a hundred costly
//! ones, whether one uploader or a hundred sent them, and each costly one still gets its turn: the queue's own account
//! rises with what was worked on, and newcomers begin there.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use domain::WorkspaceId;
use tokio::sync::oneshot;

use super::Uploader;

/// So many images are worked on at once: each may take twice its file and what decoding it may allocate. The others
/// wait on the disk.
const THREADS: usize = 2;
/// Images of one uploader that wait; one more is refused.
const WAITING_PER_UPLOADER_MAX: usize = 32;
/// Images that wait; one more is refused.
const WAITING_MAX: usize = 256;
/// After so long an image that is not in work is given up: its sender waits for the answer.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Who pays for an image.
pub(super) type Payer = (WorkspaceId, Uploader);

/// An image was not worked on.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    /// Too many wait, or it waited too long.
    #[error("too many images are worked on now")]
    Full,
    /// The work panicked.
    #[error("working on an image panicked")]
    Panicked,
}

/// The threads and their queue. They end when this is dropped, without what still waits.
pub(super) struct ImageQueue {
    shared: Arc<Shared>,
}

struct Shared {
    line: Mutex<Line>,
    /// A job came, a payer's job ended, or the queue was closed.
    changed: Condvar,
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("nobody panics while holding it")
    }
}

/// One image's work.
struct Job {
    run: Box<dyn FnOnce() + Send>,
    payer: Payer,
    cost: u64,
}

#[derive(Default)]
struct Line {
    /// In the order in which they are done: by what their payer will have paid with them, then as they came.
    jobs: BTreeMap<(u64, u64), Job>,
    accounts: HashMap<Payer, Account>,
    /// What a payer with no account has paid.
    paid: u64,
    came: u64,
    is_closed: bool,
}

/// Kept while something of the payer waits or is in work.
#[derive(Default)]
struct Account {
    paid: u64,
    waiting: usize,
    is_in_work: bool,
}

impl Line {
    fn push(&mut self, job: Job) -> Result<(), QueueError> {
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
    fn next(&mut self) -> Option<Job> {
        let is_free = |payer| self.accounts.get(payer).is_none_or(|account| !account.is_in_work);
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

    fn ended(&mut self, payer: Payer) {
        if let Some(account) = self.accounts.get_mut(&payer) {
            account.is_in_work = false;
        }
        self.forget(&payer);
    }

    /// Of a payer with nothing here nothing is remembered.
    fn forget(&mut self, payer: &Payer) {
        if self.accounts.get(payer).is_some_and(|account| account.waiting == 0 && !account.is_in_work) {
            self.accounts.remove(payer);
        }
    }
}

impl ImageQueue {
    /// # Errors
    ///
    /// When the system gives no threads.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared { line: Mutex::default(), changed: Condvar::new() });
        let queue = Self { shared: Arc::clone(&shared) };
        for n in 1..=THREADS {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("image-{n}")).spawn(move || work(&shared))?;
        }
        Ok(queue)
    }

    /// Has `work` done, which costs `payer` so many pixels and bytes. When this is dropped before the work has begun,
    /// it never begins.
    ///
    /// # Errors
    ///
    /// [`QueueError::Full`]: it was not begun; the client may try again. [`QueueError::Panicked`]: it was.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        payer: Payer,
        cost: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, QueueError> {
        let (begun, has_begun) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let run = Box::new(move || {
            // Nobody waits any more when this cannot be said.
            if begun.send(()).is_ok() {
                let _ = done.send(work());
            }
        });
        self.shared.line().push(Job { run, payer, cost })?;
        self.shared.changed.notify_one();
        match tokio::time::timeout(WAIT_MAX, has_begun).await {
            Ok(Ok(())) => is_done.await.map_err(|_| QueueError::Panicked),
            Ok(Err(_)) | Err(_) => Err(QueueError::Full),
        }
    }
}

impl Drop for ImageQueue {
    fn drop(&mut self) {
        self.shared.line().is_closed = true;
        self.shared.changed.notify_all();
    }
}

/// One thread: job after job until the queue is closed.
fn work(shared: &Shared) {
    loop {
        let mut line = shared.line();
        let job = loop {
            if line.is_closed {
                return;
            }
            match line.next() {
                Some(job) => break job,
                None => line = shared.changed.wait(line).expect("nobody panics while holding it"),
            }
        };
        drop(line);
        // The panic is logged by its hook, and its sender sees that no answer comes.
        let _ = catch_unwind(AssertUnwindSafe(job.run));
        shared.line().ended(job.payer);
        shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
