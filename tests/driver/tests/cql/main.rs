//! What the tests of the CQL store rest on, as the server's own driver sees it. One binary, so that it links once.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in tests, and does not see that their helpers are tests"
)]

mod proxy;
mod ring;

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::retry::FallthroughRetryPolicy;

/// For what must come, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Nothing is set of what concerns addresses, as in the server. A statement is given up after `patience`, and never
/// asked again.
async fn connect(node: &str, patience: Duration) -> Session {
    let profile = ExecutionProfile::builder()
        .request_timeout(Some(patience))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .build();
    let builder =
        SessionBuilder::new().known_node(node).default_execution_profile_handle(profile.into_handle());
    builder.build().await.unwrap()
}
