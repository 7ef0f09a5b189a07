//! What a conversation's actor is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use domain::{Event, Head};
use store::{Append, StoreError};

use super::mailbox::{Asked, Handle};
use crate::words::{Execute, ListenerId, Probe, Read, Settle, Subscribe, Typing, Viewing};

pub(crate) type ConversationHandle = Handle<ConversationMessage, Activity>;

pub(crate) enum ConversationMessage {
    Execute(Asked<Execute>),
    Probe(Asked<Probe>),
    Settle(Asked<Settle>),
    Subscribe(Asked<Subscribe>),
    Viewing(Asked<Viewing>),
    Typing(Asked<Typing>),
    Read(Asked<Read>),
    Unsubscribe(ListenerId),
    Appended(Box<Appended>),
    /// Nothing can be appended on this node any more.
    LanesEnded,
    MarksWritten,
    TypingDue,
    Passivate {
        only_idle: bool,
    },
    #[cfg(any(test, feature = "testing"))]
    Inspect(tokio::sync::oneshot::Sender<domain::Conversation>),
}

/// What came of an append.
pub(crate) struct Appended {
    pub(crate) events: Vec<Event>,
    /// The head after them.
    pub(crate) head: Arc<Head>,
    pub(crate) outcome: Result<Append, StoreError>,
    pub(crate) took: Duration,
}

/// What the node sees of a conversation without asking its actor.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// When it was last asked for something, in milliseconds of the node's uptime.
    pub(crate) used_ms: AtomicU64,
    pub(crate) listeners: AtomicUsize,
}

impl From<Asked<Execute>> for ConversationMessage {
    fn from(asked: Asked<Execute>) -> Self {
        Self::Execute(asked)
    }
}

impl From<Asked<Probe>> for ConversationMessage {
    fn from(asked: Asked<Probe>) -> Self {
        Self::Probe(asked)
    }
}

impl From<Asked<Settle>> for ConversationMessage {
    fn from(asked: Asked<Settle>) -> Self {
        Self::Settle(asked)
    }
}

impl From<Asked<Subscribe>> for ConversationMessage {
    fn from(asked: Asked<Subscribe>) -> Self {
        Self::Subscribe(asked)
    }
}

impl From<Asked<Viewing>> for ConversationMessage {
    fn from(asked: Asked<Viewing>) -> Self {
        Self::Viewing(asked)
    }
}

impl From<Asked<Typing>> for ConversationMessage {
    fn from(asked: Asked<Typing>) -> Self {
        Self::Typing(asked)
    }
}

impl From<Asked<Read>> for ConversationMessage {
    fn from(asked: Asked<Read>) -> Self {
        Self::Read(asked)
    }
}
