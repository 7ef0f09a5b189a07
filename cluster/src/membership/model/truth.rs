//! What is true of the modelled cluster, whatever its nodes believe: who may append where, who is sealed, what was broken.

use std::collections::BTreeSet;
use std::sync::Mutex;

use store::Incarnation;
use store::faulty::Dice;

use super::super::shards::{SHARDS, ShardId};

/// Chance, by the schedule's seed, and what was found broken.
pub(super) struct Chance {
    dice: Mutex<Dice>,
    pub(super) truth: Mutex<Truth>,
}

#[derive(Default)]
pub(super) struct Truth {
    /// By shard: the boots that started it, and have not released it, and are not sealed.
    appenders: Vec<BTreeSet<Incarnation>>,
    sealed: BTreeSet<Incarnation>,
    pub(super) broken: Vec<String>,
    pub(super) evictions: usize,
    pub(super) moves: usize,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let truth = Truth { appenders: vec![BTreeSet::new(); SHARDS], ..Truth::default() };
        Self { dice: Mutex::new(Dice::new(seed)), truth: Mutex::new(truth) }
    }

    pub(super) fn up_to(&self, max: u64) -> u64 {
        self.dice.lock().unwrap().up_to(max)
    }

    pub(super) fn chance(&self, probability: f64) -> bool {
        self.dice.lock().unwrap().chance(probability)
    }

    pub(super) fn broken(&self, what: &str) {
        self.truth.lock().unwrap().broken.push(what.to_owned());
    }
}

impl Truth {
    pub(super) fn is_sealed(&self, boot: Incarnation) -> bool {
        self.sealed.contains(&boot)
    }

    pub(super) fn appenders(&self, shard: ShardId) -> &BTreeSet<Incarnation> {
        &self.appenders[usize::from(shard.0)]
    }

    /// The boot starts what lives in the shard. One that was sealed can append nothing any more.
    pub(super) fn start(&mut self, shard: ShardId, boot: Incarnation) {
        if self.sealed.contains(&boot) {
            return;
        }
        let appenders = &mut self.appenders[usize::from(shard.0)];
        if appenders.iter().any(|other| *other != boot) {
            self.broken.push(format!("{boot:?} starts {shard:?} while {appenders:?} may append"));
        }
        appenders.insert(boot);
        self.moves += 1;
    }

    pub(super) fn release(&mut self, shard: ShardId, boot: Incarnation) {
        self.appenders[usize::from(shard.0)].remove(&boot);
    }

    pub(super) fn seal(&mut self, boot: Incarnation) {
        self.sealed.insert(boot);
        self.appenders.iter_mut().for_each(|appenders| {
            appenders.remove(&boot);
        });
    }
}
