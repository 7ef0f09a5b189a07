//! The end of the server: its sockets are told to come back, each at another moment, and lose nothing by it.

use driver::{Options, Signal, Socket};
use futures_util::future::join_all;
use serde_json::json;

use super::{PATIENCE, Stage, Talk, events, send, subscribe};

/// How long a drain may take in all.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(25);
/// So many events the conversation has when the server is told to stop, most of them from the moment before.
const LAST: u64 = 40;

#[tokio::test]
async fn a_drain_closes_with_1012_and_when_to_come_back() {
    let mut stage = Stage::start(Options::unlimited()).await;
    let Talk { visitor, conversation } = stage.talk(0).await;
    let agent = stage.agent(0).await;
    let mut sockets = vec![stage.listener(&agent.token, &conversation).await];
    for _ in 0..9 {
        sockets.push(stage.listener(&visitor.token, &conversation).await);
    }
    let mut ungreeted = Socket::open(&stage.api).await.unwrap();
    assert_eq!(send(&mut sockets[1], &conversation, "a", "before").await["seq"], 2);
    let said = Talk { visitor: visitor.clone(), conversation: conversation.clone() };
    let ids: Vec<String> = (3..=LAST).map(|number| format!("said-{number}")).collect();
    join_all(ids.iter().map(|id| stage.say(&said, id))).await;

    stage.sandbox.signal(Signal::TERM).unwrap();
    let mut waits_ms = Vec::new();
    for mut socket in sockets {
        // Whatever was acknowledged has come before.
        events(&mut socket, &conversation, 2..=LAST).await;
        let (code, reason) = socket.expect_close(PATIENCE).await.unwrap();
        assert_eq!(code, Some(1012), "{reason}");
        let wait_ms = reason.split("retry_after_ms=").nth(1).and_then(|rest| rest.parse::<u64>().ok());
        waits_ms.push(wait_ms.unwrap_or_else(|| panic!("no wait in {reason}")));
    }
    waits_ms.sort_unstable();
    waits_ms.dedup();
    assert_eq!(waits_ms.len(), 10, "they come back at different moments: {waits_ms:?}");
    assert!(waits_ms.iter().all(|wait_ms| *wait_ms <= 10_000), "{waits_ms:?}");
    // Who says hello only now hears the same.
    ungreeted.send_json(&json!({ "type": "hello", "token": visitor.token })).await.unwrap();
    assert_eq!(ungreeted.expect_close(PATIENCE).await.unwrap().0, Some(1012));
    assert_eq!(stage.sandbox.exit_code(DRAIN).await.unwrap(), 0);

    stage.sandbox.restart().await.unwrap();
    let mut socket = stage.socket(&visitor.token).await;
    assert_eq!(subscribe(&mut socket, &conversation, Some(1)).await["last_seq"], LAST);
    events(&mut socket, &conversation, 2..=LAST).await;
    // A repeat after the restart is still a repeat.
    assert_eq!(send(&mut socket, &conversation, "a", "before").await["seq"], 2);
}
