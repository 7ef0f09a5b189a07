//! Subscriptions: where they begin, what they replay, and that live events come each once and in order.

use driver::{Options, Socket};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Stage, Talk, assert_lives, assert_no_more_events, code, events, push, send, subscribe};

/// Further behind than this a subscriber is told of a gap.
const REPLAY_MAX: u64 = 1_000;

async fn assert_caught_up(socket: &mut Socket, conversation: &str, seq: u64) {
    let caught_up = push(socket, "caught_up").await;
    let expected = json!({ "type": "caught_up", "conversation_id": conversation, "seq": seq });
    assert_eq!(caught_up, expected);
}

fn assert_subscribed(subscribed: &Value, conversation: &str, last_seq: u64) {
    let told = (&subscribed["type"], &subscribed["conversation_id"], &subscribed["last_seq"]);
    assert_eq!(told, (&json!("subscribed"), &json!(conversation), &json!(last_seq)), "{subscribed}");
}

#[tokio::test]
async fn a_subscription_begins_after_its_position_or_else_now_and_can_be_moved() {
    let stage = Stage::start(Options::default()).await;
    let talk @ Talk { conversation, .. } = &stage.talk(3).await;
    let mut socket = stage.socket(&talk.visitor.token).await;

    // With a position: what came after it, then live.
    assert_subscribed(&subscribe(&mut socket, conversation, Some(2)).await, conversation, 4);
    let missed = events(&mut socket, conversation, 3..=4).await;
    assert_eq!((&missed[0]["kind"], &missed[0]["text"]), (&json!("message"), &json!("text of said-2")));
    assert_caught_up(&mut socket, conversation, 4).await;
    stage.say(talk, "a").await;
    events(&mut socket, conversation, 5..=5).await;

    // Again: it goes back to there, and nothing comes twice after that.
    assert_subscribed(&subscribe(&mut socket, conversation, Some(0)).await, conversation, 5);
    let all = events(&mut socket, conversation, 1..=5).await;
    assert_eq!(all[0]["kind"], "started");
    assert_caught_up(&mut socket, conversation, 5).await;
    stage.say(talk, "b").await;
    events(&mut socket, conversation, 6..=6).await;

    // Without a position, at the head and beyond it: only what comes from now on.
    assert_subscribed(&subscribe(&mut socket, conversation, None).await, conversation, 6);
    stage.say(talk, "c").await;
    events(&mut socket, conversation, 7..=7).await;
    for after in [7, 1_000_000, u64::MAX] {
        assert_subscribed(&subscribe(&mut socket, conversation, Some(after)).await, conversation, 7);
        assert_caught_up(&mut socket, conversation, 7).await;
    }
    stage.say(talk, "d").await;
    events(&mut socket, conversation, 8..=8).await;
    assert_no_more_events(&mut socket);
}

#[tokio::test]
async fn who_is_more_than_a_thousand_behind_is_told_of_a_gap_and_goes_on_live() {
    let stage = Stage::start(Options::unlimited()).await;
    let talk @ Talk { conversation, .. } = &stage.talk(0).await;
    let client_ids: Vec<String> = (0..=REPLAY_MAX).map(|number| format!("m{number}")).collect();
    for together in client_ids.chunks(50) {
        join_all(together.iter().map(|client_id| stage.say(talk, client_id))).await;
    }
    let head = REPLAY_MAX + 2;
    let mut socket = stage.socket(&talk.visitor.token).await;

    assert_subscribed(&subscribe(&mut socket, conversation, Some(1)).await, conversation, head);
    let gap = push(&mut socket, "gap").await;
    let expected = json!({ "type": "gap", "conversation_id": conversation, "from": 2, "to": head });
    assert_eq!(gap, expected);
    stage.say(talk, "live").await;
    events(&mut socket, conversation, [head + 1]).await;

    // The head has moved by one, and so has what is just near enough.
    subscribe(&mut socket, conversation, Some(3)).await;
    events(&mut socket, conversation, 4..=head + 1).await;
    assert_caught_up(&mut socket, conversation, head + 1).await;
    assert_no_more_events(&mut socket);
}

#[tokio::test]
async fn a_subscriber_in_the_middle_of_a_rush_sees_each_event_once_and_in_order() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 40;
    const LOOKERS: u64 = 6;
    let stage = Stage::start(Options::unlimited()).await;
    let talk = &stage.talk(0).await;
    let head = 1 + SENDERS * EACH;
    let speak = async |sender: u64| {
        for number in 0..EACH {
            stage.say(talk, &format!("sender-{sender}-{number}")).await;
        }
    };
    let look = async |looker: u64| {
        // Each begins at another moment, some at the first event and some where they have heard that it stands.
        let until = looker * head / LOOKERS;
        let mut first = stage.socket(&talk.visitor.token).await;
        subscribe(&mut first, &talk.conversation, Some(0)).await;
        events(&mut first, &talk.conversation, 1..=until.max(1)).await;
        let mut second = stage.socket(&talk.visitor.token).await;
        let last_seq = subscribe(&mut second, &talk.conversation, None).await["last_seq"].as_u64().unwrap();
        events(&mut second, &talk.conversation, last_seq + 1..=head).await;
        events(&mut first, &talk.conversation, until.max(1) + 1..=head).await;
    };
    tokio::join!(join_all((0..SENDERS).map(speak)), join_all((0..LOOKERS).map(look)));
}

#[tokio::test]
async fn what_is_unsubscribed_is_silent() {
    let stage = Stage::start(Options::default()).await;
    let talk @ Talk { conversation, .. } = &stage.talk(0).await;
    let mut socket = stage.listener(&talk.visitor.token, conversation).await;
    let frame = json!({ "type": "unsubscribe", "conversation_id": conversation });
    assert_eq!(socket.request(frame.clone()).await.unwrap()["type"], "ok");
    // The sender's own message is acknowledged, and not pushed to them.
    assert_eq!(send(&mut socket, conversation, "a", "nobody listens").await["seq"], 2);
    subscribe(&mut socket, conversation, None).await;
    stage.say(talk, "b").await;
    events(&mut socket, conversation, 3..=3).await;
    assert_no_more_events(&mut socket);
    // What was not subscribed needs no word.
    socket.request(frame.clone()).await.unwrap();
    assert_eq!(socket.request(frame).await.unwrap()["type"], "ok");
}

#[tokio::test]
async fn a_foreign_conversation_is_as_unknown_as_one_that_is_not_there() {
    let stage = Stage::start(Options::default()).await;
    let (talk, foreign) = (stage.talk(0).await, stage.talk(0).await.conversation);
    let mut socket = stage.socket(&talk.visitor.token).await;
    let mut bodies = Vec::new();
    for conversation in [&foreign, "cnv_00000000000080008000000000000000", "cnv_", "agt_1", ""] {
        for kind in ["subscribe", "send", "typing", "read"] {
            let mut frame = json!({ "type": kind, "conversation_id": conversation });
            match kind {
                "send" => (frame["client_id"], frame["text"]) = ("c".into(), "text".into()),
                "typing" => frame["typing"] = true.into(),
                "read" => frame["seq"] = 1.into(),
                _ => {}
            }
            let error = socket.request(frame).await.unwrap();
            assert_eq!(
                (code(&error), &error["conversation_id"]),
                ("NOT_FOUND", &json!(conversation)),
                "{kind}"
            );
            bodies.push(error["error"].clone());
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    stage.say(&talk, "a").await;
    assert_lives(&mut socket).await;
}

#[tokio::test]
async fn a_socket_has_so_many_subscriptions_and_no_more() {
    let stage = Stage::start(Options::default().limit("subscriptions_per_socket", 3)).await;
    let visitor = stage.visitor().await;
    let mut conversations = Vec::new();
    for client_id in ["a", "b", "c", "d"] {
        conversations.push(stage.conversation_of(&visitor, client_id).await);
    }
    let mut socket = stage.socket(&visitor.token).await;
    for conversation in &conversations[..3] {
        assert_subscribed(&subscribe(&mut socket, conversation, None).await, conversation, 1);
    }
    let error = subscribe(&mut socket, &conversations[3], None).await;
    assert_eq!((code(&error), &error["conversation_id"]), ("RATE_LIMITED", &json!(conversations[3])));
    // Moving one takes no further place, and leaving one gives its place back.
    assert_subscribed(&subscribe(&mut socket, &conversations[0], Some(0)).await, &conversations[0], 1);
    let frame = json!({ "type": "unsubscribe", "conversation_id": conversations[1] });
    socket.request(frame).await.unwrap();
    assert_subscribed(&subscribe(&mut socket, &conversations[3], None).await, &conversations[3], 1);
}
