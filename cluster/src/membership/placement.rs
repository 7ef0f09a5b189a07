//! Which member gets which shard: as even as can be, moving as few as possible, the same on every node.

use std::collections::BTreeMap;

use store::Incarnation;

use super::shards::{SHARDS, ShardId, Shards};

/// Which members shards are given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// To all members that are up, evenly.
    Even,
    /// All of them to one member that is up, the one that has the most; the others stand by.
    One,
}

/// Which of the members that are up take shards.
pub(super) fn takers(shards: &Shards, up: Vec<Incarnation>, spread: Spread) -> Vec<Incarnation> {
    let owned =
        |member: &Incarnation| shards.iter().filter(|(_, shard)| shard.owner == Some(*member)).count();
    match spread {
        Spread::Even => up,
        // Of several that have as many the first, on which all nodes agree.
        Spread::One => up.into_iter().rev().max_by_key(owned).into_iter().collect(),
    }
}

/// The moves after which the shards are spread over `takers` within one of each other, as few as possible. `takers` stand in an
/// order on which all nodes agree.
pub(super) fn moves(shards: &Shards, takers: &[Incarnation]) -> Vec<(ShardId, Incarnation)> {
    if takers.is_empty() {
        return Vec::new();
    }
    let mut room = shares(shards, takers);
    let mut homeless = Vec::new();
    for (id, shard) in shards.iter() {
        match shard.owner.and_then(|owner| room.get_mut(&owner)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => homeless.push(id),
        }
    }
    let places = takers.iter().flat_map(|taker| std::iter::repeat_n(*taker, room[taker]));
    homeless.into_iter().zip(places).collect()
}

/// How many shards each taker gets. Those that have the most get one more than the others where it does not come out even, so
/// that nothing moves for it.
fn shares(shards: &Shards, takers: &[Incarnation]) -> BTreeMap<Incarnation, usize> {
    let mut owned: BTreeMap<Incarnation, usize> = BTreeMap::new();
    for owner in shards.iter().filter_map(|(_, shard)| shard.owner) {
        *owned.entry(owner).or_default() += 1;
    }
    let mut ranked = takers.to_vec();
    ranked.sort_by_key(|taker| std::cmp::Reverse(owned.get(taker).copied().unwrap_or(0)));
    let (each, rest) = (SHARDS / takers.len(), SHARDS % takers.len());
    ranked.into_iter().zip(0..).map(|(taker, rank)| (taker, each + usize::from(rank < rest))).collect()
}
