//! The queue: places, what is expected of them, and its end.

use serde_json::{Value, json};

use super::{Shift, refused};

#[tokio::test]
async fn each_has_its_place_from_one_and_all_who_see_it_are_told() {
    let shift = Shift::begin(json!({ "assignment": "manual" })).await;
    let ann = shift.agent("ann", json!({})).await;
    let mut talks = Vec::new();
    for position in 1..=4 {
        let talk = shift.talk().await;
        assert_eq!(talk.started["queue_position"], position, "{}", talk.started);
        assert!(talk.started.get("offered_to").is_none(), "{}", talk.started);
        talks.push(talk);
    }
    let listed = async |view: &str| {
        let page =
            shift.get(&ann.token, &format!("agent/conversations?view={view}")).await.expect(200).unwrap();
        let row = |row: &Value| (row["id"].as_str().unwrap().to_owned(), row["queue_position"].clone());
        page["data"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let order = |talks: &[super::Talk]| {
        (1..).zip(talks).map(|(position, talk)| (talk.id.clone(), json!(position))).collect::<Vec<_>>()
    };
    assert_eq!(listed("queue").await, order(&talks));
    shift.verb(&ann, &talks[1], "accept", json!({})).await;
    shift.until_at(&talks[2], 2).await;
    // The visitor's own list shows the same.
    let own = shift.get(&talks[3].visitor, "conversations").await.expect(200).unwrap();
    assert_eq!(own["data"][0]["queue_position"], 3, "{own}");
    assert!(own["data"][0].get("offered_to").is_none(), "{own}");
    let taken = talks.remove(1);
    assert_eq!(listed("queue").await, order(&talks));
    assert!(shift.seen(&taken).await.get("queue_position").is_none());
    // Its time of first queueing stands when it comes back.
    shift.verb(&ann, &taken, "release", json!({})).await;
    shift.until_at(&taken, 2).await;
    talks.insert(1, taken);
    assert_eq!(listed("queue").await, order(&talks));
    shift.end(&talks[0]).await;
    for (position, talk) in (1..).zip(&talks[1..]) {
        shift.until_at(talk, position).await;
    }
}

#[tokio::test]
async fn the_wait_is_told_once_the_pace_is_known_and_somebody_is_there() {
    let shift = Shift::begin(json!({ "assignment": "manual" })).await;
    let ann = shift.agent("ann", json!({ "capacity": 20 })).await;
    let mut talks = Vec::new();
    for _ in 0..8 {
        talks.push(shift.talk().await);
    }
    for talk in &talks[..5] {
        shift.verb(&ann, talk, "accept", json!({})).await;
    }
    let unknown = shift.until_at(&talks[5], 1).await;
    assert!(unknown.get("expected_wait_s").is_none(), "four gaps are too few: {unknown}");
    shift.verb(&ann, &talks[5], "accept", json!({})).await;
    let known = |seen: &Value| seen.get("expected_wait_s").is_some();
    let first = shift.until(&talks[6], known).await["expected_wait_s"].as_u64().unwrap();
    let second = shift.until(&talks[7], known).await["expected_wait_s"].as_u64().unwrap();
    assert!(first >= 1 && second >= first && second <= 2 * first, "{first} {second}");
    shift.set_status(&ann, "away").await;
    shift.until(&talks[7], |seen| !known(seen)).await;
}

#[tokio::test]
async fn who_comes_when_as_many_wait_as_may_is_refused_and_the_site_says_so() {
    let shift = Shift::begin(json!({ "assignment": "manual", "queue_max": 2 })).await;
    let config = async || {
        let call = shift.api.get("/api/v1/chat/widget/config").site(&shift.sandbox.ready().site_key);
        let config = call.send().await.unwrap().expect(200).unwrap();
        (config["accepting"].clone(), config["online"].clone())
    };
    assert_eq!(config().await, (json!(true), json!(false)));
    let ann = shift.agent("ann", json!({})).await;
    let first = shift.talk().await;
    assert_eq!(config().await, (json!(true), json!(true)));
    shift.talk().await;
    assert_eq!(config().await, (json!(false), json!(true)));
    let visitor = shift.api.visitor(&shift.sandbox.ready().site_key).await.unwrap();
    let late = shift.api.start_conversation(&visitor.token, "late", None).await.unwrap();
    refused(&late, 409, "CONFLICT");
    // What is given back is never refused.
    shift.verb(&ann, &first, "accept", json!({})).await;
    assert_eq!(config().await, (json!(true), json!(true)));
    shift.api.start_conversation(&visitor.token, "late", None).await.unwrap().expect(201).unwrap();
    let released = shift.verb(&ann, &first, "release", json!({})).await;
    assert_eq!(released["state"], "queued");
    assert_eq!(config().await, (json!(false), json!(true)));
    shift.set_status(&ann, "away").await;
    assert_eq!(config().await.1, json!(false));
}

#[tokio::test]
async fn agents_are_told_how_many_wait() {
    let shift = Shift::begin(json!({ "assignment": "manual" })).await;
    let ann = shift.agent("ann", json!({})).await;
    let mut desk = shift.socket(&ann).await;
    let (first, second) = (shift.talk().await, shift.talk().await);
    let news =
        |waiting: u64| move |push: &Value| push["type"] == "queue_changed" && push["waiting"] == waiting;
    let told = desk.expect_push(news(2), super::SOON).await.unwrap();
    assert_eq!(told["team_id"], shift.team);
    shift.verb(&ann, &first, "accept", json!({})).await;
    desk.expect_push(news(1), super::SOON).await.unwrap();
    shift.until_at(&second, 1).await;
}
