//! What people are called: a name that comes, or changes, after a conversation began is shown everywhere at once; what
//! was written before keeps the name of then.

use driver::{Options, Socket};
use serde_json::{Value, json};

use super::{PATIENCE, Stage, Talk, push};

/// The next frame of this type, about this conversation, in which `pointer` is `name`.
async fn named(socket: &mut Socket, kind: &str, talk: &Talk, pointer: &str, name: &str) -> Value {
    let wanted = |push: &Value| {
        push["type"] == kind
            && push["conversation"]["id"] == talk.conversation.as_str()
            && push.pointer(pointer).is_some_and(|shown| shown == name)
    };
    match socket.expect_push(wanted, PATIENCE).await {
        Ok(push) => push,
        Err(error) => panic!("no {kind} with {name}: {error:#}"),
    }
}

impl Stage {
    /// The visitor says who they are.
    async fn introduce(&self, talk: &Talk, body: Value) {
        let call = self.api.post("/api/v1/chat/visitors").site(&self.sandbox.ready().site_key);
        call.bearer(&talk.visitor.token).json(&body).send().await.unwrap().expect(200).unwrap();
    }

    async fn read(&self, token: &str, path: &str) -> Value {
        let call = self.api.get(format!("/api/v1/chat/{path}")).bearer(token);
        call.send().await.unwrap().expect(200).unwrap()
    }
}

const VISITOR: &str = "/conversation/visitor/name";
const ASSIGNEE: &str = "/conversation/assignee/name";

#[tokio::test]
async fn a_name_that_comes_later_is_shown_everywhere_at_once() {
    let stage = Stage::start(Options::unlimited()).await;
    let (ann, admin) = (stage.agent(0).await, stage.admin().await);
    let (mut anns, mut admins) = (stage.socket(&ann.token).await, stage.socket(&admin.token).await);
    let reply = admins.request(json!({ "type": "watch", "view": "all" })).await.unwrap();
    assert_eq!(reply["type"], "ok", "{reply}");
    let talk = stage.talk(1).await;
    let offer = push(&mut anns, "offer").await;
    assert!(offer.pointer(VISITOR).is_none(), "{offer}");

    // While it is offered: the offer, the lists that are watched, and all answers.
    stage.introduce(&talk, json!({ "name": "Vera", "email": "vera@example.org" })).await;
    let again = named(&mut anns, "offer", &talk, VISITOR, "Vera").await;
    assert_eq!(again["expires_at"], offer["expires_at"]);
    named(&mut admins, "conversation", &talk, VISITOR, "Vera").await;
    let mut late = stage.socket(&ann.token).await;
    let conversation = format!("conversations/{}", talk.conversation);
    let seen = stage.read(&talk.visitor.token, &conversation).await;
    let card = json!({ "visitor_id": talk.visitor.visitor_id, "name": "Vera", "email": "vera@example.org",
        "verified": false });
    assert_eq!(seen["conversation"]["visitor"], card);
    for list in ["view=queue", "view=all"] {
        let page = stage.read(&admin.token, &format!("agent/conversations?{list}")).await;
        assert_eq!(page["data"][0]["visitor"], card, "{list}");
    }

    // While an agent has it.
    stage.api.accept(&ann.token, &talk.conversation).await.unwrap().expect(200).unwrap();
    named(&mut late, "assigned", &talk, VISITOR, "Vera").await;
    stage.introduce(&talk, json!({ "name": "Vera II" })).await;
    for socket in [&mut anns, &mut late, &mut admins] {
        named(socket, "conversation", &talk, VISITOR, "Vera II").await;
    }
    let canned =
        json!({ "shortcut": "hi", "title": "Hi", "text": "Hi {{visitor.name|there}}, {{visitor.email}}" });
    let call = stage.api.post("/api/v1/chat/canned-responses").bearer(&ann.token);
    call.json(&canned).send().await.unwrap().expect(201).unwrap();
    let filled =
        stage.read(&ann.token, &format!("canned-responses?q=hi&conversation_id={}", talk.conversation)).await;
    assert_eq!(filled["data"][0]["text"], "Hi Vera II, vera@example.org");
    let mut welcomed = Socket::open(&stage.api).await.unwrap();
    let welcome = welcomed.hello(&ann.token, &[]).await.unwrap();
    assert_eq!(welcome["held"][0]["visitor"]["name"], "Vera II");

    // The agent is called otherwise, after the conversation too.
    let rename = async |name: &str| {
        let call = stage.api.patch(format!("/api/v1/admin/agents/{}", ann.agent_id)).bearer(&admin.token);
        call.json(&json!({ "name": name })).send().await.unwrap().expect(200).unwrap();
    };
    rename("Ann Renamed").await;
    for socket in [&mut anns, &mut admins] {
        named(socket, "conversation", &talk, ASSIGNEE, "Ann Renamed").await;
    }
    let seen = stage.read(&talk.visitor.token, &conversation).await;
    assert_eq!(seen["conversation"]["assignee"]["name"], "Ann Renamed");
    stage.api.end(&ann.token, &talk.conversation).await.unwrap().expect(200).unwrap();
    stage.introduce(&talk, json!({ "name": "Vera III" })).await;
    rename("Ann Again").await;
    let own = stage.read(&talk.visitor.token, "conversations").await;
    for shown in [&own["data"][0], &stage.read(&admin.token, &conversation).await["conversation"]] {
        let names = ["/visitor/name", "/assignee/name", "/ended_by/name"].map(|name| shown.pointer(name));
        assert_eq!(names, [Some(&json!("Vera III")), Some(&json!("Ann Again")), Some(&json!("Ann Again"))]);
    }
    // The log says who they were.
    let log = stage.read(&admin.token, &format!("{conversation}/events")).await;
    let events = log["data"].as_array().unwrap();
    assert!(events[0]["by"].get("name").is_none() && events[1]["by"].get("name").is_none(), "{log}");
    let of = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    assert_ne!(of("assigned")["agent"]["name"], "Ann Renamed");
    assert_eq!(of("ended")["by"]["name"], "Ann Renamed");
}

#[tokio::test]
async fn who_is_away_is_told_of_the_queue_too() {
    let stage = Stage::start(Options::unlimited()).await;
    let ann = stage.agent(0).await;
    let mut anns = stage.socket(&ann.token).await;
    stage.api.set_status(&ann.token, "away").await.unwrap().expect(200).unwrap();
    let waits =
        |waiting: u64| move |push: &Value| push["type"] == "queue_changed" && push["waiting"] == waiting;
    stage.talk(0).await;
    anns.expect_push(waits(1), PATIENCE).await.unwrap();
    stage.talk(0).await;
    anns.expect_push(waits(2), PATIENCE).await.unwrap();
    // One who comes and is away from the beginning is told how it stands.
    let bob = stage.agent(1).await;
    stage.api.set_status(&bob.token, "away").await.unwrap().expect(200).unwrap();
    let mut bobs = stage.socket(&bob.token).await;
    bobs.expect_push(waits(2), PATIENCE).await.unwrap();
}
