//! A real CQL server for tests: where one runs already, a [`Proxy`] before it that makes outcomes unknown, and
//! a [`Ring`] of nodes to kill.

mod keyspace;
mod proxy;
mod ring;

use std::fs::OpenOptions;
use std::io::{Write, stderr};
use std::path::Path;
use std::sync::Once;

pub use keyspace::Keyspace;
pub use proxy::{CqlError, Fate, Fault, Heard, Kind, Proxy, Rule, Tally};
pub use ring::Ring;

/// Names the node that tests use, as in `127.0.1.1:9042`; `./test` sets it. It is no name of the server's, which refuses
/// a `SWITCHBOARD_...` that it does not know.
const CONTACT_POINT: &str = "TEST_CQL";

/// Names a file that takes the name of each test which was skipped, a line each; `./test` counts them, since the harness
/// counts such a test as passed.
const SKIPPED: &str = "TEST_SKIPPED";

/// The node that tests use, with a keyspace of their own name. None, which is said once, where no node runs: the test
/// then ends without having tested anything, and counts as skipped.
///
/// # Panics
/// Without one where `CI` is set, and when the file of skipped tests cannot be written.
#[expect(clippy::disallowed_methods, reason = "this names what the tests use, and configures nothing")]
pub fn contact_point() -> Option<String> {
    static SAID: Once = Once::new();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let node = set(CONTACT_POINT);
    if node.is_none() {
        assert!(set("CI").is_none(), "{CONTACT_POINT} is not set, and CI does not go without a CQL server");
        if let Some(file) = set(SKIPPED) {
            note_skipped(Path::new(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
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

/// The harness names the thread of a test like the test.
fn note_skipped(file: &Path) -> std::io::Result<()> {
    let program = std::env::current_exe()?;
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    let test = std::thread::current();
    let line = format!("{program} {}\n", test.name().unwrap_or("unnamed"));
    // In one piece: tests write at once.
    OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_noted_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skipped");
        note_skipped(&file).unwrap();
        note_skipped(&file).unwrap();
        let noted = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = noted.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, lines[1]), "the same test may ask twice: it is counted once");
        assert!(lines[0].ends_with(" cql::tests::a_skipped_test_is_noted_by_its_name"), "{noted}");
        assert!(note_skipped(folder.path()).is_err());
    }
}
