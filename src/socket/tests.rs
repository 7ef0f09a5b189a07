//! A socket and the end of its token, a day later.

use std::time::Duration;

use domain::WorkspaceId;
use driver::{Api, Socket};
use identity::{Caller, VisitorRequest};
use serde_json::json;

use crate::config::Config;
use crate::http::testing::Server;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Lets the sockets' time pass, and then again goes with the machine's: nobody is late because the machine is slow.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn assert_lives(socket: &mut Socket) {
    let pong = socket.request(json!({ "type": "ping" })).await.unwrap();
    assert_eq!(pong["type"], "pong", "{pong}");
}

#[tokio::test]
async fn a_socket_closes_a_minute_after_its_token_s_end_unless_that_is_renewed() {
    let mut config = Config::default();
    // Nobody reads while time passes, so nobody answers a ping.
    (config.limits.ping_interval_s, config.limits.dead_after_s) = (1000, 2000);
    let server = Server::serving(config, |app, stream, read_ahead, handover| {
        Box::pin(crate::socket::serve(app, stream, read_ahead, handover))
    })
    .await;
    let app = &server.app;
    let api = Api::new(server.address);
    // 30 s of the token's day are left.
    app.clock.advance_ms(DAY_MS - 30_000);
    let mut left = Socket::open(&api).await.unwrap();
    let mut renewing = Socket::open(&api).await.unwrap();
    for socket in [&mut left, &mut renewing] {
        let welcome = socket.hello(&server.visitor, &[]).await.unwrap();
        assert_eq!(welcome["type"], "welcome", "{welcome}");
    }
    pass(60).await;
    assert_lives(&mut left).await;

    let Ok(Caller::Site { site, .. }) = app.identity.site("shop-key").await else {
        panic!("it has this key")
    };
    let (workspace, same) = (WorkspaceId::from_hash([1; 16]), VisitorRequest::default());
    let renewed = app.identity.visitor_for(workspace, &site, Some(&server.visitor), &same).await.unwrap();
    let ok = renewing.request(json!({ "type": "token", "token": renewed.token })).await.unwrap();
    assert_eq!(ok["type"], "ok", "{ok}");
    pass(40).await;
    let (code, _) = left.expect_close(Duration::from_secs(10)).await.unwrap();
    assert_eq!(code, Some(4401));
    assert_lives(&mut renewing).await;
}
