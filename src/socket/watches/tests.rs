//! Lists without a socket: what is read, shown, and said to have left.

use domain::{Role, State, Timestamp};

use super::*;
use crate::conversations::view::tests::{agent, head, id};

const TEAM: List = List { view: View::Team, team: None };
const QUEUE: List = List { view: View::Queue, team: None };
const ENDED: List = List { view: View::Ended, team: None };

fn conversation(n: u64) -> ConversationId {
    ConversationId::from_uuid(uuid::Uuid::from_u128(n.into()))
}

fn row(n: u64, head: &Head) -> ListedHead {
    let position = HeadPosition { at: Timestamp::from_ms(n), conversation: conversation(n) };
    ListedHead { conversation: conversation(n), head: head.clone(), position }
}

/// Agent 1, a plain agent of team 1, watches these.
fn watches(lists: &[List]) -> Watches {
    let mut watches = Watches::new(id(1));
    for list in lists {
        watches.add(*list, list.view.for_agent(&agent(Role::Agent)).unwrap(), list.rows_max(3)).unwrap();
    }
    watches
}

/// Answers all pages from these rows, as a store does; gives how many pages were asked for.
fn list(watches: &mut Watches, rows: &[ListedHead]) -> usize {
    let mut pages = 0;
    while let Some(page) = watches.next_page() {
        let from = page.after.map_or(0, |after| {
            rows.iter().position(|row| row.position == after).expect("a row that was given") + 1
        });
        let rows: Vec<ListedHead> = rows[from..].iter().take(page.limit).cloned().collect();
        watches.listed(page.list, &rows, page.limit);
        pages += 1;
    }
    pages
}

/// What is told next, and whether it is known how it is.
fn next(watches: &mut Watches) -> Option<(ConversationId, bool)> {
    watches.next_changed().map(|(conversation, head)| (conversation, head.is_some()))
}

fn verdict(show: bool, left: &[List]) -> Verdict {
    Verdict { show, left: left.to_vec() }
}

#[test]
fn a_change_is_shown_in_its_lists_and_said_once_to_have_left_them() {
    let mut watches = watches(&[TEAM, QUEUE]);
    let (queued, elsewhere) = (head(1, State::Queued, None), head(2, State::Queued, None));
    let (own, others) = (head(1, State::Assigned, Some(2)), head(2, State::Assigned, Some(1)));
    list(&mut watches, &[row(1, &queued)]);
    for (changed, told) in [
        (Some(&queued), verdict(true, &[])),
        (Some(&own), verdict(true, &[QUEUE])),
        (Some(&own), verdict(true, &[])),
        (Some(&queued), verdict(true, &[])),
        (Some(&elsewhere), verdict(false, &[TEAM, QUEUE])),
        (Some(&elsewhere), verdict(false, &[])),
        // The agent's own, in no list that is watched.
        (Some(&others), verdict(true, &[])),
        (None, verdict(false, &[])),
    ] {
        assert_eq!(watches.judge(conversation(1), changed), told, "{changed:?}");
    }
}

#[test]
fn a_list_is_read_by_pages_and_of_the_ended_only_the_newest() {
    let (open, over) = (head(1, State::Queued, None), head(1, State::Ended, None));
    let rows = |head: &Head| (1..=100).map(|n| row(n, head)).collect::<Vec<_>>();
    let mut all = watches(&[TEAM]);
    assert_eq!(list(&mut all, &rows(&open)), 100 / PAGE + 1);
    assert!(!all.has_work());
    let mut newest = watches(&[ENDED]);
    assert_eq!(list(&mut newest, &rows(&over)), 1);
    // What was listed may leave; what was not was never shown.
    for (n, left) in [(3, vec![ENDED]), (4, vec![])] {
        assert_eq!(newest.judge(conversation(n), Some(&open)).left, left, "{n}");
    }
}

#[test]
fn what_is_not_found_again_is_read() {
    let queued = head(1, State::Queued, None);
    let mut watches = watches(&[QUEUE]);
    list(&mut watches, &[row(1, &queued), row(2, &queued)]);
    watches.take(Changes { lost: true, ..Changes::default() }, 3);
    // It leaves while the list is read again.
    assert_eq!(watches.judge(conversation(3), None), verdict(false, &[]));
    list(&mut watches, &[row(2, &queued)]);
    assert_eq!(next(&mut watches), Some((conversation(1), false)));
    assert_eq!(watches.judge(conversation(1), None), verdict(false, &[QUEUE]));
    assert!(!watches.has_work());

    // Nor is what the agent may not see any more.
    let Principal::Agent { card, role, .. } = agent(Role::Agent) else { panic!("an agent") };
    watches.look_as(&Principal::Agent { card, role, teams: Vec::new() }, 3);
    assert_eq!(watches.topics(), [Topic::Agent(id(1))]);
    list(&mut watches, &[]);
    assert_eq!(next(&mut watches), Some((conversation(2), false)));
    assert_eq!(watches.judge(conversation(2), Some(&queued)), verdict(false, &[QUEUE]));
}

#[test]
fn a_view_that_the_agent_lost_empties() {
    let all = List { view: View::All, team: None };
    let mut watches = Watches::new(id(1));
    watches.add(all, View::All.for_agent(&agent(Role::Supervisor)).unwrap(), usize::MAX).unwrap();
    let queued = head(2, State::Queued, None);
    list(&mut watches, &[row(1, &queued)]);
    assert_eq!(watches.topics(), [Topic::Agent(id(1)), Topic::All]);
    watches.look_as(&agent(Role::Agent), 3);
    assert_eq!((watches.topics(), list(&mut watches, &[])), (vec![Topic::Agent(id(1))], 0));
    assert_eq!(next(&mut watches), Some((conversation(1), false)));
    assert_eq!(watches.judge(conversation(1), Some(&queued)), verdict(false, &[all]));
}

#[test]
fn of_a_list_too_long_to_know_too_much_is_said_to_have_left() {
    let (open, elsewhere) = (head(1, State::Queued, None), head(2, State::Queued, None));
    let rows: Vec<ListedHead> = (1..=SHOWN_MAX as u64 + 1).map(|n| row(n, &open)).collect();
    let mut watches = watches(&[TEAM]);
    list(&mut watches, &rows);
    assert_eq!(watches.all[0].shown.len(), SHOWN_MAX);
    for n in [1, 2, 1_000_000] {
        assert_eq!(watches.judge(conversation(n), Some(&elsewhere)).left, [TEAM], "{n}");
    }
}

#[test]
fn a_socket_watches_a_handful_of_lists_each_once() {
    let mut watches = watches(&[QUEUE, QUEUE]);
    let view = || View::Queue.for_agent(&agent(Role::Agent)).unwrap();
    let of_team = |n: usize| List { view: View::Queue, team: Some(id(n as u8)) };
    for n in 1..WATCHES_MAX {
        watches.add(of_team(n), view(), usize::MAX).unwrap();
    }
    assert_eq!(watches.add(of_team(WATCHES_MAX), view(), usize::MAX), Err(TooMany(WATCHES_MAX)));
    assert_eq!(watches.topics(), [Topic::Agent(id(1)), Topic::Team(id(1))], "the agent sees one team alone");
    watches.remove(QUEUE);
    watches.add(of_team(WATCHES_MAX), view(), usize::MAX).unwrap();
}
