use super::super::frame::FRAME_BYTES_MAX;
use super::*;

fn pings() -> ControlLink {
    ControlLink::new(Decoder::new(FRAME_BYTES_MAX))
}

fn vitals(tick_age_ms: u64) -> Vitals {
    Vitals { clock_ms: 1_000_000, tick_age_ms, heartbeat_age_ms: Some(7) }
}

#[test]
fn a_pong_carries_how_its_node_is() {
    let (mut here, mut there) = (pings(), pings());
    let ping = here.ping(100, 1);
    let (none, pong) = there.receive(0, 2, &|| vitals(3), &ping).unwrap();
    assert_eq!(none, None);
    let (pong, out) = here.receive(130, 1, &|| vitals(0), &pong).unwrap();
    assert_eq!(pong, Some(AnsweredPing { vitals: vitals(3), pinged_ms: 100, received_ms: 130, version: 2 }));
    assert!(out.is_empty());
}

#[test]
fn a_wedged_server_does_not_look_alive() {
    for (tick_age_ms, is_answered) in [(0, true), (3_000, true), (3_001, false), (u64::MAX, false)] {
        let (_, out) = pings().receive(0, 2, &|| vitals(tick_age_ms), &pings().ping(0, 1)).unwrap();
        assert_eq!(!out.is_empty(), is_answered, "{tick_age_ms}");
    }
}

#[test]
fn pongs_that_come_late_or_twice_prove_nothing_new() {
    let (mut here, mut there) = (pings(), pings());
    let sent: Vec<u8> = (0..100).flat_map(|at| here.ping(at, 1)).collect();
    assert_eq!(here.sent.len(), SENT_MAX, "what is not answered is forgotten");
    let (_, pongs) = there.receive(0, 2, &|| vitals(3), &sent).unwrap();
    let (pong, _) = here.receive(500, 1, &|| vitals(0), &pongs).unwrap();
    assert_eq!(pong.unwrap().pinged_ms, 99, "the newest of them");
    assert_eq!(here.receive(600, 1, &|| vitals(0), &pongs).unwrap().0, None);
}

#[test]
fn another_protocol_is_refused() {
    let mut tell = Vec::new();
    frame::write(&mut tell, Class::Tell, 0, 0, 0, b"");
    let unasked = framed(1, 0, &Control::Pong(vitals(0)));
    let mut longer = Vec::new();
    frame::write(&mut longer, Class::Control, 1, 0, 0, b"\0\0");
    let table = [
        (tell, PingError::Class),
        (unasked, PingError::Id(1)),
        (longer, PingError::Message(CodecError::Trailing)),
        (vec![0; 4], PingError::Frame(FrameError::Length(0))),
    ];
    for (bytes, error) in table {
        assert_eq!(pings().receive(0, 0, &|| vitals(0), &bytes), Err(error));
    }
}
