//! Links between nodes: two framed TCP connections for each pair, one for pings and one for everything else. The rules
//! stand in files without IO (`frame`, `handshake`, `peer`, `publications`, `control_link`, `roster`), `tcp` carries
//! their bytes.
//!
//! A link carries what it is given: payloads are bytes, and what they mean is the business of the layer above.

mod answers;
mod asks;
pub(crate) mod codec;
mod control_link;
mod counters;
mod data_link;
mod frame;
mod handshake;
mod inbox;
#[cfg(test)]
mod mutant;
mod peer;
mod publications;
mod publisher;
mod roster;
mod secret;
pub(crate) mod shapes;
mod tcp;
mod tls;

pub use asks::AskError;
pub use counters::LinkCounters;
pub use inbox::{IncomingAsk, IncomingPublication, IncomingTell, LinkInbox};
pub use publications::Delivery;
pub use secret::{ClusterSecret, SecretTooShort};
pub use shapes::{Introduction, Vitals};
pub use tcp::{LastPong, LinkSettings, LinkStatus, Links};
pub use tls::{LinkTls, LinkTlsError};
