//! What lies on the disk: golden samples of every kind of event and document, kept for ever.
//!
//! A line of `golden.txt` is a name, the envelope's seven bytes in hexadecimal, and its JSON. What a program once
//! wrote must be read by every later one, so lines are added, never changed: all lines of a name are read as the same
//! value, and the last one is how it is written today.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use domain::{
    Agent, AgentCard, AssignReason, AssignmentMode, Attribute, Attributes, Author, BotId, Canned,
    CannedScope, ClientId, Day, Digest, Email, Event, EventKind, FileCard, FileId, Head, Hours, Id, Kind,
    Line, Marks, MessageText, Mime, Origin, Paragraph, PrechatField, Rating, ReleaseReason, RequestMark,
    Role, Seq, Shortcut, Site, Start, State, Status, Strategy, Team, Theme, Timestamp, Tracking, TransferTo,
    Unread, Visitor, VisitorCard, Workspace,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{StoreError, envelope};
use uuid::Uuid;

const GOLDEN: &str = include_str!("golden.txt");
/// An envelope's header in hexadecimal.
const HEADER_DIGITS: usize = 14;

fn id<K: Kind>(n: u8) -> Id<K> {
    Id::from_uuid(Uuid::from_bytes([n; 16]))
}

fn line<const CHARACTERS: usize>(text: &str) -> Line<CHARACTERS> {
    Line::parse(text).unwrap()
}

fn text(text: &str) -> MessageText {
    MessageText::parse(text, MessageText::BYTES_MAX).unwrap()
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_700_000_000_000 + ms)
}

fn card() -> AgentCard {
    AgentCard { id: id(3), name: line("Ann") }
}

fn visitor_card() -> VisitorCard {
    VisitorCard {
        id: id(5),
        name: Some(line("Vera \"V\" Öz")),
        email: Some(Email::parse("vera@example.org").unwrap()),
        verified: true,
    }
}

fn attributes() -> Attributes {
    let given = [
        ("plan", Attribute::Text("pro".into())),
        ("spent", Attribute::Number(0.1 + 0.2)),
        ("trial", Attribute::Flag(false)),
    ];
    Attributes::parse(given.map(|(key, value)| (key.to_owned(), value))).unwrap()
}

fn hours() -> Hours {
    Hours { spans: vec![(Day::Monday, 540, 1020), (Day::Sunday, 0, 1440)] }
}

fn file() -> FileCard {
    let (id, mime) = (id::<_>(9) as FileId, Mime::new("image/png"));
    FileCard { id, name: line("a.png"), mime, size: 1234, has_thumbnail: false }
}

fn message() -> EventKind {
    EventKind::MessagePosted { message_id: id(8), text: Some(text("Hi\n\"there\" \u{1f469}")), files: vec![] }
}

/// Every kind of event with every value of its enums. A new kind does not compile until it is named here.
fn kinds() -> Vec<(String, EventKind)> {
    let start = Start {
        site: id(1),
        team: id(2),
        visitor: visitor_card(),
        subject: Some(line("Help")),
        attributes: attributes(),
    };
    let bare = Start {
        visitor: VisitorCard { name: None, email: None, verified: false, ..visitor_card() },
        subject: None,
        attributes: Attributes::default(),
        ..start.clone()
    };
    let rating = |comment: Option<&str>| {
        EventKind::Rated(Rating { score: 5, comment: comment.map(|text| Paragraph::parse(text).unwrap()) })
    };
    let files_alone = EventKind::MessagePosted { message_id: id(8), text: None, files: vec![file(), file()] };
    let small = FileCard { has_thumbnail: true, ..file() };
    let small = EventKind::MessagePosted { message_id: id(8), text: None, files: vec![small] };
    let note = EventKind::NotePosted { message_id: id(8), text: Some(text("psst")), files: vec![file()] };
    let ended = |reason: Option<&str>| EventKind::Ended {
        reason: reason.map(|text| Paragraph::parse(text).unwrap()),
    };
    let mut kinds = vec![
        ("full".to_owned(), EventKind::Started(start)),
        ("bare".to_owned(), EventKind::Started(bare)),
        ("text".to_owned(), message()),
        ("files".to_owned(), files_alone),
        ("thumbnail".to_owned(), small),
        ("full".to_owned(), note),
        ("agent".to_owned(), EventKind::Transferred { to: TransferTo::Agent(card()) }),
        ("team".to_owned(), EventKind::Transferred { to: TransferTo::Team(id(2)) }),
        ("proven".to_owned(), EventKind::Identified { visitor: visitor_card() }),
        ("bare".to_owned(), rating(None)),
        ("full".to_owned(), rating(Some("good\nvery good"))),
        ("bare".to_owned(), ended(None)),
        ("full".to_owned(), ended(Some("spam"))),
    ];
    use AssignReason as A;
    for reason in [A::Accept, A::Auto, A::TakeOver, A::Transfer] {
        kinds.push((
            format!("{reason:?}"),
            EventKind::Assigned { agent: card(), assignment_epoch: 7, reason },
        ));
    }
    use ReleaseReason as R;
    for reason in [R::Released, R::Transfer, R::AgentGone, R::Offline, R::OverCapacity, R::Disabled] {
        kinds.push((format!("{reason:?}"), EventKind::Released { agent: card(), reason }));
    }
    let named = kinds.into_iter().map(|(variant, kind)| {
        let name = match &kind {
            EventKind::Started(_) => "started",
            EventKind::MessagePosted { .. } => "message",
            EventKind::NotePosted { .. } => "note",
            EventKind::Assigned { .. } => "assigned",
            EventKind::Released { .. } => "released",
            EventKind::Transferred { .. } => "transferred",
            EventKind::Identified { .. } => "identified",
            EventKind::Rated(_) => "rated",
            EventKind::Ended { .. } => "ended",
        };
        (format!("event.{name}.{}", variant.to_lowercase()), kind)
    });
    named.collect()
}

fn authors() -> [Author; 4] {
    [
        Author::Visitor { id: id(5), name: None },
        Author::Agent(card()),
        Author::Bot { id: id::<_>(6) as BotId, name: line("Bo") },
        Author::System,
    ]
}

fn mark() -> RequestMark {
    RequestMark { client_id: ClientId::parse("c-1").unwrap(), digest: Digest::of([b"x".as_slice()]) }
}

fn head() -> Head {
    Head {
        site: id(1),
        team: id(2),
        visitor: visitor_card(),
        state: State::Ended,
        assignee: Some(card()),
        assignment_epoch: 2,
        subject: Some(line("Help")),
        tags: BTreeSet::from([line("billing"), line("vip")]),
        attributes: attributes(),
        created_at: at(1),
        queued_at: at(2),
        assigned_at: Some(at(3)),
        ended_at: Some(at(4)),
        ended_by: Some(Author::Agent(card())),
        end_reason: Some(Paragraph::parse("done").unwrap()),
        last_seq: Seq(12),
        last_event_at: at(5),
        rating: Some(Rating { score: 4, comment: None }),
        read: Marks { visitor: Seq(11), agent: Seq(12) },
        unread: Unread { visitor: 1, agent: 0 },
    }
}

/// Holds golden lines against what this program reads and writes.
struct Golden {
    lines: BTreeMap<&'static str, Vec<&'static str>>,
    missing: Vec<String>,
}

impl Golden {
    fn new() -> Self {
        let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in GOLDEN.lines() {
            let (name, envelope) = line.split_once(' ').unwrap();
            lines.entry(name).or_default().push(envelope);
        }
        Self { lines, missing: Vec::new() }
    }

    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let kept = self.lines.remove(name).unwrap_or_default();
        for line in &kept {
            let (header, json) = line.split_at(HEADER_DIGITS);
            let header = header.as_bytes().chunks(2).map(|digits| std::str::from_utf8(digits).unwrap());
            let mut envelope: Vec<u8> = header.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
            envelope.extend(json.trim_start().bytes());
            assert_eq!(envelope::open::<T>(&envelope).unwrap(), *value, "{name} is read as before");
        }
        let sealed = envelope::seal(value);
        let (header, json) = sealed.split_at(HEADER_DIGITS / 2);
        let header: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
        let written = format!("{header} {}", std::str::from_utf8(json).unwrap());
        if kept.last() != Some(&written.as_str()) {
            self.missing.push(format!("{name} {written}"));
        }
    }
}

#[test]
fn what_was_written_once_is_written_and_read_the_same_for_ever() {
    let mut golden = Golden::new();
    for (name, kind) in kinds() {
        golden.check(&name, &Event { seq: Seq(4), at: at(0), by: Author::System, request: None, kind });
    }
    for by in authors() {
        let name = match &by {
            Author::Visitor { .. } => "author.visitor",
            Author::Agent(_) => "author.agent",
            Author::Bot { .. } => "author.bot",
            Author::System => "author.system",
        };
        golden.check(name, &Event { seq: Seq(4), at: at(0), by, request: Some(mark()), kind: message() });
    }
    golden.check("head.full", &head());
    for state in [State::Queued, State::Assigned, State::Bot] {
        let bare = Head {
            state,
            assignee: None,
            subject: None,
            assigned_at: None,
            ended_at: None,
            ended_by: None,
            end_reason: None,
            rating: None,
            ..head()
        };
        golden.check(&format!("head.{}", format!("{state:?}").to_lowercase()), &bare);
    }
    check_records(&mut golden);
    assert!(golden.lines.is_empty(), "no sample was made for {:?}", golden.lines.keys());
    assert!(golden.missing.is_empty(), "written otherwise; golden.txt lacks:\n{}", golden.missing.join("\n"));
}

fn check_records(golden: &mut Golden) {
    golden.check("workspace", &Workspace { id: id(7), name: line("Acme"), time_zone: line("Europe/Vienna") });
    let site = Site {
        id: id(1),
        key: line("sk_1"),
        name: line("Shop"),
        origins: vec![Origin::parse("https://shop.example.org").unwrap()],
        locale: line("de-AT"),
        theme: Theme { color: Some(line("#aabbcc")), greeting: Some(line("Hi!")) },
        team: id(2),
        hours: Some(hours()),
        prechat: vec![PrechatField { field: line("email"), label: line("E-mail"), required: true }],
        tracking: Tracking::Consent,
        identity_secret: Some("s".repeat(32).into()),
        identity_required: true,
    };
    golden.check("site.consent", &site);
    for (name, tracking) in [("site.off", Tracking::Off), ("site.always", Tracking::Always)] {
        let theme = Theme::default();
        golden.check(name, &Site { tracking, theme, hours: None, identity_secret: None, ..site.clone() });
    }
    let team = Team {
        id: id(2),
        name: line("Sales"),
        assignment: AssignmentMode::Offer,
        strategy: Strategy::LeastBusy,
        accept_timeout_s: Some(30),
        idle_end_min: 60,
        queue_max: Some(10),
        agents: vec![id(3)],
        hours: Some(hours()),
    };
    golden.check("team.offer", &team);
    let robin = Team { strategy: Strategy::RoundRobin, accept_timeout_s: None, queue_max: None, ..team };
    golden.check("team.auto", &Team { assignment: AssignmentMode::Auto, ..robin.clone() });
    golden.check("team.manual", &Team { assignment: AssignmentMode::Manual, hours: None, ..robin });
    for (name, role, status) in [
        ("agent.agent", Role::Agent, Status::Online),
        ("agent.supervisor", Role::Supervisor, Status::Away),
        ("agent.admin", Role::Admin, Status::Offline),
    ] {
        let agent = Agent {
            id: id(3),
            email: Email::parse("ann@example.org").unwrap(),
            name: line("Ann"),
            role,
            capacity: Agent::CAPACITY,
            skills: vec![line("billing")],
            languages: vec![line("en")],
            disabled: false,
            operator: true,
            password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
            status,
        };
        golden.check(name, &agent);
    }
    let visitor = Visitor {
        id: id(5),
        site: id(1),
        name: Some(line("Vera")),
        email: Some(Email::parse("vera@example.org").unwrap()),
        subject: Some(line("user-17")),
        attributes: attributes(),
        blocked: false,
        first_seen_at: at(0),
    };
    golden.check("visitor", &visitor);
    let scopes = [
        ("workspace", CannedScope::Workspace),
        ("team", CannedScope::Team(id(2))),
        ("own", CannedScope::Own(id(3))),
    ];
    for (name, scope) in scopes {
        let canned = Canned {
            id: id(4),
            shortcut: Shortcut::parse("thanks").unwrap(),
            title: line("Thanks"),
            text: text("Thank you, {{visitor.name}}!"),
            scope,
        };
        golden.check(&format!("canned.{name}"), &canned);
    }
}

/// An envelope around JSON that this program would not write.
fn sealed(json: &str) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    envelope::seal(&value)
}

#[test]
fn an_event_of_a_newer_or_older_program_is_read() {
    let rest = r#""by":"System","kind":{"Ended":{"reason":null}}"#;
    let newer = sealed(&format!(r#"{{"seq":4,"at":1,"mood":"good","request":null,{rest}}}"#));
    let older = sealed(&format!(r#"{{"seq":4,"at":1,{rest}}}"#));
    let kind = EventKind::Ended { reason: None };
    let event = Event { seq: Seq(4), at: Timestamp::from_ms(1), by: Author::System, request: None, kind };
    assert_eq!(envelope::open::<Event>(&newer).unwrap(), event, "a field that it does not know");
    assert_eq!(envelope::open::<Event>(&older).unwrap(), event, "a field that was not there");
    let unknown = sealed(r#"{"seq":4,"at":1,"by":"System","kind":{"Merged":{}}}"#);
    assert!(
        matches!(envelope::open::<Event>(&unknown), Err(StoreError::Corrupt(_))),
        "a kind is not skipped"
    );
}
