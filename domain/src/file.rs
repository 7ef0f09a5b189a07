//! An uploaded file, as messages carry it.

use serde::{Deserialize, Serialize};

use crate::{FileId, Name};

/// A media type that the server found by looking at the bytes, never what a client said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mime(Box<str>);

impl Mime {
    /// The caller takes it from its own list of kinds.
    pub fn new(known: &str) -> Self {
        Self(known.into())
    }

    /// `type/subtype`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file as a message's event keeps it: enough to show it, without asking any other store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCard {
    /// Names it.
    pub id: FileId,
    /// What the uploader called it.
    pub name: Name,
    /// By its bytes.
    pub mime: Mime,
    /// In bytes.
    pub size: u64,
    /// It can be shown small.
    #[serde(default)]
    pub has_thumbnail: bool,
}
