//! Clients that do not keep up: who does not read is closed and resumes, who does not answer is given up, and nobody
//! else notices.

use std::time::{Duration, Instant};

use driver::{Frame, Options, Socket};
use tokio::time::timeout;

use super::raw::Raw;
use super::{PATIENCE, Stage, Talk, assert_lives, events};

/// Sockets of visitors that are open, as an operator sees them.
async fn open_sockets(stage: &Stage) -> u64 {
    let metrics = stage.api.get("/metrics").send().await.unwrap();
    let text = std::str::from_utf8(&metrics.bytes).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("switchboard_sockets{kind=\"visitor\"} "));
    line.expect("sockets are counted").parse().unwrap()
}

/// Reads on to the end: the last event that came, after `seq`, and the code of the close.
async fn read_to_the_end(socket: &mut Socket, mut seq: u64) -> (u64, Option<u16>) {
    loop {
        match socket.next().await.unwrap() {
            // The visitor waits, and is told their place.
            Frame::Json(push) if push["type"] == "queue" => {}
            Frame::Json(push) => {
                assert_eq!(push["type"], "event", "{push}");
                assert_eq!(push["seq"], seq + 1);
                seq += 1;
            }
            Frame::Closed { code, .. } => return (seq, code),
        }
    }
}

#[tokio::test]
async fn a_reader_who_does_not_read_is_closed_and_resumes_and_the_others_go_on() {
    // All that the kernel takes for both sides is a few MiB; a log holds 32.
    const EVENTS_MAX: u64 = 1_500;
    let options = Options::unlimited().limit("push_window_events", 16).limit("push_stall_s", 600);
    let stage = Stage::start(options).await;
    let Talk { visitor, conversation } = &stage.talk(0).await;
    let mut quick = stage.listener(&visitor.token, conversation).await;
    let mut slow = stage.listener(&visitor.token, conversation).await;
    assert_eq!(open_sockets(&stage).await, 2);

    let text = "x".repeat(16 * 1024);
    let mut head = 1;
    while open_sockets(&stage).await == 2 {
        assert!(head < EVENTS_MAX, "the server holds {head} events for one who does not read them");
        let client_id = format!("m{head}");
        let posted = stage.api.post_message(&visitor.token, conversation, &client_id, &text).await.unwrap();
        posted.expect(201).unwrap();
        head += 1;
        events(&mut quick, conversation, head..=head).await;
    }
    // The visitor reads again in time to be told why: what was under way, without a hole, and the close.
    let (seen, code) = read_to_the_end(&mut slow, 1).await;
    assert_eq!(code, Some(4413));
    assert!(seen < head, "{seen} of {head}");
    assert_lives(&mut quick).await;

    let mut resumed = Socket::open(&stage.api).await.unwrap();
    resumed.hello(&visitor.token, &[(conversation, Some(seen))]).await.unwrap();
    events(&mut resumed, conversation, seen + 1..=head).await;
}

#[tokio::test]
async fn a_write_that_stalls_closes_even_when_nothing_more_is_pushed() {
    let options = Options::unlimited()
        .limit("push_window_events", 100_000)
        .limit("push_window_bytes", 16 * 1024 * 1024)
        .limit("push_stall_s", 1);
    let stage = Stage::start(options).await;
    let Talk { visitor, conversation } = &stage.talk(0).await;
    let text = "x".repeat(16 * 1024);
    for number in 0..900 {
        let client_id = format!("m{number}");
        let posted = stage.api.post_message(&visitor.token, conversation, &client_id, &text).await.unwrap();
        posted.expect(201).unwrap();
    }
    // Replay is pulled by the writer, so it fills no window; its reader stops reading.
    let mut slow = stage.socket(&visitor.token).await;
    super::subscribe(&mut slow, conversation, Some(0)).await;
    let closed = async { while open_sockets(&stage).await > 0 {} };
    timeout(PATIENCE, closed).await.expect("the stalled socket is closed");
    let (seen, code) = read_to_the_end(&mut slow, 0).await;
    assert_eq!(code, Some(4413));
    assert!((1..901).contains(&seen), "{seen}");
}

#[tokio::test]
async fn who_answers_no_ping_is_given_up_and_who_does_is_kept() {
    let options = Options::default().limit("ping_interval_s", 1).limit("dead_after_s", 3);
    let stage = Stage::start(options).await;
    let visitor = stage.visitor().await;
    let mut living = stage.socket(&visitor.token).await;
    let mut dead = Raw::greeted(&stage.api, &visitor.token).await;
    let begun = Instant::now();
    // A client that reads answers pings by itself; the bare one does not.
    let (code, nothing) = tokio::join!(dead.close_code(), living.next_within(Duration::from_secs(5)));
    assert_eq!((code, nothing.unwrap()), (Some(4408), None));
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_lives(&mut living).await;
}
