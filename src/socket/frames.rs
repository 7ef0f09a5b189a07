//! The socket's frames, in and out. Names are the contract's.

use domain::{ConversationId, TeamId};
use serde::{Deserialize, Serialize};

use crate::errors::ErrorBody;
use crate::json::{ByJson, ConversationJson, EventJson, Rfc3339, Shown};
use crate::strict_json::{text_unless_empty, unless_null};

/// An id as clients send it.
pub(super) type IdText = String;

/// The first frame.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hello {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) token: String,
    #[serde(default, deserialize_with = "unless_null")]
    pub(super) resume: Vec<Resume>,
}

/// The `type`, which was looked at already.
pub(super) type IgnoredText = String;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    pub(super) conversation_id: IdText,
    #[serde(default)]
    pub(super) after: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscribe {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) conversation_id: IdText,
    #[serde(default)]
    pub(super) after: Option<u64>,
}

/// `unsubscribe`, `accept` and `decline`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfConversation {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) conversation_id: IdText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) conversation_id: IdText,
    pub(super) client_id: String,
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub(super) text: Option<String>,
    #[serde(default, deserialize_with = "unless_null")]
    pub(super) file_ids: Vec<IdText>,
    #[serde(default, deserialize_with = "unless_null")]
    pub(super) note: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) conversation_id: IdText,
    pub(super) typing: bool,
    #[serde(default)]
    pub(super) preview: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) conversation_id: IdText,
    pub(super) seq: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Viewing {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) conversation_id: IdText,
    pub(super) viewing: bool,
}

/// `watch` and `unwatch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfList {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) view: String,
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub(super) team_id: Option<IdText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetStatus {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) status: domain::Status,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewToken {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
    pub(super) token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ping {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredText,
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Frame<'a> {
    Welcome(Box<Welcome<'a>>),
    Subscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<&'a str>,
        conversation_id: Shown<ConversationId>,
        last_seq: u64,
    },
    CaughtUp {
        conversation_id: Shown<ConversationId>,
        seq: u64,
    },
    Gap {
        conversation_id: Shown<ConversationId>,
        from: u64,
        to: u64,
    },
    Unsubscribed {
        conversation_id: Shown<ConversationId>,
        reason: &'static str,
    },
    Ok {
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<&'a str>,
    },
    Sent {
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<&'a str>,
        message_id: String,
        seq: u64,
        at: Rfc3339,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<&'a str>,
    },
    Event {
        conversation_id: Shown<ConversationId>,
        seq: u64,
        event: EventJson<'a>,
    },
    Typing {
        conversation_id: Shown<ConversationId>,
        by: ByJson<'a>,
        typing: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        preview: Option<&'a str>,
    },
    Read {
        conversation_id: Shown<ConversationId>,
        by: ByJson<'a>,
        seq: u64,
    },
    Assigned {
        conversation: ConversationJson<'a>,
    },
    Unassigned {
        conversation_id: Shown<ConversationId>,
        reason: &'static str,
    },
    Status {
        status: domain::Status,
    },
    Offer {
        conversation: ConversationJson<'a>,
        expires_at: Rfc3339,
    },
    OfferEnded {
        conversation_id: Shown<ConversationId>,
        reason: &'static str,
    },
    QueueChanged {
        team_id: String,
        waiting: usize,
        longest_wait_s: u64,
    },
    /// In a list that is watched, or the agent's own.
    Conversation {
        conversation: ConversationJson<'a>,
    },
    ConversationRemoved {
        conversation_id: Shown<ConversationId>,
        view: &'static str,
        /// As the list was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        team_id: Option<Shown<TeamId>>,
    },
    /// Where a visitor's conversation waits.
    Queue {
        conversation_id: Shown<ConversationId>,
        position: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_wait_s: Option<u64>,
    },
    Presence {
        conversation_id: Shown<ConversationId>,
        by: ByJson<'a>,
        state: &'static str,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation_id: Option<&'a str>,
        error: ErrorBody<'a>,
    },
}

#[derive(Serialize)]
pub(super) struct Welcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<&'a str>,
    pub(super) session_id: String,
    pub(super) principal: PrincipalJson,
    pub(super) heartbeat_s: u64,
    pub(super) limits: LimitsJson,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<WelcomeAgent<'a>>,
}

/// What an agent's socket begins with.
#[derive(Serialize)]
pub(super) struct WelcomeAgent<'a> {
    pub(super) status: domain::Status,
    pub(super) capacity: u32,
    pub(super) held: Vec<ConversationJson<'a>>,
    pub(super) offers: Vec<OfferJson<'a>>,
}

/// What an agent may accept.
#[derive(Serialize)]
pub(super) struct OfferJson<'a> {
    pub(super) conversation: ConversationJson<'a>,
    pub(super) expires_at: Rfc3339,
}

#[derive(Serialize)]
pub(super) struct PrincipalJson {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) workspace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) site_id: Option<String>,
}

/// The limits that a client can keep to.
#[derive(Serialize)]
pub(super) struct LimitsJson {
    pub(super) frame_bytes_max: usize,
    pub(super) text_bytes_max: usize,
    pub(super) upload_bytes_max: u64,
    pub(super) frames_burst: u32,
    pub(super) frames_per_s: u32,
    pub(super) subscriptions_per_socket: usize,
}
