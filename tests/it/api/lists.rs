//! The lists that agents work from.

use std::collections::BTreeSet;
use std::time::Duration;

use driver::{Agent, Options};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Stage, id_of, ids, invalid, refused};
use Order::{NewestEnd, NewestEvent, Queued};

/// A list may be at most a second behind.
const BEHIND: Duration = Duration::from_secs(5);

impl Stage {
    async fn list(&self, agent: &Agent, query: &str) -> Value {
        self.get(&agent.token, &format!("agent/conversations?{query}")).await.expect(200).unwrap()
    }

    /// Asks until the list has these rows, and has them in its order; what happened in the same millisecond has none.
    async fn becomes(&self, agent: &Agent, query: &str, order: Order, wanted: &[&String]) {
        let wanted: BTreeSet<&str> = wanted.iter().map(|id| id.as_str()).collect();
        let mut last = Value::Null;
        let asked = timeout(BEHIND, async {
            loop {
                last = self.list(agent, query).await;
                assert!(order.holds(&last), "{query}: {last}");
                if ids(&last).len() == wanted.len()
                    && ids(&last).into_iter().collect::<BTreeSet<_>>() == wanted
                {
                    return;
                }
            }
        });
        assert!(asked.await.is_ok(), "{query} stays {:?} and is not {wanted:?}", ids(&last));
    }
}

/// By which of its times a list is sorted.
#[derive(Clone, Copy)]
enum Order {
    NewestEvent,
    Queued,
    NewestEnd,
}

impl Order {
    fn holds(self, page: &Value) -> bool {
        let times = |field: &'static str| {
            page["data"].as_array().unwrap().iter().map(move |row| row[field].as_str().unwrap())
        };
        match self {
            Self::NewestEvent => times("last_event_at").rev().is_sorted(),
            Self::Queued => times("queued_at").is_sorted(),
            Self::NewestEnd => times("ended_at").rev().is_sorted(),
        }
    }
}

#[tokio::test]
async fn each_view_shows_what_its_agent_may_see_in_its_order() {
    let stage = Stage::start(Options::unlimited()).await;
    let admin = stage.admin().await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let second = stage.make(&admin, "teams", &json!({ "name": "Second", "assignment": "manual" })).await;
    let second = second["id"].as_str().unwrap();
    let member = stage.new_agent(&admin, "member", &[second], 5).await;
    let (visitor, a) = stage.talk().await;
    let (_, b) = stage.talk().await;
    let (other, c) = stage.talk().await;
    let start = json!({ "client_id": "d", "team_id": second });
    let d = id_of(&stage.post(&other.token, "conversations", &start).await.expect(201).unwrap());
    stage.take(&ann, &a).await;
    stage.take(&bob, &b).await;

    stage.becomes(&ann, "", NewestEvent, &[&a]).await;
    stage.becomes(&ann, "view=mine", NewestEvent, &[&a]).await;
    stage.becomes(&ann, "view=queue", Queued, &[&c]).await;
    stage.becomes(&member, "view=queue", Queued, &[&d]).await;
    stage.becomes(&member, "view=mine", NewestEvent, &[]).await;
    stage.becomes(&member, "view=team", NewestEvent, &[&d]).await;
    stage.becomes(&admin, "view=queue", Queued, &[&c, &d]).await;
    stage.becomes(&ann, "view=team", NewestEvent, &[&b, &a, &c]).await;
    stage.becomes(&admin, "view=all", NewestEvent, &[&b, &a, &d, &c]).await;
    // What has news comes first; the queue keeps its order.
    stage.say(&visitor.token, &a, "news").await;
    stage.say(&other.token, &c, "news").await;
    stage.becomes(&ann, "view=team", NewestEvent, &[&c, &a, &b]).await;
    stage.becomes(&admin, "view=queue", Queued, &[&c, &d]).await;
    // What has ended is in one list only, newest end first.
    stage.becomes(&ann, "view=ended", NewestEnd, &[]).await;
    stage.api.end(&ann.token, &a).await.unwrap().expect(200).unwrap();
    stage.api.end(&other.token, &c).await.unwrap().expect(200).unwrap();
    stage.becomes(&ann, "view=ended", NewestEnd, &[&c, &a]).await;
    stage.becomes(&member, "view=ended", NewestEnd, &[]).await;
    stage.becomes(&ann, "view=mine", NewestEvent, &[]).await;
    stage.becomes(&ann, "view=team", NewestEvent, &[&b]).await;

    // Filters narrow a view, and open nothing.
    let team = &stage.sandbox.ready().team_id;
    stage.becomes(&admin, &format!("view=all&team_id={second}"), NewestEvent, &[&d]).await;
    stage.becomes(&admin, &format!("view=all&assignee_id={}", bob.agent_id), NewestEvent, &[&b]).await;
    stage
        .becomes(&admin, &format!("view=all&team_id={second}&assignee_id={}", bob.agent_id), NewestEvent, &[])
        .await;
    stage.becomes(&admin, "view=all&tag=vip", NewestEvent, &[]).await;
    stage.becomes(&ann, &format!("view=team&team_id={team}"), NewestEvent, &[&b]).await;
    stage.becomes(&ann, &format!("view=team&team_id={second}"), NewestEvent, &[]).await;
}

#[tokio::test]
async fn who_may_not_list_or_asks_wrongly_is_told_so() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, _) = stage.talk().await;
    let ann = stage.agent(0).await;
    let path = "agent/conversations";
    refused(&stage.get(&ann.token, &format!("{path}?view=all")).await, 403, "FORBIDDEN");
    refused(&stage.get(&visitor.token, path).await, 403, "FORBIDDEN");
    refused(&stage.api.get(format!("/api/v1/chat/{path}")).send().await.unwrap(), 401, "UNAUTHENTICATED");
    let wrong = [
        ("view=nonsense", "view"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("team_id=nonsense", "team_id"),
        ("assignee_id=nonsense", "assignee_id"),
        ("tag=%07", "tag"),
        ("surprise=1", "surprise"),
        ("view=mine&view=team", "view"),
    ];
    for (query, field) in wrong {
        invalid(&stage.get(&ann.token, &format!("{path}?{query}")).await, field);
    }
}

#[tokio::test]
async fn every_view_is_paged_and_a_cursor_is_bound_to_its_query() {
    let stage = Stage::start(Options::unlimited()).await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    let mut queued = Vec::new();
    for _ in 0..5 {
        queued.push(stage.talk().await.1);
    }
    let in_order: Vec<&String> = queued.iter().collect();
    stage.becomes(&ann, "view=queue", Queued, &in_order).await;
    for view in ["queue", "team", "all"] {
        let whole = stage.list(&admin, &format!("view={view}&limit=200")).await;
        assert_eq!(whole["next_cursor"], Value::Null);
        if view == "team" {
            // An admin of no team has none.
            assert_eq!(ids(&whole), [""; 0]);
            continue;
        }
        let (mut paged, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = stage.list(&admin, &format!("view={view}&limit=2{cursor}")).await;
            paged.extend(ids(&page).into_iter().map(str::to_owned));
            pages += 1;
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((paged.iter().map(String::as_str).collect::<Vec<_>>(), pages), (ids(&whole), 3), "{view}");
        assert_eq!(paged.iter().collect::<BTreeSet<_>>(), queued.iter().collect::<BTreeSet<_>>(), "{view}");
    }
    let page = stage.list(&ann, "view=queue&limit=2").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let team = &stage.sandbox.ready().team_id;
    let others = [
        (&ann, "view=team".to_owned()),
        (&ann, "view=mine".to_owned()),
        (&ann, format!("view=queue&team_id={team}")),
        (&ann, "view=queue&tag=vip".to_owned()),
        (&bob, "view=queue".to_owned()),
    ];
    for (agent, query) in others {
        let answer = stage.get(&agent.token, &format!("agent/conversations?{query}&cursor={cursor}")).await;
        refused(&answer, 400, "INVALID_CURSOR");
    }
    let own = stage.get(&ann.token, &format!("agent/conversations?view=queue&cursor={cursor}x")).await;
    refused(&own, 400, "INVALID_CURSOR");
}
