//! What an event costs: appends by many owners at once, then reads, with the CPU that this process used for them.
//!
//! `cargo run --release -p store --example cost -- [owners] [seconds] [folder]`. Compare figures of one machine only.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on is none")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{
    AgentCard, AgentId, AssignReason, Attributes, Author, ClientId, Conversation, ConversationId, Digest,
    Event, EventKind, Line, MessageId, MessageText, RequestMark, Seq, SiteId, Start, TeamId, Timestamp,
    VisitorCard, VisitorId, WorkspaceId,
};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{
    Append, ConversationKey, Generation, Group, HeadFilter, HeadView, Incarnation, JournalPosition,
    JournalRest, LaneId, Lanes, Store,
};
use uuid::Uuid;

/// Teams of the one workspace.
const TEAMS: u128 = 8;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |place: usize, default: u64| arguments.get(place).map_or(default, |text| text.parse().unwrap());
    let (owners, seconds) = (number(0, 256), number(1, 5));
    let temporary = tempfile::tempdir().unwrap();
    let dir = arguments.get(2).map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let sqlite = SqliteStore::open(&dir, Access::Server, SqliteOptions::default()).unwrap();
    let store = sqlite.store();
    let workspace = WorkspaceId::from_uuid(Uuid::new_v4());
    let lanes = store.log.open(Incarnation(Uuid::new_v4())).await.unwrap();
    // Conversations that others had before, so that the indexes have some depth.
    for n in 0..20 {
        let made = (0..500).map(|m| tokio::spawn(begin(lanes.clone(), workspace, n * 500 + m)));
        for made in made.collect::<Vec<_>>() {
            made.await.unwrap();
        }
    }

    let before = sqlite.stats();
    let measured = Measured::start();
    let end = Instant::now() + Duration::from_secs(seconds);
    let tasks: Vec<_> =
        (0..owners).map(|n| tokio::spawn(append_until(lanes.clone(), workspace, n, end))).collect();
    let mut keys = Vec::new();
    for task in tasks {
        keys.push(task.await.unwrap());
    }
    let after = sqlite.stats();
    let (events, commits) = (after.events - before.events, after.commits - before.commits);
    println!(
        "{owners} owners: {}, {:.1} events a commit",
        measured.per(events, "event"),
        events as f64 / commits as f64
    );
    reads(&store, workspace, &keys).await;
}

async fn reads(store: &Store, workspace: WorkspaceId, keys: &[ConversationKey]) {
    const READS: usize = 20_000;
    let measured = Measured::start();
    for n in 0..READS {
        store.log.read(keys[n % keys.len()], Seq(1), 20).await.unwrap();
    }
    println!("read 20 events: {}", measured.per(READS as u64, "read"));
    let measured = Measured::start();
    for n in 0..READS {
        store.heads.get(keys[n % keys.len()]).await.unwrap();
    }
    println!("get a head: {}", measured.per(READS as u64, "read"));
    let team = TeamId::from_uuid(Uuid::from_u128(1));
    for (name, view) in
        [("of one team", HeadView::Open(Some(vec![team]))), ("of all teams", HeadView::Open(None))]
    {
        let measured = Measured::start();
        for _ in 0..READS / 10 {
            store.heads.list(workspace, &view, &HeadFilter::default(), None, 50).await.unwrap();
        }
        println!("list 50 open {name}: {}", measured.per(READS as u64 / 10, "list"));
    }
    let lane = LaneId { incarnation: Incarnation::NONE, lane: 0 };
    let (measured, mut position, mut pages) = (Measured::start(), JournalPosition::default(), 0);
    loop {
        let page = store.log.journal(lane, position, 500).await.unwrap();
        (position, pages) = (page.next, pages + 1);
        if page.rest != JournalRest::More {
            break;
        }
    }
    println!("the journal: {}", measured.per(pages, "page"));
}

async fn begin(lanes: Arc<dyn Lanes>, workspace: WorkspaceId, n: u64) -> (Conversation, ConversationKey) {
    let start = Start {
        site: SiteId::from_uuid(Uuid::from_u128(7)),
        team: TeamId::from_uuid(Uuid::from_u128(u128::from(n) % TEAMS)),
        visitor: VisitorCard {
            id: VisitorId::from_uuid(Uuid::new_v4()),
            name: Some(Line::parse("Vera Example").unwrap()),
            email: None,
            verified: false,
        },
        subject: None,
        attributes: Attributes::default(),
    };
    let at = Timestamp::from_ms(1_700_000_000_000 + n);
    let started =
        Event { seq: Seq(1), at, by: Author::System, request: None, kind: EventKind::Started(start) };
    let mut conversation = Conversation::begin(&started).unwrap();
    let agent = AgentCard {
        id: AgentId::from_uuid(Uuid::from_u128(u128::from(n) % 50)),
        name: Line::parse("Ann").unwrap(),
    };
    let kind = EventKind::Assigned { agent, assignment_epoch: 1, reason: AssignReason::Accept, why: None };
    let assigned = Event { seq: Seq(2), at, by: Author::System, request: None, kind };
    conversation.apply(&assigned);
    let key = ConversationKey { workspace, conversation: ConversationId::from_uuid(Uuid::new_v4()) };
    let (events, head) = ([started, assigned], conversation.head());
    let group = Group { key, generation: Generation(1), before: None, events: &events, head };
    assert_eq!(lanes.append(group).await.unwrap(), Append::Applied);
    (conversation, key)
}

/// One event an append, as a busy owner of one quiet conversation has them.
async fn append_until(
    lanes: Arc<dyn Lanes>,
    workspace: WorkspaceId,
    n: u64,
    end: Instant,
) -> ConversationKey {
    let (mut conversation, key) = begin(lanes.clone(), workspace, n).await;
    let text = MessageText::parse(&"Could you please help me with my order? ".repeat(3), 1000).unwrap();
    while Instant::now() < end {
        let before = conversation.head().clone();
        let (tail, visitor) = (before.last_seq, before.visitor.clone());
        let client_id = ClientId::parse(&Uuid::new_v4().to_string()).unwrap();
        let posted = Event {
            seq: tail.next(),
            at: Timestamp::from_ms(1_700_000_100_000 + tail.0),
            by: Author::Visitor { id: visitor.id, name: visitor.name },
            request: Some(RequestMark { client_id, digest: Digest::of([b"x".as_slice()]) }),
            kind: EventKind::MessagePosted {
                message_id: MessageId::from_uuid(Uuid::new_v4()),
                text: Some(text.clone()),
                files: Vec::new(),
            },
        };
        conversation.apply(&posted);
        let (before, events, head) = (Some(&before), std::slice::from_ref(&posted), conversation.head());
        let group = Group { key, generation: Generation(1), before, events, head };
        assert_eq!(lanes.append(group).await.unwrap(), Append::Applied);
    }
    key
}

/// Time and CPU from here on.
struct Measured {
    since: Instant,
    cpu_us: u64,
}

impl Measured {
    fn start() -> Self {
        Self { since: Instant::now(), cpu_us: cpu_us() }
    }

    fn per(&self, count: u64, what: &str) -> String {
        let (seconds, cpu_us) = (self.since.elapsed().as_secs_f64(), cpu_us() - self.cpu_us);
        format!("{:.0} {what}s/s, {:.1} us of CPU each", count as f64 / seconds, cpu_us as f64 / count as f64)
    }
}

/// What this process used so far, user and system; in steps of 10 ms.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10_000).sum()
}
