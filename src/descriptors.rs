//! How many files and connections the process may have open at once: as many as the system allows, shared out so that
//! connections leave enough for the store and for files.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at once, however many the process may open.
const CONNECTIONS_MAX: u64 = 50_000;
/// What connections leave to the store, to files that come and go, and to the process itself: a quarter, within these
/// bounds.
const RESERVED_MIN: u64 = 64;
const RESERVED_MAX: u64 = 1024;
/// A server that could take none would be no server.
const CONNECTIONS_MIN: u64 = 16;

/// Raises what the process may open at once to what the system allows it.
///
/// # Errors
///
/// When the system does not; the limit stays as it was.
pub fn raise() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// How many connections may be open at once, by what the process may open now.
pub fn connections_max() -> usize {
    // None: any number.
    connections_within(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn connections_within(limit: u64) -> usize {
    let reserved = (limit / 4).clamp(RESERVED_MIN, RESERVED_MAX);
    let max = limit.saturating_sub(reserved).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
    max as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_store_and_to_files() {
        for (limit, connections) in [
            (0, 16),
            (64, 16),
            (100, 36),
            (256, 192),
            (1024, 768),
            (4096, 3072),
            (20_000, 18_976),
            (65_536, 50_000),
            (u64::MAX, 50_000),
        ] {
            assert_eq!(connections_within(limit), connections, "{limit}");
        }
    }
}
