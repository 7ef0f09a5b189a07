//! An offer: which agent gets it, and what becomes of it.

use serde_json::json;

use super::{Shift, refused};

#[tokio::test]
async fn it_goes_to_the_least_busy_for_their_capacity() {
    let shift = Shift::begin(json!({ "strategy": "least_busy" })).await;
    let mut small = shift.seat("small", json!({ "capacity": 2 })).await;
    let mut large = shift.seat("large", json!({ "capacity": 10 })).await;
    // An offer counts as load. Of two equal shares (1 of 2, 5 of 10) the agent whose turn is longest ago gets it.
    for share in ["small", "large", "large", "large", "large", "large", "small"] {
        let talk = shift.talk().await;
        let seat = if share == "small" { &mut small } else { &mut large };
        let offer = seat.offered(&talk).await;
        assert_eq!(offer["conversation"]["offered_to"], seat.who.agent_id, "{offer}");
        assert!(offer["expires_at"].is_string(), "{offer}");
    }
    assert_eq!(shift.status(&small.who).await["load"], 2);
    assert_eq!(shift.status(&large.who).await["load"], 5);
    assert_eq!(shift.status(&large.who).await["conversation_ids"], json!([]));
}

#[tokio::test]
async fn it_goes_round() {
    let shift = Shift::begin(json!({ "strategy": "round_robin" })).await;
    let mut seats = Vec::new();
    for name in ["a", "b", "c"] {
        seats.push(shift.seat(name, json!({})).await);
    }
    for turn in 0..6 {
        let talk = shift.talk().await;
        seats[turn % 3].offered(&talk).await;
    }
}

#[tokio::test]
async fn it_goes_to_the_visitors_last_agent_if_they_have_room() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({ "capacity": 1 })).await;
    let mut bob = shift.seat("bob", json!({})).await;
    let first = shift.talk().await;
    ann.offered(&first).await;
    shift.verb(&ann.who, &first, "accept", json!({})).await;
    shift.end(&first).await;
    // By turn it would be the other's.
    let second = shift.talk_of(&first.visitor, json!({})).await;
    ann.offered(&second).await;
    assert_eq!(shift.routing(&second).await[0]["rule"], "last_agent");
    shift.verb(&ann.who, &second, "accept", json!({})).await;
    assert_eq!(shift.routing(&second).await[0]["rule"], "last_agent");
    let third = shift.talk_of(&first.visitor, json!({})).await;
    bob.offered(&third).await;
    assert_eq!(shift.routing(&third).await[0]["rule"], "least_busy");
}

#[tokio::test]
async fn an_agent_who_does_not_answer_loses_it_to_the_next_and_after_two_they_are_away() {
    let shift = Shift::begin(json!({ "accept_timeout_s": 1 })).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let mut bob = shift.seat("bob", json!({})).await;
    let talk = shift.talk().await;
    // To the other who has not missed it yet, then to the first once more, whose no is longest ago.
    for _ in 0..2 {
        for seat in [&mut ann, &mut bob] {
            seat.offered(&talk).await;
            assert_eq!(seat.offer_ended(&talk).await, "expired");
        }
    }
    for seat in [&mut ann, &mut bob] {
        let away = |push: &serde_json::Value| push["type"] == "status" && push["status"] == "away";
        seat.socket.expect_push(away, super::SOON).await.unwrap();
        assert_eq!(shift.status(&seat.who).await["status"], "away");
    }
    let waits = shift.until(&talk, |seen| seen.get("offered_to").is_none()).await;
    assert_eq!((&waits["state"], &waits["queue_position"]), (&json!("queued"), &json!(1)));
    // Who is away may accept; who comes back is offered it.
    shift.set_status(&bob.who, "online").await;
    bob.offered(&talk).await;
    shift.verb(&ann.who, &talk, "accept", json!({})).await;
    assert_eq!(bob.offer_ended(&talk).await, "taken");
}

#[tokio::test]
async fn who_is_alone_is_offered_it_again_and_an_answer_makes_up_for_a_miss() {
    let shift = Shift::begin(json!({ "accept_timeout_s": 1 })).await;
    let mut ann = shift.seat("ann", json!({})).await;
    for _ in 0..2 {
        let talk = shift.talk().await;
        ann.offered(&talk).await;
        assert_eq!(ann.offer_ended(&talk).await, "expired");
        ann.offered(&talk).await;
        shift.verb(&ann.who, &talk, "accept", json!({})).await;
        assert_eq!(ann.offer_ended(&talk).await, "accepted");
        assert_eq!(shift.routing(&talk).await[0]["rule"], "again");
    }
    assert_eq!(shift.status(&ann.who).await["status"], "online");
}

#[tokio::test]
async fn who_declines_passes_it_on_at_once() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let mut bob = shift.seat("bob", json!({})).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    refused(&shift.ask(&bob.who, &talk, "decline", json!({})).await, 409, "CONFLICT");
    let named = json!({ "client_id": "no" });
    shift.ask(&ann.who, &talk, "decline", named.clone()).await.expect(204).unwrap();
    assert_eq!(ann.offer_ended(&talk).await, "declined");
    bob.offered(&talk).await;
    // The offer is no longer Ann's; a repeat of her no does not decline the next offer.
    refused(&shift.ask(&ann.who, &talk, "decline", json!({})).await, 409, "CONFLICT");
    shift.ask(&ann.who, &talk, "decline", named.clone()).await.expect(204).unwrap();
    shift.ask(&bob.who, &talk, "decline", json!({})).await.expect(204).unwrap();
    ann.offered(&talk).await;
    shift.ask(&ann.who, &talk, "decline", named).await.expect(204).unwrap();
    assert_eq!(shift.seen(&talk).await["offered_to"], ann.who.agent_id);
    // Declining is an answer: nobody is away.
    assert_eq!(shift.status(&ann.who).await["status"], "online");

    let strange = shift.ask(&ann.who, &talk, "decline", json!({ "surprise": 1 })).await;
    refused(&strange, 422, "VALIDATION_FAILED");
    let stranger = shift.agent("stranger", json!({ "team_ids": [] })).await;
    for body in [json!({}), json!({ "surprise": 1 }), json!({ "client_id": "" })] {
        refused(&shift.ask(&stranger, &talk, "decline", body).await, 404, "NOT_FOUND");
    }
    shift.end(&talk).await;
    assert_eq!(ann.offer_ended(&talk).await, "taken");
    refused(&shift.ask(&ann.who, &talk, "decline", json!({})).await, 409, "CONVERSATION_ENDED");
}

#[tokio::test]
async fn others_of_the_team_may_accept_meanwhile() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let bob = shift.seat("bob", json!({})).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    shift.verb(&bob.who, &talk, "accept", json!({})).await;
    assert_eq!(ann.offer_ended(&talk).await, "taken");
    assert_eq!(shift.status(&ann.who).await["load"], 0);
    refused(&shift.ask(&ann.who, &talk, "accept", json!({})).await, 409, "ALREADY_ASSIGNED");
    // Nobody was chosen: the agent took it.
    let entry = &shift.routing(&talk).await[0];
    assert_eq!((&entry["reason"], &entry["rule"]), (&json!("accept"), &json!("by_hand")));
}

#[tokio::test]
async fn it_is_load_for_the_strategy_and_none_for_capacity() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({ "capacity": 1 })).await;
    let (offered, waits) = (shift.talk().await, shift.talk().await);
    ann.offered(&offered).await;
    assert!(shift.until_at(&waits, 2).await.get("offered_to").is_none());
    shift.verb(&ann.who, &waits, "accept", json!({})).await;
    let status = shift.status(&ann.who).await;
    assert_eq!((&status["load"], &status["conversation_ids"]), (&json!(2), &json!([waits.id])));
    refused(&shift.ask(&ann.who, &offered, "accept", json!({})).await, 409, "CAPACITY_EXCEEDED");
}
