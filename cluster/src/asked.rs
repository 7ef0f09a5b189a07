//! What a node asks of its peers over links, and what they answer. The outer shapes alone: what is inside is in the store's envelopes.
//!
//! **Enums here are append-only**: a variant is written by its place, and nodes of two releases speak with each other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{Incarnation, StoreError, envelope};

use crate::link::codec::{self, CodecError};
use crate::link::shapes::Opaque;
use crate::membership::{Released, ShardId, View};

#[cfg(test)]
mod tests;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AskedWords {
    /// To release these shards, which this view gives to the asker.
    Release { view: Opaque, shards: Vec<u8> },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AnswerWords {
    /// The shards that are released, each with the version of the view for whose ownership.
    Released { by: Incarnation, shards: Vec<(u8, u64)> },
}

/// An ask or an answer that is not known here: of a later release, or a fault of the peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnknownWords {
    /// The outer shape.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// What is in it.
    #[error(transparent)]
    Inner(#[from] StoreError),
}

/// An ask as it was understood.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To release these shards, by this view.
    Release {
        /// The asker's.
        view: View,
        /// Those that it waits for.
        shards: Vec<ShardId>,
    },
}

impl Asked {
    /// As it crosses.
    pub(crate) fn encode(&self) -> Bytes {
        let Self::Release { view, shards } = self;
        let shards = shards.iter().map(|shard| shard.0).collect();
        codec::encode(&AskedWords::Release { view: Opaque(envelope::seal(view).into()), shards }).into()
    }

    /// What crossed.
    ///
    /// # Errors
    /// [`UnknownWords`]: nothing is done, and the asker does not know.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, UnknownWords> {
        let AskedWords::Release { view, shards } = codec::decode(payload)?;
        let shards = shards.into_iter().map(ShardId).collect();
        Ok(Self::Release { view: envelope::open(&view.0)?, shards })
    }
}

/// The answer to [`Asked::Release`], as it crosses.
pub(crate) fn released(by: Incarnation, shards: &[(ShardId, Released)]) -> Bytes {
    let shards = shards.iter().map(|(shard, released)| (shard.0, released.since)).collect();
    codec::encode(&AnswerWords::Released { by, shards }).into()
}

/// The same as it crossed.
///
/// # Errors
/// [`UnknownWords`]: the asker asks again.
pub(crate) fn was_released(payload: &[u8]) -> Result<Vec<(ShardId, Released)>, UnknownWords> {
    let AnswerWords::Released { by, shards } = codec::decode(payload)?;
    let released = |(shard, since)| (ShardId(shard), Released { by, since });
    Ok(shards.into_iter().map(released).collect())
}
