//! The public words: what HTTP answers and socket frames show of the domain. Shared by both, so that they cannot
//! differ; apart from the domain's types, so that those stay free to change.

use std::fmt::Display;

use domain::{AgentCard, Author, FileCard, Timestamp, WorkspaceId};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

mod conversation;
mod event;
mod routing;

pub use conversation::{AttributesJson, ConversationJson, ReadJson, RoutedJson, VisitorCardJson};
pub use event::{EventJson, assign_reason, loss, offer_end, presence_state};
pub use routing::{CandidateJson, RoutedEntryJson};

use files::Rendition;

use crate::file_links::FileLinks;
use crate::schema;

/// Shown as its `Display` says: ids and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<T>(pub T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A time as the contract writes it: RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub Timestamp);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MS: jiff::fmt::temporal::DateTimePrinter =
            jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        let ms = i64::try_from(self.0.as_ms()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        MS.print_timestamp(&at, jiff::fmt::StdFmtWrite(f)).map_err(|_| std::fmt::Error)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What showing needs beside the thing itself.
#[derive(Clone, Copy)]
pub struct Show<'a> {
    /// Who is shown it.
    pub audience: domain::Audience,
    /// Signs the links to files, anew in each answer.
    pub links: &'a FileLinks,
    /// Whose files they are.
    pub workspace: WorkspaceId,
    /// From when those links are counted.
    pub now: Timestamp,
}

/// Who did something.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ByJson<'a> {
    /// `visitor`, `agent`, `bot` or `system`.
    #[schema(value_type = schema::AuthorKind)]
    pub kind: &'static str,
    /// None for the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AuthorId>)]
    pub id: Option<String>,
    /// Under which name the author is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub name: Option<&'a str>,
}

impl<'a> ByJson<'a> {
    /// As both sides see the person.
    pub fn of(author: &'a Author) -> Self {
        match author {
            Author::Visitor { id, name } => Self {
                kind: "visitor",
                id: Some(id.to_string()),
                name: name.as_ref().map(|name| name.as_str()),
            },
            Author::Agent(card) => {
                Self { kind: "agent", id: Some(card.id.to_string()), name: Some(card.name.as_str()) }
            }
            Author::Bot { id, name } => {
                Self { kind: "bot", id: Some(id.to_string()), name: Some(name.as_str()) }
            }
            Author::System => Self { kind: "system", id: None, name: None },
        }
    }
}

/// An agent as everybody sees them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentCardJson<'a> {
    /// Names the agent.
    #[schema(value_type = schema::AgentId)]
    pub agent_id: String,
    /// For people.
    #[schema(value_type = schema::Name)]
    pub name: &'a str,
}

impl<'a> From<&'a AgentCard> for AgentCardJson<'a> {
    fn from(card: &'a AgentCard) -> Self {
        Self { agent_id: card.id.to_string(), name: card.name.as_str() }
    }
}

/// A file in a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FileJson<'a> {
    /// Names it.
    #[schema(value_type = schema::FileId)]
    pub file_id: String,
    /// What its uploader called it.
    #[schema(value_type = schema::Name)]
    pub name: &'a str,
    /// By its bytes.
    #[schema(value_type = schema::MediaType)]
    pub mime: &'a str,
    /// In bytes.
    #[schema(value_type = schema::Count)]
    pub size: u64,
    /// A signed link, good for an hour, relative to the server's public address.
    #[schema(value_type = schema::Link)]
    pub url: String,
    /// The same, to an image of at most 320x320 pixels. Of images alone, and not of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Link>)]
    pub thumbnail_url: Option<String>,
}

impl<'a> FileJson<'a> {
    /// With a link that is fresh.
    pub fn of(file: &'a FileCard, show: Show<'_>) -> Self {
        let link = |what| show.links.sign(show.workspace, file.id, what, show.now);
        Self {
            file_id: file.id.to_string(),
            name: file.name.as_str(),
            mime: file.mime.as_str(),
            size: file.size,
            url: link(Rendition::Original),
            thumbnail_url: file.has_thumbnail.then(|| link(Rendition::Thumbnail)),
        }
    }
}
