//! What a socket is told without having asked at that moment.

use std::sync::Arc;

use domain::{Author, ConversationId, Head, Seq, Status, Timestamp};

use super::notice::Loss;
use super::queue::{OfferEnd, QueueNews, QueuePosition};
use super::shown::SharedEvent;

/// One thing that a socket is told. A soft one may be dropped: it is out of date soon.
#[derive(Clone, Debug)]
pub enum Push {
    /// An event is durable. Of one conversation they come in order; a missing one is read from the store.
    Event {
        /// The event's conversation.
        conversation: ConversationId,
        /// Shared by all listeners.
        event: Arc<SharedEvent>,
    },
    /// Somebody of the other side types, or stopped. Soft.
    Typing {
        /// The conversation.
        conversation: ConversationId,
        /// Who types.
        by: Arc<Author>,
        /// False: they stopped.
        typing: bool,
        /// What they have typed so far; only agents are shown it.
        preview: Option<Arc<str>>,
    },
    /// A read mark moved. Soft.
    Read {
        /// The conversation.
        conversation: ConversationId,
        /// The reader.
        by: Arc<Author>,
        /// The mark's new place.
        seq: Seq,
    },
    /// The listener no longer sees the conversation.
    SightLost {
        /// The conversation.
        conversation: ConversationId,
    },
    /// The owner of the conversation is gone: subscribe again.
    OwnerLost {
        /// The conversation.
        conversation: ConversationId,
    },
    /// To an agent: their actor is gone, attach anew.
    AgentLost,
    /// To an agent, who has a conversation now.
    Assigned {
        /// The conversation.
        conversation: ConversationId,
        /// As it is now.
        head: Arc<Head>,
    },
    /// To an agent, who has it no longer.
    Unassigned {
        /// The conversation.
        conversation: ConversationId,
        /// Why.
        why: Loss,
    },
    /// To an agent: their status changed, on whichever device.
    Status(Status),
    /// To an agent, who may accept a conversation.
    Offer {
        /// The conversation.
        conversation: ConversationId,
        /// Where the conversation stands in its queue.
        position: QueuePosition,
        /// The offer's end.
        expires_at: Timestamp,
    },
    /// To an agent: an offer is over.
    OfferEnded {
        /// The conversation.
        conversation: ConversationId,
        /// Why.
        why: OfferEnd,
    },
    /// To an agent: how the queue of one of their teams stands.
    Queue(QueueNews),
    /// Somebody looks at the conversation, or went. Soft.
    Presence {
        /// The conversation.
        conversation: ConversationId,
        /// Who is there, or went.
        by: Arc<Author>,
        /// What they do.
        state: PresenceState,
    },
}

/// What somebody does at a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceState {
    /// An agent has it open.
    Viewing,
    /// An agent types.
    Replying,
    /// The visitor is there.
    Online,
    /// They went.
    Gone,
}

impl Push {
    /// About what it takes in memory and on the wire, in bytes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Push::Event { event, .. } => event.weight() as usize,
            Push::Typing { preview, .. } => 128 + preview.as_ref().map_or(0, |text| text.len()),
            Push::Assigned { .. } | Push::Offer { .. } => 2048,
            Push::Read { .. }
            | Push::SightLost { .. }
            | Push::OwnerLost { .. }
            | Push::AgentLost
            | Push::Unassigned { .. }
            | Push::Status(_)
            | Push::OfferEnded { .. }
            | Push::Queue(_)
            | Push::Presence { .. } => 128,
        }
    }
}
