//! Asks and answers as they cross: what a release writes every later one reads, for as long as they may speak with each other.

use uuid::Uuid;

use super::*;

fn boot(n: u64) -> Incarnation {
    Incarnation(Uuid::from_u64_pair(0, n))
}

#[test]
fn a_release_crosses_as_it_is_and_junk_does_not() {
    let view = View::default().after(|_| true).unwrap();
    let shards = vec![ShardId(0), ShardId(255)];
    let crossed = Asked::Release { view: view.clone(), shards: shards.clone() }.encode();
    let Asked::Release { view: came, shards: of } = Asked::decode(&crossed).unwrap();
    assert_eq!((came, of), (view, shards));
    for length in 0..crossed.len() {
        assert!(Asked::decode(&crossed[..length]).is_err(), "{length}");
    }
    let junk = AskedWords::Release { view: Opaque(Bytes::from_static(b"junk")), shards: Vec::new() };
    assert!(matches!(Asked::decode(&codec::encode(&junk)), Err(UnknownWords::Inner(_))));

    let answered = [(ShardId(7), Released { by: boot(1), since: 300 })];
    assert_eq!(was_released(&released(boot(1), &answered)).unwrap(), answered);
    assert!(was_released(b"\x01").is_err(), "of a later release");
}

#[test]
fn what_once_crossed_is_read_and_written_as_before() {
    let ask = AskedWords::Release { view: Opaque(Bytes::from_static(b"view")), shards: vec![0, 255] };
    let ask_bytes = [0, 4, b'v', b'i', b'e', b'w', 2, 0, 255];
    assert_eq!(codec::encode(&ask), ask_bytes);
    assert_eq!(codec::decode(&ask_bytes), Ok(ask));
    let answer = AnswerWords::Released { by: boot(1), shards: vec![(7, 300)] };
    let answer_bytes = [&[0, 16][..], &[0; 15], &[1, 1, 7, 251, 44, 1]].concat();
    assert_eq!(codec::encode(&answer), answer_bytes);
    assert_eq!(codec::decode(&answer_bytes), Ok(answer));
}
