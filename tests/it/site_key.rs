//! A site's public key, replaced: which keys are taken when, and that a repeat replaces nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::house::{House, ask, assert_invalid, assert_refused, look, text};

/// Within this a key that has ended is refused everywhere.
const ENDED: Duration = Duration::from_secs(5);

fn path(house: &House) -> String {
    format!("/api/v1/admin/sites/{}/rotate-key", house.ours.site)
}

/// Replaces our site's key.
async fn rotate(house: &House, overlap_s: u32) -> Value {
    let call = house.api.post(path(house));
    ask(call, &house.ours.admin, &json!({ "overlap_s": overlap_s })).await.expect(200).unwrap()
}

/// What a page with this key gets.
async fn status(house: &House, key: &str) -> u16 {
    house.api.get("/api/v1/chat/widget/config").site(key).send().await.unwrap().status
}

#[tokio::test]
async fn the_old_key_is_taken_for_its_overlap_and_visitors_go_on() {
    let house = House::start().await;
    let (api, side) = (&house.api, &house.ours);
    let first = side.site_key.as_str();
    let site = rotate(&house, 600).await;
    let second = text(&site["key"]);
    assert_eq!((&site["previous_key"], &site["version"]), (&json!(first), &json!(2)), "{site}");
    assert!(text(&site["previous_key_until"]) > text(&site["updated_at"]), "{site}");
    let read = look(api.get(format!("/api/v1/admin/sites/{}", side.site)), &side.admin).await;
    assert_eq!(read.expect(200).unwrap(), site);
    assert_eq!([status(&house, first).await, status(&house, second).await], [200, 200]);

    // The key before the last one ends with the next; without a body the last one does, too.
    let third = look(api.post(path(&house)), &side.admin).await.expect(200).unwrap();
    assert_eq!((third.get("previous_key"), third.get("previous_key_until")), (None, None), "{third}");
    let ended = async { while [status(&house, first).await, status(&house, second).await] != [401, 401] {} };
    timeout(ENDED, ended).await.unwrap();
    assert_eq!(status(&house, text(&third["key"])).await, 200);
    let refused = api.get("/api/v1/chat/widget/config").site(first).send().await.unwrap();
    assert_refused(&refused, 401, "INVALID_TOKEN");
    api.post_message(&side.visitor.token, &side.conversation, "m", "still here")
        .await
        .unwrap()
        .expect(201)
        .unwrap();
}

#[tokio::test]
async fn an_overlap_ends_by_itself() {
    let house = House::start().await;
    let site = rotate(&house, 1).await;
    let ended = async { while status(&house, &house.ours.site_key).await != 401 {} };
    timeout(Duration::from_secs(1) + ENDED, ended).await.unwrap();
    assert_eq!(status(&house, text(&site["key"])).await, 200);
}

#[tokio::test]
async fn a_repeat_of_the_request_replaces_no_second_key() {
    let house = House::start().await;
    let (api, admin) = (&house.api, &house.ours.admin);
    let send = async |path: &str, overlap_s: u32| {
        let call = api.post(path).header("idempotency-key", "once");
        ask(call, admin, &json!({ "overlap_s": overlap_s })).await
    };
    let first = send(&path(&house), 60).await.expect(200).unwrap();
    assert_eq!(send(&path(&house), 60).await.expect(200).unwrap(), first);
    assert_refused(&send(&path(&house), 61).await, 409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(status(&house, text(&first["key"])).await, 200);

    // The same name for a request about another site is another request.
    let body = json!({ "name": "Second", "team_id": house.ours.team });
    let made = ask(api.post("/api/v1/admin/sites"), admin, &body).await.expect(201).unwrap();
    let other = send(&format!("/api/v1/admin/sites/{}/rotate-key", text(&made["id"])), 60).await;
    let other = other.expect(200).unwrap();
    assert_eq!((&other["id"], &other["previous_key"]), (&made["id"], &made["key"]));
}

#[tokio::test]
async fn a_wrong_overlap_or_an_old_version_replaces_nothing() {
    let house = House::start().await;
    let (api, admin) = (&house.api, &house.ours.admin);
    for wrong in [json!(-1), json!(604_801), json!(1.5), json!("1"), json!(null)] {
        let answer = ask(api.post(path(&house)), admin, &json!({ "overlap_s": wrong })).await;
        assert_invalid(&answer, "overlap_s");
    }
    assert_invalid(&ask(api.post(path(&house)), admin, &json!({ "key": "pk_mine" })).await, "key");
    let stale = api.post(path(&house)).header("if-match", "\"7\"");
    assert_refused(&look(stale, admin).await, 412, "PRECONDITION_FAILED");
    assert_refused(&look(api.post(path(&house)), &house.theirs.admin).await, 404, "NOT_FOUND");
    assert_refused(&look(api.post(path(&house)), &house.ours.supervisor).await, 403, "FORBIDDEN");
    let site = look(api.get(format!("/api/v1/admin/sites/{}", house.ours.site)), admin).await;
    assert_eq!(site.expect(200).unwrap()["key"], json!(house.ours.site_key));
}
