//! Offers that are declined, and what a waiting visitor is told of their place.

use std::time::Duration;

use driver::Options;
use serde_json::{Value, json};

use super::{Stage, Talk, assert_lives, code, push};

fn decline(conversation: &str) -> Value {
    json!({ "type": "decline", "conversation_id": conversation })
}

#[tokio::test]
async fn what_is_declined_goes_on_to_the_next_at_once() {
    let stage = Stage::start(Options::default()).await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let mut sockets = [stage.socket(&ann.token).await, stage.socket(&bob.token).await];
    let Talk { visitor, conversation } = &stage.talk(0).await;
    // Either may be chosen first.
    let [anns, bobs] = &mut sockets;
    let (first, offer) = tokio::select! {
        offer = push(anns, "offer") => (0, offer),
        offer = push(bobs, "offer") => (1, offer),
    };
    let ids = [&ann.agent_id, &bob.agent_id];
    assert_eq!(offer["conversation"]["id"], json!(conversation), "{offer}");
    assert_eq!(offer["conversation"]["offered_to"], json!(ids[first]), "{offer}");
    let refused = sockets[1 - first].request(decline(conversation)).await.unwrap();
    assert_eq!((code(&refused), &refused["conversation_id"]), ("CONFLICT", &json!(conversation)));
    let reply = sockets[first].request(decline(conversation)).await.unwrap();
    assert_eq!(reply["type"], "ok", "{reply}");
    let ended = push(&mut sockets[first], "offer_ended").await;
    assert_eq!(
        ended,
        json!({ "type": "offer_ended", "conversation_id": conversation, "reason": "declined" })
    );
    let offer = push(&mut sockets[1 - first], "offer").await;
    assert_eq!(offer["conversation"]["offered_to"], json!(ids[1 - first]), "{offer}");

    let mut visitors = stage.socket(&visitor.token).await;
    assert_eq!(code(&visitors.request(decline(conversation)).await.unwrap()), "FORBIDDEN");
    let unknown = sockets[0].request(decline("cnv_0190a1b2000080008000000000000000")).await.unwrap();
    assert_eq!(code(&unknown), "NOT_FOUND");
    stage.api.end(&visitor.token, conversation).await.unwrap().expect(200).unwrap();
    let over = sockets[1 - first].request(decline(conversation)).await.unwrap();
    assert_eq!(code(&over), "CONVERSATION_ENDED");
    assert_lives(&mut sockets[0]).await;
}

#[tokio::test]
async fn a_waiting_visitor_is_told_their_place_unasked() {
    let stage = Stage::start(Options::unlimited()).await;
    let (first, second) = (stage.talk(0).await, stage.talk(0).await);
    let ann = stage.agent(0).await;
    let place = |talk: &Talk, position: u64| json!({ "type": "queue", "conversation_id": talk.conversation, "position": position });
    // The first is there before the second waits; both are told at once.
    let mut firsts = stage.socket(&first.visitor.token).await;
    assert_eq!(push(&mut firsts, "queue").await, place(&first, 1));
    let mut seconds = stage.socket(&second.visitor.token).await;
    assert_eq!(push(&mut seconds, "queue").await, place(&second, 2));
    // One who is there already and starts to wait.
    let third = stage.visitor().await;
    let mut thirds = stage.socket(&third.token).await;
    assert!(thirds.take_pushes().is_empty());
    let third = Talk { conversation: stage.conversation_of(&third, "late").await, visitor: third };
    assert_eq!(push(&mut thirds, "queue").await, place(&third, 3));

    stage.api.accept(&ann.token, &first.conversation).await.unwrap().expect(200).unwrap();
    assert_eq!(push(&mut seconds, "queue").await, place(&second, 1));
    assert_eq!(push(&mut thirds, "queue").await, place(&third, 2));
    // Who waits no longer hears nothing; who waits again is told anew.
    let quiet = firsts.next_within(Duration::from_secs(1)).await.unwrap();
    assert_eq!(quiet, None);
    let path = format!("/api/v1/chat/agent/conversations/{}/release", first.conversation);
    stage.api.post(path).bearer(&ann.token).send().await.unwrap().expect(200).unwrap();
    assert_eq!(push(&mut firsts, "queue").await, place(&first, 1));
}
