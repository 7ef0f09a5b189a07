//! A node of the model: boots one after the other, each with a real driver.

use std::sync::Arc;
use std::time::Duration;

use store::{Clock, Incarnation};
use tokio::time::sleep;
use uuid::Uuid;

use super::super::driver::Driver;
use super::super::member::{Member, MemberState};
use super::super::pulse::Pulse;
use super::control::Freezable;
use super::custody::Custody;
use super::net::ModelPings;
use super::records::{NodeRecords, NodeTrouble};
use super::world::{Boot, Life, World};
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

/// Starts a node in an empty slot.
pub(super) fn start(world: &Arc<World>, slot: usize) {
    let control = world.control(slot);
    let inner = Box::pin(live(Arc::clone(world), slot));
    let task = tokio::spawn(Freezable { inner, control });
    let mut state = world.state();
    state.slots[slot].life = Life::Lives;
    state.slots[slot].wants_out = false;
    state.slots[slot].task = Some(task);
}

async fn live(world: Arc<World>, slot: usize) {
    let control = world.control(slot);
    let trouble = NodeTrouble { control: Arc::clone(&control), chance: Arc::clone(&world.chance) };
    let records = Arc::new(NodeRecords { inner: Arc::clone(&world.records), trouble });
    loop {
        let booted = {
            let mut state = world.state();
            state.booted += 1;
            state.booted
        };
        let me = Incarnation(Uuid::from_u128(booted * 16 + slot as u128));
        let member = Member {
            name: name(slot),
            incarnation: me,
            address: format!("node-{slot}:4000"),
            state: MemberState::Joining,
            protocol: ProtocolRange::OURS,
            level: 1,
        };
        let pings = Arc::new(ModelPings { me, world: Arc::clone(&world) });
        let (clock, pulse) = (Clock::of_tokio(), Pulse::new());
        let joined = Driver::join(records.clone(), clock, member, pulse, pings, world.spread).await;
        let Ok((membership, driver)) = joined else {
            sleep(Duration::from_millis(300)).await;
            continue;
        };
        control.joined(true);
        world.note(format!("node {slot} joins as {}", short(me)));
        let boot = Boot { slot, membership: membership.clone(), inbox: Vec::new() };
        world.state().boots.insert(me, boot);
        let custody = Custody::new(Arc::clone(&world), slot, membership.clone());
        tokio::select! {
            biased;
            () = driver.run() => {}
            () = custody.run() => {}
        }
        control.joined(false);
        world.note(format!("node {slot} finds that {} is out", short(me)));
        if is_over(&world, slot, me) {
            return;
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// The boot is out; says whether its node wanted that.
fn is_over(world: &World, slot: usize, boot: Incarnation) -> bool {
    let mut state = world.state();
    state.boots.remove(&boot);
    let of = &mut state.slots[slot];
    if of.wants_out {
        of.life = Life::Empty;
    }
    of.wants_out
}

pub(super) fn name(slot: usize) -> NodeName {
    NodeName::parse(&format!("node-{slot}")).unwrap()
}

/// An incarnation as the notes have it.
pub(super) fn short(incarnation: Incarnation) -> String {
    let number = incarnation.0.as_u128();
    format!("{}.{}", number % 16, number / 16)
}
