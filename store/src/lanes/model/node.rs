//! A node: it boots, sees views late, takes shards over, writes, seals boots that others evicted, moves segments home, and dies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{ConversationId, Seq, WorkspaceId};
use tokio::task::{AbortHandle, JoinHandle};
use uuid::Uuid;

use crate::{Append, Clock, ConversationKey, Incarnation, LanesEnd, OpenLanesError, StoreError};

use super::super::log::LaneLog;
use super::super::mutant::{self, Mutant};
use super::super::open::OpenLanes;
use super::super::options::LaneOptions;
use super::super::segments::{StoredEvent, StoredGroup};
use super::base::Base;
use super::link::Link;
use super::view::{Boot, Shard, View};

/// All nodes, and what they agree on.
pub(super) struct World {
    pub(super) base: Arc<Base>,
    pub(super) options: LaneOptions,
    pub(super) clock: Clock,
    pub(super) view: Mutex<View>,
    pub(super) nodes: Mutex<BTreeMap<Boot, Arc<Node>>>,
    /// Writers stop when they have appended so much, in the end.
    pub(super) is_ending: AtomicBool,
}

pub(super) struct Node {
    boot: Boot,
    link: Arc<Link>,
    log: LaneLog<Link>,
    lanes: Mutex<Option<Arc<OpenLanes<Link>>>>,
    view: Mutex<View>,
    /// The custody of each shard.
    work: Mutex<BTreeMap<usize, JoinHandle<()>>>,
    tasks: Mutex<Vec<AbortHandle>>,
    pub(super) is_dead: AtomicBool,
}

pub(super) fn incarnation(boot: Boot) -> Incarnation {
    Incarnation(Uuid::from_u128(boot.into()))
}

pub(super) fn key(shard: usize) -> ConversationKey {
    ConversationKey {
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(7)),
        conversation: ConversationId::from_uuid(Uuid::from_u128(shard as u128 + 1)),
    }
}

pub(super) async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

impl World {
    pub(super) fn log(&self, link: Arc<Link>, seed: u64) -> LaneLog<Link> {
        LaneLog::new(link, self.options.clone(), self.clock.clone(), seed)
    }

    pub(super) fn below(&self, end: u64) -> u64 {
        self.base.chance.below(end)
    }

    pub(super) fn one_in(&self, count: u64) -> bool {
        self.base.one_in(count)
    }

    pub(super) fn view(&self) -> View {
        self.view.lock().unwrap().clone()
    }

    pub(super) fn fault(&self, what: String) {
        self.base.state().truth.fault(what);
    }

    pub(super) fn stuck(&self, what: String) {
        self.base.state().truth.stuck.push(what);
    }

    fn node(&self, boot: Boot) -> Option<Arc<Node>> {
        self.nodes.lock().unwrap().get(&boot).filter(|node| node.is_alive()).cloned()
    }

    pub(super) fn alive(&self) -> Vec<Boot> {
        let nodes = self.nodes.lock().unwrap();
        nodes.values().filter(|node| node.is_alive()).map(|node| node.boot).collect()
    }

    /// Boots a node, which joins when its lanes are open.
    pub(super) fn boot(self: &Arc<Self>) {
        let mut nodes = self.nodes.lock().unwrap();
        let boot = nodes.len() as Boot + 1;
        let link = Link::new(&self.base);
        let node = Arc::new(Node {
            boot,
            log: self.log(Arc::clone(&link), boot),
            link,
            lanes: Mutex::new(None),
            view: Mutex::new(self.view()),
            work: Mutex::default(),
            tasks: Mutex::default(),
            is_dead: AtomicBool::new(false),
        });
        nodes.insert(boot, Arc::clone(&node));
        node.spawn(Arc::clone(&node).run(Arc::clone(self)));
    }

    /// The node is gone in the middle of whatever it does.
    pub(super) fn kill(&self, boot: Boot) {
        if let Some(node) = self.node(boot) {
            node.die();
        }
    }
}

impl Node {
    pub(super) fn is_alive(&self) -> bool {
        !self.is_dead.load(Ordering::Relaxed)
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap().push(tokio::spawn(work).abort_handle());
    }

    fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
        self.link.is_cut.store(true, Ordering::Relaxed);
        self.lanes.lock().unwrap().take();
        self.tasks.lock().unwrap().iter().for_each(AbortHandle::abort);
        self.work.lock().unwrap().values().for_each(JoinHandle::abort);
    }

    fn lanes(&self) -> Option<Arc<OpenLanes<Link>>> {
        self.lanes.lock().unwrap().clone()
    }

    /// Closes the lanes as a node that leaves does.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        match self.lanes() {
            Some(lanes) => lanes.close().await,
            None => Ok(()),
        }
    }

    async fn run(self: Arc<Self>, world: Arc<World>) {
        loop {
            match self.log.open(incarnation(self.boot)).await {
                Ok(lanes) => break *self.lanes.lock().unwrap() = Some(lanes),
                Err(OpenLanesError::Store(_)) => sleep_ms(5).await,
                Err(OpenLanesError::Sealed) => return self.die(),
            }
        }
        world.view.lock().unwrap().join(self.boot);
        let node = Arc::clone(&self);
        self.spawn(async move {
            let Some(lanes) = node.lanes() else { return };
            if lanes.ended().await == LanesEnd::Failed {
                panic!("the store lost nothing");
            }
        });
        // Some nodes hear of everything late.
        let late_ms = if world.one_in(3) { 500 } else { 40 };
        loop {
            sleep_ms(1 + world.below(late_ms)).await;
            let view = world.view();
            if !view.members.contains(&self.boot) {
                return self.die();
            }
            for (shard, of) in view.shards.iter().enumerate() {
                let mut work = self.work.lock().unwrap();
                if of.owner == Some(self.boot) && work.get(&shard).is_none_or(JoinHandle::is_finished) {
                    let custody = Arc::clone(&self).custody(Arc::clone(&world), shard);
                    work.insert(shard, tokio::spawn(custody));
                }
            }
            let unsealed = view.unsealed.first().copied();
            *self.view.lock().unwrap() = view;
            if let Some(boot) = unsealed {
                self.spawn(Arc::clone(&self).seal(Arc::clone(&world), boot));
            }
            if world.one_in(10) && !world.is_ending.load(Ordering::Relaxed) {
                self.spawn(Arc::clone(&self).sweep(Arc::clone(&world)));
            }
        }
    }

    async fn seal(self: Arc<Self>, world: Arc<World>, boot: Boot) {
        if self.log.seal(incarnation(boot)).await.is_ok() {
            world.view.lock().unwrap().note_sealed(boot);
        }
    }

    async fn sweep(self: Arc<Self>, world: Arc<World>) {
        if let Err(error @ StoreError::Corrupt(_)) = self.log.sweep(|_| true).await {
            world.fault(format!("the mover: {error}"));
        }
    }

    /// Lets go of a shard, as of a view that is at least as new as the asker's. Answers when nothing of it is on its way.
    async fn release(&self, world: &World, shard: usize) -> bool {
        *self.view.lock().unwrap() = world.view();
        let work = self.work.lock().unwrap().remove(&shard);
        if let Some(work) = work {
            work.abort();
            let _ = work.await;
        }
        while self.is_alive() {
            let Some(lanes) = self.lanes() else { return false };
            let settled = tokio::time::timeout(Duration::from_millis(30), lanes.settled(key(shard)));
            if settled.await.is_ok() || mutant::is(Mutant::ReleasedInFlight) {
                return self.is_alive();
            }
        }
        false
    }

    /// Waits until the shard may be taken from another boot; false when it is given to somebody else meanwhile.
    async fn may_take(&self, world: &World, shard: usize, expected: Shard, from: Boot) -> bool {
        if mutant::is(Mutant::StartBeforeRelease) {
            return true;
        }
        loop {
            let view = world.view();
            if view.shards[shard] != expected {
                return false;
            }
            if view.sealed.contains(&from) {
                return true;
            }
            sleep_ms(1 + world.below(10)).await;
            let Some(node) = world.node(from) else {
                sleep_ms(20).await;
                continue;
            };
            if from == self.boot {
                // This very task is the work, and nothing else of the shard runs here.
                if let Some(lanes) = self.lanes() {
                    lanes.settled(key(shard)).await;
                }
                return true;
            }
            if node.release(world, shard).await {
                return true;
            }
        }
    }

    async fn custody(self: Arc<Self>, world: Arc<World>, shard: usize) {
        let view = self.view.lock().unwrap().clone();
        let expected = view.shards[shard];
        if expected.owner != Some(self.boot) {
            return;
        }
        if let Some(from) = expected.from {
            if !self.may_take(&world, shard, expected, from).await {
                return;
            }
            sleep_ms(world.below(20)).await;
            if mutant::is(Mutant::StartBeforeCleared) {
                let world = Arc::clone(&world);
                self.spawn(async move {
                    sleep_ms(world.below(100)).await;
                    world.view.lock().unwrap().clear(shard, expected);
                });
            } else if world.view.lock().unwrap().clear(shard, expected).is_none() {
                return;
            }
        }
        self.write(&world, shard).await;
    }

    /// The one writer of a shard at work.
    async fn write(&self, world: &Arc<World>, shard: usize) {
        let key = key(shard);
        let Some(lanes) = self.lanes() else { return };
        'activate: loop {
            if world.base.state().truth.erasing.contains(&key) {
                return self.erase(world, key).await;
            }
            lanes.settled(key).await;
            let Some(mut last) = self.activate(world, key).await else { continue };
            loop {
                if world.one_in(8) {
                    self.confirm(world, &lanes).await;
                }
                if world.one_in(25) && last > Seq::ZERO && !world.is_ending.load(Ordering::Relaxed) {
                    world.base.state().truth.erasing.insert(key);
                    continue 'activate;
                }
                let events = events(world, last);
                let head = events[events.len() - 1].body.clone();
                let append = lanes.append(StoredGroup { key, events: events.clone(), head });
                let patience =
                    Duration::from_millis(if world.one_in(10) { world.below(40) } else { 100_000 });
                let appended = tokio::time::timeout(patience, append).await;
                match appended {
                    Ok(Ok(Append::Applied)) => {
                        world.base.state().truth.acknowledged(key, &events);
                        last = events[events.len() - 1].seq;
                    }
                    Ok(Ok(Append::Fenced)) => {
                        world.base.state().truth.refused(key, &events);
                        return self.die();
                    }
                    Ok(Ok(Append::Unknown)) => return self.die(),
                    Ok(Err(_)) => world.base.state().truth.refused(key, &events),
                    // Given up, and perhaps done all the same.
                    Err(_) => continue 'activate,
                }
                if world.is_ending.load(Ordering::Relaxed) {
                    return;
                }
                sleep_ms(world.below(40)).await;
            }
        }
    }

    /// Reads the whole log, by pages.
    async fn activate(&self, world: &World, key: ConversationKey) -> Option<Seq> {
        let before = world.base.state().truth.before(key);
        let mut last = Seq::ZERO;
        loop {
            let page = self.log.read(key, last, 8).await;
            let least = Seq(before.acknowledged.0.min(last.0 + 8));
            let least = if least > last { least } else { Seq::ZERO };
            let (first, truth) = (Some(last.next()), &mut world.base.state().truth);
            truth.check_page(key, "a writer's read", before, (first, least), &page);
            let page = page.ok()?;
            last = page.last().map_or(last, |event| event.seq);
            if page.len() < 8 {
                return Some(last);
            }
        }
    }

    async fn confirm(&self, world: &World, lanes: &OpenLanes<Link>) {
        let was_sealed = world.view().sealed.contains(&self.boot);
        if matches!(lanes.confirm().await, Ok(true)) && was_sealed {
            world.fault(format!("boot {} is confirmed after it was sealed", self.boot));
        }
    }

    async fn erase(&self, world: &World, key: ConversationKey) {
        if let Some(lanes) = self.lanes() {
            lanes.settled(key).await;
        }
        while self.log.erase(key).await.is_err() {
            sleep_ms(10).await;
        }
        world.base.state().truth.erased.insert(key);
        // Nothing is appended ever after.
        std::future::pending::<()>().await;
    }
}

/// One to three events behind `last`, of which no two are the same.
fn events(world: &World, last: Seq) -> Vec<StoredEvent> {
    let count = if world.one_in(8) { 5 } else { 1 + world.below(2) };
    let event = |seq| StoredEvent { seq: Seq(seq), body: world.below(u64::MAX).to_be_bytes().to_vec() };
    (last.0 + 1..=last.0 + count).map(event).collect()
}
