//! Statements whose outcome nobody hears, of every kind: answers and requests are lost, late, replaced by errors, cut
//! off. Whatever was said to be done is there, once; whatever was refused is not.

use std::collections::BTreeMap;
use std::time::Duration;

use driver::cql::{CqlError, Fault, Proxy, Rule};
use futures_util::future::join_all;
use store::conformance::{claimants, owners, rivals};
use store::cql::CqlStore;
use store::{Clock, Store};

use crate::cql::{self, NOW};

/// Far longer than the server takes for an answer, and short, for each that is lost is waited for.
const ATTEMPT: Duration = Duration::from_millis(150);
/// After which a late request is executed: nobody waits for it any more.
const LATE: Duration = Duration::from_millis(400);
/// How many outcomes must have been unknown.
const UNKNOWN_MIN: u64 = 1_000;
/// Every conditional statement of the log, and of records.
const CONDITIONAL: [&str; 8] = [
    "segment_open",
    "segment_append",
    "segment_seal",
    "segment_seal_never_opened",
    "record_write",
    "record_fence",
    "record_point",
    "record_unpoint",
];

/// Each kind of fault with this probability.
fn faults(probability: f64) -> Vec<Rule> {
    let faults = [
        Fault::DROP_ANSWER,
        Fault::DROP_REQUEST,
        Fault::late(LATE),
        Fault::executed_with(CqlError::CasWriteTimeout),
        Fault::lost_with(CqlError::CasWriteTimeout),
        Fault::executed_with(CqlError::ServerError),
        Fault::lost_with(CqlError::Unavailable),
        Fault::lost_with(CqlError::Overloaded),
    ];
    let mut rules: Vec<Rule> =
        faults.iter().map(|fault| Rule::new(*fault).with_probability(probability)).collect();
    // It takes everything with it that is on the same connection.
    rules.push(Rule::new(Fault::CUT).with_probability(probability / 20.0));
    rules
}

struct Scene {
    proxy: Proxy,
    store: CqlStore,
    /// Goes past the proxy, and waits as long as it takes.
    witness: CqlStore,
}

impl Scene {
    async fn start(seed: u64) -> Option<Self> {
        let (node, keyspace) = cql::server()?;
        let proxy = Proxy::start(&[node.parse().unwrap()], seed).await.unwrap();
        let store = cql::open_at(&proxy.contact_points()[0], keyspace, ATTEMPT, Clock::by_hand(NOW)).await;
        let witness = cql::open().await?;
        Some(Self { proxy, store, witness })
    }

    /// How many outcomes of each statement were unknown.
    fn unknown(&self) -> BTreeMap<&'static str, u64> {
        self.store.stats().statements.iter().map(|counts| (counts.name, counts.unknown)).collect()
    }

    async fn calm(&self) {
        self.proxy.set_rules(Vec::new());
        // What is late was asked before, and comes after so long.
        tokio::time::sleep(2 * LATE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unknown_outcomes_are_settled_rightly() {
    let Some(scene) = Scene::start(1).await else { return };
    let Store { log, heads, records, .. } = scene.store.store();
    let mut seed = 0;
    while scene.unknown().values().sum::<u64>() < UNKNOWN_MIN {
        scene.proxy.set_rules(faults(0.012));
        let seeds = seed..seed + 12;
        join_all(seeds.clone().map(|seed| rivals::check(log.clone(), seed, async || ()))).await;
        join_all(seeds.clone().map(|seed| claimants::check(records.clone(), seed))).await;
        let owned = |seed| {
            let witness = scene.witness.store().heads;
            owners::check((log.clone(), heads.clone()), witness, seed, async || scene.calm().await)
        };
        join_all(seeds.map(owned)).await;
        seed += 12;
    }
    let unknown = scene.unknown();
    println!("unknown outcomes by statement: {unknown:?}; {} faults injected", scene.proxy.injected());
    for statement in CONDITIONAL {
        assert!(unknown[statement] > 0, "{statement} had no unknown outcome: {unknown:?}");
    }
}
