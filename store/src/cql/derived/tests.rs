use domain::{AgentCard, AgentId, AssignReason, Author, EventKind, Line, ReleaseReason, TransferTo};
use uuid::Uuid;

use crate::conformance::Play;

use super::*;

mod histories;

fn agent(n: u8) -> AgentId {
    AgentId::from_uuid(Uuid::from_bytes([n; 16]))
}

fn team(n: u8) -> TeamId {
    TeamId::from_uuid(Uuid::from_bytes([n; 16]))
}

fn card(n: u8) -> AgentCard {
    AgentCard { id: agent(n), name: Line::parse("Ann").unwrap() }
}

fn assigned(n: u8) -> EventKind {
    let (assignment_epoch, reason) = (1, AssignReason::Accept);
    EventKind::Assigned { agent: card(n), assignment_epoch, reason, why: None }
}

fn released(n: u8) -> EventKind {
    EventKind::Released { agent: card(n), reason: ReleaseReason::Released }
}

fn to_team(n: u8) -> EventKind {
    EventKind::Transferred { to: TransferTo::Team(team(n)) }
}

fn ended() -> EventKind {
    EventKind::Ended { reason: None }
}

fn tagged() -> EventKind {
    EventKind::Tagged { added: vec![], removed: vec![] }
}

/// What follows from `kinds`, which come at `at_ms`, after a start at 1 s and `first` at 2 s.
fn after(first: Vec<EventKind>, at_ms: u64, kinds: Vec<EventKind>) -> (Head, Play, Change) {
    let mut play = Play::some();
    for kind in first {
        play.then(2_000, Author::System, kind);
    }
    let before = play.head().clone();
    for kind in kinds {
        play.then(at_ms, Author::System, kind);
    }
    let change = Change::of(Generation(7), Some(&before), play.head());
    (before, play, change)
}

#[test]
fn a_start_puts_its_rows_and_is_sure_only_afterwards() {
    let play = Play::some();
    let head = play.head();
    let change = Change::of(Generation(7), None, head);
    let rows = vec![
        Row::OfVisitor(head.visitor.id, head.created_at),
        Row::Open(head.team, Timestamp::from_ms(0)),
        Row::Waiting(head.team, head.queued_at),
    ];
    let hint = Hint::of(head);
    assert!(hint.is_some());
    let (put, removal) =
        (Stamp::put(Generation(7), head.last_seq), Stamp::removal(Generation(7), head.last_seq));
    let expected =
        Change { put, removal, puts: rows, unsure: hint, removals: vec![], sure: hint, ends: false };
    assert_eq!(change, expected);
}

#[test]
fn a_message_writes_nothing_until_a_step_is_over() {
    let (_, _, change) = after(vec![], STEP_MS - 1, vec![tagged()]);
    assert_eq!((&change.puts[..], &change.removals[..]), (&[][..], &[][..]));
    assert_eq!((change.unsure, change.sure, change.has_follow_up()), (None, None, false));

    let (before, play, change) = after(vec![], STEP_MS, vec![tagged()]);
    assert_eq!(change.puts, [Row::Open(before.team, Timestamp::from_ms(STEP_MS))]);
    assert_eq!(change.removals, [Row::Open(before.team, Timestamp::from_ms(0))]);
    assert_eq!((change.unsure, change.sure), (None, Hint::of(play.head())), "its time is told, too");
}

#[test]
fn rows_come_before_an_append_and_go_after_it() {
    type Case = (Vec<EventKind>, Vec<EventKind>, Vec<Row>, Vec<Row>);
    let (at, start) = (Timestamp::from_ms, Play::some().head().queued_at);
    let held = |n| Row::Held(agent(n));
    // The team of a play is its own, so it stands here as team 0.
    let (waiting, open) = (|n, ms| Row::Waiting(team(n), at(ms)), |n| Row::Open(team(n), at(0)));
    let cases: Vec<Case> = vec![
        (vec![], vec![assigned(1)], vec![held(1)], vec![waiting(0, start.as_ms())]),
        (vec![assigned(1)], vec![released(1)], vec![waiting(0, start.as_ms())], vec![held(1)]),
        (
            vec![assigned(1)],
            vec![to_team(9), released(1)],
            vec![open(9), waiting(9, 3_000)],
            vec![open(0), held(1)],
        ),
        (vec![assigned(1)], vec![released(1), assigned(2)], vec![held(2)], vec![held(1)]),
        (vec![], vec![assigned(1), released(1)], vec![], vec![]),
        (
            vec![assigned(1)],
            vec![ended()],
            vec![Row::EndedInTeam(team(0), at(3_000)), Row::EndedWith(agent(1), at(3_000))],
            vec![open(0), held(1)],
        ),
        (
            vec![assigned(1), ended()],
            vec![EventKind::Reopened, assigned(2)],
            vec![open(0), held(2)],
            vec![Row::EndedInTeam(team(0), at(2_000)), Row::EndedWith(agent(1), at(2_000))],
        ),
        // In one group nothing of the end is left.
        (vec![assigned(1)], vec![ended(), EventKind::Reopened, assigned(1)], vec![], vec![]),
        (vec![ended()], vec![tagged()], vec![], vec![]),
    ];
    for (first, kinds, puts, removals) in cases {
        let said = format!("{first:?}, then {kinds:?}");
        let (before, _, change) = after(first, 3_000, kinds);
        let own = |row: &Row| match *row {
            Row::Open(of, at) if of == before.team => Row::Open(team(0), at),
            Row::Waiting(of, at) if of == before.team => Row::Waiting(team(0), at),
            Row::EndedInTeam(of, at) if of == before.team => Row::EndedInTeam(team(0), at),
            other => other,
        };
        let of_team_0 = |rows: &[Row]| rows.iter().map(own).collect::<Vec<_>>();
        assert_eq!((of_team_0(&change.puts), of_team_0(&change.removals)), (puts, removals), "{said}");
    }
}

#[test]
fn a_hint_is_unsure_while_it_may_be_wrong() {
    type Case = (Vec<EventKind>, Vec<EventKind>, bool, bool, bool);
    let cases: Vec<Case> = vec![
        (vec![], vec![tagged()], false, false, false),
        (vec![], vec![assigned(1)], true, true, false),
        (vec![assigned(1)], vec![released(1), assigned(1)], false, false, false),
        (vec![assigned(1)], vec![released(1)], true, true, false),
        (vec![assigned(1)], vec![ended()], true, false, true),
        (vec![ended()], vec![tagged()], false, false, false),
        (vec![ended()], vec![EventKind::Reopened], true, true, false),
        (vec![ended()], vec![EventKind::Reopened, ended()], false, false, false),
    ];
    for (first, kinds, unsure, sure, ends) in cases {
        let said = format!("{first:?}, then {kinds:?}");
        let (before, play, change) = after(first, 3_000, kinds);
        assert_eq!((change.unsure.is_some(), change.ends), (unsure, ends), "{said}");
        assert_eq!(change.sure, Hint::of(play.head()).filter(|_| sure), "{said}");
        if ends {
            assert_eq!(change.unsure, Hint::of(&before), "{said}");
        }
    }
}

#[test]
fn newer_words_win_over_older_ones() {
    let put = |generation, seq| Stamp::put(Generation(generation), Seq(seq));
    let removal = |generation, seq| Stamp::removal(Generation(generation), Seq(seq));
    let rising = [
        put(1, 2),
        removal(1, 3),
        put(1, 3),
        removal(1, 10_000),
        put(1, 10_000),
        removal(2, 0),
        put(2, 2),
        put((1 << 38) - 1, 10_000),
    ];
    assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
    assert_eq!([put(7, 10_000).seq(), removal(7, 10_000).seq()], [Seq(10_000); 2]);
}
