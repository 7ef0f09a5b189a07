//! Who is at a conversation: agents who look or type, and its visitor. Only agents are told.

use driver::{Agent, Options, Socket};
use serde_json::{Value, json};

use super::{Stage, Talk, assert_lives, code, push};

struct Table {
    stage: Stage,
    talk: Talk,
    ann: Agent,
    anns: Socket,
    bob: Agent,
    bobs: Socket,
}

impl Table {
    /// A conversation of Ann's, to which she and Bob listen.
    async fn lay() -> Self {
        let stage = Stage::start(Options::unlimited()).await;
        let (talk, ann, bob) = (stage.talk(0).await, stage.agent(0).await, stage.agent(1).await);
        stage.api.accept(&ann.token, &talk.conversation).await.unwrap().expect(200).unwrap();
        let anns = stage.listener(&ann.token, &talk.conversation).await;
        let bobs = stage.listener(&bob.token, &talk.conversation).await;
        Self { stage, talk, ann, anns, bob, bobs }
    }

    fn viewing(&self, viewing: bool) -> Value {
        json!({ "type": "viewing", "conversation_id": self.talk.conversation, "viewing": viewing })
    }

    fn assert_presence(&self, told: &Value, by: &str, state: &str) {
        assert_eq!(told["conversation_id"], json!(self.talk.conversation), "{told}");
        assert_eq!((&told["by"]["id"], &told["state"]), (&json!(by), &json!(state)), "{told}");
    }
}

#[tokio::test]
async fn agents_see_who_looks_and_who_types_and_when_they_go() {
    let mut table = Table::lay().await;
    let (ann, bob) = (table.ann.agent_id.clone(), table.bob.agent_id.clone());
    let conversation = table.talk.conversation.clone();
    assert_eq!(table.anns.request(table.viewing(true)).await.unwrap()["type"], "ok");
    // Once more is no news.
    table.anns.request(table.viewing(true)).await.unwrap();
    let told = push(&mut table.bobs, "presence").await;
    table.assert_presence(&told, &ann, "viewing");

    let typing =
        |typing: bool| json!({ "type": "typing", "conversation_id": conversation, "typing": typing });
    for (types, state) in [(true, "replying"), (false, "viewing")] {
        table.anns.request(typing(types)).await.unwrap();
        let told = push(&mut table.bobs, "presence").await;
        table.assert_presence(&told, &ann, state);
    }
    for (viewing, state) in [(false, "gone"), (true, "viewing")] {
        table.anns.request(table.viewing(viewing)).await.unwrap();
        let told = push(&mut table.bobs, "presence").await;
        table.assert_presence(&told, &ann, state);
    }

    // An agent who comes later is told who is there, but not of themselves.
    let mut bobs_phone = table.stage.listener(&table.bob.token, &conversation).await;
    let told = push(&mut bobs_phone, "presence").await;
    table.assert_presence(&told, &ann, "viewing");
    bobs_phone.request(table.viewing(true)).await.unwrap();
    let told = push(&mut table.anns, "presence").await;
    table.assert_presence(&told, &bob, "viewing");

    // Two devices are one person, who goes with the last.
    table.bobs.request(table.viewing(true)).await.unwrap();
    drop(bobs_phone);
    let unsubscribe = json!({ "type": "unsubscribe", "conversation_id": conversation });
    assert_eq!(table.bobs.request(unsubscribe).await.unwrap()["type"], "ok");
    let told = push(&mut table.anns, "presence").await;
    table.assert_presence(&told, &bob, "gone");
    assert_lives(&mut table.bobs).await;
    assert!(table.bobs.take_pushes().iter().all(|push| push["type"] != "presence"));
}

#[tokio::test]
async fn agents_see_whether_the_visitor_is_there_and_the_visitor_sees_nothing_of_them() {
    let mut table = Table::lay().await;
    let visitor = table.talk.visitor.clone();
    let mut tabs = Vec::new();
    for _ in 0..2 {
        tabs.push(table.stage.listener(&visitor.token, &table.talk.conversation).await);
    }
    for socket in [&mut table.anns, &mut table.bobs] {
        let told = push(socket, "presence").await;
        assert_eq!(told["by"], json!({ "kind": "visitor", "id": visitor.visitor_id }), "{told}");
        assert_eq!(told["state"], "online", "{told}");
    }
    table.anns.request(table.viewing(true)).await.unwrap();
    push(&mut table.bobs, "presence").await;
    table.stage.say(&table.talk, "heard").await;
    push(&mut tabs[0], "event").await;
    assert_lives(&mut tabs[0]).await;
    assert!(tabs[0].take_pushes().iter().all(|push| push["type"] != "presence"));

    // The visitor goes with their last tab.
    drop(tabs.pop());
    assert_lives(&mut tabs[0]).await;
    assert_lives(&mut table.bobs).await;
    drop(tabs);
    let told = push(&mut table.bobs, "presence").await;
    table.assert_presence(&told, &visitor.visitor_id, "gone");
}

#[tokio::test]
async fn who_does_not_listen_does_not_look_either() {
    let mut table = Table::lay().await;
    let unheard = table.stage.talk(0).await;
    let mut visitors = table.stage.listener(&table.talk.visitor.token, &table.talk.conversation).await;
    assert_eq!(code(&visitors.request(table.viewing(true)).await.unwrap()), "FORBIDDEN");
    let look =
        |conversation: &str| json!({ "type": "viewing", "conversation_id": conversation, "viewing": true });
    let refused = table.bobs.request(look(&unheard.conversation)).await.unwrap();
    assert_eq!((code(&refused), &refused["conversation_id"]), ("CONFLICT", &json!(unheard.conversation)));
    for unknown in ["cnv_0190a1b2000080008000000000000000", "nonsense"] {
        assert_eq!(code(&table.bobs.request(look(unknown)).await.unwrap()), "NOT_FOUND");
    }
    let wrong = json!({ "type": "viewing", "conversation_id": table.talk.conversation });
    assert_eq!(code(&table.bobs.request(wrong).await.unwrap()), "VALIDATION_FAILED");
    assert_lives(&mut table.bobs).await;
    assert_lives(&mut visitors).await;
}
