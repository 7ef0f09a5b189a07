//! The outer shapes of what crosses between nodes. What they carry inside is opaque here.
//!
//! **Enums here are append-only.** A variant is written by its place, so a variant is added at the end; none is moved,
//! taken away or given other fields, since nodes of two releases speak with each other during an upgrade. The golden
//! samples of `codec.rs` hold this. A variant that the other side's protocol does not have is never sent to it.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::name::NodeName;
use crate::protocol::ProtocolRange;

/// Bytes that links carry and do not read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Opaque(pub(crate) Bytes);

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Opaque {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Opaque;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Opaque, E> {
                Ok(Opaque(Bytes::copy_from_slice(bytes)))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Opaque, E> {
                Ok(Opaque(bytes.into()))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

/// Which of the two connections of a pair. Append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ConnectionKind {
    /// Pings alone, so that no queue stands before them.
    Control,
    /// Everything else.
    Data,
}

/// A node as it introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Its name in the view.
    pub name: NodeName,
    /// This boot of it.
    pub incarnation: Uuid,
    /// Orders the boots of one name: the greater is the newer, such as the machine's time at the start in milliseconds.
    /// If a clock gives the wrong order, the newer boot waits until the older one's silence is noticed; nothing else
    /// rests on it.
    pub booted_ms: u64,
    /// The level of formats that it writes and reads.
    pub level: u32,
}

/// What a handshake draws once and never again.
pub(super) type Nonce = [u8; 32];

/// An HMAC-SHA-256.
pub(super) type Proof = [u8; 32];

/// The messages of a handshake, in their order. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Greeting {
    /// From the node that dials.
    Hello(PeerHello),
    /// The answer, which shows nothing of the node that was dialed.
    Challenge { nonce: Nonce },
    /// The dialing node knows the secret.
    Proof { proof: Proof },
    /// The dialed node knows it too.
    Welcome { welcome: Welcome, proof: Proof },
}

/// The dialing node's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PeerHello {
    pub(super) connection: ConnectionKind,
    pub(super) protocols: ProtocolRange,
    pub(super) nonce: Nonce,
    pub(super) from: Introduction,
    /// The node that is meant, so that a proof made for one node is worth nothing to another.
    pub(super) to: NodeName,
}

/// The dialed node's last message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) from: Introduction,
    pub(super) protocols: ProtocolRange,
    pub(super) protocol: u32,
}

/// What crosses a control connection after the handshake. Append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Control {
    /// To be answered by a pong in a frame of the same id.
    Ping,
    Pong(Vitals),
}

/// How a node is, as its pongs tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vitals {
    /// Its clock, in milliseconds since 1970.
    pub clock_ms: u64,
    /// For how long its main runtime has not ticked.
    pub tick_age_ms: u64,
    /// How long ago its last heartbeat was written; none: none was yet.
    pub heartbeat_age_ms: Option<u64>,
}

/// What an ask came to on the side that was asked. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum AskReply {
    Done(Opaque),
    /// The budget was over before anything was done.
    Expired,
    /// Too much is being done: nothing was.
    Overloaded,
    /// It may have been done, and there is no answer.
    Unanswered,
}

/// What a publication says. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Published {
    Body {
        key: Opaque,
        body: Opaque,
    },
    /// Publications under this key were left out here, and are to be read from the store.
    Gone {
        key: Opaque,
    },
    /// The same for every key.
    GoneAll,
}
