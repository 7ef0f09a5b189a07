//! How the cluster stands, as its store says: for people who look at it from outside, from wherever they reach the store.

use std::collections::BTreeMap;

use domain::Timestamp;
use store::{Incarnation, Records, StoreError};

use crate::boot::SPREAD;
use crate::membership::{
    Heartbeat, Member, MemberState, Reason, Shard, View, change, handed_out, heartbeats,
};
use crate::name::NodeName;

#[cfg(test)]
mod tests;

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Of the view.
    pub version: u64,
    /// The newest formats that every member reads.
    pub level: u32,
    /// The members, by name.
    pub members: Vec<MemberStatus>,
    /// Shards that have an owner which has not started them yet, since another boot may still append there.
    pub moves: usize,
    /// Boots that are out of the view and whose lanes are not known to be sealed.
    pub unsealed: Vec<Incarnation>,
}

/// A member as the view and its last heartbeat say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// The member.
    pub member: Member,
    /// How many shards it owns.
    pub shards: usize,
    /// How many of them it has not started yet.
    pub arriving: usize,
    /// How many shards of others wait for it.
    pub leaving: usize,
    /// How often it has said that it lives; none: it is alone, or has not yet.
    pub heartbeats: Option<u64>,
    /// The members that it can ask.
    pub linked: Vec<NodeName>,
    /// The members that it takes for dead.
    pub accuses: Vec<(NodeName, Reason)>,
}

impl ClusterStatus {
    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known; the caller may ask again.
    pub async fn read(records: &dyn Records, now: Timestamp) -> Result<Self, StoreError> {
        // Changes nothing: it is only read.
        let view = change(records, now, |_| false).await?;
        Ok(Self::of(&view, heartbeats(records).await?))
    }

    fn of(view: &View, heartbeats: Vec<Heartbeat>) -> Self {
        let said: BTreeMap<Incarnation, Heartbeat> =
            heartbeats.into_iter().map(|heartbeat| (heartbeat.incarnation, heartbeat)).collect();
        let name = |of: &Incarnation| view.member(*of).map(|member| member.name.clone());
        let members = view.members().iter().map(|member| {
            let me = Some(member.incarnation);
            let count = |is_so: &dyn Fn(&Shard) -> bool| {
                view.shards().iter().filter(|(_, shard)| is_so(shard)).count()
            };
            let said = said.get(&member.incarnation);
            let linked = said.map(|said| said.linked.iter().filter_map(name).collect());
            let accuses = said.map(|said| {
                said.accuses.iter().filter_map(|one| Some((name(&one.of)?, one.reason))).collect()
            });
            MemberStatus {
                member: member.clone(),
                shards: count(&|shard| shard.owner == me),
                arriving: count(&|shard| shard.owner == me && shard.from.is_some()),
                leaving: count(&|shard| shard.from == me),
                heartbeats: said.map(|said| said.counter),
                linked: linked.unwrap_or_default(),
                accuses: accuses.unwrap_or_default(),
            }
        });
        Self {
            version: view.version(),
            level: view.level(),
            members: members.collect(),
            moves: view.shards().iter().filter(|(_, shard)| shard.from.is_some()).count(),
            unsealed: view.unsealed().to_vec(),
        }
    }
}

/// Has a member give away what it has and leave, from wherever the store is reached. Returns its boot as it was; none: no member
/// is called so.
///
/// # Errors
/// [`StoreError`]: it may have been told; to ask again is harmless.
pub async fn drain(
    records: &dyn Records,
    now: Timestamp,
    name: &NodeName,
) -> Result<Option<Incarnation>, StoreError> {
    let find = |view: &View| view.members().iter().find(|member| member.name == *name).cloned();
    let drains = |view: &mut View| {
        let member = find(view).filter(|member| member.state != MemberState::Draining);
        member.is_some_and(|member| view.drain(member.incarnation)) && handed_out(view, SPREAD)
    };
    let view = change(records, now, drains).await?;
    Ok(find(&view).map(|member| member.incarnation))
}
