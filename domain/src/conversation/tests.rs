//! The rules of a conversation: by table, and by property over any requests.

use proptest::prelude::*;

use super::*;
use crate::{ClientId, Name, ParseIdError, Stale, VisitorId};

fn id<K: crate::Kind>(n: u8) -> crate::Id<K> {
    crate::Id::from_hash([n; 16])
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_000_000 + ms)
}

fn text(words: &str) -> MessageText {
    MessageText::parse(words, MessageText::BYTES_MAX).unwrap()
}

fn name(words: &str) -> Name {
    Name::parse(words).unwrap()
}

fn visitor(n: u8) -> Principal {
    Principal::Visitor { id: id(n), site: id(1), name: Some(name("Vera")) }
}

fn agent(n: u8, role: Role) -> Principal {
    let card = AgentCard { id: id(n), name: name("Ann") };
    Principal::Agent { card, role, teams: vec![id(1)] }
}

fn card(n: u8) -> AgentCard {
    AgentCard { id: id(n), name: name("Ann") }
}

fn ask(by: Principal, command: Command) -> Request {
    Request { by, client_id: None, command }
}

fn named(by: Principal, client_id: &str, command: Command) -> Request {
    Request { by, client_id: Some(ClientId::parse(client_id).unwrap()), command }
}

fn post(words: &str) -> Command {
    Command::PostMessage { message_id: id(9), text: Some(text(words)), files: Vec::new(), note: false }
}

fn note(words: &str) -> Command {
    Command::PostMessage { message_id: id(8), text: Some(text(words)), files: Vec::new(), note: true }
}

fn start_request(first: Option<&str>) -> Request {
    let visitor_id: VisitorId = id(1);
    let start = Start {
        site: id(1),
        team: id(1),
        visitor: VisitorCard { id: visitor_id, name: Some(name("Vera")), email: None, verified: false },
        subject: None,
        attributes: Attributes::default(),
    };
    named(visitor(1), "start", Command::Start { start, first: first.map(|words| (id(7), text(words))) })
}

/// A conversation with its log.
struct Talk {
    log: Vec<Event>,
    state: Conversation,
}

impl Talk {
    fn start(first: Option<&str>) -> Self {
        let log = Conversation::start(&start_request(first), at(0)).unwrap();
        let state = Conversation::replay(&log).unwrap();
        Self { log, state }
    }

    fn with(requests: impl IntoIterator<Item = Request>) -> Self {
        let mut talk = Self::start(None);
        for request in requests {
            talk.ask(&request).unwrap();
        }
        talk
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, Rejection> {
        self.ask_at(request, at(self.log.len() as u64))
    }

    fn ask_at(&mut self, request: &Request, now: Timestamp) -> Result<Answer, Rejection> {
        let decision = self.state.decide(request, now)?;
        for event in decision.events {
            self.state.apply(&event);
            self.log.push(event);
        }
        Ok(decision.answer)
    }
}

fn accept() -> Command {
    Command::Accept { take_over: false, why: None }
}

fn end() -> Command {
    Command::End { reason: None }
}

fn transfer(to: u8, assignment_epoch: u64) -> Command {
    Command::TransferToAgent { agent: card(to), assignment_epoch, note: None }
}

const DONE: Result<Answer, Rejection> = Ok(Answer::Done { repeated: false });
const DONE_BEFORE: Result<Answer, Rejection> = Ok(Answer::Done { repeated: true });

#[test]
fn who_may_do_what_and_when() {
    let held = || vec![ask(agent(2, Role::Agent), accept())];
    let moved = || vec![ask(agent(2, Role::Agent), accept()), ask(agent(2, Role::Agent), transfer(3, 1))];
    let over = || vec![ask(agent(2, Role::Agent), accept()), ask(visitor(1), end())];
    let taken = Command::Accept { take_over: true, why: None };
    let rate = Command::Rate(Rating { score: 5, comment: None });
    let release = |assignment_epoch| Command::Release { assignment_epoch, reason: ReleaseReason::Released };
    for (line, before, by, command, expected) in [
        (1, vec![], visitor(2), post("hi"), Err(Rejection::NotFound)),
        (2, vec![], visitor(1), accept(), Err(Rejection::Forbidden)),
        (3, vec![], visitor(1), note("x"), Err(Rejection::Forbidden)),
        (4, vec![], agent(2, Role::Agent), post("hi"), Err(Rejection::Forbidden)),
        (5, vec![], agent(2, Role::Agent), accept(), DONE),
        (6, held(), agent(2, Role::Agent), accept(), DONE_BEFORE),
        (7, held(), agent(3, Role::Agent), accept(), Err(Rejection::AlreadyAssigned)),
        (8, held(), agent(3, Role::Agent), taken.clone(), Err(Rejection::Forbidden)),
        (9, held(), agent(3, Role::Supervisor), taken, DONE),
        (10, held(), agent(3, Role::Supervisor), post("hi"), Err(Rejection::Forbidden)),
        (11, moved(), agent(2, Role::Agent), post("hi"), Err(Rejection::StaleAssignment(Stale::Transfer))),
        (12, moved(), agent(2, Role::Agent), end(), Err(Rejection::StaleAssignment(Stale::Transfer))),
        (
            13,
            held(),
            agent(2, Role::Agent),
            transfer(2, 1),
            Err(Rejection::Conflict("the agent has this conversation already")),
        ),
        (14, held(), agent(2, Role::Agent), transfer(3, 0), Err(Rejection::StaleAssignment(Stale::Moved))),
        (15, vec![], agent(2, Role::Agent), transfer(3, 0), Err(Rejection::Forbidden)),
        (16, vec![], agent(2, Role::Supervisor), transfer(3, 0), DONE),
        (17, held(), agent(2, Role::Agent), release(1), DONE),
        (18, held(), agent(2, Role::Agent), release(0), Err(Rejection::StaleAssignment(Stale::Moved))),
        (
            19,
            vec![],
            agent(2, Role::Supervisor),
            release(0),
            Err(Rejection::Conflict("the conversation is not assigned")),
        ),
        (20, over(), visitor(1), post("hi"), Err(Rejection::ConversationEnded)),
        (21, over(), agent(2, Role::Agent), accept(), Err(Rejection::ConversationEnded)),
        (22, over(), visitor(1), end(), DONE_BEFORE),
        (23, over(), visitor(1), rate.clone(), DONE),
        (24, held(), visitor(1), rate, Err(Rejection::Conflict("a conversation is rated after its end"))),
        (25, vec![], agent(2, Role::Supervisor), end(), DONE),
        (26, vec![], agent(2, Role::Agent), end(), Err(Rejection::Forbidden)),
    ] {
        assert_eq!(Talk::with(before).ask(&ask(by, command)), expected, "line {line}");
    }
    let note_after_end = Talk::with(over()).ask(&ask(agent(2, Role::Agent), note("x")));
    assert!(matches!(note_after_end, Ok(Answer::Posted { .. })));
}

#[test]
fn a_rating_comes_within_a_day_and_the_last_one_counts() {
    let mut talk = Talk::with([ask(visitor(1), end())]);
    let rate = |score| ask(visitor(1), Command::Rate(Rating { score, comment: None }));
    let ended = talk.state.head().ended_at.unwrap();
    assert_eq!(talk.ask_at(&rate(1), ended.plus_ms(RATING_MS_MAX)), DONE);
    assert_eq!(talk.ask_at(&rate(4), ended.plus_ms(RATING_MS_MAX)), DONE);
    assert_eq!(talk.state.head().rating.as_ref().map(|rating| rating.score), Some(4));
    let late = talk.ask_at(&rate(5), ended.plus_ms(RATING_MS_MAX + 1));
    assert_eq!(late, Err(Rejection::Conflict(RATED_TOO_LATE)));
}

#[test]
fn an_agent_outside_the_team_does_not_see_it_until_it_is_theirs() {
    let card = AgentCard { id: id(5), name: name("Bob") };
    let outsider = Principal::Agent { card, role: Role::Agent, teams: vec![id(2)] };
    let mut talk = Talk::with([ask(agent(2, Role::Agent), accept())]);
    assert_eq!(talk.ask(&ask(outsider.clone(), note("x"))), Err(Rejection::NotFound));
    talk.ask(&ask(agent(2, Role::Agent), transfer(5, 1))).unwrap();
    assert!(talk.ask(&ask(outsider, post("hello"))).is_ok());
}

#[test]
fn a_transfer_is_one_append_with_its_note_first() {
    let mut talk = Talk::with([ask(agent(2, Role::Agent), accept())]);
    let note = Some((id(8), text("they are angry")));
    let to_agent = Command::TransferToAgent { agent: card(3), assignment_epoch: 1, note };
    talk.ask(&named(agent(2, Role::Agent), "t", to_agent.clone())).unwrap();
    let kinds: Vec<&EventKind> = talk.log[2..].iter().map(|event| &event.kind).collect();
    assert!(matches!(
        kinds[..],
        [
            EventKind::NotePosted { .. },
            EventKind::Transferred { .. },
            EventKind::Assigned { assignment_epoch: 2, .. }
        ]
    ));
    assert_eq!(talk.ask(&named(agent(2, Role::Agent), "t", to_agent)), DONE_BEFORE);

    let to_team = Command::TransferToTeam { team: id(6), note: None };
    talk.ask(&ask(agent(3, Role::Supervisor), to_team)).unwrap();
    let head = talk.state.head();
    assert_eq!((head.state, head.team, head.assignee.is_none()), (State::Queued, id(6), true));
    assert_eq!(head.queued_at, talk.log.last().unwrap().at);
}

#[test]
fn a_start_is_known_again_and_its_first_message_shares_its_name() {
    let mut talk = Talk::start(Some("hello"));
    let first = Answer::Posted { message_id: id(7), seq: Seq(2), at: at(0), repeated: true };
    assert_eq!(talk.ask(&start_request(Some("hello"))), Ok(first));
    assert_eq!(talk.ask(&start_request(Some("other"))), Err(Rejection::IdempotencyConflict));
    assert_eq!(talk.ask(&start_request(None)), Err(Rejection::IdempotencyConflict));
    assert_eq!(talk.ask(&named(visitor(1), "start", post("hello"))), Ok(first));
    assert_eq!(talk.ask(&named(visitor(1), "start", post("other"))), Err(Rejection::IdempotencyConflict));
    let mut stranger = start_request(Some("hello"));
    stranger.by = visitor(2);
    assert_eq!(talk.ask(&stranger), Err(Rejection::NotFound));
}

#[test]
fn a_repeat_is_answered_after_the_end_and_after_the_loss_of_sight() {
    let mut talk = Talk::with([ask(agent(2, Role::Agent), accept())]);
    let said = talk.ask(&named(agent(2, Role::Agent), "m", post("hello"))).unwrap();
    let Answer::Posted { message_id, seq, at, .. } = said else { panic!("{said:?}") };
    talk.ask(&ask(visitor(1), end())).unwrap();
    let mut without_teams = agent(2, Role::Agent);
    if let Principal::Agent { teams, .. } = &mut without_teams {
        teams.clear();
    }
    let again = Ok(Answer::Posted { message_id, seq, at, repeated: true });
    assert_eq!(talk.ask(&named(without_teams.clone(), "m", post("hello"))), again);
    assert_eq!(talk.ask(&named(without_teams, "m", post("bye"))), Err(Rejection::IdempotencyConflict));
    assert_eq!(talk.ask(&named(visitor(1), "m", post("hello"))), Err(Rejection::ConversationEnded));
}

#[test]
fn a_visitor_who_is_verified_keeps_their_conversation_and_its_names() {
    let proven = VisitorCard { id: id(9), name: None, email: None, verified: true };
    let identify = Command::Identify { visitor: proven };
    let mut talk = Talk::start(None);
    let said = talk.ask(&named(visitor(1), "m", post("hello"))).unwrap();
    assert_eq!(talk.ask(&ask(visitor(1), identify.clone())), Err(Rejection::Forbidden));
    assert_eq!(talk.ask(&ask(Principal::System, identify.clone())), DONE);
    assert_eq!(talk.ask(&ask(Principal::System, identify)), DONE_BEFORE);
    assert_eq!(talk.ask(&named(visitor(9), "m", post("hello"))), Ok(said.again()));
    assert!(talk.ask(&ask(visitor(9), post("it is me"))).is_ok());
    assert_eq!(talk.ask(&ask(visitor(1), post("and I?"))), Err(Rejection::NotFound));
    assert_eq!(talk.ask(&named(visitor(8), "m", post("hello"))), Err(Rejection::NotFound));
    assert_eq!(Conversation::replay(&talk.log).unwrap(), talk.state);
}

#[test]
fn a_full_log_takes_its_end_alone() {
    let mut talk = Talk::start(None);
    while talk.log.len() < EVENTS_MAX as usize {
        talk.ask(&ask(visitor(1), post("x"))).unwrap();
    }
    assert_eq!(talk.ask(&ask(visitor(1), post("x"))), Err(Rejection::ConversationFull));
    assert_eq!(talk.ask(&ask(visitor(1), end())), DONE);
}

#[test]
fn a_heavy_log_takes_its_end_alone() {
    let mut talk = Talk::start(None);
    let heavy = "x".repeat(MessageText::BYTES_MAX);
    let full = loop {
        if let Err(rejection) = talk.ask(&ask(visitor(1), post(&heavy))) {
            break rejection;
        }
    };
    assert_eq!(full, Rejection::ConversationFull);
    let texts = (talk.log.len() * heavy.len()) as u64;
    assert!((WEIGHT_MAX - 2 * 1024 * 1024..=WEIGHT_MAX).contains(&texts), "{texts}");
    assert_eq!(talk.ask(&ask(visitor(1), end())), DONE);
}

#[test]
fn times_never_decrease_when_a_clock_is_set_back() {
    let mut talk = Talk::start(None);
    talk.ask_at(&ask(visitor(1), post("a")), at(50)).unwrap();
    talk.ask_at(&ask(visitor(1), post("b")), at(10)).unwrap();
    assert_eq!(talk.log[2].at, at(50));
}

#[test]
fn unread_counts_the_other_side_after_ones_own_mark() {
    let mut talk = Talk::with([ask(agent(2, Role::Agent), accept())]);
    for _ in 0..3 {
        talk.ask(&ask(visitor(1), post("hi"))).unwrap();
    }
    talk.ask(&ask(agent(3, Role::Supervisor), note("quiet"))).unwrap();
    assert_eq!(talk.state.head().unread, Unread { visitor: 0, agent: 3 });
    assert!(talk.state.mark(Side::Agent, Seq(4)));
    assert!(!talk.state.mark(Side::Agent, Seq(1)));
    assert_eq!(talk.state.head().unread.agent, 1);
    talk.ask(&ask(agent(2, Role::Agent), post("yes?"))).unwrap();
    assert_eq!(talk.state.head().unread, Unread { visitor: 1, agent: 0 });
    assert!(talk.state.mark(Side::Visitor, Seq(1_000)));
    assert_eq!(talk.state.head().read.visitor, talk.state.head().last_seq);
    assert_eq!(talk.state.head().unread.visitor, 0);
}

#[test]
fn a_visitor_sees_neither_notes_nor_why_an_agent_went() {
    let mut talk = Talk::with([ask(agent(2, Role::Agent), accept())]);
    talk.ask(&ask(agent(2, Role::Agent), note("they are angry"))).unwrap();
    let gone = Command::Release { assignment_epoch: 1, reason: ReleaseReason::Disabled };
    talk.ask(&ask(Principal::System, gone)).unwrap();
    let faces: Vec<Face> = talk.log.iter().map(|event| face(event, Audience::Visitor)).collect();
    assert!(matches!(faces[..], [Face::Whole(_), Face::Whole(_), Face::Hidden(_), Face::WithoutReason(_)]));
    assert!(talk.log.iter().all(|event| matches!(face(event, Audience::Agent), Face::Whole(_))));
}

#[test]
fn no_id_reads_as_another_kind() {
    let visitor: VisitorId = id(1);
    assert_eq!(visitor.to_string().parse::<SiteId>(), Err(ParseIdError));
}

#[test]
fn its_last_agent_reopens_it_for_themselves_and_a_supervisor_for_the_queue() {
    let over = || Talk::with([ask(agent(2, Role::Agent), accept()), ask(visitor(1), end())]);
    for (by, expected) in [
        (visitor(1), Err(Rejection::Forbidden)),
        (agent(3, Role::Agent), Err(Rejection::Forbidden)),
        (agent(2, Role::Agent), DONE),
        (agent(9, Role::Supervisor), DONE),
    ] {
        assert_eq!(over().ask(&ask(by.clone(), Command::Reopen)), expected, "{by:?}");
    }
    let mut his = over();
    his.ask(&ask(agent(2, Role::Agent), Command::Reopen)).unwrap();
    let head = his.state.head();
    assert_eq!((head.state, head.assignment_epoch, head.ended_at), (State::Assigned, 2, None));
    let mut queued = over();
    queued.ask_at(&ask(agent(9, Role::Supervisor), Command::Reopen), at(70)).unwrap();
    let head = queued.state.head();
    assert_eq!((head.state, &head.assignee, head.queued_at), (State::Queued, &None, at(70)));
    let again = queued.ask(&ask(agent(9, Role::Supervisor), Command::Reopen));
    assert!(matches!(again, Err(Rejection::Conflict(_))));
}

#[test]
fn tags_are_a_set_of_at_most_twenty() {
    let tags = |names: std::ops::Range<u32>| -> BTreeSet<Tag> {
        names.map(|n| Tag::parse(&format!("tag-{n}")).unwrap()).collect()
    };
    let tag = |add, remove| ask(agent(2, Role::Agent), Command::Tag { add: tags(add), remove: tags(remove) });
    let mut talk = Talk::with([ask(agent(2, Role::Agent), accept())]);
    assert_eq!(talk.ask(&tag(0..20, 0..0)), DONE);
    assert_eq!(talk.ask(&tag(20..21, 0..0)).unwrap_err(), Rejection::TooManyTags);
    assert_eq!(talk.ask(&tag(0..5, 30..31)), DONE_BEFORE, "nothing to change");
    assert_eq!(talk.ask(&tag(20..21, 0..2)), DONE);
    assert_eq!(talk.state.head().tags, tags(2..21));
    talk.ask(&ask(agent(2, Role::Agent), end())).unwrap();
    assert_eq!(talk.ask(&tag(5..6, 0..0)), Err(Rejection::ConversationEnded));
}

fn any_principal() -> impl Strategy<Value = Principal> {
    prop_oneof![
        4 => Just(visitor(1)),
        1 => Just(visitor(2)),
        6 => (2u8..5).prop_map(|n| agent(n, Role::Agent)),
        2 => (5u8..7).prop_map(|n| agent(n, Role::Supervisor)),
        1 => Just(Principal::System),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let words = prop_oneof![Just("a"), Just("b")];
    let epoch = 0u64..4;
    prop_oneof![
        6 => (words.clone(), any::<bool>(), any::<u8>()).prop_map(|(words, note, n)| Command::PostMessage {
            message_id: id(n),
            text: Some(text(words)),
            files: Vec::new(),
            note,
        }),
        3 => any::<bool>().prop_map(|take_over| Command::Accept { take_over, why: None }),
        2 => (2u8..7, epoch.clone()).prop_map(|(to, epoch)| transfer(to, epoch)),
        1 => (1u8..3).prop_map(|team| Command::TransferToTeam { team: id(team), note: None }),
        1 => epoch.clone().prop_map(|assignment_epoch| Command::Release {
            assignment_epoch,
            reason: ReleaseReason::Released,
        }),
        1 => (2u8..5, epoch).prop_map(|(n, assignment_epoch)| Command::Assign {
            agent: card(n),
            assignment_epoch,
            reason: AssignReason::Auto,
            why: None,
        }),
        1 => Just(end()),
        1 => Just(Command::Reopen),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(add, remove)| {
            let tags = |given: bool| given.then(|| Tag::parse("vip").unwrap()).into_iter().collect();
            Command::Tag { add: tags(add), remove: tags(remove) }
        }),
        1 => (1u8..6).prop_map(|score| Command::Rate(Rating { score, comment: None })),
    ]
}

fn any_request() -> impl Strategy<Value = Request> {
    let client_id = proptest::option::of(prop_oneof![Just("x"), Just("y"), Just("z")]);
    (any_principal(), client_id, any_command()).prop_map(|(by, client_id, command)| {
        // Switchboard itself names no requests: it looks at the log instead.
        let client_id = client_id.filter(|_| by != Principal::System);
        Request { by, client_id: client_id.map(|text| ClientId::parse(text).unwrap()), command }
    })
}

proptest! {
    #[test]
    fn any_requests_keep_the_delivery_contract(
        requests in proptest::collection::vec((any_request(), 0u64..100), 0..60),
    ) {
        let mut talk = Talk::start(Some("hello"));
        for (request, now) in requests {
            let before = talk.state.clone();
            let length = talk.log.len();
            let answer = talk.ask_at(&request, at(now));
            if answer.is_err() {
                prop_assert_eq!(&before, &talk.state);
                prop_assert_eq!(length, talk.log.len());
            }
            if let (Some(_), Ok(first)) = (&request.client_id, answer) {
                // A named request that was taken gets the same answer again and writes nothing.
                let length = talk.log.len();
                let again = talk.ask_at(&request, at(now)).unwrap();
                prop_assert_eq!(length, talk.log.len());
                if let (Answer::Posted { message_id, seq, at, .. }, Answer::Posted { message_id: m, seq: s, at: a, .. }) =
                    (first, again)
                {
                    prop_assert_eq!((message_id, seq, at), (m, s, a));
                }
            }
        }
        for (place, event) in talk.log.iter().enumerate() {
            prop_assert_eq!(event.seq, Seq(place as u64 + 1));
        }
        prop_assert!(talk.log.windows(2).all(|pair| pair[0].at <= pair[1].at));
        prop_assert_eq!(Conversation::replay(&talk.log).unwrap(), talk.state.clone());

        // Epochs count assignments, and a conversation has an agent exactly while it is assigned.
        let mut epoch = 0;
        for event in &talk.log {
            if let EventKind::Assigned { assignment_epoch, .. } = event.kind {
                epoch += 1;
                prop_assert_eq!(assignment_epoch, epoch);
            }
        }
        let head = talk.state.head();
        prop_assert_eq!(head.assignment_epoch, epoch);
        prop_assert!(head.state != State::Assigned || head.assignee.is_some());
        prop_assert!(head.state != State::Queued || head.assignee.is_none());
        let over: Vec<bool> = talk.log.iter().filter_map(|event| match event.kind {
            EventKind::Ended { .. } => Some(true),
            EventKind::Reopened => Some(false),
            _ => None,
        }).collect();
        prop_assert!(over.iter().enumerate().all(|(place, ended)| *ended == (place % 2 == 0)));
        prop_assert_eq!(over.len() % 2 == 1, head.state == State::Ended);

        // No sender's name stands twice.
        let mut names: Vec<_> = talk.log.iter().filter_map(|event| {
            let mark = event.request.as_ref()?;
            let start = matches!(event.kind, EventKind::Started(_));
            Some((start, format!("{:?}", event.by), mark.client_id.clone()))
        }).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), count);
    }
}
