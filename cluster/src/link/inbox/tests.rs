use std::sync::atomic::AtomicU64;

use super::super::frame::{self, Class, Decoder, FRAME_BYTES_MAX};
use super::super::peer::LinkEvent;
use super::*;

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn link(inbox: &LinkInbox, peer: &str) -> Arc<DataLink> {
    let link = Arc::new(DataLink::new(Decoder::new(FRAME_BYTES_MAX), Arc::new(AtomicU64::new(3))));
    inbox.link_up(&name(peer), &link);
    link
}

fn body(key: u8, bytes: usize) -> Delivery {
    Delivery::Body { key: Bytes::from(vec![key]), body: Bytes::from(vec![0; bytes]) }
}

#[tokio::test]
async fn publications_keep_their_order_and_peers_take_turns() {
    let inbox = LinkInbox::default();
    let links = [("a", link(&inbox, "a")), ("b", link(&inbox, "b"))];
    for (at, key) in [(0, 1), (0, 2), (0, 3), (1, 4)] {
        let (peer, link) = &links[at];
        assert!(inbox.push_publication(&name(peer), link, body(key, 1)));
    }
    let mut taken = Vec::new();
    for _ in 0..4 {
        let IncomingPublication { peer, publication } = inbox.publication().await;
        let Delivery::Body { key, .. } = publication else { panic!() };
        taken.push((peer.to_string(), key[0]));
    }
    let taken: Vec<_> = taken.iter().map(|(peer, key)| (peer.as_str(), *key)).collect();
    assert_eq!(taken, [("a", 1), ("b", 4), ("a", 2), ("a", 3)]);
}

#[tokio::test]
async fn a_program_that_does_not_take_costs_a_bounded_number_of_bytes_of_each_peer() {
    let inbox = LinkInbox::default();
    let (slow, other) = (name("a"), name("b"));
    let (of_slow, of_other) = (link(&inbox, "a"), link(&inbox, "b"));
    let pushed = (0..100).filter(|_| inbox.push_publication(&slow, &of_slow, body(1, 64 * 1024))).count();
    assert_eq!(pushed, 15);
    let tell = |peer: &NodeName| {
        let payload = Bytes::from(vec![0; 1024]);
        inbox.push_tell(IncomingTell { peer: peer.clone(), version: 1, payload })
    };
    assert_eq!((0..10_000).filter(|_| tell(&slow)).count(), 1_024);
    assert!(
        tell(&other) && inbox.push_publication(&other, &of_other, body(1, 1)),
        "another peer has its own room"
    );
    assert_eq!(inbox.tell().await.peer, slow);
    assert!(tell(&slow), "what was taken makes room");
    let mut last = None;
    for _ in 0..17 {
        let taken = inbox.publication().await;
        last = if taken.peer == slow { Some(taken.publication) } else { last };
    }
    assert_eq!(last, Some(Delivery::Gone { key: Bytes::from_static(&[1]) }), "missing, and said so");
}

/// A link on which asks have come, with their budgets.
fn asked(inbox: &LinkInbox, budgets_ms: &[u32]) -> Arc<DataLink> {
    let link = link(inbox, "a");
    let mut bytes = Vec::new();
    for (id, budget_ms) in (1..).zip(budgets_ms) {
        frame::write(&mut bytes, Class::Ask, id, 9, *budget_ms, &[id as u8]);
    }
    let (events, received) = link.receive(&bytes);
    received.unwrap();
    for event in events {
        let LinkEvent::Asked { id, version, payload } = event else { panic!("{event:?}") };
        inbox.push_ask(&name("a"), version, payload, &link, id);
    }
    link
}

/// What each ask is answered with: the frames that the link has to write.
async fn answers(link: &DataLink) -> Vec<(u64, Vec<u8>)> {
    let (mut bytes, mut answers) = (Vec::new(), Vec::new());
    assert!(link.fill(&mut bytes).await);
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    decoder.feed(&bytes);
    while let Some(frame) = decoder.next().unwrap() {
        assert_eq!((frame.class, frame.version), (Class::Answer, 3));
        answers.push((frame.id, frame.payload.to_vec()));
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn an_ask_whose_budget_is_over_is_not_handed_out() {
    let inbox = LinkInbox::default();
    let link = asked(&inbox, &[100, 200, 300]);
    tokio::time::sleep(Duration::from_millis(150)).await;
    let second = inbox.ask().await;
    assert_eq!((second.payload[0], second.budget.as_millis(), second.version), (2, 50, 9));
    second.answer(Bytes::from_static(b"yes"));
    drop(inbox.ask().await);
    let expected = [(1, vec![1]), (2, [&[0, 3][..], b"yes"].concat()), (3, vec![3])];
    assert_eq!(answers(&link).await, expected, "expired, done, unanswered");
}

#[tokio::test(start_paused = true)]
async fn of_a_link_that_is_lost_nothing_is_done() {
    let inbox = LinkInbox::default();
    let lost = asked(&inbox, &[1_000, 1_000]);
    let began = inbox.ask().await;
    lost.close();
    began.answer(Bytes::new());
    let _link = asked(&inbox, &[500]);
    assert_eq!(inbox.ask().await.budget.as_millis(), 500);
}

#[tokio::test]
async fn what_a_lost_link_still_brings_comes_too_late() {
    let inbox = LinkInbox::default();
    let peer = name("a");
    let old = link(&inbox, "a");
    assert!(inbox.push_publication(&peer, &old, body(1, 1)));
    let new = link(&inbox, "a");
    assert!(!inbox.push_publication(&peer, &old, body(2, 1)));
    inbox.link_lost(&peer, &old);
    let next = async || inbox.publication().await.publication;
    assert_eq!((next().await, next().await), (body(1, 1), Delivery::GoneAll));
    assert!(inbox.push_publication(&peer, &new, body(3, 1)));
    inbox.link_lost(&peer, &new);
    assert_eq!((next().await, next().await), (body(3, 1), Delivery::GoneAll));
}
