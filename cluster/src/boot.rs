//! One boot of this node: a member of the view, with lanes of its own, and custody once the view gives it everything.
//!
//! A node that is alone is the one member, with every shard: of two that start at once one comes after the other; the later one
//! seals the lanes of the one before, and starts only then. A node of a cluster stands by until all shards are its own and
//! the boot that had them before has left or was sealed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actors::{Authority, Custody, WeakNode};
use domain::Timestamp;
use store::{Clock, Generation, Incarnation, Lanes, LanesEnd, OpenLanesError, Store, StoreError};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::figures::MemberFigures;
use crate::keeper::Keeper;
use crate::link::Introduction;
use crate::membership::timing::STANDING_AFTER;
use crate::membership::{
    AloneError, Driver, Member, MemberState, Membership, Pulse, Spread, View, change, heartbeats,
};
use crate::name::NodeName;
use crate::peering::{Joining, Peering};
use crate::protocol::ProtocolRange;
use crate::releasing;

#[cfg(test)]
mod tests;

/// How often a call that the store did not answer is made again, and the pause before: twice as long each time.
const TRIES_MAX: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// How often a node that is out looks whether its lanes are sealed by now.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long peers may take to know that this boot is out, before it goes on to end. They read the view each second anyway.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another server started meanwhile and sealed the lanes of this one.
    #[error("another server opened this store: only one may run without `[cluster]`")]
    Superseded,
    /// The store belongs to a cluster that lives, and this node is of none.
    #[error(
        "nodes of a cluster use this store ({}): to join them, this server needs `[cluster]` in its configuration; to \
         run it alone, stop them first", listed(.0)
    )]
    ClusterLives(Vec<NodeName>),
    /// The cluster has put this boot out again before it had started; another boot may start.
    #[error("the cluster has put this node out of its view again")]
    Out,
    /// Links cannot be started.
    #[error("links to the other nodes: {0}")]
    Links(io::Error),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

/// Why a node that has started ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is alone, and another server took the store over.
    Superseded,
    /// The cluster has put it out of the view: it may join again, as another boot.
    Out,
    /// A write failed in a way that leaves open what is on disk.
    Failed,
}

/// The name of a node that is alone: each server that starts over the same store is its next boot.
const ALONE: &str = "alone";
/// The newest formats that this program reads.
const LEVEL: u32 = 1;
/// Conversations, agents and lists do not cross from node to node yet, so one member has all of them and the others stand by.
pub(crate) const SPREAD: Spread = Spread::One;

/// A boot that is a member, with its lanes open.
#[derive(Clone)]
pub struct Boot {
    store: Store,
    membership: Membership,
    lanes: Arc<dyn Lanes>,
    custody: Custody,
    keeper: Arc<Keeper>,
    /// None: it is alone.
    peering: Option<Arc<Peering>>,
}

/// How it begins.
impl Boot {
    /// Makes a new boot the one member, seals those before, and opens its lanes.
    ///
    /// # Errors
    /// [`StartError::Superseded`]: another boot came after this one. [`StartError::ClusterLives`]: nothing was changed.
    /// [`StartError::Store`]: the store did not answer; the caller may enter again.
    pub async fn enter(store: &Store, clock: &Clock) -> Result<Self, StartError> {
        let me = Incarnation(Uuid::new_v4());
        let dead = dead_members(store, clock.now()).await?;
        let (boot, driver) = enter(store, clock, me, &dead).await?;
        tokio::spawn(driver);
        Ok(boot)
    }

    /// Joins a cluster as a new boot, and opens its lanes. It has no custody yet.
    ///
    /// # Errors
    /// [`StartError::Out`]: it may join again. [`StartError::Links`]: the system has no threads or sockets for them.
    /// [`StartError::Store`]: the store did not answer; the caller may join again.
    pub async fn join(store: &Store, clock: &Clock, joining: Joining) -> Result<Self, StartError> {
        let me = Incarnation(Uuid::new_v4());
        let member = Member { address: joining.address.clone(), ..member(me, joining.name.clone()) };
        let introduction = Introduction {
            name: member.name.clone(),
            incarnation: me.0,
            booted_ms: clock.now().as_ms(),
            level: LEVEL,
        };
        let pulse = Pulse::new();
        let peering = Peering::start(joining, introduction, pulse.clone(), clock.clone());
        let peering = Arc::new(peering.map_err(StartError::Links)?);
        let (records, pings) = (Arc::clone(&store.records), peering.pings());
        let (membership, driver) = Driver::join(records, clock.clone(), member, pulse, pings, SPREAD).await?;
        tokio::spawn(driver.run());
        tokio::spawn(Arc::clone(&peering).run(membership.clone()));
        let opened = try_again(|| open(store, me)).await;
        let lanes = opened.map_err(|error| match error {
            StartError::Superseded => StartError::Out,
            other => other,
        })?;
        tracing::info!(version = membership.view().version(), incarnation = %me.0, "joined the cluster");
        let custody = Custody::default();
        let keeper = Arc::new(Keeper::new(store.clone(), membership.clone(), custody.clone()));
        Ok(Self { store: store.clone(), membership, lanes, custody, keeper, peering: Some(peering) })
    }

    /// For tests that name the boot; nothing runs its membership afterwards.
    #[cfg(test)]
    pub(crate) async fn enter_as(store: &Store, me: Incarnation, clock: &Clock) -> Result<Self, StartError> {
        Ok(enter(store, clock, me, &[]).await?.0)
    }
}

/// What it has.
impl Boot {
    /// What its node writes by.
    pub fn authority(&self) -> Authority {
        Authority { lanes: Arc::clone(&self.lanes), custody: self.custody.clone() }
    }

    /// Its lanes.
    pub fn lanes(&self) -> &Arc<dyn Lanes> {
        &self.lanes
    }

    /// As which a boot writes that is alone: it has custody from the beginning.
    ///
    /// # Panics
    /// Of a boot that joined a cluster and stands by.
    pub fn generation(&self) -> Generation {
        self.custody.generation().expect("a boot that is alone has custody")
    }

    /// Whether it has custody, and as which it writes then.
    pub fn custody(&self) -> &Custody {
        &self.custody
    }

    /// Its membership.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The view and the links as it knows them.
    pub(crate) fn figures(&self) -> MemberFigures {
        let links = self.peering.as_ref().map(|peering| peering.status());
        let refused = self.peering.as_ref().map(|peering| peering.refused());
        MemberFigures {
            me: self.lanes.incarnation(),
            view: self.membership.view(),
            has_custody: self.custody.generation().is_some(),
            links: links.unwrap_or_default(),
            refused: refused.unwrap_or_default(),
        }
    }

    /// Keeps its custody until it is out, with the node that has its actors.
    pub(crate) async fn keep(self, node: WeakNode) {
        let Some(peering) = self.peering else { return self.keeper.run(|_, _| {}).await };
        let (keeper, membership) = (Arc::clone(&self.keeper), self.membership);
        let ask = |view: &View, asks| releasing::ask(&peering, &keeper, view, asks);
        let answers =
            releasing::answer(Arc::clone(&peering), Arc::clone(&keeper), membership, node, self.lanes);
        tokio::join!(keeper.run(ask), answers);
    }
}

/// How it ends.
impl Boot {
    /// Completes when this boot can write nothing any more, or must not, which it did not ask for.
    pub async fn ended(&self) -> Ended {
        let mut out = self.membership.out();
        // The membership, which this boot holds, has the sender.
        let is_out = async { drop(out.wait_for(Option::is_some).await) };
        let end = tokio::select! {
            end = self.lanes.ended() => end,
            () = is_out => LanesEnd::Sealed,
        };
        match end {
            LanesEnd::Failed => Ended::Failed,
            LanesEnd::Sealed if self.peering.is_some() => Ended::Out,
            LanesEnd::Sealed => Ended::Superseded,
        }
    }

    /// Completes when the view says that this boot is to give away what it has, and leave.
    pub async fn told_to_leave(&self) {
        let mut views = self.membership.views();
        let me = self.membership.incarnation();
        let drains = |view: &Arc<View>| view.member(me).is_some_and(|me| me.state == MemberState::Draining);
        // The membership, which this boot holds, has the sender.
        drop(views.wait_for(drains).await);
    }

    /// Has the next one ready while this boot finishes what it has.
    ///
    /// # Errors
    /// [`StoreError`]: the next one finds it by itself.
    pub(crate) async fn begin_leaving(&self) -> Result<(), StoreError> {
        match &self.peering {
            None => Ok(()),
            Some(_) => self.membership.drain().await.map(drop),
        }
    }

    /// Writes no more: seals the lanes, and goes out of the view.
    ///
    /// # Errors
    /// [`StoreError`]: the next boot, or another member, seals the lanes.
    pub async fn leave(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(peering) = &self.peering else {
            self.lanes.close().await?;
            let me = self.lanes.incarnation();
            return change(&*self.store.records, now, |view| view.leave(me)).await.map(drop);
        };
        let left = async {
            self.lanes.close().await?;
            let view = self.membership.leave().await?;
            if timeout(TOLD_WITHIN, peering.until_known(view.version())).await.is_err() {
                tracing::debug!("not every peer has said that it knows of the last view");
            }
            Ok(())
        };
        let left = left.await;
        peering.stop();
        left
    }
}

/// A node whose boot is out ends as soon as its lanes are sealed, also when it writes nothing.
pub(crate) async fn watch(node: WeakNode, membership: Membership, lanes: Arc<dyn Lanes>) {
    let mut out = membership.out();
    // It has the sender.
    drop(out.wait_for(Option::is_some).await);
    drop(membership);
    while node.upgrade().is_some() {
        match lanes.confirm().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::debug!(%error, "whether the lanes are open is not known"),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The members of a cluster whose counters stand: nothing is known of them by a node that is alone but that.
async fn dead_members(store: &Store, now: Timestamp) -> Result<Vec<Incarnation>, StoreError> {
    let records = &*store.records;
    // Changes nothing: it is only read.
    let view = change(records, now, |_| false).await?;
    let members: Vec<Incarnation> =
        view.members().iter().filter(|member| !member.is_alone()).map(|member| member.incarnation).collect();
    if members.is_empty() {
        return Ok(members);
    }
    let counters = || async {
        let all = heartbeats(records).await?;
        Ok::<_, StoreError>(all.into_iter().map(|one| (one.incarnation, one.counter)).collect::<Vec<_>>())
    };
    let (before, since) = (counters().await?, Instant::now());
    tracing::info!("members of a cluster stand in the store: whether they live is seen within seconds");
    while since.elapsed() < STANDING_AFTER {
        sleep(Duration::from_secs(1)).await;
        if counters().await? != before {
            return Ok(Vec::new());
        }
    }
    Ok(members)
}

/// The boot with what runs its membership.
async fn enter(
    store: &Store,
    clock: &Clock,
    me: Incarnation,
    dead: &[Incarnation],
) -> Result<(Boot, impl Future<Output = ()> + Send + use<>), StartError> {
    let member = member(me, NodeName::parse(ALONE).expect("a plain word"));
    let joined = Driver::join_alone(Arc::clone(&store.records), clock.clone(), member, dead).await;
    let (membership, driver) = joined.map_err(|error| match error {
        AloneError::Store(error) => StartError::Store(error),
        AloneError::Cluster(living) => {
            StartError::ClusterLives(living.into_iter().map(|member| member.name).collect())
        }
    })?;
    let mut driver = Box::pin(driver.run());
    let entered = tokio::select! {
        entered = take_over(store, membership) => entered,
        () = driver.as_mut() => Err(StartError::Superseded),
    };
    match entered {
        Ok(boot) => Ok((boot, driver)),
        Err(error) => {
            // Its lanes will never be used, so that the next boot need not seal them; nothing rests on this.
            if let Err(error) = change(&*store.records, clock.now(), |view| view.leave(me)).await {
                tracing::debug!(%error, "a boot that failed stays in the view");
            }
            Err(error)
        }
    }
}

async fn take_over(store: &Store, membership: Membership) -> Result<Boot, StartError> {
    let custody = Custody::default();
    let keeper = Arc::new(Keeper::new(store.clone(), membership.clone(), custody.clone()));
    try_again(|| async { Ok(keeper.turn().await?) }).await?;
    if custody.generation().is_none() {
        return Err(StartError::Superseded);
    }
    let lanes = try_again(|| open(store, membership.incarnation())).await?;
    Ok(Boot { store: store.clone(), membership, lanes, custody, keeper, peering: None })
}

async fn open(store: &Store, me: Incarnation) -> Result<Arc<dyn Lanes>, StartError> {
    store.log.open(me).await.map_err(|error| match error {
        OpenLanesError::Sealed => StartError::Superseded,
        OpenLanesError::Store(error) => StartError::Store(error),
    })
}

/// The boot as a member that nobody reaches.
fn member(incarnation: Incarnation, name: NodeName) -> Member {
    Member {
        name,
        incarnation,
        address: String::new(),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: LEVEL,
    }
}

async fn try_again<T, F>(call: impl Fn() -> F) -> Result<T, StartError>
where
    F: Future<Output = Result<T, StartError>>,
{
    let mut pause = TRY_AGAIN;
    for _ in 1..TRIES_MAX {
        match call().await {
            Err(StartError::Store(error)) => {
                tracing::debug!(%error, "once more");
                sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    call().await
}
