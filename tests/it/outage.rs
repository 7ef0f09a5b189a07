//! A server whose CQL store goes away says so and acknowledges nothing, and goes on by itself when the store is back.

use std::time::Duration;

use driver::cql::{self, Keyspace, Proxy, Ring};
use driver::outage::{Outages, Plan, RECOVERY_MAX, Store, run};
use driver::{Options, Sandbox, Socket};
use serde_json::json;

fn check(outages: &Outages, times: usize) {
    println!("{outages}");
    let summary = &outages.summary;
    assert!(summary.violations.is_empty(), "{outages}");
    assert_eq!(summary.messages, summary.acknowledged, "{outages}");
    assert!(outages.recovered.len() == times && outages.refused > 0 && summary.unknown > 0, "{outages}");
    let late = outages.recovered.iter().any(|recovered| *recovered > RECOVERY_MAX);
    assert!(!late, "it took longer than {RECOVERY_MAX:?}: {outages}");
}

#[tokio::test]
async fn without_a_way_to_its_store_a_server_refuses_and_goes_on_when_there_is_one() {
    let Some(node) = cql::contact_point() else { return };
    let keyspace = Keyspace::new(&node, "outage");
    let mut proxy = Proxy::start(&[node.parse().unwrap()], 1).await.unwrap();
    let options = keyspace.options_through(&proxy.contact_points());
    let away = [300, 1_000, 12_000].map(Duration::from_millis).to_vec();
    let plan = Plan { away, seed: rand::random(), options };
    println!("seed {}", plan.seed);
    let outages = run(plan, Store::Refused(&mut proxy)).await.expect("the run goes through");
    check(&outages, 3);
    keyspace.remove().await.unwrap();
}

#[tokio::test]
async fn a_visitor_who_comes_back_to_their_conversation_without_a_store_is_told_to_come_again() {
    let Some(node) = cql::contact_point() else { return };
    let keyspace = Keyspace::new(&node, "resume");
    let mut proxy = Proxy::start(&[node.parse().unwrap()], 1).await.unwrap();
    let options = keyspace.options_through(&proxy.contact_points());
    let sandbox = Sandbox::start(options).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "start", None).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap();

    proxy.refuse().await.unwrap();
    // Nobody knows any more what the log holds.
    let sent = api.post_message(&visitor.token, conversation, "1", "lost?").await.unwrap();
    assert_eq!(sent.code(), "UNAVAILABLE", "{sent}");
    let mut socket = Socket::open(&api).await.unwrap();
    let resume = json!([{ "conversation_id": conversation, "after": 1 }]);
    let hello = json!({ "id": "1", "type": "hello", "token": visitor.token, "resume": resume });
    socket.send_json(&hello).await.unwrap();
    let (code, reason) = socket.expect_close(RECOVERY_MAX).await.unwrap();
    assert_eq!(code, Some(1013), "{reason}");
    drop(sandbox);
    keyspace.remove().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_killed_and_started_again_loses_nothing_and_needs_no_restart_of_the_server() {
    if cql::contact_point().is_none() {
        return;
    }
    let ring = Ring::start(1).await.unwrap();
    let options = Options::default().on_cql(&ring.contact_points(), "outage");
    let away = vec![Duration::from_secs(1); 2];
    let plan = Plan { away, seed: rand::random(), options };
    println!("seed {}", plan.seed);
    let outages = run(plan, Store::Killed(&ring)).await.expect("the run goes through");
    check(&outages, 2);
}
