//! Runs the membership of one node: ticks, writes heartbeats, reads the view, and changes it when the rules say so. It does
//! nothing about shards: custody follows the views that it publishes, and changes them by [`Membership::change`].
//!
//! What a node costs the store each second, in calls: alone, one reading of the view; with peers also one reading of all
//! heartbeats, and one conditional write of its own. A view that did not change is not decoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Clock, Incarnation, RecordError, Records, StoreError};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::agreed::{self, Reader};
use super::document::{EvictedFor, View};
use super::handle::{Membership, handed_out, within};
use super::heartbeat::{self, Accusation, Writer};
use super::member::{Member, MemberState};
use super::pings::{Pings, Pong};
use super::placement::Spread;
use super::pulse::Pulse;
use super::suspicion::{Heard, Proposal, Suspicion};
use super::timing::{CHANGE_AGAIN, HEARTBEAT_EVERY, READ_EVERY, READ_EVERY_ACCUSING, TICK_EVERY};
use crate::name::NodeName;

#[cfg(test)]
mod tests;

/// What the loops of one node share.
struct State {
    suspicion: Suspicion,
    accuses: Vec<Accusation>,
    wish: Option<Wish>,
}

/// How the node wants the view to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    ComeUp,
    Evict(Proposal),
}

/// Why a boot is not the one member.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// These members of a cluster live, and stay.
    #[error("members of a cluster live")]
    Cluster(Vec<Member>),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a node that is alone hears.
struct NobodyAnswers;

impl Pings for NobodyAnswers {
    fn last_pong(&self, _: Incarnation) -> Option<Pong> {
        None
    }

    fn is_linked(&self, _: Incarnation) -> bool {
        false
    }
}

/// Runs one boot's membership.
pub struct Driver {
    membership: Membership,
    name: NodeName,
    is_alone: bool,
    pings: Arc<dyn Pings>,
    began: Instant,
    state: Mutex<State>,
    /// The accusations changed.
    accusing: Notify,
    /// There is a wish.
    wished: Notify,
}

impl Driver {
    /// Makes the boot a member that is joining, and returns its membership with the driver, which the caller runs at once. An older
    /// boot of the same name is out from now on. `pulse`: of this boot alone.
    ///
    /// # Errors
    /// [`StoreError`]: the boot may be a member; the caller joins again, as a new incarnation.
    pub async fn join(
        records: Arc<dyn Records>,
        clock: Clock,
        member: Member,
        pulse: Pulse,
        pings: Arc<dyn Pings>,
        spread: Spread,
    ) -> Result<(Membership, Self), StoreError> {
        let reading = pulse.begin_reading();
        let enters = |view: &mut View| view.enter(member.clone()) && handed_out(view, spread);
        let view = within(agreed::change(&*records, clock.now(), enters)).await?;
        pulse.tick();
        pulse.end_reading(reading);
        Ok(Self::of(records, clock, member, pulse, pings, spread, view))
    }

    /// The same of a boot that is alone: all members are out from now on. None of them may be a member of a cluster, but for those
    /// in `dead`.
    ///
    /// # Errors
    /// [`AloneError::Cluster`]: nothing was changed. [`AloneError::Store`]: as of [`Driver::join`].
    pub async fn join_alone(
        records: Arc<dyn Records>,
        clock: Clock,
        member: Member,
        dead: &[Incarnation],
    ) -> Result<(Membership, Self), AloneError> {
        let pulse = Pulse::new();
        let reading = pulse.begin_reading();
        let lives = |other: &&Member| !other.is_alone() && !dead.contains(&other.incarnation);
        let enters = |view: &mut View| {
            !view.members().iter().any(|other| lives(&other)) && view.enter_alone(member.clone())
        };
        let view = within(agreed::change(&*records, clock.now(), enters)).await?;
        let living: Vec<Member> = view.members().iter().filter(lives).cloned().collect();
        if !living.is_empty() {
            return Err(AloneError::Cluster(living));
        }
        pulse.tick();
        pulse.end_reading(reading);
        Ok(Self::of(records, clock, member, pulse, Arc::new(NobodyAnswers), Spread::One, view))
    }

    fn of(
        records: Arc<dyn Records>,
        clock: Clock,
        member: Member,
        pulse: Pulse,
        pings: Arc<dyn Pings>,
        spread: Spread,
        view: View,
    ) -> (Membership, Self) {
        let me = member.incarnation;
        let membership = Membership::new(me, records, clock, pulse, spread, view);
        let driver = Self {
            membership: membership.clone(),
            is_alone: member.is_alone(),
            name: member.name,
            pings,
            began: Instant::now(),
            state: Mutex::new(State {
                suspicion: Suspicion::new(me, Duration::ZERO),
                accuses: Vec::new(),
                wish: None,
            }),
            accusing: Notify::new(),
            wished: Notify::new(),
        };
        (membership, driver)
    }

    /// Runs until this boot is out. Everything happens in this one future, so that a node that does not run does nothing.
    pub async fn run(self) {
        let mut out = self.membership.out();
        let ends = async { drop(out.wait_for(Option::is_some).await) };
        // In this order always: what is late is noticed first, and a seed gives one schedule.
        tokio::select! {
            biased;
            () = ends => {}
            () = self.tick() => {}
            () = self.read() => {}
            () = self.beat() => {}
            () = self.act() => {}
        }
    }

    /// Never waits for the store: how late it is measures this node alone.
    async fn tick(&self) {
        let mut ticks = interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let late = self.membership.pulse().tick();
            let now = self.began.elapsed();
            let view = self.membership.view();
            let mut state = self.state();
            state.suspicion.ticked(late, now);
            state.suspicion.follow(&view, now);
            for member in view.members() {
                if let Some(pong) = self.pings.last_pong(member.incarnation) {
                    let at = pong.at.saturating_duration_since(self.began);
                    let heard = Heard { at, tick_age: pong.tick_age, heartbeat_age: pong.heartbeat_age };
                    state.suspicion.heard(member.incarnation, heard);
                }
            }
            let accuses = state.suspicion.accuses(now);
            if accuses != state.accuses {
                state.accuses = accuses;
                self.accusing.notify_waiters();
            }
            state.wish = self.wish(&mut state.suspicion, &view, now);
            if state.wish.is_some() {
                self.wished.notify_one();
            }
        }
    }

    fn wish(&self, suspicion: &mut Suspicion, view: &View, now: Duration) -> Option<Wish> {
        let proposal = suspicion.proposes(now).map(Wish::Evict);
        let is_joining = || {
            let me = view.member(self.membership.incarnation());
            me.is_some_and(|me| me.state == MemberState::Joining) && suspicion.reaches_all(now)
        };
        proposal.or_else(|| is_joining().then_some(Wish::ComeUp))
    }

    /// A change of what the node accuses is written at once: others wait for its vote. A node of a cluster writes heartbeats even
    /// without peers: one that starts without a cluster must see that it lives.
    async fn beat(&self) {
        let mut writer = Writer::new(self.name.clone(), self.membership.incarnation());
        loop {
            let accuses = self.state().accuses.clone();
            if self.has_peers() || !self.is_alone {
                match self.beat_once(&mut writer, accuses.clone()).await {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "a heartbeat did not pass"),
                }
            }
            let is_changed = self.state().accuses != accuses;
            let is_current = self.membership.pulse().is_current();
            let pause = if is_changed || !is_current { TICK_EVERY } else { HEARTBEAT_EVERY };
            drop(timeout(pause, self.accusing.notified()).await);
        }
    }

    async fn beat_once(&self, writer: &mut Writer, accuses: Vec<Accusation>) -> Result<(), StoreError> {
        let (records, clock) = (self.membership.records(), self.membership.clock());
        let pulse = self.membership.pulse();
        let may = || pulse.is_current();
        let view = self.membership.view();
        let peers = view.members().iter().map(|member| member.incarnation);
        let linked = peers.filter(|peer| self.pings.is_linked(*peer)).collect();
        let write = async {
            writer.write(records, clock, accuses, linked, may).await.map_err(RecordError::or_unavailable)
        };
        if within(write).await? {
            pulse.heartbeat_passed();
            self.state().suspicion.heartbeat_passed(self.began.elapsed());
        }
        Ok(())
    }

    async fn read(&self) {
        let mut reader = Reader::default();
        loop {
            match self.read_once(&mut reader).await {
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "the view was not read"),
            }
            let is_accusing = !self.state().accuses.is_empty();
            let is_current = self.membership.pulse().is_current();
            let pause = if is_accusing || !is_current { READ_EVERY_ACCUSING } else { READ_EVERY };
            drop(timeout(pause, self.accusing.notified()).await);
        }
    }

    async fn read_once(&self, reader: &mut Reader) -> Result<(), StoreError> {
        let (records, pulse) = (self.membership.records(), self.membership.pulse());
        let reading = pulse.begin_reading();
        if let Some(view) = within(reader.read(records)).await? {
            self.membership.learn(view);
        }
        pulse.end_reading(reading);
        if !self.has_peers() || !pulse.is_current() {
            return Ok(());
        }
        let heartbeats = within(heartbeat::read(records)).await?;
        self.state().suspicion.read(&heartbeats, self.began.elapsed());
        Ok(())
    }

    async fn act(&self) {
        loop {
            self.wished.notified().await;
            let wish = self.state().wish;
            match self.fulfil(wish).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::debug!(%error, "the view was not changed");
                    sleep(CHANGE_AGAIN).await;
                }
            }
        }
    }

    async fn fulfil(&self, wish: Option<Wish>) -> Result<(), StoreError> {
        let me = self.membership.incarnation();
        match wish.filter(|_| self.membership.pulse().is_current()) {
            None => {}
            Some(Wish::ComeUp) => {
                let spread = self.membership.spread();
                let comes_up = |view: &mut View| view.come_up(me) && handed_out(view, spread);
                self.membership.change(comes_up).await?;
            }
            Some(Wish::Evict(proposal)) => self.evict(proposal).await?,
        }
        Ok(())
    }

    async fn evict(&self, Proposal { of, why, counter_evictions }: Proposal) -> Result<(), StoreError> {
        let known = self.membership.view();
        // Somebody else may have evicted another member by its counter since this was proposed.
        let holds = |view: &View| why == EvictedFor::Silence || view.counter_evictions() == counter_evictions;
        let spread = self.membership.spread();
        let evicts = |view: &mut View| holds(view) && view.evict(of, why) && handed_out(view, spread);
        let view = self.membership.change(evicts).await?;
        let Some(evicted) = known.member(of).filter(|_| view.member(of).is_none()) else { return Ok(()) };
        tracing::warn!(name = %evicted.name, incarnation = %of.0, ?why, "a member is out of the view");
        self.membership.forget(&view, &evicted.name).await;
        Ok(())
    }

    fn has_peers(&self) -> bool {
        self.membership.view().members().len() > 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
