//! All that can happen to a conversation, at once: what comes out of it is one state for each.

use std::sync::Arc;
use std::time::Duration;

use driver::Options;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::office::{Came, Office};
use super::{seeded, settled};

const CAPACITY: usize = 3;
/// So often each of them does something.
const DEEDS: usize = 90;
/// Longer than the grace time.
const GONE: Duration = Duration::from_millis(1_300);

#[tokio::test]
async fn offers_declines_transfers_ends_and_absences_at_once_leave_one_state_for_each() {
    for assignment in ["offer", "auto"] {
        let mut random = seeded();
        let options = Options::unlimited().setting("routing.agent_grace_s", "1");
        let team = json!({ "assignment": assignment, "accept_timeout_s": 1 });
        let office = Arc::new(Office::open_as(options, &team, 6, CAPACITY as u32).await);
        let conversations: Arc<[String]> = office.conversations(24).await.into();
        let busy = (0..office.clerks.len()).map(|place| {
            let (office, conversations) = (Arc::clone(&office), Arc::clone(&conversations));
            let mut random = StdRng::from_rng(&mut random);
            async move {
                let mut won = [0_usize; 7];
                for _ in 0..DEEDS {
                    let (deed, came) = do_something(&office, place, &conversations, &mut random).await;
                    won[deed] += usize::from(came == Came::Won);
                }
                won
            }
        });
        let won = join_all(busy).await.into_iter().fold([0; 7], |mut sum: [usize; 7], won| {
            sum.iter_mut().zip(won).for_each(|(sum, won)| *sum += won);
            sum
        });
        println!("{assignment}: accepts, declines, transfers, releases, ends, reopenings, absences: {won:?}");
        check(&office, &conversations).await;
    }
}

/// Whatever it is, of any conversation; says which deed, and what came of it.
async fn do_something(office: &Office, place: usize, all: &[String], random: &mut StdRng) -> (usize, Came) {
    let clerk = &office.clerks[place];
    let any = &all[random.random_range(0..all.len())];
    let status = clerk.status().await;
    let held: Vec<&str> =
        status["conversation_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(held.len() <= CAPACITY, "{status}");
    let his = if held.is_empty() { any } else { held[random.random_range(0..held.len())] };
    let not_his = ["STALE_ASSIGNMENT", "FORBIDDEN", "CONFLICT", "CONVERSATION_ENDED"];
    let no_room = ["CAPACITY_EXCEEDED", "AGENT_OFFLINE"];
    let refused = [not_his.as_slice(), &no_room, &["ALREADY_ASSIGNED"]].concat();
    let (deed, came) = match random.random_range(0..24) {
        0..8 => (0, clerk.accept(any).await),
        8..12 => (1, clerk.decline(any).await),
        12..15 => {
            let colleague = &office.clerks[random.random_range(0..office.clerks.len())].who.agent_id;
            let to = if random.random_ratio(1, 3) {
                json!({ "team_id": office.sandbox.ready().team_id })
            } else {
                json!({ "agent_id": colleague })
            };
            (2, clerk.transfer(his, &to).await)
        }
        15..18 => (3, clerk.release(his).await),
        18..20 => (4, clerk.end(his).await),
        20..22 => (5, clerk.reopen(any).await),
        22 => {
            clerk.be_gone_for(GONE).await;
            (6, Came::Won)
        }
        _ => {
            clerk.set_status("offline").await;
            clerk.set_status("online").await;
            (6, Came::Won)
        }
    };
    came.only(&refused);
    (deed, came)
}

/// Everybody has stopped. Who has what must be the same for actors, lists and logs, and every conversation in one list.
async fn check(office: &Office, conversations: &[String]) {
    let ledger = calmed(office, conversations).await;
    for agent in office.agent_ids() {
        let most = ledger.most_held_by(agent);
        assert!(most <= CAPACITY as i32, "{agent} held {most}");
    }
    let mut listed: Vec<(String, &str)> = Vec::new();
    for (view, states) in [("all", ["queued", "assigned"].as_slice()), ("ended", &["ended"])] {
        let path = format!("/api/v1/chat/agent/conversations?view={view}&limit=200");
        let page =
            office.api.get(path).bearer(&office.admin.token).send().await.unwrap().expect(200).unwrap();
        for row in page["data"].as_array().unwrap() {
            let state = states.iter().find(|state| row["state"] == **state);
            listed.push((
                row["id"].as_str().unwrap().to_owned(),
                state.unwrap_or_else(|| panic!("{view}: {row}")),
            ));
        }
    }
    listed.sort();
    let mut all: Vec<&String> = conversations.iter().collect();
    all.sort();
    assert_eq!(listed.iter().map(|(id, _)| id).collect::<Vec<_>>(), all, "each is in one list, once");
    for (conversation, state) in &listed {
        assert_eq!(*state, state_by(&office.log(conversation).await), "{conversation}");
    }
    assert!(!office.sandbox.log().unwrap().contains("panicked"));
}

/// The team gives and offers nothing more, so that what is under way comes to its end.
async fn calmed(office: &Office, conversations: &[String]) -> Ledger {
    let manual = json!({ "assignment": "manual" });
    let path = format!("/api/v1/admin/teams/{}", office.sandbox.ready().team_id);
    let call = office.api.patch(path).bearer(&office.admin.token).json(&manual);
    call.send().await.unwrap().expect(200).unwrap();
    settled(office, conversations).await
}

/// As a replay of its log has it.
fn state_by(log: &[Value]) -> &'static str {
    log.iter().fold("", |state, event| match event["kind"].as_str().unwrap() {
        "started" | "released" | "reopened" => "queued",
        "assigned" => "assigned",
        "ended" => "ended",
        _ => state,
    })
}
