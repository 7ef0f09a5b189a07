//! What holds at any time, and what holds at rest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use store::{Incarnation, Records};
use tokio::time::{Instant, sleep};

use super::super::agreed::Reader;
use super::super::document::View;
use super::super::placement::Spread;
use super::super::shards::SHARDS;
use super::super::timing::{COUNTER_EVICTION_EVERY, WATCH_GAP_MAX};
use super::node::{name, short};
use super::world::{Life, SLOTS, World};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A member that was sound for so long is not evicted: accusations that were right count for 3 s, and a slow store takes its time
/// with what was decided then.
const SOUND_FOR: Duration = Duration::from_secs(5);
/// A node of which no heartbeat reached the store for so long is not sound: counters stand for 6 s.
const WITHOUT_STORE_AFTER: Duration = Duration::from_millis(3_500);
/// While no heartbeat of anybody reached it for so long, nobody is unsound for that: as long as a watch lasts without one, and as
/// long as an answer of a slow store takes.
const OUTAGE_AFTER: Duration = WATCH_GAP_MAX.saturating_add(Duration::from_secs(1));

/// The view as it is stored, a moment ago.
fn stored(world: &World) -> Arc<View> {
    world.view.lock().unwrap().clone()
}

/// Whether the boot is a member now.
pub(super) async fn is_member(world: &World, boot: Incarnation) -> bool {
    let records: &dyn Records = &*world.records;
    Reader::default().read(records).await.unwrap().is_some_and(|view| view.member(boot).is_some())
}

/// The member that is a boot of this slot's node.
pub(super) fn boot_of(world: &World, slot: usize) -> Option<Incarnation> {
    let view = stored(world);
    view.members().iter().find(|member| member.name == name(slot)).map(|member| member.incarnation)
}

/// Looks again and again.
pub(super) async fn watch(world: Arc<World>) {
    let mut reader = Reader::default();
    let mut outage_at = Instant::now();
    let mut by_counter_at: Option<Instant> = None;
    loop {
        note_unsound(&world, &mut outage_at);
        let records: &dyn Records = &*world.records;
        if let Some(view) = reader.read(records).await.unwrap() {
            let last = stored(&world);
            compare(&world, &last, &view);
            if last.counter_evictions() != view.counter_evictions() {
                let is_soon =
                    by_counter_at.is_some_and(|at| at.elapsed() + LOOK_EVERY < COUNTER_EVICTION_EVERY);
                if is_soon || view.counter_evictions() != last.counter_evictions() + 1 {
                    world.broken("two members were evicted by their counters at once".into());
                }
                by_counter_at = Some(Instant::now());
            }
            *world.view.lock().unwrap() = Arc::new(view);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Marks the nodes that are not sound now. `outage_at`: when no heartbeat of anybody had passed for long, last.
fn note_unsound(world: &World, outage_at: &mut Instant) {
    let mut state = world.state();
    let lives = |slot: &usize| state.slots[*slot].life == Life::Lives;
    let living: Vec<usize> = (0..SLOTS).filter(lives).collect();
    let beat_at = |slot: usize| state.slots[slot].control.beat_at();
    let newest = living.iter().filter_map(|slot| beat_at(*slot)).max();
    if newest.is_none_or(|at| at.elapsed() > OUTAGE_AFTER) {
        *outage_at = Instant::now();
    }
    let is_unsound = |slot: &usize| {
        let beat_at = beat_at(*slot).map_or(*outage_at, |at| at.max(*outage_at));
        let is_cut = living.iter().any(|other| state.cut[*slot][*other] || state.cut[*other][*slot]);
        let is_frozen = state.slots[*slot].control.is_frozen();
        is_frozen || is_cut || !living.contains(slot) || beat_at.elapsed() > WITHOUT_STORE_AFTER
    };
    for slot in (0..SLOTS).filter(is_unsound).collect::<Vec<_>>() {
        state.slots[slot].unsound_at = Instant::now();
    }
}

fn compare(world: &World, last: &View, view: &View) {
    if view.version() <= last.version() {
        world.broken(format!("version {} after {}", view.version(), last.version()));
    }
    for member in last.members().iter().filter(|member| view.member(member.incarnation).is_none()) {
        let boot = member.incarnation;
        let is_replaced = view.members().iter().any(|other| other.name == member.name);
        if is_replaced || !view.unsealed().contains(&boot) {
            world.note(format!("{} left or was replaced", short(boot)));
            continue;
        }
        world.truth().evictions += 1;
        world.note(format!("{} is evicted in version {}", short(boot), view.version()));
        let slot = (boot.0.as_u128() % 16) as usize;
        let sound_for = world.state().slots[slot].unsound_at.elapsed();
        if sound_for > SOUND_FOR {
            world.broken(format!("{} is evicted, which was sound for {sound_for:?}", short(boot)));
        }
    }
    let mut broken = Vec::new();
    for (id, shard) in view.shards().iter().filter(|(_, shard)| shard.from.is_none()) {
        let truth = world.truth();
        if truth.appenders(id).iter().any(|boot| Some(*boot) != shard.owner) {
            broken.push(format!(
                "{id:?} is free for {:?}: {:?} may append",
                shard.owner,
                truth.appenders(id)
            ));
        }
    }
    broken.into_iter().for_each(|what| world.broken(what));
}

/// What is missing until all is at rest; empty: nothing.
pub(super) fn missing(world: &World) -> String {
    let view = stored(world);
    let state = world.state();
    let lives: BTreeSet<usize> = (0..SLOTS).filter(|slot| state.slots[*slot].life == Life::Lives).collect();
    let members: Vec<String> = view.members().iter().map(|member| member.name.to_string()).collect();
    let expected: Vec<String> = lives.iter().map(|slot| name(*slot).to_string()).collect();
    if members != expected {
        return format!("{members:?} are members, {expected:?} live");
    }
    if lives.iter().any(|slot| state.slots[*slot].wants_out) {
        return "one drains still".into();
    }
    for member in view.members() {
        let Some(boot) = state.boots.get(&member.incarnation) else {
            return format!("{} does not run", short(member.incarnation));
        };
        if boot.membership.view().version() != view.version() {
            return format!("{} has another view", short(member.incarnation));
        }
    }
    if !view.unsealed().is_empty() {
        return format!("{:?} are not sealed", view.unsealed());
    }
    let truth = world.truth();
    let mut counts = vec![0; members.len()];
    for (id, shard) in view.shards().iter() {
        let owner = view.members().iter().position(|member| Some(member.incarnation) == shard.owner);
        let Some(at) = owner.filter(|_| shard.from.is_none()) else {
            return format!("{id:?} is {shard:?}");
        };
        counts[at] += 1;
        if !truth.appenders(id).iter().eq(shard.owner.iter()) {
            return format!("{id:?} was started by {:?}", truth.appenders(id));
        }
        if truth.is_sealed(view.members()[at].incarnation) {
            return format!("{id:?} is owned by one that is sealed");
        }
    }
    let (most, least) = (counts.iter().max().copied(), counts.iter().min().copied());
    let is_spread = match world.spread {
        Spread::Even => most.zip(least).is_some_and(|(most, least)| most - least <= 1),
        Spread::One => most == Some(SHARDS),
    };
    if is_spread { String::new() } else { format!("spread as {counts:?}") }
}
