//! A team at rest that is as it must be, and the same with one thing wrong on purpose, for each rule of routing.

use checker::{
    AgentAtRest, ConversationAtRest, Deed, Desk, Fault, Listed, Misrouting, Move, State, Step, Verb,
    check_desk,
};

const ANN: &str = "agt_ann";
const BOB: &str = "agt_bob";

fn assigned(seq: u64, by: Option<&str>, agent: &str, epoch: u64, reason: &str) -> Step {
    let what = Move::Assigned { agent: agent.to_owned(), epoch, reason: reason.to_owned() };
    Step { seq, by: by.map(str::to_owned), what }
}

fn released(seq: u64, by: Option<&str>, agent: &str) -> Step {
    Step { seq, by: by.map(str::to_owned), what: Move::Released { agent: agent.to_owned() } }
}

fn transferred(seq: u64, by: &str, agent: Option<&str>) -> Step {
    let what = Move::Transferred { agent: agent.map(str::to_owned) };
    Step { seq, by: Some(by.to_owned()), what }
}

fn ended(seq: u64, by: &str) -> Step {
    Step { seq, by: Some(by.to_owned()), what: Move::Ended }
}

fn deed(agent: &str, conversation: &str, verb: Verb, after: u64, acknowledged: u64) -> Deed {
    let (agent, conversation) = (agent.to_owned(), conversation.to_owned());
    Deed { agent, conversation, verb, after, acknowledged: Some(acknowledged), unanswered: false }
}

fn conversation(
    id: &str,
    state: State,
    assignee: Option<&str>,
    epoch: u64,
    log: Vec<Step>,
) -> ConversationAtRest {
    let assignee = assignee.map(str::to_owned);
    ConversationAtRest {
        id: id.to_owned(),
        state,
        assignee,
        assignment_epoch: epoch,
        queue_position: None,
        log,
    }
}

fn listed(id: &str, at: &str, place: u64, offered_to: Option<&str>) -> Listed {
    let offered_to = offered_to.map(str::to_owned);
    Listed { id: id.to_owned(), queued_at: at.to_owned(), queue_position: Some(place), offered_to }
}

fn agent(id: &str, capacity: u64, load: u64, holds: &[&str]) -> AgentAtRest {
    let holds: Vec<String> = holds.iter().map(|id| (*id).to_owned()).collect();
    let (agent, mine) = (id.to_owned(), holds.clone());
    AgentAtRest { agent, gets_offers: true, capacity, load, holds, mine }
}

/// Ann holds `held` and is offered `first`; Bob, who may hold one, holds `given`; `second` waits for them. `over` is.
fn rest() -> Desk {
    let mut first = conversation("first", State::Queued, None, 1, Vec::new());
    first.log = vec![assigned(2, Some(ANN), ANN, 1, "accept"), released(4, None, ANN)];
    first.queue_position = Some(1);
    let mut second = conversation("second", State::Queued, None, 1, Vec::new());
    second.log = vec![
        assigned(2, Some(BOB), BOB, 1, "accept"),
        transferred(3, BOB, None),
        released(4, Some(BOB), BOB),
    ];
    second.queue_position = Some(2);
    let held = vec![
        assigned(2, None, BOB, 1, "auto"),
        released(3, Some(BOB), BOB),
        assigned(5, Some(ANN), ANN, 2, "accept"),
    ];
    let given = vec![
        assigned(2, Some(ANN), ANN, 1, "accept"),
        transferred(3, ANN, Some(BOB)),
        assigned(4, Some(ANN), BOB, 2, "transfer"),
    ];
    let over = vec![assigned(2, Some(BOB), BOB, 1, "accept"), ended(3, BOB)];
    Desk {
        agents: vec![agent(ANN, 2, 2, &["held"]), agent(BOB, 1, 1, &["given"])],
        conversations: vec![
            first,
            second,
            conversation("held", State::Assigned, Some(ANN), 2, held),
            conversation("given", State::Assigned, Some(BOB), 2, given),
            conversation("over", State::Ended, Some(BOB), 1, over),
        ],
        queue: vec![listed("first", "10", 1, Some(ANN)), listed("second", "10", 2, None)],
        ended: vec!["over".to_owned()],
        deeds: vec![
            deed(ANN, "first", Verb::Accept, 1, 2),
            deed(BOB, "second", Verb::Accept, 1, 2),
            deed(BOB, "second", Verb::Transfer, 2, 4),
            deed(BOB, "held", Verb::Release, 2, 3),
            deed(ANN, "held", Verb::Accept, 3, 5),
            deed(ANN, "given", Verb::Accept, 1, 2),
            deed(ANN, "given", Verb::Transfer, 2, 4),
            deed(BOB, "over", Verb::Accept, 1, 2),
            deed(BOB, "over", Verb::End, 2, 3),
        ],
    }
}

/// What is found once `wrong` was done to a team that was as it must be.
fn faults(wrong: impl FnOnce(&mut Desk)) -> Vec<Misrouting> {
    let mut desk = rest();
    wrong(&mut desk);
    let faults = check_desk(&desk).into_iter().map(|violation| match violation.fault {
        Fault::Misrouted(misrouting) => misrouting,
        other => panic!("{other}"),
    });
    faults.collect()
}

fn log<'a>(desk: &'a mut Desk, id: &str) -> &'a mut Vec<Step> {
    let named = desk.conversations.iter_mut().find(|conversation| conversation.id == id);
    &mut named.expect("it is one of the five").log
}

#[test]
fn a_team_that_is_as_it_must_be_has_no_fault() {
    assert_eq!(faults(|_| {}), []);
    assert_eq!(check_desk(&Desk::default()), []);
}

#[test]
fn an_assignment_that_is_not_the_next_one_has_skipped() {
    let twice = faults(|desk| log(desk, "held")[2] = assigned(5, Some(ANN), ANN, 1, "accept"));
    assert!(twice.contains(&Misrouting::EpochSkipped { seq: 5, before: 1, found: 1 }), "{twice:?}");
    let hole = faults(|desk| log(desk, "held")[2] = assigned(5, Some(ANN), ANN, 3, "accept"));
    assert!(hole.contains(&Misrouting::EpochSkipped { seq: 5, before: 1, found: 3 }), "{hole:?}");
}

#[test]
fn two_owners_need_a_release_a_transfer_or_a_take_over_between() {
    let two = Misrouting::TwoOwners { seq: 5, one: BOB.to_owned(), other: ANN.to_owned() };
    let no_release = faults(|desk| drop(log(desk, "held").remove(1)));
    assert!(no_release.contains(&two), "{no_release:?}");
    let taken_over = faults(|desk| {
        log(desk, "held").remove(1);
        log(desk, "held")[1] = assigned(5, Some(ANN), ANN, 2, "take_over");
        desk.deeds.retain(|deed| deed.verb != Verb::Release);
    });
    assert_eq!(taken_over, []);
}

#[test]
fn a_transfer_and_its_assignment_are_one() {
    for wrong in [
        |desk: &mut Desk| log(desk, "given")[1] = transferred(3, ANN, Some(ANN)),
        |desk: &mut Desk| log(desk, "given")[2] = assigned(5, Some(ANN), BOB, 2, "transfer"),
    ] {
        let faults = faults(wrong);
        assert!(faults.iter().any(|fault| matches!(fault, Misrouting::NotGiven { .. })), "{faults:?}");
        assert!(faults.iter().any(|fault| matches!(fault, Misrouting::TwoOwners { .. })), "{faults:?}");
    }
}

#[test]
fn only_who_has_it_is_released_and_nothing_follows_the_end() {
    let not_theirs = faults(|desk| log(desk, "first")[1] = released(4, None, BOB));
    assert_eq!(not_theirs, [Misrouting::NotTheirs { seq: 4, agent: BOB.to_owned() }]);
    let after = faults(|desk| log(desk, "over").push(released(4, None, BOB)));
    assert!(after.contains(&Misrouting::AfterEnd { seq: 4 }), "{after:?}");
}

#[test]
fn a_conversation_stands_where_its_log_ends() {
    for wrong in [
        |talk: &mut ConversationAtRest| talk.assignee = Some(BOB.to_owned()),
        |talk: &mut ConversationAtRest| talk.assignment_epoch = 3,
        |talk: &mut ConversationAtRest| talk.state = State::Ended,
    ] {
        let faults = faults(|desk| wrong(&mut desk.conversations[2]));
        assert!(matches!(faults[0], Misrouting::StateDisagrees { .. }), "{faults:?}");
    }
}

#[test]
fn a_conversation_is_in_the_list_of_its_state_and_in_no_other() {
    let found = |list: &str, times, state| [Misrouting::Listed { list: list.to_owned(), times, state }];
    assert_eq!(faults(|desk| desk.ended.clear()), found("ended", 0, State::Ended));
    assert_eq!(faults(|desk| desk.ended.push("held".to_owned())), found("ended", 1, State::Assigned));
    assert_eq!(faults(|desk| drop(desk.queue.pop())), found("queue", 0, State::Queued));
    assert_eq!(
        faults(|desk| desk.agents[1].mine.push("held".to_owned())),
        found("mine of agt_bob", 1, State::Assigned)
    );
    assert_eq!(faults(|desk| desk.agents[0].holds.clear()), found("status of agt_ann", 0, State::Assigned));
    assert_eq!(faults(|desk| desk.ended.push("who".to_owned())), [Misrouting::NeverStarted]);
}

#[test]
fn the_queue_is_by_time_then_id_and_tells_its_places() {
    let swapped = faults(|desk| desk.queue[1].queued_at = "09".to_owned());
    assert_eq!(swapped, [Misrouting::QueueOrder { place: 2 }]);
    let silent = faults(|desk| desk.queue[1].queue_position = None);
    assert_eq!(silent, [Misrouting::Position { place: 2, shown: None }]);
    let alone = faults(|desk| desk.conversations[0].queue_position = Some(2));
    assert_eq!(alone, [Misrouting::Position { place: 1, shown: Some(2) }]);
}

#[test]
fn who_waits_is_offered_unless_all_who_are_there_are_full() {
    let free = Misrouting::NotOffered { free: BOB.to_owned() };
    assert_eq!(faults(|desk| desk.agents[1].capacity = 2), [free]);
    let away = faults(|desk| (desk.agents[1].capacity, desk.agents[1].gets_offers) = (2, false));
    assert_eq!(away, []);
    let gone = Misrouting::OfferedToNobody { agent: ANN.to_owned() };
    assert_eq!(faults(|desk| desk.agents[0].gets_offers = false), [gone]);
}

#[test]
fn nobody_holds_more_than_they_may_and_their_load_is_what_they_carry() {
    let over = Misrouting::OverCapacity { agent: BOB.to_owned(), held: 1, capacity: 0 };
    assert_eq!(faults(|desk| desk.agents[1].capacity = 0), [over]);
    let load = Misrouting::Load { agent: ANN.to_owned(), shown: 3, held: 1, offered: 1 };
    assert_eq!(faults(|desk| desk.agents[0].load = 3), [load]);
}

#[test]
fn what_was_acknowledged_is_in_the_log_once_and_what_was_refused_is_not() {
    let mut deeds = rest().deeds;
    for (place, deed) in deeds.drain(..).enumerate() {
        let Deed { agent, conversation, verb, after, acknowledged, .. } = deed;
        let until = acknowledged.unwrap() + 20;
        // Asked for when all that is there was known already.
        let lost =
            faults(|desk| (desk.deeds[place].after, desk.deeds[place].acknowledged) = (20, Some(until)));
        assert_eq!(lost, [Misrouting::DeedLost { agent: agent.clone(), verb, after: 20, until }]);
        let refused = faults(|desk| desk.deeds[place].acknowledged = None);
        assert_eq!(
            refused,
            [Misrouting::DeedDoubled { agent, verb, told: 0, found: 1 }],
            "{conversation} {after}"
        );
        let refused_by_one_of_two = faults(|desk| {
            (desk.deeds[place].acknowledged, desk.deeds[place].unanswered) = (None, true);
        });
        assert_eq!(refused_by_one_of_two, [], "{conversation} {after}");
    }
    let given_back_twice = faults(|desk| {
        let log = log(desk, "held");
        log.splice(2..2, [assigned(4, Some(BOB), BOB, 2, "accept"), released(5, Some(BOB), BOB)]);
        log[4] = assigned(6, Some(ANN), ANN, 3, "accept");
        desk.conversations[2].assignment_epoch = 3;
        desk.deeds[4].acknowledged = Some(6);
    });
    let doubled = |verb, told, found| Misrouting::DeedDoubled { agent: BOB.to_owned(), verb, told, found };
    assert_eq!(given_back_twice, [doubled(Verb::Accept, 0, 1), doubled(Verb::Release, 1, 2)]);
}
