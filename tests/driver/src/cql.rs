//! A real CQL server for tests: where one runs already, a [`Proxy`] before it that makes outcomes unknown, and
//! a [`Ring`] of nodes to kill.

mod keyspace;
mod proxy;
mod ring;

use std::io::{Write, stderr};
use std::sync::Once;

pub use keyspace::Keyspace;
pub use proxy::{CqlError, Fate, Fault, Heard, Kind, Proxy, Rule, Tally};
pub use ring::Ring;

/// Names the node that tests use, as in `127.0.1.1:9042`; `./test` sets it. It is no name of the server's, which refuses
/// a `SWITCHBOARD_...` that it does not know.
const CONTACT_POINT: &str = "TEST_CQL";

/// The node that tests use, with a keyspace of their own name. None, which is said once, where no node runs: the test
/// then passes without having tested anything, which CI does not allow.
#[expect(clippy::disallowed_methods, reason = "this names what the tests use, and configures nothing")]
pub fn contact_point() -> Option<String> {
    static SAID: Once = Once::new();
    let node = std::env::var(CONTACT_POINT).ok().filter(|node| !node.is_empty());
    if node.is_none() {
        SAID.call_once(|| {
            // Not `eprintln!`: the test harness would keep it to itself. There is no other place to complain at.
            let _ = writeln!(
                stderr(),
                "SKIPPED: the tests that need a CQL server, as {CONTACT_POINT} is not set"
            );
        });
    }
    node
}
