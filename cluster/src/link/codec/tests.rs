//! Lines of samples are a name and bytes in hexadecimal. Lines are added, never changed: what a release wrote every
//! later one reads, for as long as they may speak with each other.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::super::shapes::{
    AskReply, ConnectionKind, Control, Greeting, Introduction, Opaque, PeerHello, Published, Vitals, Welcome,
};
use super::*;
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

fn opaque(bytes: &'static [u8]) -> Opaque {
    Opaque(Bytes::from_static(bytes))
}

fn introduction(name: &str) -> Introduction {
    Introduction {
        name: NodeName::parse(name).unwrap(),
        incarnation: Uuid::from_u64_pair(1, 2),
        booted_ms: 1_700_000_000_000,
        level: 3,
    }
}

fn hello(connection: ConnectionKind) -> Greeting {
    Greeting::Hello(PeerHello {
        connection,
        protocols: ProtocolRange { min: 1, max: 300 },
        nonce: [7; 32],
        from: introduction("node-2"),
        to: NodeName::parse("node-1").unwrap(),
    })
}

fn welcome() -> Greeting {
    let from = introduction("node-1");
    let welcome = Welcome { from, protocols: ProtocolRange { min: 1, max: 2 }, protocol: 2 };
    Greeting::Welcome { welcome, proof: [9; 32] }
}

/// Samples that are held against values, one after the other.
struct Samples {
    lines: BTreeMap<&'static str, Vec<u8>>,
    missing: Vec<String>,
}

impl Samples {
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let written = encode(value);
        match self.lines.remove(name) {
            Some(bytes) => {
                assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value), "{name} is read as before");
                assert_eq!(bytes, written, "{name} is written as before");
            }
            None => {
                let digits: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
                self.missing.push(format!("{name} {digits}"));
            }
        }
    }
}

#[test]
fn what_was_once_written_is_read_and_written_as_before() {
    let byte = |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    let line = |line: &'static str| {
        let (name, digits) = line.split_once(' ').unwrap();
        (name, (0..digits.len()).step_by(2).map(|at| byte(digits, at)).collect())
    };
    let lines = include_str!("golden.txt").lines().map(line).collect();
    let mut samples = Samples { lines, missing: Vec::new() };
    samples.check("greeting.hello.control", &hello(ConnectionKind::Control));
    samples.check("greeting.hello.data", &hello(ConnectionKind::Data));
    samples.check("greeting.challenge", &Greeting::Challenge { nonce: [8; 32] });
    samples.check("greeting.proof", &Greeting::Proof { proof: [6; 32] });
    samples.check("greeting.welcome", &welcome());
    samples.check("control.ping", &Control::Ping);
    let vitals = Vitals { clock_ms: 1_700_000_000_000, tick_age_ms: 250, heartbeat_age_ms: Some(70_000) };
    samples.check("control.pong", &Control::Pong(vitals));
    samples.check("control.pong.first", &Control::Pong(Vitals { heartbeat_age_ms: None, ..vitals }));
    samples.check("reply.done", &AskReply::Done(opaque(b"answer")));
    samples.check("reply.expired", &AskReply::Expired);
    samples.check("reply.overloaded", &AskReply::Overloaded);
    samples.check("reply.unanswered", &AskReply::Unanswered);
    samples.check("published.body", &Published::Body { key: opaque(b"key"), body: opaque(b"body") });
    samples.check("published.gone", &Published::Gone { key: opaque(b"key") });
    samples.check("published.gone_all", &Published::GoneAll);
    assert!(samples.lines.is_empty(), "no sample was made for {:?}", samples.lines.keys());
    assert!(samples.missing.is_empty(), "the samples lack:\n{}", samples.missing.join("\n"));
}

#[test]
fn what_is_longer_shorter_or_has_bytes_behind_is_refused() {
    let whole = encode(&welcome());
    for length in 0..whole.len() {
        assert_eq!(decode::<Greeting>(&whole[..length]), Err(CodecError::Malformed), "{length}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(decode::<Greeting>(&longer), Err(CodecError::Trailing));
    assert_eq!(decode::<Greeting>(&vec![0; BYTES_MAX + 1]), Err(CodecError::TooLong));
    assert_eq!(decode::<AskReply>(&[4]), Err(CodecError::Malformed), "a variant of a later release");
    // A text of 2^60 bytes is refused before anything is allocated for it.
    assert_eq!(decode::<AskReply>(&[0, 253, 0, 0, 0, 0, 0, 0, 0, 16]), Err(CodecError::Malformed));
    // A name is parsed, not believed.
    let mut shouting = encode(&introduction("node-1"));
    shouting[1] = b'N';
    assert_eq!(decode::<Introduction>(&shouting), Err(CodecError::Malformed));
}

#[test]
fn the_longest_publication_passes() {
    let body = Opaque(Bytes::from(vec![1; 256 * 1024]));
    let published = Published::Body { key: opaque(b"key"), body };
    assert_eq!(decode(&encode(&published)), Ok(published));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn junk_is_refused_or_read_and_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<Greeting>(&junk);
        let _ = decode::<Control>(&junk);
        let _ = decode::<AskReply>(&junk);
        let _ = decode::<Published>(&junk);
    }
}
