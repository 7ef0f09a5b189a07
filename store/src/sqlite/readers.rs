//! Reading threads, each with a connection of its own. They see every committed write, wait for no writer, and no
//! writer waits for them.
//!
//! A read may have to wait for the disk, in which an async thread would keep everybody's sockets waiting, so it is
//! handed over. The hand-over is what most reads cost. To get one head takes about 5 us of CPU in place; here 8 when
//! many wait and 15 to 35 one at a time (`examples/cost.rs`, two cores); on tokio's blocking pool, which does not bound
//! what waits for it either, 28 to 44.
//!
//! The threads have a lower priority than the others: a message passes from thread to thread several times until it is
//! durable, and would each time wait for pages that are being read.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::StoreError;

use super::database::{keep_plans, pragma};
use super::fault::Fault;
use super::{OpenError, SqliteOptions};

/// How many different statements a reader keeps prepared; there are fewer.
const STATEMENTS: usize = 64;

/// How much lower the priority of a reading thread is. On a core that others want too, it then has a tenth of it.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the threads.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    waiting_max: usize,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Readers {
    pub(super) fn start(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue::default());
        let waiting_max = options.reads_waiting_max;
        let mut readers = Self { queue, threads: Vec::with_capacity(options.readers), waiting_max };
        for _ in 0..options.readers.max(1) {
            let connection =
                open(path, options).map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
            let queue = Arc::clone(&readers.queue);
            let thread = std::thread::Builder::new()
                .name("store-reader".into())
                .spawn(move || {
                    give_way();
                    queue.serve(&connection);
                })
                .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs `work` on a connection that no other read uses meanwhile.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = move |connection: &Connection| {
            // A caller that has stopped waiting needs no answer, and so no work.
            if !reply.is_closed() {
                let _ = reply.send(work(connection));
            }
        };
        self.enqueue(Box::new(job))?;
        match answer.await {
            Ok(found) => found.map_err(Fault::of_read),
            Err(_) => Err(StoreError::Unavailable("the read panicked".into())),
        }
    }

    fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.queue.lock();
        if waiting.jobs.len() >= self.waiting_max {
            return Err(StoreError::Unavailable("too many reads wait".into()));
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.queue.arrived.notify_one();
        Ok(())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.arrived.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader of the store panicked");
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nobody panics while holding it")
    }

    /// A thread's life.
    fn serve(&self, connection: &Connection) {
        while let Some(job) = self.next() {
            // The hook has logged the panic, and the caller gets an error. The connection is as good as before: a read
            // leaves nothing on it.
            let _ = catch_unwind(AssertUnwindSafe(|| job(connection)));
        }
    }

    /// Waits for the next job; none when the store is closed and nothing is left.
    fn next(&self) -> Option<Job> {
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let waiting = self.arrived.wait_while(self.lock(), idle);
        waiting.expect("nobody panics while holding it").jobs.pop_front()
    }
}

/// Lowers the priority of the calling thread.
#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux it is the thread's own.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "a reader of the store keeps its priority");
    }
}

/// Elsewhere a thread has no priority of its own that needs no `unsafe`.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

fn open(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    pragma(&connection, "busy_timeout", options.busy_ms)?;
    keep_plans(&connection)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_is_prepared_once_for_all_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").unwrap();
        let readers =
            Readers::start(&path, &SqliteOptions { readers: 1, ..SqliteOptions::default() }).unwrap();
        for value in 0..5i64 {
            let work = move |connection: &Connection| {
                let mut statement =
                    connection.prepare_cached("SELECT n FROM t WHERE n > ?1 ORDER BY n LIMIT ?2")?;
                assert!(!statement.exists([value, 1])?);
                Ok(statement.get_status(rusqlite::StatementStatus::RePrepare))
            };
            assert_eq!(readers.read(work).await.unwrap(), 0, "value {value}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn reading_threads_give_way_to_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.db");
        drop(Connection::open(&path).unwrap());
        let readers = Readers::start(&path, &SqliteOptions::default()).unwrap();
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let read = readers.read(move |_| Ok(priority())).await.unwrap();
        assert_eq!(read, (priority() + NICE).min(19));
    }
}
