//! Conversations in which nothing happens any more. It takes more than a minute, so it goes by a name that comes first.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::routing::Shift;

/// A minute of silence is the least that a team can have, visitors are there for one after they asked for anything, and
/// the sweep comes by every 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(100);

#[tokio::test]
async fn one_ends_after_a_silence_when_its_visitor_is_gone_and_stays_while_they_look() {
    let shift = Shift::begin(json!({ "assignment": "manual", "idle_end_min": 1 })).await;
    let ann = shift.agent("ann", json!({})).await;
    let begun = Instant::now();
    let (left, held, stays) = (shift.talk().await, shift.talk().await, shift.talk().await);
    shift.verb(&ann, &held, "accept", json!({})).await;
    for (talk, last) in [(&left, 2), (&held, 3)] {
        let ended = async {
            let query = format!("after={last}&wait_s=5");
            loop {
                // The visitor who stays looks, and says nothing.
                shift.get(&stays.visitor, "conversations").await.expect(200).unwrap();
                let page = shift.api.events(&shift.admin.token, &talk.id, &query).await.unwrap();
                if let [ended] = page.expect(200).unwrap()["data"].as_array().unwrap().as_slice() {
                    return ended.clone();
                }
            }
        };
        let ended = tokio::time::timeout(ENDS_WITHIN, ended).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(60), "{:?}", begun.elapsed());
        assert_eq!((&ended["kind"], &ended["reason"]), (&json!("ended"), &json!("idle")));
        assert_eq!(ended["by"], json!({ "kind": "system" }));
    }
    // The same sweep has looked at it.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shift.seen(&stays).await["state"], "queued");
    assert_eq!(shift.status(&ann).await["load"], 0);
}
