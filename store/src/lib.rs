//! What survives. The contracts are traits, and their documentation is what callers may rely on; one conformance
//! suite (`conformance`) holds every backend to it. What only tests need (that suite, the store in memory, the log that
//! fails, golden samples) is there with the feature `testing` alone, which no product has.
//!
//! Every call names its workspace. An `Err` means that nothing was written; what may or may not have been written is
//! an outcome of its own ([`Append::Unknown`]). The calls that have no such outcome ([`EventLog::claim`],
//! [`EventLog::passivate`], the writes of [`Heads`], [`Records::expire`], the writes of [`Series`], [`Blobs::put`],
//! [`Blobs::delete`]) may have been written when they give an error, and may be called again.

use std::sync::Arc;

mod blobs;
mod clock;
mod dump;
mod heads;
mod log;
mod records;
mod series;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod copy;
pub mod cql;
pub mod envelope;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
pub mod folder;
#[cfg(any(test, feature = "testing"))]
pub mod golden;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod sqlite;

pub use blobs::{
    BLOB_PIECE_BYTES_MAX, BlobEntry, BlobKey, BlobName, BlobStream, Blobs, FolderBlobs, ObjectBlobs, S3Bucket,
};
pub use clock::Clock;
pub use dump::{Dump, DumpPage, DumpPosition, DumpedRecord};
pub use heads::{HeadFilter, HeadPosition, HeadView, Heads, ListedHead, LiveRow};
pub use log::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, Epoch, EventLog, GROUP_BYTES_MAX,
    GROUP_MAX, Owner, PAGE_MAX, Peek,
};
pub use records::{
    Document, INSTALLATION, Record, RecordError, RecordKind, Records, Unique, UniqueScope, Versioned, all,
    change, find, get, insert, list, update,
};
pub use series::{
    Entry, EntryPosition, FEED_KEEP_DAYS, FeedEntry, FeedPage, FeedPosition, NoFeedPosition, Series,
    SeriesKey, SeriesKind,
};

/// The contracts together, as the layers above take them.
#[derive(Clone)]
pub struct Store {
    /// Conversations' logs.
    pub log: Arc<dyn EventLog>,
    /// Rows derived from the logs.
    pub heads: Arc<dyn Heads>,
    /// Versioned documents.
    pub records: Arc<dyn Records>,
    /// What is only added to, and the feed of the logs.
    pub series: Arc<dyn Series>,
}

/// The store could not do it, and nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not there, too busy, or stopped after a failed write. Try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The disk is full. Reads go on; a write may pass once there is room.
    #[error("the disk is full")]
    StorageFull,
    /// What was read is not what was written. A person must act.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}
