//! How a conversation is taken, given back, ended and rated.

use driver::Options;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Stage, id_of, invalid, refused};

fn of_agents(conversation: &str, verb: &str) -> String {
    format!("agent/conversations/{conversation}/{verb}")
}

#[tokio::test]
async fn of_many_who_accept_at_once_one_gets_it_and_keeps_it() {
    let stage = Stage::start(Options::unlimited()).await;
    let (_, conversation) = stage.talk().await;
    let admin = stage.admin().await;
    stage.api.set_status(&admin.token, "online").await.unwrap().expect(200).unwrap();
    let team = stage.sandbox.ready().team_id.clone();
    let mut agents = vec![stage.agent(0).await, stage.agent(1).await, admin];
    for n in 0..5 {
        let agent = stage.new_agent(&agents[2], &format!("n{n}"), &[&team], 5).await;
        stage.api.set_status(&agent.token, "online").await.unwrap().expect(200).unwrap();
        agents.push(agent);
    }
    let answers = join_all(agents.iter().map(|agent| stage.api.accept(&agent.token, &conversation))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let winner = answers.iter().position(|answer| answer.status == 200).unwrap();
    for (place, answer) in answers.iter().enumerate().filter(|(place, _)| *place != winner) {
        refused(answer, 409, "ALREADY_ASSIGNED");
        assert_ne!(place, winner);
    }
    let won = &answers[winner].body["conversation"];
    assert_eq!((&won["state"], &won["assignment_epoch"]), (&json!("assigned"), &json!(1)));
    assert_eq!(won["assignee"]["agent_id"], agents[winner].agent_id.as_str());
    // Already mine: the same.
    let again = stage.api.accept(&agents[winner].token, &conversation).await.unwrap().expect(200).unwrap();
    assert_eq!(&again["conversation"], won);
    let log = stage.log(&agents[winner].token, &conversation).await;
    assert_eq!((&log[2]["kind"], &log[2]["reason"], log.len()), (&json!("assigned"), &json!("accept"), 3));
}

#[tokio::test]
async fn who_is_full_offline_or_too_late_is_told_which() {
    let stage = Stage::start(Options::unlimited()).await;
    let admin = stage.admin().await;
    let team = stage.sandbox.ready().team_id.clone();
    let agent = stage.new_agent(&admin, "small", &[&team], 1).await;
    let ((_, first), (visitor, second)) = (stage.talk().await, stage.talk().await);
    let accept = async |conversation: &str| stage.api.accept(&agent.token, conversation).await.unwrap();
    refused(&accept(&first).await, 409, "AGENT_OFFLINE");
    // Who is away may.
    stage.api.set_status(&agent.token, "away").await.unwrap().expect(200).unwrap();
    accept(&first).await.expect(200).unwrap();
    refused(&accept(&second).await, 409, "CAPACITY_EXCEEDED");
    stage.api.end(&visitor.token, &second).await.unwrap().expect(200).unwrap();
    refused(&accept(&second).await, 409, "CONVERSATION_ENDED");
    // What ends makes room.
    stage.api.end(&agent.token, &first).await.unwrap().expect(200).unwrap();
    let (_, third) = stage.talk().await;
    accept(&third).await.expect(200).unwrap();

    let stranger = stage.new_agent(&admin, "stranger", &[], 5).await;
    for verb in ["accept", "release"] {
        for body in [json!({}), json!({ "surprise": 1 })] {
            refused(&stage.post(&stranger.token, &of_agents(&third, verb), &body).await, 404, "NOT_FOUND");
        }
        invalid(
            &stage.post(&agent.token, &of_agents(&third, verb), &json!({ "surprise": 1 })).await,
            "surprise",
        );
        refused(&stage.post(&visitor.token, &of_agents(&third, verb), &json!({})).await, 403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn only_supervisors_take_over() {
    let stage = Stage::start(Options::unlimited()).await;
    let (_, conversation) = stage.talk().await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    stage.api.set_status(&admin.token, "online").await.unwrap().expect(200).unwrap();
    stage.take(&ann, &conversation).await;
    let over = json!({ "take_over": true, "client_id": "over" });
    refused(&stage.post(&bob.token, &of_agents(&conversation, "accept"), &over).await, 403, "FORBIDDEN");
    let taken = stage.verb(&admin.token, &of_agents(&conversation, "accept"), &over).await;
    assert_eq!(
        (&taken["assignee"]["agent_id"], &taken["assignment_epoch"]),
        (&json!(admin.agent_id), &json!(2))
    );
    stage.verb(&admin.token, &of_agents(&conversation, "accept"), &over).await;
    let other = json!({ "client_id": "over" });
    let conflict = stage.post(&admin.token, &of_agents(&conversation, "accept"), &other).await;
    refused(&conflict, 409, "IDEMPOTENCY_CONFLICT");
    let late = stage.api.post_message(&ann.token, &conversation, "late", "late").await.unwrap();
    refused(&late, 409, "STALE_ASSIGNMENT");
    let log = stage.log(&admin.token, &conversation).await;
    assert_eq!(log.last().unwrap()["reason"], "take_over");
    // Of a queued one it is an accept.
    let (_, queued) = stage.talk().await;
    let taken = stage.verb(&admin.token, &of_agents(&queued, "accept"), &json!({ "take_over": true })).await;
    assert_eq!(taken["assignee"]["agent_id"], admin.agent_id.as_str());
}

#[tokio::test]
async fn what_is_released_is_back_in_the_queue_once() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    let release = of_agents(&conversation, "release");
    refused(&stage.post(&admin.token, &release, &json!({})).await, 409, "CONFLICT");
    stage.take(&ann, &conversation).await;
    refused(&stage.post(&bob.token, &release, &json!({})).await, 403, "FORBIDDEN");
    let named = json!({ "client_id": "give-back" });
    let released = stage.verb(&ann.token, &release, &named).await;
    assert_eq!((&released["state"], &released["assignment_epoch"]), (&json!("queued"), &json!(1)));
    assert!(released.get("assignee").is_none(), "{released}");
    // A repeat writes nothing, also when another has it by now.
    stage.take(&bob, &conversation).await;
    let again = stage.verb(&ann.token, &release, &named).await;
    assert_eq!((&again["state"], &again["assignee"]["agent_id"]), (&json!("assigned"), &json!(bob.agent_id)));
    refused(&stage.post(&ann.token, &release, &json!({})).await, 409, "STALE_ASSIGNMENT");
    let kinds = stage.kinds(&visitor.token, &conversation).await;
    let written = ["started", "message", "assigned", "released", "assigned"];
    assert_eq!(kinds, written);
    // A supervisor may, no matter who has it.
    let released = stage.verb(&admin.token, &release, &json!({})).await;
    assert_eq!(released["state"], "queued");
}

#[tokio::test]
async fn an_end_happens_once_and_says_why() {
    let stage = Stage::start(Options::unlimited()).await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    let (visitor, conversation) = stage.talk().await;
    let end = format!("conversations/{conversation}/end");
    for body in [json!({ "reason": "r".repeat(501) }), json!({ "reason": " " }), json!({ "reason": "\u{0}" })]
    {
        invalid(&stage.post(&visitor.token, &end, &body).await, "reason");
    }
    refused(&stage.post(&ann.token, &end, &json!({})).await, 403, "FORBIDDEN");
    stage.take(&ann, &conversation).await;
    refused(&stage.post(&bob.token, &end, &json!({})).await, 403, "FORBIDDEN");
    let named = json!({ "client_id": "end", "reason": "solved" });
    let ended = stage.verb(&ann.token, &end, &named).await;
    assert_eq!((&ended["state"], &ended["end_reason"]), (&json!("ended"), &json!("solved")));
    assert_eq!(ended["ended_by"], json!({ "kind": "agent", "id": ann.agent_id, "name": "Ann" }));
    assert_eq!(ended["assignee"]["agent_id"], ann.agent_id.as_str(), "it is kept");
    assert_eq!(stage.verb(&ann.token, &end, &named).await, ended);
    let other = json!({ "client_id": "end", "reason": "another" });
    refused(&stage.post(&ann.token, &end, &other).await, 409, "IDEMPOTENCY_CONFLICT");
    // Ending what has ended gives the same answer to all who may end it.
    for token in [&visitor.token, &admin.token] {
        let again = stage.verb(token, &end, &json!({ "reason": "late" })).await;
        assert_eq!((&again["end_reason"], &again["ended_at"]), (&json!("solved"), &ended["ended_at"]));
    }
    let log = stage.log(&visitor.token, &conversation).await;
    assert_eq!((&log[3]["kind"], &log[3]["reason"], log.len()), (&json!("ended"), &json!("solved"), 4));

    // Its visitor and a supervisor end what nobody has; no body is needed.
    for token in [None, Some(&admin.token)] {
        let (visitor, conversation) = stage.talk().await;
        let token = token.unwrap_or(&visitor.token);
        let ended = stage.api.end(token, &conversation).await.unwrap().expect(200).unwrap();
        assert_eq!(ended["conversation"]["state"], "ended");
        assert!(ended["conversation"].get("end_reason").is_none(), "{ended}");
    }
}

#[tokio::test]
async fn a_rating_waits_for_the_end_and_the_last_one_counts() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let ann = stage.agent(0).await;
    let path = format!("conversations/{conversation}/rating");
    let rate = async |body: Value| stage.post(&visitor.token, &path, &body).await;
    refused(&rate(json!({ "score": 5 })).await, 409, "CONFLICT");
    stage.api.end(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    for score in [json!(0), json!(6), json!(-1), json!(2.5), json!("5"), json!(null)] {
        invalid(&rate(json!({ "score": score })).await, "score");
    }
    invalid(&rate(json!({ "score": 5, "comment": "c".repeat(2001) })).await, "comment");
    invalid(&rate(json!({})).await, "score");
    refused(&stage.post(&ann.token, &path, &json!({ "score": 5 })).await, 403, "FORBIDDEN");

    let first = json!({ "client_id": "r", "score": 1, "comment": "c".repeat(2000) });
    let rated = rate(first.clone()).await.expect(200).unwrap();
    assert_eq!(rated["conversation"]["rating"]["score"], 1);
    let last = rate(json!({ "score": 5 })).await.expect(200).unwrap();
    assert_eq!(last["conversation"]["rating"], json!({ "score": 5 }));
    // A repeat of the first one is no new one.
    let repeat = rate(first).await.expect(200).unwrap();
    assert_eq!(repeat["conversation"]["rating"], json!({ "score": 5 }));
    refused(&rate(json!({ "client_id": "r", "score": 2 })).await, 409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(stage.seen(&ann.token, &conversation).await["rating"], json!({ "score": 5 }));
}

#[tokio::test]
async fn verbs_on_what_has_ended_are_refused_and_the_visitor_starts_anew() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    stage.take(&ann, &conversation).await;
    stage.api.end(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    let to_bob = json!({ "to": { "agent_id": bob.agent_id } });
    for (verb, body) in [("accept", json!({})), ("transfer", to_bob), ("release", json!({}))] {
        let answer = stage.post(&ann.token, &of_agents(&conversation, verb), &body).await;
        refused(&answer, 409, "CONVERSATION_ENDED");
    }
    let anew = stage.api.start_conversation(&visitor.token, "anew", None).await.unwrap();
    assert_ne!(id_of(&anew.expect(201).unwrap()), conversation);
}
