//! Uploaded files. [`Files`] receives a file in a stream, finds its kind by its bytes, takes out of an image what is not the
//! picture, and keeps the file for the one message that uses it. HTTP is not known here, and nothing here decides who may
//! read a file: the caller does, before it asks.

mod blob;
mod exhaustion;
mod files;
mod image;
mod image_queue;
mod kind;
mod metadata;
mod name;
mod quota;
mod receive;
mod record;
mod reservation;
mod sniff;
mod storage;
mod sweep;
mod thumbnail;

pub use files::{FileLimits, Files};
pub use kind::Kind;
pub use quota::{QuotaLimits, QuotaPassed};
pub use receive::{Upload, UploadError};
pub use record::{FileRecord, Rendition, Thumbnail, Uploader};
pub use reservation::ReserveError;
pub use sniff::Refusal;
pub use storage::{Room, Storage};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
