//! What every [`Heads`] promises, with the log that writes its rows.

use std::sync::Arc;

use domain::{
    AgentId, AssignReason, Author, ConversationId, EventKind, Head, Line, Marks, ReleaseReason, Seq, TeamId,
    TransferTo, Unread, VisitorId, WorkspaceId,
};
use uuid::Uuid;

use crate::{
    Append, ConversationKey, EventLog, Generation, HeadFilter, HeadPosition, HeadView, Heads, LiveRow,
};

use super::{Boot, Play, card, some_key};

/// Checks the whole contract; `fresh` gives a store.
pub async fn check(fresh: impl AsyncFn() -> (Arc<dyn EventLog>, Arc<dyn Heads>)) {
    let fresh = async || {
        let (log, heads) = fresh().await;
        let boot = Boot::start(&*log, 1).await;
        Stores { log, heads, boot }
    };
    a_head_follows_its_log(&fresh().await).await;
    a_head_is_that_of_the_last_boot(&fresh().await).await;
    marks_only_rise(&fresh().await).await;
    a_conversation_moves_from_list_to_list(&fresh().await).await;
    every_view_has_its_rows_in_its_order(&fresh().await).await;
    the_live_index_has_what_is_not_ended_of_all_workspaces(&fresh().await).await;
    a_ghost_goes_and_a_conversation_stays(&fresh().await).await;
}

struct Stores {
    log: Arc<dyn EventLog>,
    heads: Arc<dyn Heads>,
    /// Writes, unless a case says otherwise.
    boot: Boot,
}

impl Stores {
    async fn get(&self, key: ConversationKey) -> Option<Head> {
        self.heads.get(key).await.expect("the store is there")
    }

    async fn mark(
        &self,
        key: ConversationKey,
        marks: (u64, u64),
        unread: (u32, u32),
    ) -> Option<(Marks, Unread)> {
        let as_of = self.get(key).await.map_or(Seq(1), |head| head.last_seq);
        let (marks, unread) = reading(marks, unread);
        self.heads.mark(key, marks, unread, as_of).await.expect("the store is there");
        self.get(key).await.map(|head| (head.read, head.unread))
    }

    /// The ids of a whole list, read in pages of `limit`.
    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        limit: usize,
    ) -> Vec<ConversationId> {
        let mut ids = Vec::new();
        let mut after: Option<HeadPosition> = None;
        loop {
            let page =
                self.heads.list(workspace, view, filter, after, limit).await.expect("the store is there");
            assert!(page.len() <= limit, "at most so many rows as asked for");
            let Some(last) = page.last() else { return ids };
            after = Some(last.position);
            for row in page {
                let key = ConversationKey { workspace, conversation: row.conversation };
                assert_eq!(Some(row.head), self.get(key).await, "a list has the heads themselves");
                assert_eq!(row.position.conversation, row.conversation, "a position names its row");
                ids.push(row.conversation);
            }
        }
    }

    /// The whole live index, read in pages of `limit`.
    async fn live(&self, limit: usize) -> Vec<LiveRow> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.heads.live(after, limit).await.expect("the store is there");
            after = page.last().map(|row| row.key);
            let full = page.len() == limit;
            rows.extend(page);
            if !full {
                return rows;
            }
        }
    }

    async fn all(&self, workspace: WorkspaceId, view: &HeadView) -> Vec<ConversationId> {
        self.list(workspace, view, &HeadFilter::default(), 100).await
    }
}

fn reading((visitor, agent): (u64, u64), (visitor_unread, agent_unread): (u32, u32)) -> (Marks, Unread) {
    let marks = Marks { visitor: Seq(visitor), agent: Seq(agent) };
    (marks, Unread { visitor: visitor_unread, agent: agent_unread })
}

fn assigned(agent: AgentId) -> EventKind {
    EventKind::Assigned { agent: card(agent), assignment_epoch: 1, reason: AssignReason::Accept, why: None }
}

async fn a_head_follows_its_log(stores: &Stores) {
    let mut play = Play::some();
    assert_eq!(stores.get(play.key).await, None, "no log, no head");
    stores.boot.begin(&mut play).await;
    assert_eq!(stores.get(play.key).await.as_ref(), Some(play.head()), "with the log");
    let elsewhere = ConversationKey { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..play.key };
    assert_eq!(stores.get(elsewhere).await, None, "another workspace does not see it");

    play.says(2000, 3);
    assert_eq!(stores.boot.append(&mut play).await, Append::Applied, "it goes on");
    assert_eq!(stores.get(play.key).await.as_ref(), Some(play.head()), "with the append");

    stores.log.seal(stores.boot.incarnation()).await.expect("the store is there");
    let mut late = play.clone();
    late.says(3000, 1);
    assert_eq!(stores.boot.append(&mut late).await, Append::Fenced, "the boot is over");
    assert_eq!(
        stores.get(play.key).await.as_ref(),
        Some(play.head()),
        "what is fenced leaves the head alone"
    );
}

async fn a_head_is_that_of_the_last_boot(stores: &Stores) {
    let mut play = Play::some();
    stores.boot.begin(&mut play).await;
    let (first, agent) = (play.team, AgentId::from_uuid(Uuid::new_v4()));
    stores.log.seal(stores.boot.incarnation()).await.expect("the store is there");
    for (number, kind) in [
        (2, EventKind::Transferred { to: TransferTo::Team(TeamId::from_uuid(Uuid::new_v4())) }),
        (3, EventKind::Transferred { to: TransferTo::Team(first) }),
        (4, assigned(agent)),
        (5, EventKind::Ended { reason: None }),
        (6, EventKind::Reopened),
    ] {
        let boot = Boot::start(&*stores.log, number).await;
        play.then(1000 + number, Author::System, kind);
        assert_eq!(boot.append(&mut play).await, Append::Applied, "the next boot goes on");
        assert_eq!(stores.get(play.key).await.as_ref(), Some(play.head()), "as of its last event");
        let team = play.head().team;
        for view in [
            HeadView::Open(Some(vec![first])),
            HeadView::Queue(Some(vec![first])),
            HeadView::Open(Some(vec![team])),
            HeadView::Ended(None),
            HeadView::HeldBy(agent),
            HeadView::OfVisitor(play.visitor),
        ] {
            let listed = view.time_of(play.head()).map(|_| play.key.conversation);
            let rows = stores.all(play.key.workspace, &view).await;
            assert_eq!(rows, Vec::from_iter(listed), "boot {number}: {view:?}");
        }
        stores.log.seal(boot.incarnation()).await.expect("the store is there");
    }
}

async fn marks_only_rise(stores: &Stores) {
    let key = some_key();
    assert_eq!(stores.mark(key, (1, 1), (0, 0)).await, None, "a mark makes no conversation");

    let mut play = Play::some();
    stores.boot.begin(&mut play).await;
    let key = play.key;
    play.says(2000, 8);
    stores.boot.append(&mut play).await;
    let before = stores.get(key).await.expect("it is there");
    // The visitor's own words moved their mark; the agents have read nothing.
    assert_eq!((before.read, before.unread), reading((10, 0), (0, 9)), "as the head of the append");

    assert_eq!(stores.mark(key, (10, 4), (0, 6)).await, Some(reading((10, 4), (0, 6))), "a mark rises");
    assert_eq!(stores.mark(key, (3, 2), (7, 8)).await, Some(reading((10, 4), (0, 6))), "a mark never falls");
    assert_eq!(stores.mark(key, (2, 9), (8, 1)).await, Some(reading((10, 9), (0, 1))), "each side by itself");
    let marked = stores.get(key).await.expect("it is there");
    let rest = Head { read: before.read, unread: before.unread, ..marked };
    assert_eq!(rest, before, "nothing else changes");

    // The owner does not know of the agent's mark: its head says 0.
    play.then(3000, Author::System, super::message("the system's words are nobody's"));
    assert_eq!(stores.boot.append(&mut play).await, Append::Applied, "a mark is in nobody's way");
    let head = stores.get(key).await.expect("it is there");
    assert_eq!(head.read, reading((10, 9), (0, 0)).0, "nor does an append lower a mark");
    assert_eq!(head.last_seq, play.tail(), "although the rest is new");
}

async fn a_conversation_moves_from_list_to_list(stores: &Stores) {
    let mut play = Play::some();
    stores.boot.begin(&mut play).await;
    let (workspace, visitor) = (play.key.workspace, play.visitor);
    let (team, other_team) = (play.team, TeamId::from_uuid(Uuid::new_v4()));
    let agent = AgentId::from_uuid(Uuid::new_v4());
    let by = Author::Agent(card(agent));
    let released = EventKind::Released { agent: card(agent), reason: ReleaseReason::Transfer };
    let given = EventKind::Transferred { to: TransferTo::Team(other_team) };
    let ended = EventKind::Ended { reason: None };
    let views = |team| {
        let teams = Some(vec![team]);
        let of_it = (vec![team], AgentId::from_uuid(Uuid::nil()));
        [
            HeadView::Queue(teams.clone()),
            HeadView::Open(teams),
            HeadView::Ended(Some(of_it)),
            HeadView::HeldBy(agent),
        ]
    };
    let steps = [
        ("queued", vec![], [true, true, false, false], team),
        ("assigned", vec![assigned(agent)], [false, true, false, true], team),
        ("transferred", vec![released, given], [true, true, false, false], other_team),
        ("ended", vec![ended], [false, false, true, false], other_team),
    ];
    for (step, kinds, expected, team_now) in steps {
        let tail = play.tail();
        for kind in kinds {
            play.then(2000, by.clone(), kind);
        }
        if play.tail() > tail {
            assert_eq!(stores.boot.append(&mut play).await, Append::Applied, "{step}");
        }
        let listed = vec![play.key.conversation];
        for (view, has) in views(team_now).iter().zip(expected) {
            let rows = if has { listed.clone() } else { vec![] };
            assert_eq!(stores.all(workspace, view).await, rows, "{step}: {view:?}");
        }
        let team_before = if team_now == team { other_team } else { team };
        for view in &views(team_before)[..3] {
            assert_eq!(stores.all(workspace, view).await, [], "{step}: {view:?}, of the other team");
        }
        assert_eq!(
            stores.all(workspace, &HeadView::OfVisitor(visitor)).await,
            listed,
            "{step}: its visitor's"
        );
    }
    let last_theirs = HeadView::Ended(Some((vec![], agent)));
    assert_eq!(stores.all(workspace, &last_theirs).await, [], "it went back to the queue before it ended");
}

/// Two teams, two agents and two visitors, with the conversations of [`populate`].
struct Town {
    workspace: WorkspaceId,
    team: [TeamId; 2],
    agent: [AgentId; 2],
    visitor: [VisitorId; 2],
}

/// Ids are as their numbers; so are equal times told apart.
fn numbered(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

async fn populate(stores: &Stores) -> Town {
    let pair = |n| [numbered(n), numbered(n + 1)];
    let town = Town {
        workspace: WorkspaceId::from_uuid(Uuid::new_v4()),
        team: pair(101).map(TeamId::from_uuid),
        agent: pair(103).map(AgentId::from_uuid),
        visitor: pair(105).map(VisitorId::from_uuid),
    };
    let assigned = |agent: usize| assigned(town.agent[agent]);
    let to_second_team = || EventKind::Transferred { to: TransferTo::Team(town.team[1]) };
    let ended = || EventKind::Ended { reason: None };
    let words = || super::message("more");
    // Number, team, visitor, when it started, what came after and when, tags.
    type Row = (u8, usize, usize, u64, Vec<(u64, EventKind)>, &'static [&'static str]);
    let rows: Vec<Row> = vec![
        (1, 0, 0, 100, vec![], &[]),
        (2, 0, 0, 200, vec![(300, assigned(0))], &["vi"]),
        (3, 1, 1, 150, vec![(300, words())], &["gold", "vip"]),
        (4, 1, 1, 200, vec![(250, assigned(1))], &[]),
        (5, 0, 0, 100, vec![], &[]),
        (6, 0, 1, 50, vec![(60, assigned(0)), (400, ended())], &["vip"]),
        (7, 1, 0, 60, vec![(70, assigned(0)), (400, ended())], &[]),
        (8, 1, 0, 10, vec![(500, ended())], &[]),
        (9, 0, 1, 20, vec![(320, to_second_team())], &[]),
        (10, 1, 1, 30, vec![(40, assigned(0)), (310, words())], &[]),
    ];
    for (n, team, visitor, at, then, tags) in rows {
        let conversation = ConversationId::from_uuid(numbered(n));
        let key = ConversationKey { workspace: town.workspace, conversation };
        let mut play = Play::start(key, town.team[team], town.visitor[visitor], at);
        for (at, kind) in then {
            play.then(at, Author::System, kind);
        }
        let tags = tags.iter().map(|tag| Line::parse(tag).expect("a tag of a case is a line")).collect();
        let head = Head { tags, ..play.head().clone() };
        let appended = stores.boot.append_as(&mut play, head).await.expect("the store is there");
        assert_eq!(appended, Append::Applied, "a new log is made");
    }
    // The same people in another workspace: no list of this one shows them.
    let mut play = Play::start(some_key(), town.team[0], town.visitor[0], 100);
    stores.boot.begin(&mut play).await;
    town
}

async fn the_live_index_has_what_is_not_ended_of_all_workspaces(stores: &Stores) {
    let Town { workspace, team, agent, .. } = populate(stores).await;
    let mut pages = Vec::new();
    for limit in [1, 3, 1000] {
        pages.push(stores.live(limit).await);
    }
    let of_workspace = |rows: &[LiveRow]| -> Vec<LiveRow> {
        rows.iter().filter(|row| row.key.workspace == workspace).copied().collect()
    };
    let first = of_workspace(&pages[0]);
    assert!(pages.iter().all(|rows| of_workspace(rows) == first), "in pages of any size, in one order");
    let here: Vec<_> = pages[0].iter().filter(|row| row.key.workspace == workspace).collect();
    let mut ids: Vec<_> = here.iter().map(|row| row.key.conversation).collect();
    ids.sort();
    let mut expected = stores.list(workspace, &HeadView::Open(None), &HeadFilter::default(), 100).await;
    expected.sort();
    assert_eq!(ids, expected);
    assert!(here.len() < pages[0].len(), "another workspace has one as well");
    let held = here.iter().find(|row| row.key.conversation == ConversationId::from_uuid(numbered(4)));
    let head =
        stores.heads.get(held.expect("it is open").key).await.expect("it is there").expect("it is there");
    let row = held.expect("it is open");
    assert_eq!((row.state, row.team, row.assignee), (head.state, head.team, Some(agent[1])));
    assert!(team.contains(&row.team) && row.last_event_at == head.last_event_at);
}

async fn a_ghost_goes_and_a_conversation_stays(stores: &Stores) {
    let is_live = async |key| stores.live(1000).await.iter().any(|row| row.key == key);
    let remove = async |key, generation| {
        let removed = stores.heads.remove_ghost(key, Generation(generation)).await;
        removed.expect("the store is there");
    };
    let (mut there, mut ghost) = (Play::some(), Play::some());
    stores.boot.begin(&mut there).await;
    stores.log.seal(stores.boot.incarnation()).await.expect("the store is there");
    // It may leave a row, and no log.
    assert_eq!(stores.boot.append(&mut ghost).await, Append::Fenced, "the boot is over");
    assert_eq!(stores.get(ghost.key).await, None, "no log, no head");
    for _ in 0..2 {
        remove(ghost.key, 2).await;
        assert!(!is_live(ghost.key).await, "what has no log is not live");
        remove(there.key, 2).await;
        assert!(is_live(there.key).await, "what has a log stays");
    }
    let boot = Boot::start(&*stores.log, 2).await;
    boot.begin(&mut ghost).await;
    assert!(is_live(ghost.key).await, "and is live when its log is made after all");
    assert_eq!(stores.get(ghost.key).await.as_ref(), Some(ghost.head()), "with its head");
}

async fn every_view_has_its_rows_in_its_order(stores: &Stores) {
    let Town { workspace, team, agent, visitor } = populate(stores).await;
    let none = HeadFilter::default();
    let of_team = |n: usize| HeadFilter { team: Some(team[n]), ..HeadFilter::default() };
    let of_agent = |n: usize| HeadFilter { assignee: Some(agent[n]), ..HeadFilter::default() };
    let tagged =
        |tag| HeadFilter { tag: Some(Line::parse(tag).expect("it is a line")), ..HeadFilter::default() };
    let only = |n: usize| Some(vec![team[n]]);
    let both = || Some(team.to_vec());
    let cases: Vec<(HeadView, HeadFilter, &[u8])> = vec![
        (HeadView::OfVisitor(visitor[0]), none.clone(), &[2, 5, 1, 7, 8]),
        (HeadView::OfVisitor(visitor[1]), none.clone(), &[4, 3, 6, 10, 9]),
        (HeadView::OfVisitor(visitor[0]), of_team(1), &[7, 8]),
        (HeadView::HeldBy(agent[0]), none.clone(), &[10, 2]),
        (HeadView::HeldBy(agent[1]), none.clone(), &[4]),
        (HeadView::HeldBy(agent[0]), of_team(0), &[2]),
        (HeadView::Open(None), none.clone(), &[9, 10, 3, 2, 4, 5, 1]),
        (HeadView::Open(both()), none.clone(), &[9, 10, 3, 2, 4, 5, 1]),
        (HeadView::Open(only(0)), none.clone(), &[2, 5, 1]),
        (HeadView::Open(Some(vec![])), none.clone(), &[]),
        (HeadView::Open(None), of_team(1), &[9, 10, 3, 4]),
        (HeadView::Open(only(0)), of_team(1), &[]),
        (HeadView::Open(None), of_agent(0), &[10, 2]),
        (HeadView::Open(None), tagged("vip"), &[3]),
        (HeadView::Open(None), tagged("vi"), &[2]),
        (HeadView::Open(None), tagged("gold"), &[3]),
        (HeadView::Open(None), tagged("%"), &[]),
        (HeadView::Queue(None), none.clone(), &[1, 5, 3, 9]),
        (HeadView::Queue(both()), none.clone(), &[1, 5, 3, 9]),
        (HeadView::Queue(only(1)), none.clone(), &[3, 9]),
        (HeadView::Queue(None), tagged("vip"), &[3]),
        (HeadView::Ended(None), none.clone(), &[8, 7, 6]),
        (HeadView::Ended(Some((vec![team[0]], agent[0]))), none.clone(), &[7, 6]),
        (HeadView::Ended(Some((vec![team[0]], agent[1]))), none.clone(), &[6]),
        (HeadView::Ended(Some((vec![], agent[0]))), none.clone(), &[7, 6]),
        (HeadView::Ended(Some((vec![team[1]], agent[0]))), none.clone(), &[8, 7, 6]),
        (HeadView::Ended(Some((vec![team[1]], agent[0]))), of_team(0), &[6]),
        (HeadView::Ended(None), of_agent(0), &[7, 6]),
        (HeadView::Ended(None), tagged("vip"), &[6]),
    ];
    for (view, filter, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|&n| ConversationId::from_uuid(numbered(n))).collect();
        for limit in [1, 2, 3, 100] {
            let rows = stores.list(workspace, &view, &filter, limit).await;
            assert_eq!(rows, expected, "{view:?}, {filter:?}, in pages of {limit}");
        }
        let none = stores.heads.list(workspace, &view, &filter, None, 0).await.expect("the store is there");
        assert_eq!(none, [], "{view:?}: no rows when none are asked for");
    }
}
