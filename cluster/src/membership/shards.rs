//! Shards: what is placed. A conversation, an agent or a team belongs to one for good, and the view gives each to a member.

use std::ops::Index;

use serde::{Deserialize, Serialize};
use store::Incarnation;
use uuid::Uuid;

/// How many there are, for ever: stored views count on it.
pub const SHARDS: usize = 256;

/// Names a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u8);

/// Who owns a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// The boot that owns it; none: no member ever did.
    pub owner: Option<Incarnation>,
    /// The boot that may still append in it, while the shard moves; the owner starts only when there is none.
    pub from: Option<Incarnation>,
    /// The version of the view that gave it to this owner.
    pub since: u64,
}

/// Who owns which shard.
///
/// It is stored as the few ownerships that differ and the number of one for each shard, since every node reads it each second:
/// with all incarnations written out it would have twenty times the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Shards(Vec<Shard>);

#[derive(Serialize, Deserialize)]
struct Stored {
    ownerships: Vec<Shard>,
    /// The number of its ownership for each shard, in two hexadecimal digits.
    of: String,
}

/// The shard to which what has this id belongs.
pub fn shard_of(id: Uuid) -> ShardId {
    let [.., low] = crc32fast::hash(id.as_bytes()).to_be_bytes();
    ShardId(low)
}

impl ShardId {
    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

impl Shards {
    /// Each shard, by its number.
    pub fn iter(&self) -> impl Iterator<Item = (ShardId, &Shard)> {
        ShardId::all().zip(&self.0)
    }

    pub(super) fn get_mut(&mut self, id: ShardId) -> &mut Shard {
        &mut self.0[usize::from(id.0)]
    }
}

impl Default for Shards {
    fn default() -> Self {
        Self(vec![Shard::default(); SHARDS])
    }
}

impl Index<ShardId> for Shards {
    type Output = Shard;

    fn index(&self, id: ShardId) -> &Shard {
        &self.0[usize::from(id.0)]
    }
}

impl From<Shards> for Stored {
    fn from(Shards(shards): Shards) -> Self {
        let mut ownerships: Vec<Shard> = Vec::new();
        let number = |shard: &Shard| {
            let known = ownerships.iter().position(|known| known == shard);
            let at = known.unwrap_or_else(|| {
                ownerships.push(*shard);
                ownerships.len() - 1
            });
            u8::try_from(at).expect("as many as shards at most")
        };
        let digits = shards.iter().map(number).flat_map(|at: u8| [at >> 4, at & 15]);
        let of = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        Self { ownerships, of }
    }
}

impl TryFrom<Stored> for Shards {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        if stored.of.len() != 2 * SHARDS {
            return Err(format!("{} digits for {SHARDS} shards", stored.of.len()));
        }
        let mut shards = Vec::with_capacity(SHARDS);
        let mut digits = stored.of.chars().map(|digit| digit.to_digit(16));
        while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
            let at = high.zip(low).map(|(high, low)| (high * 16 + low) as usize);
            let ownership = at.and_then(|at| stored.ownerships.get(at));
            shards.push(*ownership.ok_or("a shard has an ownership that is not listed")?);
        }
        Ok(Self(shards))
    }
}
