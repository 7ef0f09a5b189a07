//! A server that was stopped for a while, as a laptop is or a virtual machine that moves: nobody who was there is held to
//! have been silent meanwhile.

use std::time::Duration;

use driver::{Options, Signal};

use super::raw::Raw;
use super::{PATIENCE, Stage, assert_lives};

/// Longer than a socket may be silent.
const PAUSE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn sockets_outlive_a_pause_of_the_server_and_the_dead_among_them_do_not() {
    let options = Options::default().limit("agent_ping_interval_s", 1).limit("agent_dead_after_s", 2);
    let stage = Stage::start(options).await;
    let agent = stage.agent(0).await;
    let mut socket = stage.socket(&agent.token).await;
    let mut dead = Raw::greeted(&stage.api, &agent.token).await;
    assert_lives(&mut socket).await;
    stage.sandbox.signal(Signal::STOP).unwrap();
    tokio::time::sleep(PAUSE).await;
    stage.sandbox.signal(Signal::CONT).unwrap();
    // The one who reads answers the ping that comes now.
    let heard = socket.next_within(Duration::from_millis(1_500)).await.unwrap();
    assert!(!matches!(heard, Some(driver::Frame::Closed { .. })), "{heard:?}");
    assert_lives(&mut socket).await;
    // The one who never answers a ping is given up as at any other time.
    let closed = tokio::time::timeout(PATIENCE, dead.close_code()).await.unwrap();
    assert_eq!(closed, Some(4408));
    assert_lives(&mut socket).await;
}
