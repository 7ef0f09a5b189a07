//! How the store is opened, and its bounds.

/// The kind of process that opens the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A server: the only one in this folder.
    Server,
    /// An admin command, beside a server that may be running; it sees what the command writes.
    Beside,
}

/// Bounds of an open store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Reads that run at once, each on a thread and a connection of its own; at least one.
    pub readers: usize,
    /// Reads that wait for one of those; one more is refused.
    pub reads_waiting_max: usize,
    /// Writes that wait for the writer, at least one; one more is refused.
    pub writes_waiting_max: usize,
    /// What the waiting writes may hold together, in bytes.
    pub write_bytes_waiting_max: usize,
    /// How large the database may grow, in pages of 4 KiB; beyond it the disk counts as full. None: as the disk has.
    pub pages_max: Option<u32>,
    /// How long to wait for another process that has the file, in milliseconds.
    pub busy_ms: u32,
    /// After so many milliseconds without a write the write-ahead log is emptied and its file cut to nothing; at
    /// least 1.
    pub wal_idle_ms: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            reads_waiting_max: 4096,
            writes_waiting_max: 4096,
            write_bytes_waiting_max: 64 * 1024 * 1024,
            pages_max: None,
            busy_ms: 5000,
            wal_idle_ms: 5000,
        }
    }
}
