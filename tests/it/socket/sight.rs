//! Sight: an agent who may no longer see a conversation is told so and receives nothing more of it.

use driver::{Agent, Options, Socket};
use serde_json::{Value, json};

use super::{Stage, Talk, assert_lives, code, events, push, subscribe};

/// Receives that the agent sees the conversation no longer; what follows there does not reach the socket.
async fn assert_blind(stage: &Stage, socket: &mut Socket, talk: &Talk) {
    let unsubscribed = push(socket, "unsubscribed").await;
    assert_eq!(unsubscribed["conversation_id"], json!(talk.conversation), "{unsubscribed}");
    assert!(unsubscribed["reason"].is_string(), "{unsubscribed}");
    socket.take_pushes();
    stage.say(talk, &format!("unheard-{}", rand::random::<u64>())).await;
    let error = subscribe(socket, &talk.conversation, Some(0)).await;
    assert_eq!(code(&error), "NOT_FOUND", "{error}");
    assert_lives(socket).await;
    let heard: Vec<Value> = socket.take_pushes().into_iter().filter(|push| push["type"] == "event").collect();
    assert_eq!(heard, Vec::<Value>::new());
}

async fn change_team(stage: &Stage, admin: &Agent, agent_ids: &[&str]) {
    let path = format!("/api/v1/admin/teams/{}", stage.sandbox.ready().team_id);
    let call = stage.api.patch(path).bearer(&admin.token).json(&json!({ "agent_ids": agent_ids }));
    call.send().await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn a_transfer_to_another_team_takes_the_conversation_out_of_sight() {
    let stage = Stage::start(Options::default()).await;
    let (admin, ann, bob) = (stage.admin().await, stage.agent(0).await, stage.agent(1).await);
    let call = stage.api.post("/api/v1/admin/teams").bearer(&admin.token).json(&json!({ "name": "Sales" }));
    let sales = call.send().await.unwrap().expect(201).unwrap()["id"].clone();
    let talk @ Talk { conversation, .. } = &stage.talk(1).await;
    stage.api.accept(&ann.token, conversation).await.unwrap().expect(200).unwrap();
    let mut anns = stage.listener(&ann.token, conversation).await;
    let mut bobs = stage.listener(&bob.token, conversation).await;
    let mut admins = stage.listener(&admin.token, conversation).await;
    let mut visitors = stage.listener(&talk.visitor.token, conversation).await;

    let path = format!("/api/v1/chat/agent/conversations/{conversation}/transfer");
    let body = json!({ "to": { "team_id": sales } });
    stage.api.post(path).bearer(&ann.token).json(&body).send().await.unwrap().expect(200).unwrap();
    assert_eq!(push(&mut anns, "unassigned").await["reason"], "transfer");
    assert_blind(&stage, &mut anns, talk).await;
    assert_blind(&stage, &mut bobs, talk).await;

    // The visitor and agents who see the whole workspace go on.
    for (socket, kinds) in [
        (&mut admins, ["transferred", "released", "message", "message"]),
        (&mut visitors, ["hidden", "released", "message", "message"]),
    ] {
        let told = events(socket, conversation, 4..=7).await;
        let told: Vec<&str> = told.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(told, kinds);
    }
}

#[tokio::test]
async fn leaving_a_team_takes_away_its_conversations_but_not_ones_own() {
    let stage = Stage::start(Options::default()).await;
    let (admin, ann, bob) = (stage.admin().await, stage.agent(0).await, stage.agent(1).await);
    let (waiting, held) = (&stage.talk(0).await, &stage.talk(0).await);
    stage.api.accept(&ann.token, &held.conversation).await.unwrap().expect(200).unwrap();
    let mut anns = stage.listener(&ann.token, &waiting.conversation).await;
    subscribe(&mut anns, &held.conversation, None).await;
    let mut bobs = stage.listener(&bob.token, &waiting.conversation).await;

    change_team(&stage, &admin, &[&bob.agent_id]).await;
    assert_blind(&stage, &mut anns, waiting).await;
    events(&mut bobs, &waiting.conversation, 2..=2).await;
    stage.say(held, "heard").await;
    events(&mut anns, &held.conversation, 3..=3).await;

    // Back in the team the agent sees it again, from the last event that they got.
    change_team(&stage, &admin, &[&bob.agent_id, &ann.agent_id]).await;
    let seen =
        async { while code(&subscribe(&mut anns, &waiting.conversation, Some(1)).await) == "NOT_FOUND" {} };
    tokio::time::timeout(super::PATIENCE, seen).await.unwrap();
    events(&mut anns, &waiting.conversation, 2..=2).await;
}
