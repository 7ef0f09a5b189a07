//! An agent's will, and what follows from it.

use driver::Options;
use serde_json::{Value, json};

use super::{Stage, invalid, refused};

const PATH: &str = "agent/status";

#[tokio::test]
async fn a_status_is_kept_as_it_was_set_last() {
    let mut stage = Stage::start(Options::unlimited()).await;
    let login = &stage.sandbox.ready().agents[0];
    let ann = stage.api.login(&login.email, &login.password).await.unwrap();
    let status = stage.get(&ann.token, PATH).await.expect(200).unwrap();
    assert_eq!(
        (&status["status"], &status["load"], &status["conversation_ids"]),
        (&json!("offline"), &json!(0), &json!([]))
    );
    assert_eq!(status["capacity"], 5);
    for wanted in ["online", "away", "offline", "online", "online"] {
        let set = stage.api.set_status(&ann.token, wanted).await.unwrap().expect(200).unwrap();
        assert_eq!((&set["status"], &set["present"]), (&json!(wanted), &json!(true)));
        assert_eq!(stage.get(&ann.token, PATH).await.expect(200).unwrap(), set);
    }
    for (body, field) in [
        (json!({}), "status"),
        (json!({ "status": "busy" }), "status"),
        (json!({ "status": null }), "status"),
        (json!({ "status": "away", "surprise": 1 }), "surprise"),
    ] {
        let call = stage.api.put(format!("/api/v1/chat/{PATH}")).bearer(&ann.token).json(&body);
        invalid(&call.send().await.unwrap(), field);
    }
    let visitor = stage.visitor().await;
    refused(&stage.get(&visitor.token, PATH).await, 403, "FORBIDDEN");
    refused(&stage.api.set_status(&visitor.token, "online").await.unwrap(), 403, "FORBIDDEN");
    refused(&stage.api.set_status("nonsense", "online").await.unwrap(), 401, "INVALID_TOKEN");

    stage.sandbox.restart().await.unwrap();
    assert_eq!(stage.get(&ann.token, PATH).await.expect(200).unwrap()["status"], "online");
}

#[tokio::test]
async fn an_agent_who_goes_offline_gives_back_all_they_hold_and_one_who_is_away_keeps_it() {
    let stage = Stage::start(Options::unlimited()).await;
    let ann = stage.agent(0).await;
    let ((visitor, first), (_, second)) = (stage.talk().await, stage.talk().await);
    stage.take(&ann, &first).await;
    stage.take(&ann, &second).await;
    let held = stage.get(&ann.token, PATH).await.expect(200).unwrap();
    let mut ids: Vec<&Value> = held["conversation_ids"].as_array().unwrap().iter().collect();
    ids.sort_by_key(|id| id.as_str());
    let mut expected = [json!(first), json!(second)];
    expected.sort_by_key(|id| id.as_str().unwrap().to_owned());
    assert_eq!((ids, &held["load"]), (expected.iter().collect(), &json!(2)));

    let away = stage.api.set_status(&ann.token, "away").await.unwrap().expect(200).unwrap();
    assert_eq!(away["load"], 2);
    stage.say(&ann.token, &first, "still-mine").await;

    stage.api.set_status(&ann.token, "offline").await.unwrap().expect(200).unwrap();
    // The agent gives them back one after the other; a request that waits for the event is answered when it is there.
    let given = stage.api.events(&ann.token, &first, "after=4&wait_s=20").await.unwrap().expect(200).unwrap();
    let released = &given["data"][0];
    assert_eq!((&released["kind"], &released["reason"]), (&json!("released"), &json!("offline")));
    // Why an agent left is not for the visitor.
    let told = &stage.log(&visitor.token, &first).await[4];
    assert_eq!((&told["kind"], told.get("reason")), (&json!("released"), None));
    stage.api.events(&ann.token, &second, "after=3&wait_s=20").await.unwrap().expect(200).unwrap();
    let given_back = stage.seen(&ann.token, &second).await;
    assert_eq!((&given_back["state"], &given_back["assignment_epoch"]), (&json!("queued"), &json!(1)));
    let late = stage.api.post_message(&ann.token, &first, "late", "late").await.unwrap();
    refused(&late, 409, "STALE_ASSIGNMENT");
    refused(&stage.api.accept(&ann.token, &first).await.unwrap(), 409, "AGENT_OFFLINE");
    // And none of them comes back by itself: the agent accepts it again.
    stage.api.set_status(&ann.token, "online").await.unwrap().expect(200).unwrap();
    stage.take(&ann, &first).await;
}
