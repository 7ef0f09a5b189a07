use proptest::prelude::*;

use super::*;

fn frame(class: Class, payload: &[u8]) -> LinkFrame {
    let budget_ms = if class == Class::Ask { 9_000 } else { 0 };
    LinkFrame { class, id: 3, version: 70_000, budget_ms, payload: Bytes::copy_from_slice(payload) }
}

fn bytes(frame: &LinkFrame) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, frame.class, frame.id, frame.version, frame.budget_ms, &frame.payload);
    out
}

/// All frames of these pieces.
fn decode(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<LinkFrame>, FrameError> {
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(frame) = decoder.next()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

fn all(pieces: &[&[u8]]) -> Result<Vec<LinkFrame>, FrameError> {
    decode(&mut Decoder::new(FRAME_BYTES_MAX), pieces)
}

#[test]
fn a_frame_is_written_as_it_always_was() {
    let golden =
        [0, 0, 0, 23, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 0, 0, 0x23, 0x28, b'h', b'i'];
    assert_eq!(bytes(&frame(Class::Ask, b"hi")), golden);
    let classes =
        [Class::Control, Class::Ask, Class::Answer, Class::Tell, Class::Publish, Class::PublishPart];
    assert_eq!(classes.map(|class| class as u8), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_no_frame_is_refused_as_soon_as_it_shows() {
    let length = |length: u32| length.to_be_bytes().to_vec();
    let mut budget = bytes(&frame(Class::Ask, b""));
    budget[4] = Class::Tell as u8;
    let part = |id: u64, payload: &[u8]| bytes(&LinkFrame { id, ..frame(Class::PublishPart, payload) });
    let many = part(1, &vec![0; PAYLOAD_BYTES_MAX]).repeat(5);
    let table: [(&str, Vec<u8>, Result<usize, FrameError>); 9] = [
        ("no bytes", vec![], Ok(0)),
        ("the longest", bytes(&frame(Class::Tell, &vec![0; PAYLOAD_BYTES_MAX])), Ok(1)),
        ("a byte longer", length(65_533), Err(FrameError::Length(65_533))),
        ("four gigabytes", length(u32::MAX), Err(FrameError::Length(u32::MAX as usize))),
        ("shorter than a header", length(20), Err(FrameError::Length(20))),
        ("an unknown class", [length(21), vec![6]].concat(), Err(FrameError::Class(6))),
        ("a tell with a budget", budget, Err(FrameError::Budget)),
        ("two at once", [part(1, b"a"), part(2, b"b")].concat(), Err(FrameError::Parts)),
        ("a longer publication", many, Err(FrameError::Publication)),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(all(&[&bytes]).map(|frames| frames.len()), expected, "{what}");
    }
    let mut early = Decoder::new(HANDSHAKE_FRAME_BYTES_MAX);
    assert_eq!(decode(&mut early, &[&length(4_093)]), Err(FrameError::Length(4_093)));
}

#[test]
fn the_limit_changes_from_one_frame_to_the_next() {
    let both = [bytes(&frame(Class::Control, b"welcome")), bytes(&frame(Class::Tell, &[1; 5_000]))].concat();
    let mut decoder = Decoder::new(HANDSHAKE_FRAME_BYTES_MAX);
    decoder.feed(&both);
    assert_eq!(decoder.next().unwrap().unwrap().payload, &b"welcome"[..]);
    decoder.set_frame_bytes_max(FRAME_BYTES_MAX);
    assert_eq!(decoder.next().unwrap().unwrap().payload.len(), 5_000);
    assert_eq!(decoder.next(), Ok(None));
}

#[test]
fn parts_come_as_one_publication_and_others_pass_between() {
    let parts = [
        bytes(&frame(Class::PublishPart, b"one ")),
        bytes(&frame(Class::Ask, b"ask")),
        bytes(&frame(Class::PublishPart, b"two ")),
        bytes(&frame(Class::Publish, b"three")),
        bytes(&frame(Class::Publish, b"alone")),
    ];
    let frames = all(&[&parts.concat()]).unwrap();
    let read: Vec<_> = frames.iter().map(|frame| (frame.class, &frame.payload[..])).collect();
    let publish = |payload: &'static [u8]| (Class::Publish, payload);
    assert_eq!(read, [(Class::Ask, &b"ask"[..]), publish(b"one two three"), publish(b"alone")]);
}

fn any_class() -> impl Strategy<Value = Class> {
    prop_oneof![
        Just(Class::Control),
        Just(Class::Ask),
        Just(Class::Answer),
        Just(Class::Tell),
        Just(Class::Publish)
    ]
}

fn any_frame() -> impl Strategy<Value = LinkFrame> {
    let payload = prop_oneof![
        20 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (0usize..PAYLOAD_BYTES_MAX).prop_map(|length| vec![7; length]),
    ];
    (any_class(), any::<u64>(), any::<u64>(), any::<u32>(), payload).prop_map(
        |(class, id, version, budget_ms, payload)| {
            let budget_ms = if class == Class::Ask { budget_ms } else { 0 };
            LinkFrame { class, id, version, budget_ms, payload: payload.into() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chopping_gives_the_same_frames(
        frames in proptest::collection::vec(any_frame(), 0..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(bytes).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        prop_assert_eq!(all(&pieces), Ok(frames.clone()));
        let single: Vec<&[u8]> = stream.chunks(1).take(2_000).collect();
        let whole = all(&single).unwrap();
        prop_assert_eq!(&whole[..], &frames[..whole.len()]);
    }

    /// Some of the junk begins as frames do.
    #[test]
    fn junk_never_panics_and_never_takes_more_than_a_frame(
        pieces in proptest::collection::vec(
            (proptest::option::of((0u32..70_000, 0u8..7)), proptest::collection::vec(any::<u8>(), 0..2_000)), 0..20),
    ) {
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        for (start, junk) in pieces {
            let start = start.map_or(Vec::new(), |(length, class)| [&length.to_be_bytes()[..], &[class]].concat());
            let piece = [start, junk].concat();
            decoder.feed(&piece);
            let mut next = decoder.next();
            while let Ok(Some(_)) = next {
                next = decoder.next();
            }
            // Vectors grow to twice what they need.
            prop_assert!(decoder.held() <= 2 * (FRAME_BYTES_MAX + piece.len() + PUBLICATION_BYTES_MAX));
            if next.is_err() {
                break;
            }
        }
    }
}
