//! Reading connections. They see every committed write, wait for no writer, and no writer waits for them.
//!
//! A read runs on tokio's blocking threads: a page that is not in memory may take milliseconds, in which an async
//! thread would keep everybody's sockets waiting. Threads of our own behind a queue cost the same hand-over and would
//! be one more thing to bound and to join; the connections, kept here, are what bounds how many run at once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::StoreError;

use super::fault::Fault;
use super::{SqliteOptions, pragma};

/// How many different statements readers keep prepared; there are fewer.
const STATEMENTS: usize = 64;

/// A bounded pool of reading connections.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// One permit a connection: who has one finds a connection in `idle`.
    running: Semaphore,
    /// One permit a read, waiting or running.
    admitted: Semaphore,
}

impl Readers {
    pub(super) fn open(path: &PathBuf, options: &SqliteOptions) -> rusqlite::Result<Arc<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut idle = Vec::with_capacity(options.readers);
        for _ in 0..options.readers {
            let connection = Connection::open_with_flags(path, flags)?;
            pragma(&connection, "busy_timeout", options.busy_ms)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            idle.push(connection);
        }
        Ok(Arc::new(Self {
            idle: Mutex::new(idle),
            running: Semaphore::new(options.readers),
            admitted: Semaphore::new(options.reads_waiting_max),
        }))
    }

    /// Runs `work` on a connection that nobody else has meanwhile.
    pub(super) async fn read<T, W>(self: &Arc<Self>, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let Ok(_admitted) = self.admitted.try_acquire() else {
            return Err(StoreError::Unavailable("too many reads wait".into()));
        };
        let permit = self.running.acquire().await.expect("nobody closes it");
        // The permit comes back with the connection: a caller who stops waiting does not stop the read.
        permit.forget();
        let lease = Lease { connection: Some(self.take()), readers: Arc::clone(self) };
        let done = tokio::task::spawn_blocking(move || {
            let connection = lease.connection.as_ref().expect("only the drop takes it");
            work(connection)
        });
        match done.await {
            Ok(found) => found.map_err(Fault::of_read),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Unavailable("the server is stopping".into())),
            },
        }
    }

    fn take(&self) -> Connection {
        let idle = self.idle.lock().expect("nobody panics while holding it").pop();
        idle.expect("there are as many permits as connections")
    }
}

/// A connection on loan; it goes back however the work ends.
struct Lease {
    connection: Option<Connection>,
    readers: Arc<Readers>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = self.connection.take().expect("only the drop takes it");
        self.readers.idle.lock().expect("nobody panics while holding it").push(connection);
        self.readers.running.add_permits(1);
    }
}
