//! What CQL promises of lists beyond the suite: their order is exact although their rows are coarse, and they read about as
//! much as they show.

use std::sync::Arc;

use domain::{ConversationId, Head, State, TeamId, Timestamp, WorkspaceId};
use store::cql::CqlStore;
use store::{HeadFilter, HeadPosition, HeadView, Heads, ListedHead};
use uuid::Uuid;

use crate::cql;
use crate::play::{Play, open, some_workspace};

const MINUTE_MS: u64 = 60_000;

/// How often heads were read.
fn heads_read(cql: &CqlStore) -> u64 {
    let statements = cql.stats().statements;
    statements.iter().filter(|counts| counts.name == "marks").map(|counts| counts.done).sum()
}

fn team(n: u8) -> TeamId {
    TeamId::from_uuid(Uuid::from_bytes([n; 16]))
}

/// Conversations whose heads are of `teams` by turns, and have these times in minutes.
async fn play_all(
    cql: &CqlStore,
    workspace: WorkspaceId,
    teams: u8,
    minutes: &[u64],
) -> Vec<(ConversationId, Head)> {
    let log = cql.store().log;
    let lanes = open(&log).await;
    let plays = minutes.iter().zip(0_u64..).map(async |(minute, n)| {
        let mut play = Play::start_in(&log, &lanes, workspace).await.unwrap();
        let at = Timestamp::from_ms(minute * MINUTE_MS + n);
        play.post_with(|head| {
            head.team = team(n as u8 % teams + 1);
            head.queued_at = at;
            head.last_event_at = at;
            head.state = State::Queued;
        })
        .await;
        (play.key.conversation, play.head)
    });
    futures_util::future::join_all(plays).await
}

async fn all(
    heads: &Arc<dyn Heads>,
    workspace: WorkspaceId,
    view: &HeadView,
    limit: usize,
) -> Vec<ConversationId> {
    let (mut ids, mut after): (Vec<ConversationId>, Option<HeadPosition>) = (Vec::new(), None);
    loop {
        let page: Vec<ListedHead> =
            heads.list(workspace, view, &HeadFilter::default(), after, limit).await.unwrap();
        let Some(last) = page.last() else { return ids };
        after = Some(last.position);
        ids.extend(page.iter().map(|row| row.conversation));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coarse_rows_give_an_exact_order() {
    let Some(cql) = cql::open().await else { return };
    let workspace = some_workspace();
    // Many in one step, few in others, none in some; the order of the ids is another.
    let minutes: Vec<u64> = (0..60).map(|n| [0, 1, 1, 4, 6, 9, 40, 44, 90, 1_000][n * 7 % 10]).collect();
    let mut conversations = play_all(&cql, workspace, 3, &minutes).await;
    let heads = cql.store().heads;
    conversations.sort_by_key(|(id, head)| (head.last_event_at, *id));
    for limit in [1, 7, 100] {
        let views = [
            (None, vec![1, 2, 3]),
            (Some(vec![team(1), team(3), team(1)]), vec![1, 3]),
            (Some(vec![]), vec![]),
        ];
        for (teams, of) in views {
            let of: Vec<TeamId> = of.into_iter().map(team).collect();
            let oldest_first: Vec<ConversationId> =
                conversations.iter().filter(|(_, head)| of.contains(&head.team)).map(|(id, _)| *id).collect();
            let newest_first: Vec<ConversationId> = oldest_first.iter().rev().copied().collect();
            let open = all(&heads, workspace, &HeadView::Open(teams.clone()), limit).await;
            assert_eq!(open, newest_first, "open, of {teams:?} in pages of {limit}");
            let queue = all(&heads, workspace, &HeadView::Queue(teams.clone()), limit).await;
            assert_eq!(queue, oldest_first, "queued, of {teams:?} in pages of {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_reads_about_what_it_shows() {
    const LIMIT: usize = 10;
    let Some(cql) = cql::open().await else { return };
    let workspace = some_workspace();
    // A conversation each minute: five in a step.
    let minutes: Vec<u64> = (0..200).collect();
    play_all(&cql, workspace, 1, &minutes).await;
    let heads = cql.store().heads;
    for view in [HeadView::Open(None), HeadView::Open(Some(vec![team(1)])), HeadView::Queue(None)] {
        let before = heads_read(&cql);
        let page = heads.list(workspace, &view, &HeadFilter::default(), None, LIMIT).await.unwrap();
        assert_eq!(page.len(), LIMIT);
        let read = heads_read(&cql) - before;
        assert!(read <= 32, "{read} heads for a page of {LIMIT} of {view:?}");
    }
    let before = heads_read(&cql);
    assert!(!heads.queue_reaches(workspace, team(1), 201).await.unwrap());
    assert!(!heads.queue_reaches(workspace, team(2), 1).await.unwrap());
    assert_eq!(heads_read(&cql), before, "fewer rows than that need no look at heads");
    assert!(heads.queue_reaches(workspace, team(1), 200).await.unwrap());
}
