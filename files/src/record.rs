//! What is known of an uploaded file, and stored of it.

use domain::{AgentId, ClientId, ConversationId, FileCard, FileId, Mime, Name, Seq, Timestamp, VisitorId};
use serde::{Deserialize, Serialize};
use store::{Document, RecordKind};

use crate::kind::Kind;

/// How long a file waits for the message that uses it.
const UNUSED_MS: u64 = 24 * 60 * 60 * 1000;

/// Who uploaded a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uploader {
    /// The conversation's visitor.
    Visitor(VisitorId),
    /// An agent.
    Agent(AgentId),
}

/// What is known of an uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The file's id, and the name of its bytes.
    pub id: FileId,
    /// The only conversation in which the file can be used.
    pub conversation: ConversationId,
    /// The only person who can use it.
    pub uploader: Uploader,
    /// A harmless name, with an ending that fits the kind of the file.
    pub name: Name,
    /// The media type, found by the bytes.
    pub mime: Mime,
    /// The file is text in UTF-8, which is said beside `mime` where it is served. Of other texts the encoding is not certain.
    #[serde(default)]
    pub is_utf8: bool,
    /// In bytes, as the file is kept.
    pub size: u64,
    /// The SHA-256 of the bytes as they are kept, in hexadecimal digits.
    pub sha256: Box<str>,
    /// When the last byte came.
    pub uploaded_at: Timestamp,
    /// The message or note that the file is part of, by the id that its sender gave it.
    pub used_by: Option<ClientId>,
    /// The last event of the conversation before that message was appended. If the message was appended, it stands behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_after: Option<Seq>,
    /// What is shown of an image where there is little room.
    #[serde(default)]
    pub thumbnail: Option<Thumbnail>,
}

/// What is shown of an image where there is little room: at most 320x320 pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thumbnail {
    /// The image itself, which is small enough.
    Itself,
    /// A picture made of it, with bytes of its own.
    Made {
        /// JPEG or PNG.
        mime: Mime,
        /// In bytes.
        size: u64,
    },
}

impl FileRecord {
    /// What messages carry of the file.
    pub fn card(&self) -> FileCard {
        FileCard {
            id: self.id,
            name: self.name.clone(),
            mime: self.mime.clone(),
            size: self.size,
            has_thumbnail: self.thumbnail.is_some(),
        }
    }

    /// Whether a page may show the file. Only raster images are shown; everything else is served as a download.
    pub fn shown_inline(&self) -> bool {
        Kind::of_mime(self.mime.as_str()).is_some_and(Kind::shown_inline)
    }
}

impl Document for FileRecord {
    const KIND: RecordKind = RecordKind::File;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        self.used_by.is_none().then(|| self.uploaded_at.plus_ms(UNUSED_MS))
    }
}

/// Which of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendition {
    /// The bytes of the file.
    Original,
    /// The bytes of its small picture.
    Thumbnail,
}
