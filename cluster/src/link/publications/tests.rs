use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn key(n: u8) -> Bytes {
    Bytes::from(vec![n; 16])
}

/// Puts `count` bodies of `bytes` under a key.
fn fill(queue: &mut PublicationQueue, n: u8, count: usize, bytes: usize) -> Vec<Queued> {
    (0..count).map(|_| queue.push(key(n), Bytes::from(vec![0; bytes]))).collect()
}

#[test]
fn one_gone_stands_for_all_of_a_key_that_found_no_room() {
    let mut queue = PublicationQueue::default();
    assert!(fill(&mut queue, 1, 15, 64 * 1024).iter().all(|queued| *queued == Queued::Body));
    assert_eq!(fill(&mut queue, 1, 3, 64 * 1024), [Queued::Gone, Queued::Covered, Queued::Covered]);
    assert_eq!(fill(&mut queue, 2, 2, 80 * 1024), [Queued::Gone, Queued::Covered]);
    assert_eq!(fill(&mut queue, 3, 1, 10), [Queued::Body], "what fits is taken");
    assert_eq!(fill(&mut queue, 1, 1, 10), [Queued::Covered], "never behind a hole of its own key");
    for _ in 0..15 {
        assert!(matches!(queue.pop(), Some(Delivery::Body { .. })));
    }
    assert_eq!(queue.pop(), Some(Delivery::Gone { key: key(1) }));
    assert_eq!(fill(&mut queue, 1, 1, 10), [Queued::Body], "told, it goes on");
    assert_eq!(queue.pop(), Some(Delivery::Gone { key: key(2) }));
    assert!(matches!(queue.pop(), Some(Delivery::Body { key, .. }) if key == super::tests::key(3)));
    assert!(matches!(queue.pop(), Some(Delivery::Body { key, .. }) if key == super::tests::key(1)));
    assert_eq!((queue.pop(), queue.bytes()), (None, 0));
}

#[test]
fn too_many_keys_without_room_are_one_gone_for_all() {
    let mut queue = PublicationQueue::default();
    let many = |n: u64| Bytes::from(n.to_be_bytes().to_vec());
    let gone =
        (0..100_000).map(|n| queue.push_gone(many(n))).filter(|queued| *queued == Queued::Gone).count();
    let keys = GONE_BYTES_MAX / (8 + ENTRY_BYTES);
    assert_eq!(gone, keys + 1);
    assert!(queue.bytes() <= GONE_BYTES_MAX);
    assert_eq!(fill(&mut queue, 1, 1, 1), [Queued::Covered]);
    let taken: Vec<Delivery> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!((taken.len(), taken.last()), (keys + 1, Some(&Delivery::GoneAll)));
    assert_eq!(fill(&mut queue, 1, 1, 1), [Queued::Body]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// A reader that counts each key's publications sees the next one, or a `Gone` where some are missing.
    #[test]
    fn nothing_is_missing_without_a_gone(steps in proptest::collection::vec((0u8..6, 0usize..200_000, any::<bool>()), 1..200)) {
        let mut queue = PublicationQueue::default();
        let mut published = BTreeMap::<u8, u64>::new();
        let mut read = BTreeMap::<u8, u64>::new();
        let mut take = |publication, published: &BTreeMap<u8, u64>| match publication {
            Delivery::Body { key, body } => {
                let number = u64::from_be_bytes(body[..8].try_into().unwrap());
                let before = read.insert(key[0], number).unwrap_or(0);
                assert_eq!(number, before + 1);
            }
            // It reads from the store: all that has been published by now.
            Delivery::Gone { key } => drop(read.insert(key[0], published[&key[0]])),
            Delivery::GoneAll => read = published.clone(),
        };
        for (n, bytes, is_taken) in steps {
            let number = published.entry(n).or_insert(0);
            *number += 1;
            let mut body = number.to_be_bytes().to_vec();
            body.resize(8 + bytes, 0);
            queue.push(key(n), body.into());
            prop_assert!(queue.bytes() <= BYTES_MAX + GONE_BYTES_MAX);
            if is_taken && let Some(publication) = queue.pop() {
                take(publication, &published);
            }
        }
        while let Some(publication) = queue.pop() {
            take(publication, &published);
        }
        prop_assert_eq!((read, queue.bytes()), (published, 0));
    }
}
