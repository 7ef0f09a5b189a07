//! What is not kept: who types, how far somebody has read, and whether the other side is there.

use std::time::{Duration, Instant};

use driver::{Agent, Options, Socket};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{PATIENCE, Stage, Talk, assert_lives, code, events, push, send};

/// A conversation with an agent, and a socket of each side on it.
struct Table {
    stage: Stage,
    talk: Talk,
    agent: Agent,
    visitors: Socket,
    agents: Socket,
}

impl Table {
    async fn lay(messages: u64) -> Self {
        let stage = Stage::start(Options::unlimited()).await;
        let (talk, agent) = (stage.talk(messages).await, stage.agent(0).await);
        stage.api.accept(&agent.token, &talk.conversation).await.unwrap().expect(200).unwrap();
        let visitors = stage.listener(&talk.visitor.token, &talk.conversation).await;
        let agents = stage.listener(&agent.token, &talk.conversation).await;
        Self { stage, talk, agent, visitors, agents }
    }

    fn typing(&self, typing: bool) -> Value {
        json!({ "type": "typing", "conversation_id": self.talk.conversation, "typing": typing })
    }

    fn read(&self, seq: u64) -> Value {
        json!({ "type": "read", "conversation_id": self.talk.conversation, "seq": seq })
    }

    /// As it is pushed to others: who, and that they type or have stopped.
    fn assert_typing(&self, pushed: &Value, by: &str, typing: bool) {
        assert_eq!(pushed["conversation_id"], json!(self.talk.conversation), "{pushed}");
        assert_eq!((&pushed["by"]["id"], &pushed["typing"]), (&json!(by), &json!(typing)), "{pushed}");
    }
}

#[tokio::test]
async fn a_visitors_preview_is_shown_to_agents_and_an_agents_to_nobody() {
    let mut table = Table::lay(0).await;
    let visitor_id = table.talk.visitor.visitor_id.clone();
    let colleague = table.stage.agent(1).await;
    let mut colleagues = table.stage.listener(&colleague.token, &table.talk.conversation).await;
    let mut second_device = table.stage.listener(&table.talk.visitor.token, &table.talk.conversation).await;

    let mut types = table.typing(true);
    types["preview"] = json!("I would li");
    table.visitors.send_json(&types).await.unwrap();
    for socket in [&mut table.agents, &mut colleagues] {
        let typing = push(socket, "typing").await;
        let by = json!({ "kind": "visitor", "id": visitor_id });
        assert_eq!((&typing["by"], &typing["typing"]), (&by, &json!(true)));
        assert_eq!(typing["preview"], "I would li", "{typing}");
    }

    types["preview"] = json!("Let me se");
    table.agents.send_json(&types).await.unwrap();
    for socket in [&mut table.visitors, &mut second_device, &mut colleagues] {
        let typing = push(socket, "typing").await;
        // The first push to a second device of the visitor: what they type themselves is not pushed to them.
        assert_eq!((&typing["by"]["id"], &typing["typing"]), (&json!(table.agent.agent_id), &json!(true)));
        assert!(typing.get("preview").is_none(), "{typing}");
    }

    // A named frame is answered, also with what is wrong in it.
    types["preview"] = json!("é".repeat(500));
    assert_eq!(table.visitors.request(types.clone()).await.unwrap()["type"], "ok");
    types["preview"] = json!("é".repeat(501));
    let error = table.visitors.request(types).await.unwrap();
    assert_eq!(
        (code(&error), &error["error"]["details"][0]["field"]),
        ("VALIDATION_FAILED", &json!("preview"))
    );
    assert_eq!(code(&colleagues.request(table.typing(true)).await.unwrap()), "FORBIDDEN");
}

#[tokio::test]
async fn typing_ends_by_word_by_message_and_by_itself() {
    let mut table = Table::lay(0).await;
    let visitor_id = table.talk.visitor.visitor_id.clone();
    for ends_by_message in [false, true] {
        table.visitors.request(table.typing(true)).await.unwrap();
        let typing = push(&mut table.agents, "typing").await;
        table.assert_typing(&typing, &visitor_id, true);
        if ends_by_message {
            let conversation = table.talk.conversation.clone();
            assert_eq!(send(&mut table.visitors, &conversation, "m", "done").await["type"], "sent");
        } else {
            table.visitors.request(table.typing(false)).await.unwrap();
        }
        let typing = push(&mut table.agents, "typing").await;
        table.assert_typing(&typing, &visitor_id, false);
    }

    table.visitors.request(table.typing(true)).await.unwrap();
    let typed_at = Instant::now();
    for typing in [true, false] {
        let pushed = push(&mut table.agents, "typing").await;
        table.assert_typing(&pushed, &visitor_id, typing);
    }
    let took = typed_at.elapsed();
    assert!((Duration::from_millis(5_500)..Duration::from_secs(8)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_read_mark_only_rises_and_all_who_listen_hear_of_it() {
    let mut table = Table::lay(4).await;
    let conversation = table.talk.conversation.clone();
    let (visitor_id, agent_id) = (table.talk.visitor.visitor_id.clone(), table.agent.agent_id.clone());
    let colleague = table.stage.agent(1).await;
    let mut colleagues = table.stage.listener(&colleague.token, &conversation).await;

    assert_eq!(table.agents.request(table.read(3)).await.unwrap()["type"], "ok");
    // Writing has moved the visitor's own mark; two of their four messages come after the agent's.
    let marks = json!({ "visitor": 5, "agent": 3 });
    let kept = async || {
        let read = table.stage.api.conversation(&table.agent.token, &conversation).await.unwrap();
        let conversation = read.expect(200).unwrap()["conversation"].take();
        conversation["read"] == marks && conversation["unread"] == 2
    };
    timeout(PATIENCE, async { while !kept().await {} }).await.expect("the mark is kept");

    // Lower and equal marks move nothing, beyond the head is the head, and a look by a colleague is none.
    for seq in [2, 3, 1_000] {
        table.agents.send_json(&table.read(seq)).await.unwrap();
    }
    assert_lives(&mut table.agents).await;
    assert_eq!(colleagues.request(table.read(6)).await.unwrap()["type"], "ok");
    table.visitors.request(table.read(6)).await.unwrap();
    for socket in [&mut table.visitors, &mut table.agents, &mut colleagues] {
        for (by, seq) in [(&agent_id, 3), (&agent_id, 6), (&visitor_id, 6)] {
            let read = push(socket, "read").await;
            assert_eq!((&read["by"]["id"], &read["seq"]), (&json!(by), &json!(seq)), "{read}");
            assert_eq!(read["conversation_id"], json!(conversation));
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_typing_is_no_event() {
    let mut table = Table::lay(0).await;
    let pong = table.visitors.request(json!({ "type": "ping" })).await.unwrap();
    // `request` takes the answer that names its frame.
    assert_eq!(pong["type"], "pong", "{pong}");
    table.visitors.send_json(&json!({ "type": "ping" })).await.unwrap();
    assert_eq!(push(&mut table.visitors, "pong").await, json!({ "type": "pong" }));

    table.visitors.request(table.typing(true)).await.unwrap();
    table.visitors.request(table.read(1)).await.unwrap();
    let conversation = table.talk.conversation.clone();
    assert_eq!(send(&mut table.visitors, &conversation, "m", "text").await["seq"], 3);
    events(&mut table.agents, &conversation, 3..=3).await;
    table.stage.api.end(&table.talk.visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    assert_eq!(code(&table.visitors.request(table.typing(true)).await.unwrap()), "CONVERSATION_ENDED");
    assert_eq!(table.visitors.request(table.read(4)).await.unwrap()["type"], "ok");
    assert_lives(&mut table.visitors).await;
}
