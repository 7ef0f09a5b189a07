//! The colleagues of an agent.

use driver::Options;
use serde_json::{Value, json};

use super::{Shift, refused};

fn names(body: &Value, of: &str) -> Vec<String> {
    body[of].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_agent_sees_their_teams_and_a_supervisor_the_workspace() {
    let shift = Shift::begin(json!({ "name": "First", "assignment": "manual" })).await;
    let second = shift.make("teams", &json!({ "name": "Second", "assignment": "manual" })).await;
    let second = second["id"].as_str().unwrap();
    let ann = shift.agent("ann", json!({})).await;
    let bob = shift.hire("bob", json!({ "capacity": 2, "team_ids": [shift.team, second] })).await;
    let cid = shift.agent("cid", json!({ "team_ids": [second] })).await;
    let gone = shift.hire("gone", json!({ "disabled": false })).await;
    shift.change("agents", &gone.agent_id, &json!({ "disabled": true })).await;
    let (first, _) = (shift.talk().await, shift.talk().await);
    shift.verb(&ann, &first, "accept", json!({})).await;
    shift.until(&first, |seen| seen["state"] == "assigned").await;

    let path = "agent/colleagues";
    let anns = shift.get(&ann.token, path).await.expect(200).unwrap();
    assert_eq!(names(&anns, "agents"), ["ann", "bob"]);
    let herself = json!({ "agent_id": ann.agent_id, "name": "ann", "status": "online", "present": true,
        "load": 1, "capacity": 5, "team_ids": [shift.team] });
    assert_eq!(anns["agents"][0], herself);
    let bobs = &anns["agents"][1];
    assert_eq!(
        (&bobs["status"], &bobs["load"], &bobs["capacity"]),
        (&json!("offline"), &json!(0), &json!(2))
    );
    assert_eq!(anns["teams"], json!([{ "id": shift.team, "name": "First", "online": 1, "waiting": 1 }]));

    let cids = shift.get(&cid.token, path).await.expect(200).unwrap();
    assert_eq!(
        (names(&cids, "agents"), names(&cids, "teams")),
        (vec!["bob".into(), "cid".into()], vec!["Second".into()])
    );
    let bobs = shift.get(&bob.token, path).await.expect(200).unwrap();
    assert_eq!(names(&bobs, "teams"), ["First", "Second"]);
    assert_eq!(bobs["agents"][1]["team_ids"].as_array().unwrap().len(), 2, "{bobs}");

    // Those of the demo, and the admin.
    let all = shift.get(&shift.admin.token, path).await.expect(200).unwrap();
    assert_eq!(names(&all, "teams"), ["First", "Second"]);
    assert!(names(&all, "agents").len() >= 6 && !names(&all, "agents").contains(&"gone".to_owned()), "{all}");
    let loner = shift.agent("loner", json!({ "team_ids": [] })).await;
    let loners = shift.get(&loner.token, path).await.expect(200).unwrap();
    assert_eq!((names(&loners, "agents"), &loners["teams"]), (vec!["loner".into()], &json!([])));
    refused(&shift.get(&first.visitor, path).await, 403, "FORBIDDEN");
    refused(&shift.get(&ann.token, "agent/colleagues?surprise=1").await, 422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn who_went_is_shown_as_not_present() {
    let options = Options::default().setting("routing.agent_grace_s", "1");
    let shift = Shift::begin_with(options, json!({})).await;
    let ann = shift.seat("ann", json!({})).await;
    let bob = shift.seat("bob", json!({})).await;
    let look = async || {
        let body = shift.get(&bob.who.token, "agent/colleagues").await.expect(200).unwrap();
        (
            body["agents"][0]["present"].clone(),
            body["agents"][0]["status"].clone(),
            body["teams"][0]["online"].clone(),
        )
    };
    assert_eq!(look().await, (json!(true), json!("online"), json!(2)));
    drop(ann.socket);
    let gone = async { while look().await != (json!(false), json!("online"), json!(1)) {} };
    tokio::time::timeout(super::SOON, gone).await.unwrap();
}
