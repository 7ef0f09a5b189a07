//! What a conversation asks of its agent.

use serde_json::json;

use super::Shift;

#[tokio::test]
async fn skills_and_language_choose_and_what_nobody_has_is_not_asked_for() {
    let shift = Shift::begin(json!({ "assignment": "auto" })).await;
    let ann =
        shift.agent("ann", json!({ "capacity": 20, "languages": ["de-CH"], "skills": ["Billing"] })).await;
    let bob = shift.agent("bob", json!({ "capacity": 20, "skills": ["billing", "returns"] })).await;
    for (attributes, agent) in [
        (json!({ "language": "de" }), &ann),
        (json!({ "language": "DE-at", "skills": "billing" }), &ann),
        (json!({ "skills": "returns" }), &bob),
        (json!({ "skills": " Returns , BILLING " }), &bob),
        (json!({ "language": "fr", "skills": "returns,law" }), &bob),
    ] {
        // The other one is freer, each time.
        let other = if agent.agent_id == ann.agent_id { &bob } else { &ann };
        let talk = shift.talk_about(attributes.clone()).await;
        shift.until_assigned(&talk, agent).await;
        let entry = &shift.routing(&talk).await[0];
        let candidates = entry["candidates"].as_array().unwrap();
        let excluded = candidates.iter().find(|candidate| candidate["agent_id"] == other.agent_id).unwrap();
        let why = excluded["excluded_by"].as_str().unwrap();
        assert!(["language", "skills"].contains(&why), "{attributes}: {entry}");
    }
}

#[tokio::test]
async fn it_waits_for_who_has_them_though_another_is_free() {
    let shift = Shift::begin(json!({ "assignment": "auto" })).await;
    let ann = shift.hire("ann", json!({ "languages": ["fr"] })).await;
    let bob = shift.agent("bob", json!({})).await;
    let (french, any) = (shift.talk_about(json!({ "language": "fr" })).await, shift.talk().await);
    shift.until_assigned(&any, &bob).await;
    let entry = &shift.routing(&french).await[0];
    assert_eq!((&entry["reason"], &entry["rule"]), (&json!("waiting"), &json!("nobody")));
    shift.set_status(&ann, "online").await;
    shift.until_assigned(&french, &ann).await;
}
