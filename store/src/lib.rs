//! What survives. The contracts are traits, and callers may rely on their documentation; one conformance suite
//! (`conformance`) holds every backend to it. The code that only tests need (that suite, the store in memory, the log that
//! fails, golden samples) is built with the feature `testing` alone, which no product has.
//!
//! Every call names its workspace. An `Err` means that nothing was written; what may or may not have been written is
//! an outcome of its own ([`Append::Unknown`]). The calls that have no such outcome ([`EventLog::open`],
//! [`EventLog::seal`], the writes of [`Heads`], [`Records::expire`], the writes of [`Series`], [`Blobs::put`],
//! [`Blobs::delete`]) may have been written when they give an error, and may be called again.

mod blobs;
mod clock;
mod contracts;
mod dump;
mod error;
mod heads;
mod lanes;
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
pub use contracts::Store;
pub use dump::{Dump, DumpPage, DumpPosition, DumpedRecord};
pub use error::StoreError;
pub use heads::{HeadFilter, HeadPosition, HeadView, Heads, ListedHead, LiveRow};
pub use log::{
    Append, ConversationKey, EventLog, GROUP_BYTES_MAX, GROUP_MAX, Generation, Group, Incarnation,
    JOURNAL_KEEP_HOURS, JournalEntry, JournalError, JournalPage, JournalPosition, JournalRest, LaneId, Lanes,
    LanesEnd, NoJournalPosition, OpenLanesError, PAGE_MAX,
};
pub use records::{
    Document, INSTALLATION, Record, RecordError, RecordKind, Records, Unique, UniqueScope, Versioned, all,
    change, find, get, insert, list, update,
};
pub use series::{Entry, EntryPosition, Series, SeriesKey, SeriesKind};
