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
/// then passes without having tested anything.
///
/// # Panics
/// Without one where `CI` is set.
#[expect(clippy::disallowed_methods, reason = "this names what the tests use, and configures nothing")]
pub fn contact_point() -> Option<String> {
    static SAID: Once = Once::new();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let node = set(CONTACT_POINT);
    if node.is_none() {
        assert!(set("CI").is_none(), "{CONTACT_POINT} is not set, and CI does not go without a CQL server");
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
