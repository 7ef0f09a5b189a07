use uuid::Uuid;

use super::*;

use ConnectionKind::{Control, Data};

fn name() -> NodeName {
    NodeName::parse("a").unwrap()
}

fn boot(incarnation: u64, booted_ms: u64) -> Introduction {
    Introduction { name: name(), incarnation: Uuid::from_u64_pair(0, incarnation), booted_ms, level: 1 }
}

fn roster() -> PeerRoster<u32, ()> {
    let mut roster = PeerRoster::new();
    roster.set(&BTreeMap::from([(name(), "a:1".to_owned())]), |_| ());
    roster
}

/// Who stands already, who comes, and which connections end.
#[test]
fn of_each_kind_one_stands_and_the_newer_boot_wins() {
    let (old, new) = (boot(9, 100), boot(1, 200));
    let table = [
        ("the first", vec![], (&old, Data), Ok(vec![])),
        ("of the other kind", vec![(&old, Control)], (&old, Data), Ok(vec![])),
        ("again after a reset", vec![(&old, Control), (&old, Data)], (&old, Data), Ok(vec![1])),
        ("a newer boot", vec![(&old, Control), (&old, Data)], (&new, Control), Ok(vec![0, 1])),
        ("an older boot", vec![(&new, Control)], (&old, Data), Err(NotAdmitted::Superseded)),
        ("as old a boot", vec![(&old, Data)], (&boot(10, 100), Data), Ok(vec![0])),
    ];
    for (what, standing, (comes, kind), expected) in table {
        let mut roster = roster();
        for (connection, (peer, kind)) in (0..).zip(standing) {
            roster.admit(peer, kind, connection).unwrap();
        }
        assert_eq!(roster.admit(comes, kind, 7), expected, "{what}");
        let is_admitted = expected.is_ok();
        let entry = roster.get_mut(&name()).unwrap();
        assert_eq!(*entry.slot(kind) == Some(7), is_admitted, "{what}");
        assert_eq!(entry.peer.as_ref() == Some(comes), is_admitted, "{what}");
    }
}

#[test]
fn an_older_boot_comes_back_when_nothing_of_the_newer_stands() {
    let mut roster = roster();
    roster.admit(&boot(1, 200), Data, 1).unwrap();
    roster.get_mut(&name()).unwrap().data = None;
    assert_eq!(roster.admit(&boot(9, 100), Data, 2), Ok(vec![]), "a clock that went back keeps nobody out");
}

#[test]
fn only_peers_are_admitted_and_those_that_go_give_back_what_they_had() {
    let mut roster = roster();
    roster.admit(&boot(1, 1), Data, 1).unwrap();
    roster.set(&BTreeMap::from([(name(), "a:2".to_owned())]), |_| ());
    let entry = roster.get(&name()).unwrap();
    assert_eq!((entry.address.as_str(), entry.data), ("a:2", Some(1)), "another address keeps the link");
    let gone = roster.set(&BTreeMap::new(), |_| ());
    assert_eq!((gone.len(), gone[0].1.data), (1, Some(1)));
    assert_eq!(roster.admit(&boot(1, 1), Data, 1), Err(NotAdmitted::UnknownPeer));
}
