//! Presence: what an agent gets while they are present, and what becomes of what they hold when they are not.

use std::time::Duration;

use driver::Options;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Shift, Talk};

/// As short as it may be set.
const GRACE: Duration = Duration::from_secs(1);

async fn brief(team: Value) -> Shift {
    Shift::begin_with(Options::default().setting("routing.agent_grace_s", "1"), team).await
}

/// Waits for the conversation's next event after `after`, as its visitor and as a supervisor see it.
async fn next(shift: &Shift, talk: &Talk, after: usize) -> (Value, Value) {
    let query = format!("after={after}&wait_s=20");
    let mut seen = Vec::new();
    for token in [&talk.visitor, &shift.admin.token] {
        let mut page = shift.api.events(token, &talk.id, &query).await.unwrap().expect(200).unwrap();
        seen.push(page["data"][0].take());
    }
    let inner = seen.pop().unwrap();
    (seen.pop().unwrap(), inner)
}

#[tokio::test]
async fn what_an_agent_holds_goes_back_soon_after_their_socket_is_cut() {
    let shift = brief(json!({ "assignment": "auto" })).await;
    let ann = shift.seat("ann", json!({})).await;
    let (first, second) = (shift.talk().await, shift.talk().await);
    for talk in [&first, &second] {
        shift.until_assigned(talk, &ann.who).await;
    }
    let cut = Instant::now();
    drop(ann.socket);
    for talk in [&first, &second] {
        let (shown, inner) = next(&shift, talk, 3).await;
        let took = cut.elapsed();
        assert!(took <= GRACE + Duration::from_secs(2), "{took:?}");
        assert_eq!((&inner["kind"], &inner["reason"]), (&json!("released"), &json!("agent_gone")));
        assert_eq!(inner["by"], json!({ "kind": "system" }));
        assert_eq!((&shown["kind"], shown.get("reason")), (&json!("released"), None));
    }
    // The agent's status is as it was, and they have the conversations again when they come.
    let waits = shift.until_at(&second, 2).await;
    assert_eq!(waits["state"], "queued");
    let _socket = shift.socket(&ann.who).await;
    for talk in [&first, &second] {
        let back = shift.until_assigned(talk, &ann.who).await;
        assert_eq!(back["assignment_epoch"], 2);
    }
}

#[tokio::test]
async fn a_socket_that_falls_silent_is_noticed_and_what_its_agent_holds_goes_back() {
    let quick = Options::default()
        .setting("routing.agent_grace_s", "1")
        .limit("agent_ping_interval_s", 1)
        .limit("agent_dead_after_s", 3);
    let shift = Shift::begin_with(quick, json!({ "assignment": "auto" })).await;
    let ann = shift.seat("ann", json!({})).await;
    let talk = shift.talk().await;
    shift.until_assigned(&talk, &ann.who).await;
    // It stays open, and nobody reads it: no ping is answered.
    let silent = Instant::now();
    let (_, inner) = next(&shift, &talk, 3).await;
    let took = silent.elapsed();
    assert_eq!((&inner["kind"], &inner["reason"]), (&json!("released"), &json!("agent_gone")));
    assert!(took <= Duration::from_secs(3) + GRACE + Duration::from_secs(2), "{took:?}");
    drop(ann.socket);
}

#[tokio::test]
async fn an_agent_who_is_back_within_the_grace_keeps_what_they_hold() {
    let options = Options::default().setting("routing.agent_grace_s", "5");
    let shift = Shift::begin_with(options, json!({ "assignment": "auto" })).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let talk = shift.talk().await;
    shift.until_assigned(&talk, &ann.who).await;
    for _ in 0..3 {
        // The old one is gone before the new one is there.
        drop(ann.socket);
        ann.socket = shift.socket(&ann.who).await;
    }
    sleep(Duration::from_secs(6)).await;
    let held = shift.seen(&talk).await;
    assert_eq!((&held["state"], &held["assignment_epoch"]), (&json!("assigned"), &json!(1)));
}

#[tokio::test]
async fn an_agent_who_uses_rest_alone_is_present_while_they_ask() {
    let shift = brief(json!({ "assignment": "auto" })).await;
    let ann = shift.agent("ann", json!({})).await;
    let talk = shift.talk().await;
    shift.until_assigned(&talk, &ann).await;
    let begun = Instant::now();
    while begun.elapsed() < 3 * GRACE {
        assert_eq!(shift.status(&ann).await["present"], true);
        sleep(GRACE / 10).await;
    }
    assert_eq!(shift.seen(&talk).await["assignment_epoch"], 1);
    let (_, inner) = next(&shift, &talk, 3).await;
    assert_eq!((&inner["kind"], &inner["reason"]), (&json!("released"), &json!("agent_gone")));
    assert!(begun.elapsed() < 3 * GRACE + GRACE + Duration::from_secs(2));
}

#[tokio::test]
async fn an_offer_goes_on_when_its_agent_goes_or_wants_none() {
    let shift = brief(json!({ "strategy": "round_robin" })).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let mut bob = shift.seat("bob", json!({})).await;
    let mut cid = shift.seat("cid", json!({})).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    drop(ann.socket);
    bob.offered(&talk).await;
    shift.set_status(&bob.who, "away").await;
    assert_eq!(bob.offer_ended(&talk).await, "withdrawn");
    cid.offered(&talk).await;
    assert_eq!(shift.status(&bob.who).await["load"], 0);
}

#[tokio::test]
async fn who_is_disabled_or_offline_gives_all_back_and_who_is_away_keeps_it() {
    let shift = Shift::begin(json!({ "assignment": "auto" })).await;
    let ann = shift.seat("ann", json!({ "capacity": 1 })).await;
    let bob = shift.seat("bob", json!({ "capacity": 1 })).await;
    let (first, second) = (shift.talk().await, shift.talk().await);
    shift.until_assigned(&first, &ann.who).await;
    shift.until_assigned(&second, &bob.who).await;
    shift.set_status(&bob.who, "away").await;
    shift.change("agents", &ann.who.agent_id, &json!({ "disabled": true })).await;
    let (shown, inner) = next(&shift, &first, 3).await;
    assert_eq!((&inner["kind"], &inner["reason"]), (&json!("released"), &json!("disabled")));
    assert!(shown.get("reason").is_none(), "{shown}");
    assert_eq!(shift.seen(&second).await["assignee"]["agent_id"], bob.who.agent_id);
    // The agent is free now, and away: it waits.
    shift.end(&second).await;
    shift.until_at(&first, 1).await;
    shift.set_status(&bob.who, "online").await;
    shift.until_assigned(&first, &bob.who).await;
    shift.set_status(&bob.who, "offline").await;
    let (_, inner) = next(&shift, &first, 5).await;
    assert_eq!((&inner["kind"], &inner["reason"]), (&json!("released"), &json!("offline")));
}

#[tokio::test]
async fn an_agent_who_leaves_a_team_keeps_what_they_hold_and_is_offered_nothing_more() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let mut bob = shift.seat("bob", json!({})).await;
    let (held, offered) = (shift.talk().await, shift.talk().await);
    ann.offered(&held).await;
    shift.verb(&ann.who, &held, "accept", json!({})).await;
    bob.offered(&offered).await;
    shift.change("teams", &shift.team, &json!({ "agent_ids": [ann.who.agent_id] })).await;
    assert_eq!(bob.offer_ended(&offered).await, "withdrawn");
    ann.offered(&offered).await;
    shift.change("teams", &shift.team, &json!({ "agent_ids": [] })).await;
    assert_eq!(ann.offer_ended(&offered).await, "withdrawn");
    assert_eq!(shift.seen(&held).await["assignee"]["agent_id"], ann.who.agent_id);
    shift.verb(&ann.who, &held, "release", json!({})).await;
}
