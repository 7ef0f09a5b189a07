//! Who owns what, as all nodes agree: changed by compare-and-set, seen late.

use std::collections::BTreeSet;

/// A boot of a node, counted from 1.
pub(super) type Boot = u64;

#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) version: u64,
    pub(super) members: BTreeSet<Boot>,
    /// Who owns each conversation, and from which boot it moves until the owner has cleared that.
    pub(super) shards: Vec<Shard>,
    /// Evicted boots that are not known to be sealed.
    pub(super) unsealed: BTreeSet<Boot>,
    pub(super) sealed: BTreeSet<Boot>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) owner: Option<Boot>,
    pub(super) from: Option<Boot>,
}

impl View {
    pub(super) fn of(shards: usize) -> Self {
        Self {
            version: 0,
            members: BTreeSet::new(),
            shards: vec![Shard::default(); shards],
            unsealed: BTreeSet::new(),
            sealed: BTreeSet::new(),
        }
    }

    /// A boot joins, and gets what has no owner.
    pub(super) fn join(&mut self, boot: Boot) {
        self.version += 1;
        self.members.insert(boot);
        for shard in &mut self.shards {
            if shard.owner.is_none() {
                shard.owner = Some(boot);
            }
        }
    }

    /// Gives a shard to a member. While its owner has not cleared `from`, it has not started, and the next owner waits for
    /// the same boot; so does an owner that gets it back.
    pub(super) fn give(&mut self, shard: usize, to: Option<Boot>) {
        self.version += 1;
        let shard = &mut self.shards[shard];
        if shard.owner != to {
            shard.from = shard.from.or(shard.owner);
            shard.owner = to;
        }
    }

    pub(super) fn evict(&mut self, boot: Boot, to: impl Fn(usize) -> Option<Boot>) {
        self.members.remove(&boot);
        self.unsealed.insert(boot);
        for shard in 0..self.shards.len() {
            if self.shards[shard].owner == Some(boot) {
                self.give(shard, to(shard));
            }
        }
        self.version += 1;
    }

    pub(super) fn note_sealed(&mut self, boot: Boot) {
        self.version += 1;
        self.unsealed.remove(&boot);
        self.sealed.insert(boot);
    }

    /// The owner may start now: the version is its generation.
    pub(super) fn clear(&mut self, shard: usize, expected: Shard) -> Option<u64> {
        if self.shards[shard] != expected {
            return None;
        }
        self.version += 1;
        self.shards[shard].from = None;
        Some(self.version)
    }
}
