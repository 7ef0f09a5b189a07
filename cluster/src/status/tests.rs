//! What people are shown of a view and its heartbeats.

use store::memory::MemoryRecords;
use uuid::Uuid;

use super::*;
use crate::membership::{Accusation, EvictedFor, Spread};
use crate::protocol::ProtocolRange;

const NOW: Timestamp = Timestamp::from_ms(1);

fn boot(n: u8) -> Incarnation {
    Incarnation(Uuid::from_bytes([n; 16]))
}

fn name(n: u8) -> NodeName {
    NodeName::parse(&format!("node-{n}")).unwrap()
}

fn member(n: u8) -> Member {
    Member {
        name: name(n),
        incarnation: boot(n),
        address: format!("10.0.0.{n}:4000"),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: 1,
    }
}

fn view() -> View {
    let mut view = View::default();
    for n in 1..=3 {
        view.enter(member(n));
        view.come_up(boot(n));
        view.hand_out(Spread::Even);
    }
    view
}

#[test]
fn members_are_shown_with_their_shards_their_moves_and_what_they_say() {
    let mut view = view();
    view.evict(boot(3), EvictedFor::Silence);
    view.hand_out(Spread::Even);
    let silent = Accusation { of: boot(1), reason: Reason::Silent };
    let heartbeat = Heartbeat {
        name: name(2),
        incarnation: boot(2),
        counter: 7,
        accuses: vec![silent, Accusation { of: boot(3), reason: Reason::Standing }],
        linked: vec![boot(1), boot(3)],
    };
    let older = Heartbeat { name: name(1), incarnation: boot(9), ..heartbeat.clone() };
    let status = ClusterStatus::of(&view, vec![older, heartbeat]);
    assert_eq!(status.unsealed, [boot(3)]);
    let [first, second] = &status.members[..] else { panic!("{status:?}") };
    assert_eq!((first.shards + second.shards, first.heartbeats, second.heartbeats), (256, None, Some(7)));
    // Those who are out are named by nobody.
    assert_eq!((&second.linked[..], &second.accuses[..]), (&[name(1)][..], &[(name(1), Reason::Silent)][..]));
    // Nothing was cleared yet: all that node 2 has is waited for, and all that was given on waits for the first.
    assert_eq!(second.arriving, second.shards);
    assert!(first.leaving >= second.arriving / 2 && status.moves == first.arriving + second.arriving);
}

#[tokio::test]
async fn a_member_is_drained_by_its_name_once() {
    let records = MemoryRecords::default();
    assert_eq!(drain(&records, NOW, &name(1)).await.unwrap(), None, "there is no cluster");
    let enters = |entered: &mut View| {
        let is_new = entered.members().is_empty();
        *entered = view();
        is_new
    };
    change(&records, NOW, enters).await.unwrap();
    assert_eq!(drain(&records, NOW, &name(9)).await.unwrap(), None);
    assert_eq!(drain(&records, NOW, &name(1)).await.unwrap(), Some(boot(1)));
    let status = ClusterStatus::read(&records, NOW).await.unwrap();
    assert_eq!((status.members[0].member.state, status.members[0].shards), (MemberState::Draining, 0));
    assert!(status.members.iter().any(|member| member.shards == 256), "one takes them all");
    assert_eq!(drain(&records, NOW, &name(1)).await.unwrap(), Some(boot(1)), "again is harmless");
    assert_eq!(ClusterStatus::read(&records, NOW).await.unwrap().version, status.version);
}
