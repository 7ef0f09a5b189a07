//! Pings between all nodes.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use store::Incarnation;
use tokio::time::{Instant, sleep};

use super::super::pings::{Pings, Pong};
use super::super::timing::PING_EVERY;
use super::world::World;

pub(super) struct ModelPings {
    pub(super) me: Incarnation,
    pub(super) world: Arc<World>,
}

impl Pings for ModelPings {
    fn last_pong(&self, peer: Incarnation) -> Option<Pong> {
        self.world.state().pongs.get(&(self.me, peer)).copied()
    }

    fn is_linked(&self, peer: Incarnation) -> bool {
        self.last_pong(peer).is_some()
    }
}

/// Lets every node ping every other one. A pong comes when both nodes run and both directions let it pass.
pub(super) async fn ping(world: Arc<World>) {
    loop {
        sleep(PING_EVERY - Duration::from_millis(world.chance.up_to(20))).await;
        let mut state = world.state();
        let boots: Vec<(Incarnation, usize)> =
            state.boots.iter().map(|(incarnation, boot)| (*incarnation, boot.slot)).collect();
        for &(one, from) in &boots {
            for &(other, to) in &boots {
                let is_cut = state.cut[from][to] || state.cut[to][from];
                let runs = |slot: usize| !state.slots[slot].control.is_frozen();
                if from == to || is_cut || !runs(from) || !runs(to) {
                    continue;
                }
                let pulse = state.boots[&other].membership.pulse().clone();
                if pulse.answers() {
                    let pong = Pong {
                        at: Instant::now(),
                        clock: Timestamp::from_ms(0),
                        tick_age: pulse.tick_age(),
                        heartbeat_age: pulse.heartbeat_age(),
                    };
                    state.pongs.insert((one, other), pong);
                }
            }
        }
    }
}
