//! An agent's socket: what the agent takes and is told, on all their devices, and how it ends with their log-in.

use std::time::{Duration, Instant};

use driver::{Agent, Options, Socket};
use serde_json::{Value, json};

use super::{PATIENCE, Stage, Talk, assert_lives, close_code, code, events, push, send};

/// A revocation holds everywhere within 5 s.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

fn accept(conversation: &str) -> Value {
    json!({ "type": "accept", "conversation_id": conversation })
}

#[tokio::test]
async fn an_accept_is_told_to_the_agents_devices_and_to_all_who_listen() {
    let stage = Stage::start(Options::default()).await;
    let Talk { visitor, conversation } = &stage.talk(1).await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let mut visitors = stage.listener(&visitor.token, conversation).await;
    let mut desk = stage.socket(&ann.token).await;
    let mut phone = stage.socket(&ann.token).await;
    let mut bobs = stage.socket(&bob.token).await;

    assert_eq!(desk.request(accept(conversation)).await.unwrap()["type"], "ok");
    for device in [&mut desk, &mut phone] {
        let assigned = &push(device, "assigned").await["conversation"];
        assert_eq!((&assigned["id"], &assigned["state"]), (&json!(conversation), &json!("assigned")));
        assert_eq!(assigned["assignee"]["agent_id"], json!(ann.agent_id));
        assert_eq!(assigned["assignment_epoch"], 1);
    }
    let event = &events(&mut visitors, conversation, 3..=3).await[0];
    assert_eq!((&event["kind"], &event["reason"]), (&json!("assigned"), &json!("accept")));
    assert_eq!(event["agent"]["agent_id"], json!(ann.agent_id));

    // Mine already: the same. Another's: no.
    assert_eq!(phone.request(accept(conversation)).await.unwrap()["type"], "ok");
    let refused = bobs.request(accept(conversation)).await.unwrap();
    assert_eq!((code(&refused), &refused["conversation_id"]), ("ALREADY_ASSIGNED", &json!(conversation)));
    assert_eq!(send(&mut desk, conversation, "a1", "Hello").await["seq"], 4);
    let event = &events(&mut visitors, conversation, 4..=4).await[0];
    assert_eq!(event["by"]["id"], json!(ann.agent_id));
}

#[tokio::test]
async fn losing_a_conversation_is_told_with_its_reason() {
    let stage = Stage::start(Options::unlimited()).await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let mut anns = stage.socket(&ann.token).await;
    let mut bobs = stage.socket(&bob.token).await;
    let post = async |conversation: &str, verb: &str, body: Value| {
        let path = format!("/api/v1/chat/agent/conversations/{conversation}/{verb}");
        stage.api.post(path).bearer(&ann.token).json(&body).send().await.unwrap().expect(200).unwrap()
    };
    let lost = async |anns: &mut Socket, conversation: &str| {
        let unassigned = push(anns, "unassigned").await;
        assert_eq!(unassigned["conversation_id"], json!(conversation), "{unassigned}");
        unassigned["reason"].clone()
    };
    let taken = async |anns: &mut Socket| {
        let conversation = stage.talk(0).await.conversation;
        assert_eq!(anns.request(accept(&conversation)).await.unwrap()["type"], "ok");
        assert_eq!(push(anns, "assigned").await["conversation"]["id"], json!(conversation));
        conversation
    };

    let released = taken(&mut anns).await;
    post(&released, "release", json!({})).await;
    assert_eq!(lost(&mut anns, &released).await, "released");

    let given_on = taken(&mut anns).await;
    post(&given_on, "transfer", json!({ "to": { "agent_id": bob.agent_id } })).await;
    assert_eq!(lost(&mut anns, &given_on).await, "transfer");
    let assigned = &push(&mut bobs, "assigned").await["conversation"];
    assert_eq!((&assigned["id"], &assigned["assignment_epoch"]), (&json!(given_on), &json!(2)));

    let taken_over = taken(&mut anns).await;
    let admin = stage.admin().await;
    stage.api.set_status(&admin.token, "online").await.unwrap().expect(200).unwrap();
    let path = format!("/api/v1/chat/agent/conversations/{taken_over}/accept");
    let call = stage.api.post(path).bearer(&admin.token).json(&json!({ "take_over": true }));
    call.send().await.unwrap().expect(200).unwrap();
    assert_eq!(lost(&mut anns, &taken_over).await, "take_over");

    let ended = taken(&mut anns).await;
    stage.api.end(&ann.token, &ended).await.unwrap().expect(200).unwrap();
    assert_eq!(lost(&mut anns, &ended).await, "ended");

    let left = taken(&mut anns).await;
    let offline = anns.request(json!({ "type": "status", "status": "offline" })).await.unwrap();
    assert_eq!(offline["type"], "ok", "{offline}");
    assert_eq!(lost(&mut anns, &left).await, "offline");
    let refused = anns.request(accept(&left)).await.unwrap();
    assert_eq!(code(&refused), "AGENT_OFFLINE", "{refused}");
}

#[tokio::test]
async fn a_status_is_one_for_all_devices_and_is_kept() {
    let stage = Stage::start(Options::default()).await;
    let ann = stage.agent(0).await;
    let mut desk = stage.socket(&ann.token).await;
    let mut phone = stage.socket(&ann.token).await;
    let reply = desk.request(json!({ "type": "status", "status": "away" })).await.unwrap();
    assert_eq!(reply["type"], "ok", "{reply}");
    assert_eq!(push(&mut phone, "status").await, json!({ "type": "status", "status": "away" }));
    stage.api.set_status(&ann.token, "online").await.unwrap().expect(200).unwrap();
    for device in [&mut phone, &mut desk] {
        device
            .expect_push(|push| push["type"] == "status" && push["status"] == "online", PATIENCE)
            .await
            .unwrap();
    }
    let mut tablet = Socket::open(&stage.api).await.unwrap();
    assert_eq!(tablet.hello(&ann.token, &[]).await.unwrap()["status"], "online");
    let got = stage.api.get("/api/v1/chat/agent/status").bearer(&ann.token).send().await.unwrap();
    let body = got.expect(200).unwrap();
    assert_eq!((&body["status"], &body["present"]), (&json!("online"), &json!(true)));
}

#[tokio::test]
async fn a_socket_takes_a_renewed_token_of_the_same_person_and_no_others() {
    let stage = Stage::start(Options::default()).await;
    let (visitor, neighbour, agent) = (stage.visitor().await, stage.visitor().await, stage.agent(0).await);
    let site_key = &stage.sandbox.ready().site_key;
    let call = stage.api.post("/api/v1/chat/visitors").site(site_key).bearer(&visitor.token);
    let renewed = call.json(&json!({})).send().await.unwrap().expect(200).unwrap()["token"].clone();
    let mut visitors = stage.socket(&visitor.token).await;
    let with = |token: &Value| json!({ "type": "token", "token": token });
    assert_eq!(visitors.request(with(&renewed)).await.unwrap()["type"], "ok");
    for foreign in [&neighbour.token, &agent.token] {
        assert_eq!(code(&visitors.request(with(&json!(foreign))).await.unwrap()), "FORBIDDEN");
    }
    assert_eq!(code(&visitors.request(with(&json!("secret"))).await.unwrap()), "INVALID_TOKEN");
    assert_lives(&mut visitors).await;

    let mut agents = stage.socket(&agent.token).await;
    let body = json!({ "refresh_token": agent.refresh_token });
    let renewed = stage.api.post("/api/v1/auth/refresh").json(&body).send().await.unwrap();
    let renewed = renewed.expect(200).unwrap()["access_token"].clone();
    assert_eq!(agents.request(with(&renewed)).await.unwrap()["type"], "ok");
    assert_eq!(code(&agents.request(with(&json!(visitor.token))).await.unwrap()), "FORBIDDEN");
    assert_lives(&mut agents).await;
}

/// Closed with 4401, soon after `since`.
async fn assert_revoked(socket: &mut Socket, since: Instant) {
    assert_eq!(close_code(socket).await, Some(4401));
    assert!(since.elapsed() < REVOKED_WITHIN, "{:?}", since.elapsed());
}

async fn log_out(stage: &Stage, agent: &Agent) {
    let body = json!({ "refresh_token": agent.refresh_token });
    stage.api.post("/api/v1/auth/logout").json(&body).send().await.unwrap().expect(204).unwrap();
}

#[tokio::test]
async fn a_log_out_closes_the_sockets_of_that_log_in_and_no_others() {
    let stage = Stage::start(Options::default()).await;
    let (here, elsewhere) = (stage.agent(0).await, stage.agent(0).await);
    let mut desk = stage.socket(&here.token).await;
    let mut second_tab = stage.socket(&here.token).await;
    let mut phone = stage.socket(&elsewhere.token).await;
    log_out(&stage, &here).await;
    let since = Instant::now();
    assert_revoked(&mut desk, since).await;
    assert_revoked(&mut second_tab, since).await;
    let mut late = Socket::open(&stage.api).await.unwrap();
    late.send_json(&json!({ "type": "hello", "token": here.token })).await.unwrap();
    assert_eq!(close_code(&mut late).await, Some(4401));
    assert_lives(&mut phone).await;

    // A socket that has taken a token of another log-in ends with that one.
    let third = stage.agent(0).await;
    let reply = phone.request(json!({ "type": "token", "token": third.token })).await.unwrap();
    assert_eq!(reply["type"], "ok", "{reply}");
    log_out(&stage, &third).await;
    assert_revoked(&mut phone, Instant::now()).await;
}

#[tokio::test]
async fn who_is_disabled_or_gets_a_new_password_is_logged_out_everywhere_else() {
    let stage = Stage::start(Options::default()).await;
    let admin = stage.admin().await;
    let (asking, other) = (stage.agent(0).await, stage.agent(0).await);
    let mut of_asking = stage.socket(&asking.token).await;
    let mut of_other = stage.socket(&other.token).await;
    let body = json!({ "current": stage.sandbox.ready().agents[0].password, "new": "a much longer one" });
    let call = stage.api.post("/api/v1/auth/password").bearer(&asking.token).json(&body);
    call.send().await.unwrap().expect(204).unwrap();
    assert_revoked(&mut of_other, Instant::now()).await;
    assert_lives(&mut of_asking).await;

    let path = format!("/api/v1/admin/agents/{}", asking.agent_id);
    let call = stage.api.patch(path).bearer(&admin.token).json(&json!({ "disabled": true }));
    call.send().await.unwrap().expect(200).unwrap();
    assert_revoked(&mut of_asking, Instant::now()).await;
}
