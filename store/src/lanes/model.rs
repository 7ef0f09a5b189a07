//! A model of many nodes over one database, under random schedules: evictions of living nodes, crashes at every step, statements
//! that come late, are lost or are done without an answer, segments that roll, move home and go, and conversations that
//! are erased. The rules are the real ones; the database and who owns what are the model's.
//!
//! Held throughout: no acknowledged event is lost, doubled, out of order, or hidden from a read that began after the
//! acknowledgement; no two events have one number; journals are complete and in order; and after calm everything is home.
//! [`super::mutant`] breaks one rule at a time, and each of them must show.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Seq;

use crate::Clock;

use super::mutant::{self, Mutant};
use super::options::LaneOptions;

mod base;
mod calm;
mod link;
mod node;
mod readers;
mod truth;
mod view;

use base::Base;
use link::Link;
use node::{World, incarnation, key, sleep_ms};
use readers::Follower;
use view::View;

/// Moments of one schedule at which something may happen.
const STEPS: u64 = 10;

/// What went wrong in a schedule.
#[derive(Debug, Default)]
struct Faults {
    /// A promise was broken.
    broken: Vec<String>,
    /// Something never came to its end, in calm weather.
    stuck: Vec<String>,
}

/// Runs the schedule of a seed.
fn run(seed: u64) -> Faults {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(schedule(seed))
}

async fn schedule(seed: u64) -> Faults {
    let base = Base::new(seed);
    let shards = 1 + base.chance.below(3) as usize;
    let options = LaneOptions {
        lanes: 1 + base.chance.below(2) as u8,
        batch_events_max: 6,
        turn_events_max: 2,
        segment_rows_max: [4, 4, 8, 40][base.chance.below(4) as usize],
        segment_keep: Duration::from_millis([0, 300, 3_600_000][base.chance.below(3) as usize]),
        write_attempt: Duration::from_millis(40),
        read_attempt: Duration::from_millis(60),
        attempt_max: Duration::from_millis(200),
        pause: Duration::from_millis(6),
        pause_max: Duration::from_millis(60),
        tries: 3,
        close: Duration::from_secs(5),
        ..LaneOptions::default()
    };
    let world = Arc::new(World {
        base,
        options,
        clock: Clock::of_tokio(),
        view: Mutex::new(View::of(shards)),
        nodes: Mutex::default(),
        is_ending: AtomicBool::new(false),
    });
    for _ in 0..2 + world.below(2) {
        world.boot();
    }
    let follower = Arc::new(tokio::sync::Mutex::new(Follower::new(&world)));
    let reader = tokio::spawn(readers::read(Arc::clone(&world), shards));
    let following = tokio::spawn(readers::follow(Arc::clone(&world), Arc::clone(&follower)));
    let moving = tokio::spawn(readers::sweep(Arc::clone(&world)));
    for _ in 0..STEPS {
        sleep_ms(world.below(80)).await;
        step(&world, shards);
    }
    for task in [reader, following, moving] {
        if task.is_finished() {
            world.fault("a task panicked".into());
        }
        task.abort();
    }
    end(&world, shards, &follower).await;
    for boot in world.alive() {
        world.kill(boot);
    }
    let truth = &mut world.base.state().truth;
    Faults { broken: std::mem::take(&mut truth.faults), stuck: std::mem::take(&mut truth.stuck) }
}

/// Something happens, or nothing.
fn step(world: &Arc<World>, shards: usize) {
    let members: Vec<u64> = world.view().members.into_iter().collect();
    let any = |of: &[u64]| (!of.is_empty()).then(|| of[world.below(of.len() as u64) as usize]);
    match world.below(10) {
        0..=2 => {
            let shard = world.below(shards as u64) as usize;
            if let Some(to) = any(&members) {
                world.view.lock().unwrap().give(shard, Some(to));
            }
        }
        3 | 4 => evict(world, any(&members)),
        5 => {
            if let Some(boot) = any(&world.alive()) {
                world.kill(boot);
            }
        }
        6 => {
            // A boot that nobody has seen to end is evicted, and one that never joined as well.
            let dead = members.iter().copied().find(|boot| !world.alive().contains(boot));
            evict(world, dead);
        }
        7 | 8 if world.alive().len() < 3 => world.boot(),
        _ => {}
    }
}

fn evict(world: &World, boot: Option<u64>) {
    let Some(boot) = boot else { return };
    let view = world.view();
    let others: Vec<u64> = view.members.into_iter().filter(|other| *other != boot).collect();
    let to = |shard: usize| others.get(shard % others.len().max(1)).copied();
    world.view.lock().unwrap().evict(boot, to);
}

/// Calm: what is dead is evicted, every shard is written to once more, and everything is read, closed and moved home.
async fn end(world: &Arc<World>, shards: usize, follower: &tokio::sync::Mutex<Follower>) {
    world.base.is_calm.store(true, Ordering::Relaxed);
    world.is_ending.store(true, Ordering::Relaxed);
    if world.alive().is_empty() {
        world.boot();
    }
    let goals: Vec<Seq> = (0..shards).map(|shard| world.base.state().truth.last(key(shard)).next()).collect();
    for round in 0.. {
        let is_done = |shard: usize| {
            let truth = &world.base.state().truth;
            truth.erased.contains(&key(shard))
                || truth.before(key(shard)).acknowledged >= goals[shard]
                    && !truth.erasing.contains(&key(shard))
        };
        if (0..shards).all(is_done) || !world.base.state().truth.faults.is_empty() {
            break;
        }
        if round == 400 {
            return world.stuck(format!("it does not get on: {:?}, alive {:?}", world.view(), world.alive()));
        }
        sleep_ms(50).await;
        let alive = world.alive();
        if alive.is_empty() {
            world.boot();
        }
        let dead = world.view().members.iter().copied().find(|boot| !alive.contains(boot));
        evict(world, dead);
    }
    let log = world.log(Link::new(&world.base), 3);
    for boot in world.alive() {
        let node = Arc::clone(&world.nodes.lock().unwrap()[&boot]);
        if let Err(error) = node.close().await
            && node.is_alive()
        {
            return world.stuck(format!("boot {boot} does not close: {error}"));
        }
    }
    let boots: Vec<u64> = world.nodes.lock().unwrap().keys().copied().collect();
    let sealed = world.view().sealed;
    for boot in boots.into_iter().filter(|boot| !sealed.contains(boot)) {
        if let Err(error) = log.seal(incarnation(boot)).await {
            return world.stuck(format!("boot {boot} is not sealed: {error}"));
        }
    }
    for boot in world.alive() {
        world.kill(boot);
    }
    // Whatever is on its way comes.
    sleep_ms(1_600).await;
    let is_moved = world.one_in(2);
    let mut follower = follower.lock().await;
    let mut rounds = 0;
    while !matches!(follower.follow(world).await, Ok(true)) {
        rounds += 1;
        if rounds % 5 == 0 {
            // A segment that nobody noted as sealed is noted now.
            let _ = log.sweep(|_| true).await;
        }
        if rounds == 400 {
            return world.stuck(format!("the journals do not end: {}", follower.waiting()));
        }
    }
    follower.check(world);
    // Half of them is enough.
    for round in (0..).take_while(|_| is_moved) {
        tokio::time::advance(Duration::from_hours(1)).await;
        match log.sweep(|_| true).await {
            Ok(swept) if swept.left == 0 => break,
            Ok(_) if round < 5 => {}
            other => return world.stuck(format!("not everything is home: {other:?}")),
        }
    }
    for shard in 0..shards {
        let key = key(shard);
        let before = world.base.state().truth.before(key);
        let last = world.base.state().truth.last(key);
        let page = log.read(key, Seq::ZERO, 512).await;
        let head = log.head(key).await;
        let truth = &mut world.base.state().truth;
        truth.check_page(key, "the last read", before, (Some(Seq(1)), last), &page);
        truth.check_head(key, before, &head);
    }
}

/// Schedules of the ordinary test.
const SCHEDULES: u64 = 5_000;
/// As the program is built: `LANE_SCHEDULES=100000` runs so many of them.
const LANE_SCHEDULES: Option<&str> = option_env!("LANE_SCHEDULES");

fn schedules() -> u64 {
    LANE_SCHEDULES.map_or(SCHEDULES, |text| text.parse().expect("LANE_SCHEDULES is a number"))
}

#[test]
fn whatever_happens_no_acknowledged_event_is_lost() {
    for seed in driver::seeds(schedules()) {
        let faults = run(seed);
        assert!(faults.broken.is_empty() && faults.stuck.is_empty(), "seed {seed}: {faults:#?}");
    }
}

/// Breaks a rule, and looks for a schedule in which that breaks a promise: from `first` on, where one was found when this
/// was written.
fn shows(mutant: Mutant, first: u64) {
    mutant::set(Some(mutant));
    let mut seeds = first..first + SCHEDULES;
    let found = seeds.find(|seed| {
        let faults = run(*seed);
        // What is sealed too little is seen by its journal, which never ends, before two writers meet in it.
        !faults.broken.is_empty() || (mutant == Mutant::NextNotSealed && !faults.stuck.is_empty())
    });
    mutant::set(None);
    println!("{mutant:?} shows in the schedule {found:?}");
    assert_ne!(found, None, "{mutant:?} does not show: the model has a hole");
}

#[test]
fn a_read_taken_for_the_answer_before_the_seal_shows() {
    shows(Mutant::ReadBeforeSeal, 0);
}

#[test]
fn a_pointer_that_is_not_awaited_shows() {
    shows(Mutant::PointerNotAwaited, 0);
}

#[test]
fn a_pointer_written_after_its_events_shows() {
    shows(Mutant::PointerAfter, 0);
}

#[test]
fn a_pointer_that_was_only_found_shows() {
    shows(Mutant::PointerFoundCounts, 0);
}

#[test]
fn a_seal_that_leaves_the_next_segment_shows() {
    shows(Mutant::NextNotSealed, 0);
}

#[test]
fn two_batches_in_flight_show() {
    shows(Mutant::TwoInFlight, 0);
}

#[test]
fn a_segment_emptied_before_it_was_compared_shows() {
    shows(Mutant::DroppedBeforeCompared, 0);
}

#[test]
fn a_copy_that_no_quorum_acknowledged_shows() {
    shows(Mutant::CopyNotAcknowledged, 1_600);
}

#[test]
fn an_erasure_that_forgets_the_mover_shows() {
    shows(Mutant::EraseForgotten, 1_150);
}

#[test]
fn a_home_read_before_the_pointers_shows() {
    shows(Mutant::HomeFirst, 0);
}

#[test]
fn an_emptied_segment_that_is_believed_shows() {
    shows(Mutant::EmptyBelieved, 0);
}

#[test]
fn a_start_before_the_release_shows() {
    shows(Mutant::StartBeforeRelease, 0);
}

#[test]
fn a_start_before_the_view_is_cleared_shows() {
    shows(Mutant::StartBeforeCleared, 0);
}

#[test]
fn a_release_with_an_append_on_its_way_shows() {
    shows(Mutant::ReleasedInFlight, 0);
}
