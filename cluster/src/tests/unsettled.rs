//! An append that is not known for long, or a store that was away, and nobody who asks again: how soon the agents and
//! routers concerned hear of it.

use std::time::Duration;

use domain::{AssignmentMode, Command, ReleaseReason, Status};
use store::faulty::{Fault, Faults};
use tokio::time::Instant;

use actors::testing::{agent, agent_key, id, key, team, team_key};
use actors::{Attachment, ExecuteError, PushReceiver, ViewAgent, window};

use crate::testing::Office;

/// Longer than anybody waits for an answer.
const LATE_MS: u64 = 15_000;
/// Much sooner than the next sweep.
const SOON: Duration = Duration::from_secs(4);

/// Both agents are there, and the first has conversation 1.
async fn at_work() -> (Office, [(Attachment, PushReceiver); 2]) {
    let office = Office::open(vec![team(1, [1, 2], AssignmentMode::Offer)], [(1, 4), (2, 4)]).await;
    let socket = async |n| {
        let (sender, pushes) = window(256, 1 << 18);
        (office.cluster.attach(agent_key(n), sender).await.unwrap(), pushes)
    };
    let sockets = [socket(1).await, socket(2).await];
    office.start(1, 1, 1).await.unwrap();
    office.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    (office, sockets)
}

async fn load(office: &Office, n: u8) -> usize {
    office.cluster.ask(agent_key(n), ViewAgent).await.unwrap().load
}

#[tokio::test(start_paused = true)]
async fn an_agent_hears_what_became_of_an_end_that_was_not_answered() {
    for fault in [Fault::AnsweredLate(LATE_MS), Fault::WrittenLate(LATE_MS)] {
        let (office, _sockets) = at_work().await;
        assert_eq!(load(&office, 1).await, 1);
        office.log.script([fault]);
        let ended = office.ask(1, agent(1), Command::End { reason: None }).await;
        assert!(matches!(ended, Err(ExecuteError::Unknown)), "{ended:?}");
        office.log.at_rest().await;
        let since = Instant::now();
        office.until(async |office| load(office, 1).await == 0).await;
        assert!(since.elapsed() < SOON, "{fault:?}: {:?}", since.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_router_hears_of_a_release_that_was_not_answered() {
    let (office, _sockets) = at_work().await;
    office.log.script([Fault::AnsweredLate(LATE_MS)]);
    let epoch = office.head(1).await.assignment_epoch;
    let reason = ReleaseReason::Released;
    let released = office.ask(1, agent(1), Command::Release { assignment_epoch: epoch, reason }).await;
    assert!(matches!(released, Err(ExecuteError::Unknown)), "{released:?}");
    office.log.at_rest().await;
    let since = Instant::now();
    office
        .until(async |office| {
            let place = office.cluster.position(key(1), team_key(1).team).await;
            place.and_then(|place| place.offered_to) == Some(id(2))
        })
        .await;
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_place_is_kept_for_an_assignment_until_it_is_known() {
    for (fault, crash) in [
        (Fault::WrittenLate(LATE_MS), false),
        (Fault::AnsweredLate(LATE_MS), false),
        (Fault::WrittenLate(LATE_MS), true),
    ] {
        let office = Office::open(vec![team(1, [1], AssignmentMode::Manual)], [(1, 1)]).await;
        let (sender, _pushes) = window(256, 1 << 18);
        let _attachment = office.cluster.attach(agent_key(1), sender).await.unwrap();
        office.start(1, 1, 1).await.unwrap();
        office.start(2, 2, 1).await.unwrap();
        office.log.script([fault]);
        let accepting = tokio::spawn({
            let cluster = office.cluster.clone();
            async move { cluster.accept(key(1), agent(1), None, false).await }
        });
        office.until(async |office| office.log.on_their_way() == 1).await;
        if crash {
            office.node.end_conversation(key(1)).await;
        }
        let accepted = accepting.await.unwrap();
        assert!(matches!(accepted, Err(ExecuteError::Unknown)), "{accepted:?}");
        // Longer than any question waits.
        for _ in 0..4 {
            let refused = office.cluster.accept(key(2), agent(1), None, false).await;
            assert!(matches!(refused, Err(ExecuteError::Rejected(_))), "{fault:?}: {refused:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        office.log.at_rest().await;
        office.until(async |office| office.holder(1).await == Some(id(1))).await;
        office.ask(1, agent(1), Command::End { reason: None }).await.unwrap();
        office.until(async |office| load(office, 1).await == 0).await;
        office.cluster.accept(key(2), agent(1), None, false).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_absent_agent_holds_is_given_back_as_soon_as_the_store_is_there_again() {
    let (office, _sockets) = at_work().await;
    office.log.trouble(Faults { unavailable: 1.0, ..Faults::default() });
    office.cluster.set_status(agent_key(1), Status::Offline).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(office.holder(1).await, Some(id(1)));
    office.log.calm();
    let since = Instant::now();
    office.until(async |office| office.holder(1).await.is_none()).await;
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}
