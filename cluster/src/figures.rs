//! What a node knows of its cluster, for metrics: read when they are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::Incarnation;

use crate::link::LinkStatus;
use crate::membership::{MemberState, Shard, View};
use crate::name::NodeName;

/// The view and the links as one node has them.
#[derive(Clone, Debug)]
pub struct MemberFigures {
    pub(crate) me: Incarnation,
    pub(crate) view: Arc<View>,
    /// This node has custody.
    pub has_custody: bool,
    /// By peer; none of a node that is of no cluster.
    pub links: BTreeMap<NodeName, LinkStatus>,
    /// Connections that were refused since the start.
    pub refused: u64,
}

impl Default for MemberFigures {
    /// Of a node that knows nothing yet.
    fn default() -> Self {
        Self {
            me: Incarnation::NONE,
            view: Arc::default(),
            has_custody: false,
            links: BTreeMap::new(),
            refused: 0,
        }
    }
}

impl MemberFigures {
    /// The newest view's.
    pub fn version(&self) -> u64 {
        self.view.version()
    }

    /// How many members are so.
    pub fn members(&self, state: MemberState) -> usize {
        self.view.members().iter().filter(|member| member.state == state).count()
    }

    /// How many shards this node owns.
    pub fn shards(&self) -> usize {
        self.owned().count()
    }

    /// How many of them it has not started, since another boot may still append there.
    pub fn arriving(&self) -> usize {
        self.owned().filter(|shard| shard.from.is_some()).count()
    }

    /// How many boots are out of the view and not known to be sealed.
    pub fn unsealed(&self) -> usize {
        self.view.unsealed().len()
    }

    /// How many members were ever evicted since their counters stood.
    pub fn counter_evictions(&self) -> u64 {
        self.view.counter_evictions()
    }

    fn owned(&self) -> impl Iterator<Item = &Shard> {
        let shards = self.view.shards().iter().map(|(_, shard)| shard);
        shards.filter(|shard| shard.owner == Some(self.me))
    }
}
