//! A message as it comes in, as it is kept, and as it is told.

use std::borrow::Cow;

use domain::{MessageId, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

/// Makes messages durable.
pub(crate) trait Log: Send + Sync + 'static {
    /// Durable when it answers, with the message's place.
    fn append(&self, message: &Message<'_>) -> impl Future<Output = anyhow::Result<u64>> + Send;
}

/// The body of a POST.
#[derive(Deserialize)]
pub(crate) struct Post<'a> {
    #[serde(borrow)]
    pub(crate) client_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
}

/// A message that has no place yet.
#[derive(Serialize)]
pub(crate) struct Message<'a> {
    /// By its number.
    pub(crate) conversation: usize,
    pub(crate) message_id: MessageId,
    pub(crate) at: Timestamp,
    pub(crate) client_id: &'a str,
    pub(crate) text: &'a str,
}

/// The answer to a POST.
#[derive(Serialize)]
pub(crate) struct Posted {
    message_id: String,
    seq: u64,
    at: Rfc3339,
}

/// What the agent is pushed: as Switchboard writes it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "event")]
pub(crate) struct EventFrame<'a> {
    conversation_id: usize,
    seq: u64,
    event: Event<'a>,
}

#[derive(Serialize)]
struct Event<'a> {
    seq: u64,
    at: Rfc3339,
    kind: &'static str,
    by: By,
    message_id: String,
    client_id: &'a str,
    text: &'a str,
    files: [(); 0],
}

#[derive(Serialize)]
struct By {
    kind: &'static str,
    id: usize,
}

#[derive(Clone, Copy)]
struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = i64::try_from(self.0.as_ms()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&format_args!("{at:.3}"))
    }
}

impl Message<'_> {
    pub(crate) fn posted(&self, seq: u64) -> Posted {
        Posted { message_id: self.message_id.to_string(), seq, at: Rfc3339(self.at) }
    }

    pub(crate) fn event(&self, seq: u64) -> EventFrame<'_> {
        let event = Event {
            seq,
            at: Rfc3339(self.at),
            kind: "message",
            by: By { kind: "visitor", id: self.conversation },
            message_id: self.message_id.to_string(),
            client_id: self.client_id,
            text: self.text,
            files: [],
        };
        EventFrame { conversation_id: self.conversation, seq, event }
    }
}
