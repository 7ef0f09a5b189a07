//! What actors publish: the hub of each node makes pushes of it, for those of its sockets that may see it.

use std::sync::Arc;

use domain::{Author, Head, Seq};

use super::ask::ListenerId;
use super::push::{PresenceState, Push};
use super::queue::QueueNews;
use super::shown::SharedEvent;

/// Something that a conversation's actor publishes, in its order.
#[derive(Clone, Debug)]
pub(crate) enum Publication {
    /// This listener is heard of by the actor: what follows is for it too.
    Opened {
        listener: ListenerId,
        /// Who is there.
        present: Vec<(Arc<Author>, PresenceState)>,
    },
    /// An event is durable.
    Event {
        event: Arc<SharedEvent>,
        /// The head after it, where it changes who sees the conversation.
        head: Option<Arc<Head>>,
    },
    /// Somebody types, or stopped. `preview`: what they have typed so far, for agents alone.
    Typing { by: Arc<Author>, typing: bool, preview: Option<Arc<str>> },
    /// A read mark moved.
    Read { by: Arc<Author>, seq: Seq },
    /// Somebody looks at the conversation, or went; for agents alone.
    Presence { by: Arc<Author>, state: PresenceState },
    /// The actor ends: its listeners are to find the next owner.
    Gone,
}

/// Something that an agent's actor publishes, in its order.
#[derive(Clone, Debug)]
pub(crate) enum AgentPublication {
    /// This socket is counted by the actor: what follows is for it too.
    Opened {
        session: u64,
        /// How the queues of the agent's teams stand.
        queues: Vec<QueueNews>,
    },
    /// For all sockets of the agent.
    Push(Push),
    /// The actor ends: the sockets are to attach anew.
    Gone,
}
