use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn secret(byte: u8) -> ClusterSecret {
    ClusterSecret::new(vec![byte; 32]).unwrap()
}

fn name(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

fn introduction(called: &str) -> Introduction {
    Introduction { name: name(called), incarnation: Uuid::from_u64_pair(1, 2), booted_ms: 5, level: 3 }
}

fn dial(from: &str, to: &str, nonce: u8) -> (Handshake, Vec<u8>) {
    Handshake::dial(introduction(from), secret(1), name(to), ConnectionKind::Data, [nonce; 32])
}

fn accept(me: &str, nonce: u8) -> Handshake {
    Handshake::accept(introduction(me), secret(1), [nonce; 32])
}

/// What was said, message by message, and what each side found.
struct Said {
    dialing: Result<Option<Greeted>, Refused>,
    dialed: Result<Option<Greeted>, Refused>,
    messages: Vec<Vec<u8>>,
}

fn shake((mut dialing, hello): (Handshake, Vec<u8>), mut dialed: Handshake) -> Said {
    let mut said = Said { dialing: Ok(None), dialed: Ok(None), messages: vec![hello] };
    loop {
        let is_dialed = said.messages.len() % 2 == 1;
        let side = if is_dialed { &mut dialed } else { &mut dialing };
        let found = side.receive(said.messages.last().unwrap());
        let send = found.as_ref().map(|progress| progress.send.clone()).unwrap_or_default();
        *(if is_dialed { &mut said.dialed } else { &mut said.dialing }) =
            found.map(|progress| progress.greeted);
        if send.is_empty() {
            return said;
        }
        said.messages.push(send);
    }
}

#[test]
fn two_that_know_the_secret_know_each_other() {
    let said = shake(dial("b", "a", 1), accept("a", 2));
    let greeted = |peer| Greeted { peer: introduction(peer), connection: ConnectionKind::Data, protocol: 1 };
    assert_eq!(said.dialing, Ok(Some(greeted("a"))));
    assert_eq!(said.dialed, Ok(Some(greeted("b"))));
    assert_eq!(said.messages.len(), 4);
    let challenge = &said.messages[1];
    assert!(!challenge.contains(&b'a'), "nothing is shown before a proof");
    assert_eq!(challenge.len(), frame::HEADER_BYTES + 1 + 32);
}

/// Who is refused, by which side, and why.
#[test]
fn all_others_are_refused() {
    let other_secret = |from: &str, to: &str| {
        Handshake::dial(introduction(from), secret(2), name(to), ConnectionKind::Data, [1; 32])
    };
    let refused = |said: Said| said.dialed.err().or(said.dialing.err());
    let table = [
        ("the wrong secret", shake(other_secret("b", "a"), accept("a", 2)), Refused::Proof),
        ("meant for another", shake(dial("c", "b", 1), accept("a", 2)), Refused::NotForMe(name("b"))),
        ("from itself", shake(dial("a", "a", 1), accept("a", 2)), Refused::Reflected),
        ("the same nonce", shake(dial("b", "a", 1), accept("a", 1)), Refused::Reflected),
        ("the lesser dials", shake(dial("a", "b", 1), accept("b", 2)), Refused::Direction(name("a"))),
    ];
    for (what, said, why) in table {
        assert!(said.dialed.as_ref().ok().cloned().flatten().is_none(), "{what}");
        assert_eq!(refused(said), Some(why), "{what}");
    }
    assert!(!format!("{:?}", dial("b", "a", 2).0).contains("[1, 1"), "the secret is not shown");
}

fn greeting(greeting: &Greeting) -> Vec<u8> {
    framed(greeting)
}

fn hello_of(bytes: &[u8]) -> PeerHello {
    let Ok(Greeting::Hello(hello)) = codec::decode(&bytes[frame::HEADER_BYTES..]) else { panic!() };
    hello
}

#[test]
fn a_node_of_another_protocol_is_refused() {
    let table = [((1, 1), Some(1)), ((0, 7), Some(1)), ((2, 3), None), ((0, 0), None), ((3, 0), None)];
    for ((min, max), agreed) in table {
        let protocols = ProtocolRange { min, max };
        let hello = PeerHello { protocols, ..hello_of(&dial("b", "a", 1).1) };
        let found = accept("a", 2).receive(&greeting(&Greeting::Hello(hello)));
        assert_eq!(found.is_ok(), agreed.is_some(), "{min} to {max}");
        assert_eq!(found.err(), agreed.is_none().then_some(Refused::Protocol(protocols)));
    }
    // The dialed side is held to what both speak.
    let (mut dialing, hello) = dial("b", "a", 1);
    dialing.receive(&greeting(&Greeting::Challenge { nonce: [2; 32] })).unwrap();
    let protocols = ProtocolRange { min: 1, max: 9 };
    let welcome = Welcome { from: introduction("a"), protocols, protocol: 9 };
    let dialed = accept("a", 2);
    let mac = dialed.mac(ProofRole::Dialed, &hello_of(&hello), [2; 32], Some(&welcome));
    let proof = mac.finalize().into_bytes().into();
    let found = dialing.receive(&greeting(&Greeting::Welcome { welcome, proof }));
    assert_eq!(found.err(), Some(Refused::Protocol(protocols)));
}

/// Somebody has listened to a handshake and says the dialing side's part again.
fn replayed() -> Result<Option<Greeted>, Refused> {
    let said = shake(dial("b", "a", 1), accept("a", 2));
    let mut again = accept("a", 3);
    again.receive(&said.messages[0])?;
    Ok(again.receive(&said.messages[2])?.greeted)
}

/// Somebody without the secret is dialed and sends the proof back as their own.
fn reflected() -> Result<Option<Greeted>, Refused> {
    let (mut dialing, _) = dial("b", "a", 1);
    let sent = dialing.receive(&greeting(&Greeting::Challenge { nonce: [2; 32] }))?.send;
    let Ok(Greeting::Proof { proof }) = codec::decode(&sent[frame::HEADER_BYTES..]) else { panic!() };
    let welcome = Welcome { from: introduction("a"), protocols: ProtocolRange::OURS, protocol: 1 };
    Ok(dialing.receive(&greeting(&Greeting::Welcome { welcome, proof }))?.greeted)
}

/// Somebody without the secret dials.
fn guessed() -> Result<Option<Greeted>, Refused> {
    let mut dialed = accept("a", 2);
    dialed.receive(&dial("b", "a", 1).1)?;
    Ok(dialed.receive(&greeting(&Greeting::Proof { proof: [0; 32] }))?.greeted)
}

#[test]
fn nothing_can_be_replayed_reflected_or_guessed() {
    assert_eq!(replayed(), Err(Refused::Proof));
    assert_eq!(reflected(), Err(Refused::Proof));
    assert_eq!(guessed(), Err(Refused::Proof));
    // What this node sends, sent back word by word.
    let (mut dialing, hello) = dial("b", "a", 1);
    assert_eq!(dialing.receive(&hello).unwrap_err(), Refused::Reflected);
    let (mut dialing, _) = dial("b", "a", 1);
    let own = greeting(&Greeting::Challenge { nonce: [1; 32] });
    assert_eq!(dialing.receive(&own).unwrap_err(), Refused::Reflected);
    let mut dialed = accept("a", 2);
    let challenge = dialed.receive(&dial("b", "a", 1).1).unwrap().send;
    assert_eq!(dialed.receive(&challenge).unwrap_err(), Refused::Unexpected);
}

#[test]
fn a_broken_rule_is_noticed() {
    let attacks = [
        (Mutant::NonceNotBound, replayed as fn() -> Result<Option<Greeted>, Refused>),
        (Mutant::RoleNotBound, reflected),
        (Mutant::ProofNotCompared, guessed),
    ];
    for (broken, attack) in attacks {
        mutant::set(Some(broken));
        let found = attack();
        mutant::set(None);
        assert!(matches!(found, Ok(Some(_))), "{broken:?} lets nobody in: {found:?}");
    }
}

/// A node in the middle that carries words from one connection to another, or to another node, or turns a bit.
#[test]
fn a_proof_is_for_one_handshake() {
    let said = shake(dial("c", "a", 1), accept("a", 2));
    // The connection of the other kind, with the same nonces.
    let hello = PeerHello { connection: ConnectionKind::Control, ..hello_of(&said.messages[0]) };
    let mut dialed = accept("a", 2);
    dialed.receive(&greeting(&Greeting::Hello(hello))).unwrap();
    assert_eq!(dialed.receive(&said.messages[2]).unwrap_err(), Refused::Proof);
    // Another node.
    let hello = PeerHello { to: name("b"), ..hello_of(&said.messages[0]) };
    let mut dialed = accept("b", 2);
    dialed.receive(&greeting(&Greeting::Hello(hello))).unwrap();
    assert_eq!(dialed.receive(&said.messages[2]).unwrap_err(), Refused::Proof);
    // Another who is welcomed.
    let (mut dialing, _) = dial("c", "b", 1);
    dialing.receive(&said.messages[1]).unwrap();
    assert_eq!(dialing.receive(&said.messages[3]).unwrap_err(), Refused::Proof);
    for at in frame::HEADER_BYTES..said.messages[3].len() {
        let (mut dialing, _) = dial("c", "a", 1);
        dialing.receive(&said.messages[1]).unwrap();
        let mut turned = said.messages[3].clone();
        turned[at] ^= 1;
        assert!(dialing.receive(&turned).is_err(), "bit {at}");
    }
}

#[test]
fn what_follows_the_handshake_is_kept_for_the_link() {
    let mut dialed = accept("a", 2);
    let said = shake(dial("b", "a", 1), accept("a", 2));
    dialed.receive(&said.messages[0]).unwrap();
    let mut both = said.messages[2].clone();
    frame::write(&mut both, Class::Tell, 0, 1, 0, &[1; 10_000]);
    assert!(dialed.receive(&both).unwrap().greeted.is_some());
    let frame = dialed.finish().next().unwrap().unwrap();
    assert_eq!((frame.class, frame.payload.len()), (Class::Tell, 10_000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn junk_is_refused_or_waits_for_more(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 1..20),
        after_hello in any::<bool>(),
    ) {
        let mut dialed = accept("a", 2);
        if after_hello {
            dialed.receive(&dial("b", "a", 1).1).unwrap();
        }
        for piece in &pieces {
            match dialed.receive(piece) {
                Ok(progress) => prop_assert!(progress.greeted.is_none()),
                Err(_) => break,
            }
        }
    }

    /// In whatever pieces the bytes come.
    #[test]
    fn any_chopping_greets(size in 1usize..80) {
        let said = shake(dial("b", "a", 1), accept("a", 2));
        let mut dialed = accept("a", 2);
        let mut greeted = None;
        for piece in [&said.messages[0][..], &said.messages[2]].concat().chunks(size) {
            greeted = dialed.receive(piece).unwrap().greeted;
        }
        prop_assert!(greeted.is_some());
    }
}

#[test]
fn no_more_than_64_kib_is_read_of_an_unproved_peer() {
    let mut dialed = accept("a", 2);
    assert_eq!(dialed.receive(&vec![0; UNPROVED_BYTES_MAX + 1]).unwrap_err(), Refused::TooMuch);
    let mut long = Vec::new();
    frame::write(&mut long, Class::Control, 0, 0, 0, &[0; HANDSHAKE_FRAME_BYTES_MAX]);
    let refused = accept("a", 2).receive(&long).unwrap_err();
    assert!(matches!(refused, Refused::Frame(FrameError::Length(_))), "{refused}");
    let mut tell = Vec::new();
    frame::write(&mut tell, Class::Tell, 0, 0, 0, b"");
    assert_eq!(accept("a", 2).receive(&tell).unwrap_err(), Refused::Unexpected);
}
