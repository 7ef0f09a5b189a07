use super::super::answers::{ANSWER_BYTES_MAX, ANSWERS_MAX, OPEN_MAX};
use super::super::asks;
use super::super::frame::PUBLICATION_BYTES_MAX;
use super::*;

type Side = Peer<u32>;

/// A budget that does not end here.
const BUDGET_MS: u32 = 10_000;

fn peer() -> Side {
    Peer::new(Decoder::new(FRAME_BYTES_MAX))
}

fn payload(bytes: usize) -> Bytes {
    Bytes::from(vec![1; bytes])
}

/// All that one side has to write, and what it does to the other.
fn carry(now_ms: u64, from: &mut Side, to: &mut Side) -> Vec<LinkEvent<u32>> {
    let mut events = Vec::new();
    loop {
        let mut out = Vec::new();
        let ended = from.fill(now_ms, 7, &mut out);
        assert_eq!(ended, []);
        assert!(out.len() <= WRITE_BYTES_MAX);
        if out.is_empty() {
            return events;
        }
        to.receive(now_ms, &out, &mut events).unwrap();
    }
}

fn done(answer: &'static [u8]) -> AskReply {
    AskReply::Done(Opaque(Bytes::from_static(answer)))
}

#[test]
fn an_ask_is_answered_by_its_id_with_its_budget_and_version() {
    let (mut here, mut there) = (peer(), peer());
    for reply in [10, 20] {
        here.ask(0, reply, payload(3), 500).unwrap();
    }
    let asked = carry(100, &mut here, &mut there);
    assert_eq!(asked[0], LinkEvent::Asked { id: 1, version: 7, payload: payload(3) });
    assert_eq!(there.begin(150, 1), Some(350), "the budget that remained when it came, less what passed");
    assert_eq!(there.begin(150, 2), Some(350));
    there.answer(2, done(b"second"));
    there.answer(2, done(b"again"));
    there.answer(1, done(b"first"));
    there.answer(9, done(b"nobody asked"));
    let ended = carry(200, &mut there, &mut here);
    let end = |reply, answer: &'static [u8]| LinkEvent::Ended((reply, Ok(Bytes::from_static(answer))));
    assert_eq!(ended, [end(20, b"second"), end(10, b"first")]);
    assert_eq!((here.asks_open(), here.bytes(), there.bytes()), (0, 0, 0));
    assert_eq!((here.counters().answered, there.counters().asked), (2, 2));
}

#[test]
fn a_thousand_asks_or_a_megabyte_in_flight_and_no_more() {
    for (bytes, expected) in [(1, asks::ASKS_MAX), (64 * 1000, asks::ASK_BYTES_MAX / 64_000)] {
        let (mut here, mut there) = (peer(), peer());
        let mut taken = 0;
        while here.ask(0, 1, payload(bytes), BUDGET_MS).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, expected);
        assert_eq!(carry(0, &mut here, &mut there).len(), expected);
        assert_eq!(
            here.ask(0, 5, payload(bytes), BUDGET_MS),
            Err((5, AskError::Overloaded)),
            "in flight counts"
        );
        there.answer(1, done(b""));
        carry(0, &mut there, &mut here);
        assert!(here.ask(0, 1, payload(bytes), BUDGET_MS).is_ok(), "its answer makes room");
    }
    let mut here = peer();
    assert_eq!(here.ask(0, 1, payload(PAYLOAD_BYTES_MAX + 1), 1), Err((1, AskError::TooLong)));
    assert_eq!(here.ask(0, 1, payload(1), 0), Err((1, AskError::Expired)));
    assert_eq!(here.counters().refused, 2);
}

/// One ask that is queued and one that is in flight.
fn two_asks() -> (Side, Side) {
    let (mut here, mut there) = (peer(), peer());
    here.ask(0, 1, payload(1), 500).unwrap();
    carry(0, &mut here, &mut there);
    here.ask(0, 2, payload(1), 500).unwrap();
    (here, there)
}

#[test]
fn when_a_link_is_lost_only_what_never_went_to_the_wire_is_not_sent() {
    let (ended, counters) = two_asks().0.lose();
    assert_eq!(ended, [(2, Err(AskError::NotSent)), (1, Err(AskError::Lost))]);
    assert_eq!((counters.not_sent, counters.lost), (1, 1));
}

#[test]
fn when_a_budget_is_over_only_what_never_went_to_the_wire_is_expired() {
    let (mut here, mut there) = two_asks();
    assert_eq!(here.expire(499), []);
    assert_eq!(here.expire(500), [(1, Err(AskError::Lost)), (2, Err(AskError::Expired))]);
    assert_eq!(carry(500, &mut here, &mut there), [], "an ask whose budget is over is not sent");
    there.answer(1, done(b"late"));
    assert_eq!(carry(500, &mut there, &mut here), []);
    assert_eq!((here.counters().late, here.bytes()), (1, 0));
}

#[test]
fn an_ask_whose_budget_is_over_is_not_done_and_says_so() {
    let (mut here, mut there) = (peer(), peer());
    here.ask(0, 1, payload(1), 500).unwrap();
    carry(0, &mut here, &mut there);
    assert_eq!(there.begin(500, 1), None);
    assert_eq!(carry(400, &mut there, &mut here), [LinkEvent::Ended((1, Err(AskError::Expired)))]);
    assert_eq!(there.begin(0, 1), None, "it ended");
}

#[test]
fn an_ask_that_nobody_waits_for_makes_room_and_is_not_sent() {
    let (mut here, mut there) = two_asks();
    here.forget(1);
    here.forget(2);
    here.forget(2);
    assert_eq!((here.asks_open(), here.bytes(), here.counters().forgotten), (0, 0, 2));
    assert_eq!(carry(0, &mut here, &mut there), []);
}

#[test]
fn tells_have_a_bound_in_count_and_bytes() {
    for (bytes, room) in [(0, TELLS_MAX), (32 * 1024, TELL_BYTES_MAX / 32 / 1024)] {
        let (mut here, mut there) = (peer(), peer());
        assert_eq!((0..TELLS_MAX + 10).filter(|_| here.tell(payload(bytes))).count(), room);
        assert_eq!(here.counters().tells_dropped as usize, TELLS_MAX + 10 - room);
        assert_eq!(carry(0, &mut here, &mut there).len(), room);
        assert!(here.tell(payload(bytes)));
    }
    assert!(!peer().tell(payload(PAYLOAD_BYTES_MAX + 1)));
}

#[test]
fn publications_cross_in_their_order_whatever_their_length() {
    let (mut here, mut there) = (peer(), peer());
    let key = Bytes::from_static(b"key");
    let lengths = [0, 1, PAYLOAD_BYTES_MAX - 10, PAYLOAD_BYTES_MAX, 200_000, 256 * 1024 - 19, 3];
    let mut received = Vec::new();
    for length in lengths {
        here.publish(key.clone(), payload(length));
        received.extend(carry(0, &mut here, &mut there));
    }
    here.publish(key.clone(), payload(PUBLICATION_BYTES_MAX));
    here.publish(key.clone(), payload(1));
    received.extend(carry(0, &mut here, &mut there));
    let came: Vec<Option<usize>> = received
        .into_iter()
        .map(|event| match event {
            LinkEvent::Published { publication: Delivery::Body { body, .. }, version: 7 } => Some(body.len()),
            LinkEvent::Published { publication: Delivery::Gone { key: gone }, .. } if gone == key => None,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut expected: Vec<Option<usize>> = lengths.map(Some).to_vec();
    expected.push(None);
    assert_eq!(came, expected, "one too long is gone, with what stands behind it");
    assert_eq!(here.counters().publications_gone, 2);
}

#[test]
fn an_ask_does_not_wait_behind_a_megabyte_of_publications() {
    let (mut here, mut there) = (peer(), peer());
    for _ in 0..4 {
        here.publish(Bytes::new(), payload(250_000));
    }
    here.ask(0, 1, payload(100), BUDGET_MS).unwrap();
    assert!(here.tell(payload(100)));
    let mut events = Vec::new();
    for _ in 0..2 {
        let mut out = Vec::new();
        here.fill(0, 7, &mut out);
        there.receive(0, &out, &mut events).unwrap();
    }
    assert!(matches!(&events[..], [LinkEvent::Asked { .. }, LinkEvent::Told { .. }]), "{events:?}");
    assert!(here.bytes() > 500_000);
}

#[test]
fn the_longest_ask_goes_out_however_much_else_is_told() {
    let (mut here, mut there) = (peer(), peer());
    let mut events = Vec::new();
    let mut write = |here: &mut Side| {
        while here.tell(payload(100)) {}
        let mut out = Vec::new();
        here.fill(0, 7, &mut out);
        there.receive(0, &out, &mut events).unwrap();
        events.drain(..).filter(|event| matches!(event, LinkEvent::Asked { .. })).count()
    };
    for _ in 0..5 {
        write(&mut here);
        here.ask(0, 1, payload(PAYLOAD_BYTES_MAX), BUDGET_MS).unwrap();
        assert_eq!((0..2).map(|_| write(&mut here)).sum::<usize>(), 1);
    }
}

#[test]
fn answers_that_nobody_reads_have_a_bound() {
    let (mut here, mut there) = (peer(), peer());
    for _ in 0..100 {
        here.ask(0, 1, payload(1), BUDGET_MS).unwrap();
    }
    carry(0, &mut here, &mut there);
    for id in 1..=100 {
        there.answer(id, AskReply::Done(Opaque(payload(60_000))));
    }
    assert!(there.bytes() <= ANSWER_BYTES_MAX + 100);
    let ended = carry(0, &mut there, &mut here);
    let lost = ended.iter().filter(|end| **end == LinkEvent::Ended((1, Err(AskError::Lost)))).count();
    assert_eq!((ended.len(), lost), (100, 100 - ANSWER_BYTES_MAX / 60_016));
}

/// A peer that keeps no bound of its own.
#[test]
fn a_peer_that_asks_without_end_is_refused_and_then_has_no_link() {
    let mut there = peer();
    let mut events = Vec::new();
    let mut ask = |id: u64| {
        let mut out = Vec::new();
        frame::write(&mut out, Class::Ask, id, 0, BUDGET_MS, b"");
        there.receive(0, &out, &mut events)
    };
    let last = (1u64..).find(|id| ask(*id).is_err()).unwrap();
    assert_eq!(ask(last), Err(AskedError::NeverReads.into()));
    assert_eq!((events.len(), last as usize), (OPEN_MAX, OPEN_MAX + ANSWERS_MAX + 2));
}

#[test]
fn a_peer_that_breaks_the_protocol_has_no_link() {
    let framed = |class, id, budget_ms, payload: &[u8]| {
        let mut out = Vec::new();
        frame::write(&mut out, class, id, 0, budget_ms, payload);
        out
    };
    let table = [
        ("a ping", framed(Class::Control, 1, 0, b""), ProtocolError::Control),
        ("ask 0", framed(Class::Ask, 0, 1, b""), AskedError::Id(0).into()),
        (
            "an answer to none",
            framed(Class::Answer, 1, 0, &codec::encode(&AskReply::Expired)),
            ProtocolError::AnswerId(1),
        ),
        ("no answer", framed(Class::Answer, 1, 0, b"\x09"), CodecError::Malformed.into()),
        ("a longer answer", framed(Class::Answer, 1, 0, b"\x01\x01"), CodecError::Trailing.into()),
        ("no publication", framed(Class::Publish, 1, 0, b""), CodecError::Malformed.into()),
        ("no frame", vec![0; 9], FrameError::Length(0).into()),
    ];
    for (what, bytes, error) in table {
        let mut events = Vec::new();
        assert_eq!(peer().receive(0, &bytes, &mut events), Err(error), "{what}");
        assert_eq!(events, []);
    }
    let twice = framed(Class::Ask, 1, 1, b"").repeat(2);
    let mut events = Vec::new();
    assert_eq!(peer().receive(0, &twice, &mut events), Err(AskedError::Id(1).into()));
    assert_eq!(events.len(), 1, "what came before holds");
}
