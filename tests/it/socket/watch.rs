//! Lists that an agent watches: what is in them now, then what comes, changes and leaves; and what the agent holds, unasked.

use std::time::{Duration, Instant};

use driver::{Agent, Options, Socket};
use serde_json::{Value, json};

use super::{PATIENCE, Stage, assert_lives, code, push};

/// Asks for a list, which must be granted.
async fn watch(socket: &mut Socket, view: &str) {
    let reply = socket.request(json!({ "type": "watch", "view": view })).await.unwrap();
    assert_eq!(reply["type"], "ok", "{reply}");
    let early = socket.take_pushes().into_iter().find(|push| push["type"] == "conversation");
    assert_eq!(early, None, "the answer comes first");
}

/// The next `conversation` of this id.
async fn shown(socket: &mut Socket, conversation: &str) -> Value {
    let wanted =
        |push: &Value| push["type"] == "conversation" && push["conversation"]["id"] == json!(conversation);
    match socket.expect_push(wanted, PATIENCE).await {
        Ok(mut push) => push["conversation"].take(),
        Err(error) => panic!("{conversation} is not shown: {error:#}"),
    }
}

async fn removed(socket: &mut Socket, conversation: &str, view: &str) {
    let gone = push(socket, "conversation_removed").await;
    let told = json!({ "type": "conversation_removed", "conversation_id": conversation, "view": view });
    assert_eq!(gone, told);
}

async fn accept(stage: &Stage, agent: &Agent, conversation: &str) {
    stage.api.accept(&agent.token, conversation).await.unwrap().expect(200).unwrap();
}

async fn set_team(stage: &Stage, admin: &Agent, change: Value) {
    let path = format!("/api/v1/admin/teams/{}", stage.sandbox.ready().team_id);
    let call = stage.api.patch(path).bearer(&admin.token).json(&change);
    call.send().await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn what_may_not_be_watched_is_refused_and_the_socket_lives() {
    let stage = Stage::start(Options::default()).await;
    let (visitor, ann) = (stage.visitor().await, stage.agent(0).await);
    let mut visitors = stage.socket(&visitor.token).await;
    for kind in ["watch", "unwatch"] {
        let refused = visitors.request(json!({ "type": kind, "view": "queue" })).await.unwrap();
        assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
    }
    assert_lives(&mut visitors).await;

    let mut anns = stage.socket(&ann.token).await;
    for (frame, refusal) in [
        (json!({ "type": "watch", "view": "all" }), "FORBIDDEN"),
        (json!({ "type": "watch", "view": "visitors" }), "VALIDATION_FAILED"),
        (json!({ "type": "watch", "view": "nonsense" }), "VALIDATION_FAILED"),
        (json!({ "type": "unwatch", "view": "nonsense" }), "VALIDATION_FAILED"),
        (json!({ "type": "watch", "view": "queue", "team_id": "agt_1" }), "VALIDATION_FAILED"),
        (json!({ "type": "watch", "view": "queue", "cursor": "" }), "VALIDATION_FAILED"),
        (json!({ "type": "watch" }), "VALIDATION_FAILED"),
    ] {
        let refused = anns.request(frame.clone()).await.unwrap();
        assert_eq!(code(&refused), refusal, "{frame} {refused}");
    }
    // A handful, of whatever teams; leaving what was never watched is no fault.
    let of_team = |kind: &str, n: u32| {
        let team = format!("team_{n:032x}");
        json!({ "type": kind, "view": "queue", "team_id": team })
    };
    for n in 0..16 {
        let reply = anns.request(of_team("watch", n)).await.unwrap();
        assert_eq!(reply["type"], "ok", "{reply}");
    }
    assert_eq!(code(&anns.request(of_team("watch", 16)).await.unwrap()), "CONFLICT");
    assert_eq!(anns.request(of_team("unwatch", 99)).await.unwrap()["type"], "ok");
    assert_eq!(anns.request(of_team("unwatch", 3)).await.unwrap()["type"], "ok");
    assert_eq!(anns.request(of_team("watch", 16)).await.unwrap()["type"], "ok");
    assert_lives(&mut anns).await;
}

#[tokio::test]
async fn a_queue_is_shown_as_it_is_and_then_as_it_moves() {
    let stage = Stage::start(Options::unlimited()).await;
    let admin = stage.admin().await;
    set_team(&stage, &admin, json!({ "assignment": "manual" })).await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let first = stage.talk(1).await.conversation;
    let mut anns = stage.socket(&ann.token).await;
    watch(&mut anns, "queue").await;
    let waiting = shown(&mut anns, &first).await;
    assert_eq!((&waiting["state"], &waiting["queue_position"]), (&json!("queued"), &json!(1)));
    let second = stage.talk(0).await.conversation;
    // Its router knows of it a moment later.
    while shown(&mut anns, &second).await["queue_position"] != 2 {}

    accept(&stage, &bob, &first).await;
    removed(&mut anns, &first, "queue").await;
    let path = format!("/api/v1/chat/agent/conversations/{first}/release");
    stage.api.post(path).bearer(&bob.token).send().await.unwrap().expect(200).unwrap();
    assert_eq!(shown(&mut anns, &first).await["state"], "queued");

    // What is not watched is not told.
    let reply = anns.request(json!({ "type": "unwatch", "view": "queue" })).await.unwrap();
    assert_eq!(reply["type"], "ok", "{reply}");
    anns.take_pushes();
    let third = stage.talk(0).await.conversation;
    watch(&mut anns, "team").await;
    for conversation in [&first, &second, &third] {
        assert_eq!(shown(&mut anns, conversation).await["state"], "queued");
    }
}

#[tokio::test]
async fn a_long_list_is_shown_whole_and_of_the_ended_the_newest() {
    let stage = Stage::start(Options::unlimited().limit("page_max", 3)).await;
    let admin = stage.admin().await;
    set_team(&stage, &admin, json!({ "assignment": "manual" })).await;
    let mut talks = Vec::new();
    for _ in 0..80 {
        talks.push(stage.talk(0).await);
    }
    let mut admins = stage.socket(&admin.token).await;
    watch(&mut admins, "all").await;
    for talk in &talks {
        shown(&mut admins, &talk.conversation).await;
    }
    for talk in &talks[..5] {
        // Of two that end in one millisecond either may be the newer one.
        tokio::time::sleep(Duration::from_millis(2)).await;
        stage.api.end(&talk.visitor.token, &talk.conversation).await.unwrap().expect(200).unwrap();
    }
    for _ in 0..5 {
        assert_eq!(push(&mut admins, "conversation_removed").await["view"], "all");
    }
    let mut others = stage.socket(&admin.token).await;
    watch(&mut others, "ended").await;
    for talk in &talks[2..5] {
        assert_eq!(shown(&mut others, &talk.conversation).await["state"], "ended");
    }
    assert_lives(&mut others).await;
    assert_eq!(others.take_pushes().len(), 0, "only the newest page");
    let last = &talks[79];
    stage.api.end(&last.visitor.token, &last.conversation).await.unwrap().expect(200).unwrap();
    shown(&mut others, &last.conversation).await;
}

#[tokio::test]
async fn who_holds_a_conversation_is_told_of_it_unasked_and_at_most_once_a_second() {
    let stage = Stage::start(Options::unlimited()).await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let talk = stage.talk(0).await;
    let mut anns = stage.socket(&ann.token).await;
    let mut bobs = stage.socket(&bob.token).await;
    accept(&stage, &ann, &talk.conversation).await;
    assert_eq!(shown(&mut anns, &talk.conversation).await["state"], "assigned");
    let since = Instant::now();
    let mut last = 0;
    for n in 0..40 {
        last = stage.say(&talk, &format!("m{n}")).await;
    }
    let mut told = 0;
    loop {
        let conversation = shown(&mut anns, &talk.conversation).await;
        told += 1;
        if conversation["last_seq"] == json!(last) {
            assert_eq!(conversation["unread"], 40);
            break;
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    assert!(f64::from(told) <= seconds + 1.0, "{told} in {seconds} s");
    assert_lives(&mut bobs).await;
    assert!(bobs.take_pushes().iter().all(|push| push["type"] != "conversation"), "it is not theirs");
}

#[tokio::test]
async fn leaving_a_team_empties_its_lists_and_coming_back_fills_them() {
    let stage = Stage::start(Options::unlimited()).await;
    let (admin, ann, bob) = (stage.admin().await, stage.agent(0).await, stage.agent(1).await);
    set_team(&stage, &admin, json!({ "assignment": "manual" })).await;
    let (waiting, held) = (stage.talk(0).await.conversation, stage.talk(0).await.conversation);
    accept(&stage, &ann, &held).await;
    let mut anns = stage.socket(&ann.token).await;
    watch(&mut anns, "team").await;
    shown(&mut anns, &waiting).await;
    shown(&mut anns, &held).await;

    let since = Instant::now();
    set_team(&stage, &admin, json!({ "agent_ids": [bob.agent_id] })).await;
    let mut gone =
        [push(&mut anns, "conversation_removed").await, push(&mut anns, "conversation_removed").await]
            .map(|push| push["conversation_id"].as_str().unwrap().to_owned());
    gone.sort();
    let mut both = [waiting.clone(), held.clone()];
    both.sort();
    assert_eq!(gone, both);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    // The agent's own is shown all the same, and what comes to the team is not.
    anns.take_pushes();
    let unseen = stage.talk(0).await.conversation;
    stage.api.end(&ann.token, &held).await.unwrap().expect(200).unwrap();
    push(&mut anns, "unassigned").await;
    assert_lives(&mut anns).await;
    let told = format!("{:?}", anns.take_pushes());
    assert!(!told.contains(&unseen) && !told.contains(&waiting), "{told}");

    set_team(&stage, &admin, json!({ "agent_ids": [bob.agent_id, ann.agent_id] })).await;
    shown(&mut anns, &waiting).await;
    shown(&mut anns, &unseen).await;
}
