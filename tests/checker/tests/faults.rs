//! Histories that are wrong on purpose, one for each kind of fault: a checker that finds nothing proves nothing.

use checker::{Attempt, Digest, Entry, Fault, History, Message, Phantom, Recorder, Seen, check};

const TALK: &str = "cnv_1";
const ANN: &str = "vis_ann";

fn event(seq: u64, kind: &str) -> Seen {
    Seen { seq, kind: kind.to_owned(), message: None }
}

fn message(seq: u64, client_id: &str) -> Seen {
    let message = Message {
        sender: ANN.to_owned(),
        client_id: client_id.to_owned(),
        message_id: format!("msg_{client_id}"),
        digest: Digest::of(client_id),
    };
    Seen { seq, kind: "message".to_owned(), message: Some(message) }
}

/// The text of each message is its client's name for it.
fn send(to: &Recorder, client_id: &str) -> Attempt {
    to.send(TALK, ANN, client_id, client_id)
}

fn send_acknowledged(to: &Recorder, client_id: &str, seq: u64) {
    let attempt = send(to, client_id);
    to.acknowledged(attempt, &format!("msg_{client_id}"), seq);
}

fn read(to: &Recorder, reader: &str, log: Vec<Seen>) {
    to.read_began(reader, TALK);
    to.read(reader, TALK, log);
}

/// `a` and `b` at 2 and 3, acknowledged, not yet read.
fn two_sent() -> Recorder {
    let recorder = Recorder::default();
    send_acknowledged(&recorder, "a", 2);
    send_acknowledged(&recorder, "b", 3);
    recorder
}

fn whole() -> Vec<Seen> {
    vec![event(1, "started"), message(2, "a"), message(3, "b")]
}

fn faults(of: &Recorder) -> Vec<Fault> {
    check(&of.history()).into_iter().map(|violation| violation.fault).collect()
}

fn phantom(client_id: &str, seq: u64, why: Phantom) -> Fault {
    Fault::Phantom { sender: ANN.to_owned(), client_id: client_id.to_owned(), seq, why }
}

#[test]
fn a_kept_contract_has_no_fault() {
    let recorder = two_sent();
    recorder.resumed("ann's socket", TALK, Some(1));
    recorder.observed("ann's socket", TALK, message(2, "a"));
    recorder.resumed("ann's socket", TALK, Some(2));
    recorder.observed("ann's socket", TALK, message(3, "b"));
    recorder.caught_up("ann's socket", TALK, 3);
    read(&recorder, "agent", whole());
    assert_eq!(faults(&recorder), []);
}

#[test]
fn a_retried_message_with_one_place_has_no_fault() {
    let recorder = Recorder::default();
    let lost = send(&recorder, "a");
    recorder.unknown(lost);
    send_acknowledged(&recorder, "a", 2);
    send_acknowledged(&recorder, "a", 2);
    read(&recorder, "agent", vec![event(1, "started"), message(2, "a")]);
    assert_eq!(faults(&recorder), []);
}

#[test]
fn what_is_hidden_from_a_visitor_is_neither_lost_nor_disputed() {
    let recorder = Recorder::default();
    let attempt = recorder.send(TALK, "agt_1", "n", "between us");
    recorder.acknowledged(attempt, "msg_n", 2);
    let note = Message {
        sender: "agt_1".to_owned(),
        client_id: "n".to_owned(),
        message_id: "msg_n".to_owned(),
        digest: Digest::of("between us"),
    };
    let shown = Seen { seq: 2, kind: "note".to_owned(), message: Some(note) };
    read(&recorder, "visitor", vec![event(1, "started"), event(2, "hidden")]);
    read(&recorder, "agent", vec![event(1, "started"), shown]);
    assert_eq!(faults(&recorder), []);
}

#[test]
fn a_hidden_message_is_a_disagreement() {
    let recorder = two_sent();
    read(&recorder, "agent", whole());
    read(&recorder, "visitor", vec![event(1, "started"), message(2, "a"), event(3, "hidden")]);
    let (one, other) = ("agent".to_owned(), "visitor".to_owned());
    assert_eq!(faults(&recorder), [Fault::Disagree { seq: 3, one, other }]);
}

#[test]
fn an_acknowledged_message_that_no_log_has_is_lost() {
    let recorder = two_sent();
    read(&recorder, "agent", vec![event(1, "started"), message(2, "a"), event(3, "assigned")]);
    let (sender, client_id, reader) = (ANN.to_owned(), "b".to_owned(), "agent".to_owned());
    assert_eq!(faults(&recorder), [Fault::Lost { sender, client_id, seq: 3, reader }]);
}

#[test]
fn a_message_at_two_places_is_doubled() {
    let recorder = two_sent();
    let mut log = whole();
    log.push(message(4, "a"));
    read(&recorder, "agent", log);
    let doubled = Fault::Doubled { sender: ANN.to_owned(), client_id: "a".to_owned(), seqs: vec![2, 4] };
    assert_eq!(faults(&recorder), [doubled]);
}

#[test]
fn a_message_elsewhere_than_acknowledged_is_moved() {
    let recorder = two_sent();
    read(
        &recorder,
        "agent",
        vec![event(1, "started"), message(2, "a"), event(3, "assigned"), message(4, "b")],
    );
    let moved = Fault::Moved { sender: ANN.to_owned(), client_id: "b".to_owned(), acknowledged: 3, found: 4 };
    assert_eq!(faults(&recorder), [moved]);
}

#[test]
fn a_message_before_one_that_was_acknowledged_when_it_was_sent_is_reordered() {
    let recorder = Recorder::default();
    send_acknowledged(&recorder, "a", 3);
    send_acknowledged(&recorder, "b", 2);
    read(&recorder, "agent", vec![event(1, "started"), message(2, "b"), message(3, "a")]);
    let reordered = Fault::Reordered { sender: ANN.to_owned(), client_id: "b".to_owned(), seq: 2, known: 3 };
    assert_eq!(faults(&recorder), [reordered]);
}

#[test]
fn an_event_that_nobody_sent_is_a_phantom() {
    let recorder = two_sent();
    let mut log = whole();
    log.push(message(4, "c"));
    read(&recorder, "agent", log);
    assert_eq!(faults(&recorder), [phantom("c", 4, Phantom::NeverSent)]);
}

#[test]
fn an_event_that_is_seen_before_it_is_sent_is_a_phantom() {
    let recorder = Recorder::default();
    recorder.resumed("socket", TALK, None);
    recorder.observed("socket", TALK, message(1, "a"));
    assert_eq!(faults(&recorder), [phantom("a", 1, Phantom::NeverSent)]);
}

#[test]
fn a_refused_message_in_the_log_is_a_phantom() {
    let recorder = two_sent();
    let refused = send(&recorder, "c");
    recorder.refused(refused, "RATE_LIMITED");
    let mut log = whole();
    log.push(message(4, "c"));
    read(&recorder, "agent", log);
    assert_eq!(faults(&recorder), [phantom("c", 4, Phantom::Refused)]);
}

#[test]
fn another_text_than_was_sent_is_a_phantom() {
    let recorder = Recorder::default();
    let attempt = recorder.send(TALK, ANN, "a", "what Ann wrote");
    recorder.acknowledged(attempt, "msg_a", 2);
    read(&recorder, "agent", vec![event(1, "started"), message(2, "a")]);
    assert_eq!(faults(&recorder), [phantom("a", 2, Phantom::Altered)]);
}

#[test]
fn the_text_of_a_refused_repeat_is_a_phantom() {
    let recorder = Recorder::default();
    let first = recorder.send(TALK, ANN, "a", "first");
    recorder.acknowledged(first, "msg_a", 2);
    let second = recorder.send(TALK, ANN, "a", "a"); // the text that `message` puts into the log
    recorder.refused(second, "IDEMPOTENCY_CONFLICT");
    read(&recorder, "agent", vec![event(1, "started"), message(2, "a")]);
    assert_eq!(faults(&recorder), [phantom("a", 2, Phantom::Altered)]);
}

#[test]
fn another_answer_to_a_repeat_is_a_changed_acknowledgement() {
    let recorder = two_sent();
    let repeat = send(&recorder, "a");
    recorder.acknowledged(repeat, "msg_other", 2);
    read(&recorder, "agent", whole());
    let (first, later) = (("msg_a".to_owned(), 2), ("msg_other".to_owned(), 2));
    let changed = Fault::Changed { sender: ANN.to_owned(), client_id: "a".to_owned(), first, later };
    assert_eq!(faults(&recorder), [changed]);
}

#[test]
fn a_log_that_is_not_dense_has_a_hole() {
    let recorder = Recorder::default();
    read(&recorder, "agent", vec![event(1, "started"), event(3, "ended")]);
    assert_eq!(faults(&recorder), [Fault::Hole { reader: "agent".to_owned(), expected: 2, found: 3 }]);
}

#[test]
fn a_log_that_ends_before_what_was_known_is_short() {
    let recorder = Recorder::default();
    recorder.resumed("socket", TALK, Some(0));
    recorder.observed("socket", TALK, event(1, "started"));
    recorder.observed("socket", TALK, event(2, "ended"));
    read(&recorder, "agent", vec![event(1, "started")]);
    assert_eq!(faults(&recorder), [Fault::Short { reader: "agent".to_owned(), last: 1, known: 2 }]);
}

#[test]
fn what_is_acknowledged_while_a_log_is_paged_need_not_be_in_it() {
    let recorder = Recorder::default();
    recorder.read_began("agent", TALK);
    send_acknowledged(&recorder, "a", 2);
    recorder.read("agent", TALK, vec![event(1, "started")]);
    assert_eq!(faults(&recorder), [Fault::Unread]);
    read(&recorder, "agent", vec![event(1, "started"), message(2, "a")]);
    assert_eq!(faults(&recorder), []);
}

#[test]
fn an_observer_sees_each_event_once_and_none_too_few() {
    let repeated = Fault::Repeated { observer: "socket".to_owned(), after: 1, found: 1 };
    let skipped = Fault::Skipped { observer: "socket".to_owned(), after: 1, found: 3 };

    let live = Recorder::default();
    live.resumed("socket", TALK, None);
    live.observed("socket", TALK, event(1, "started"));
    live.observed("socket", TALK, event(1, "started"));
    assert_eq!(faults(&live), std::slice::from_ref(&repeated));

    let resumed = Recorder::default();
    resumed.resumed("socket", TALK, Some(1));
    resumed.observed("socket", TALK, event(1, "started"));
    assert_eq!(faults(&resumed), [repeated]);

    let resumed = Recorder::default();
    resumed.resumed("socket", TALK, Some(1));
    resumed.observed("socket", TALK, event(3, "ended"));
    assert_eq!(faults(&resumed), std::slice::from_ref(&skipped));

    let told_too_early = Recorder::default();
    told_too_early.resumed("socket", TALK, Some(1));
    told_too_early.caught_up("socket", TALK, 3);
    assert_eq!(faults(&told_too_early), [skipped]);
}

#[test]
fn a_gap_that_was_told_is_no_fault_and_must_begin_at_the_right_place() {
    let recorder = Recorder::default();
    recorder.resumed("socket", TALK, Some(1));
    recorder.gap("socket", TALK, 2, 9);
    recorder.observed("socket", TALK, event(10, "ended"));
    assert_eq!(faults(&recorder), []);
    recorder.gap("socket", TALK, 12, 20);
    assert_eq!(faults(&recorder), [Fault::Skipped { observer: "socket".to_owned(), after: 10, found: 12 }]);
}

#[test]
fn two_readers_of_one_place_see_the_same() {
    let recorder = Recorder::default();
    read(&recorder, "agent", vec![event(1, "started"), event(2, "assigned")]);
    read(&recorder, "visitor", vec![event(1, "started"), event(2, "released")]);
    let (one, other) = ("agent".to_owned(), "visitor".to_owned());
    assert_eq!(faults(&recorder), [Fault::Disagree { seq: 2, one, other }]);
}

#[test]
fn acknowledgements_that_nobody_checks_are_a_fault() {
    assert_eq!(faults(&two_sent()), [Fault::Unread]);
}

#[test]
fn an_outcome_without_a_beginning_is_a_fault() {
    let history = History { entries: vec![Entry::Unknown { attempt: Attempt(7) }] };
    assert_eq!(check(&history)[0].fault, Fault::Stray { entry: 0 });
    let recorder = Recorder::default();
    recorder.read("agent", TALK, Vec::new());
    assert_eq!(faults(&recorder), [Fault::Stray { entry: 0 }]);
}

#[test]
fn a_kept_history_reads_back_as_it_was() {
    let recorder = two_sent();
    recorder.resumed("socket", TALK, None);
    recorder.observed("socket", TALK, message(2, "a"));
    read(&recorder, "agent", whole());
    let history = recorder.history();
    let mut lines = Vec::new();
    history.write_to(&mut lines).unwrap();
    assert_eq!(History::read_from(lines.as_slice()).unwrap(), history);
    let broken = History::read_from(&b"{\"what\":\"nothing\"}\n"[..]).unwrap_err();
    assert!(broken.to_string().starts_with("line 1 is no entry"), "{broken}");
}
