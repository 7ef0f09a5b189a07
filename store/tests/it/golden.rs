//! What lies on the disk of events, heads and the documents of `domain`: golden samples of every kind.

use std::collections::BTreeSet;

use domain::{
    Agent, AgentCard, AssignReason, AssignmentMode, Attribute, Attributes, Author, BotId, Canned,
    CannedScope, ClientId, Considered, Day, Digest, Email, Event, EventKind, Exclusion, Explanation,
    FileCard, FileId, Head, Hours, Id, Kind, Line, Marks, MessageText, Mime, Origin, Paragraph, PrechatField,
    PreviousKey, Rating, ReleaseReason, RequestMark, Role, Rule, Seq, Shortcut, Site, Start, State, Status,
    Strategy, Team, Theme, Timestamp, Tracking, TransferTo, Unread, Visitor, VisitorCard, Workspace,
};
use store::golden::Golden;
use store::{StoreError, envelope};
use uuid::Uuid;

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

/// With a candidate for every exclusion.
fn explanation(rule: Rule) -> Explanation {
    use Exclusion as E;
    let exclusions = [
        None,
        Some(E::NotOnline),
        Some(E::NotPresent),
        Some(E::Full),
        Some(E::Skills),
        Some(E::Language),
        Some(E::PassedOver),
        Some(E::Released),
        Some(E::TransferredAway),
    ];
    let considered = |excluded_by| Considered { agent: id(3), load: 2, capacity: 5, excluded_by };
    Explanation { rule, candidates: exclusions.map(considered).to_vec() }
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
        ("bare".to_owned(), EventKind::Reopened),
        (
            "full".to_owned(),
            EventKind::Tagged { added: vec![line("vip"), line("a b")], removed: vec![line("old")] },
        ),
    ];
    use AssignReason as A;
    for reason in [A::Accept, A::Auto, A::TakeOver, A::Transfer, A::Reopen] {
        kinds.push((
            format!("{reason:?}"),
            EventKind::Assigned { agent: card(), assignment_epoch: 7, reason, why: None },
        ));
    }
    for rule in [
        Rule::LastAgent,
        Rule::LeastBusy,
        Rule::RoundRobin,
        Rule::Again,
        Rule::ByHand,
        Rule::Manual,
        Rule::Nobody,
    ] {
        let why = Some(Box::new(explanation(rule)));
        kinds.push((
            format!("by.{rule:?}"),
            EventKind::Assigned { agent: card(), assignment_epoch: 7, reason: A::Auto, why },
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
            EventKind::Reopened => "reopened",
            EventKind::Tagged { .. } => "tagged",
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

#[test]
fn what_was_written_once_is_written_and_read_the_same_for_ever() {
    let mut golden = Golden::new(include_str!("golden.txt"));
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
    golden.finish();
}

fn check_records(golden: &mut Golden) {
    golden.check("workspace", &Workspace { id: id(7), name: line("Acme"), time_zone: line("Europe/Vienna") });
    let site = Site {
        id: id(1),
        key: line("sk_1"),
        previous_key: None,
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
    let previous_key = Some(PreviousKey { key: line("sk_0"), until: at(6) });
    golden.check("site.rotated", &Site { previous_key, ..site.clone() });
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
            generation: 0,
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
        generation: 0,
        became: None,
    };
    golden.check("visitor", &visitor);
    let skills = Attribute::List(vec![line("billing, refunds"), line("vip")]);
    let attributes = Attributes::parse([("skills".to_owned(), skills)]).unwrap();
    golden.check("visitor.skills", &Visitor { attributes, ..visitor.clone() });
    golden.check("visitor.became", &Visitor { subject: None, generation: 3, became: Some(id(6)), ..visitor });
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
