//! The program under test, which must have been built from the sources as they are now.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ROOT;

/// Names another build of the program than the release build, as in `target/debug/switchboard`: for a quick look while
/// one works. `./test` does not set it. Relative paths count from the root of the project.
const OTHER_BUILD: &str = "TEST_BINARY";

/// The program under test.
///
/// # Panics
///
/// When it has not been built, or a source that it was built from has changed since: a test of yesterday's program says
/// nothing.
#[expect(clippy::disallowed_methods, reason = "this names what the tests run, and configures nothing")]
pub fn binary() -> PathBuf {
    let build = std::env::var(OTHER_BUILD).unwrap_or_else(|_| "target/release/switchboard".to_owned());
    let built = Path::new(ROOT).join(build);
    let Ok(binary) = built.canonicalize() else {
        panic!("{} is missing: run ./test, or cargo build --release", built.display());
    };
    match newer_source(&binary) {
        Ok(None) => binary,
        Ok(Some(source)) => {
            panic!("{} is older than {source}: run ./test, or cargo build --release", binary.display())
        }
        Err(error) => panic!("what {} was built from: {error}", binary.display()),
    }
}

/// A source that is newer than the program built from it, or gone.
///
/// # Errors
///
/// When the list of sources, which Cargo writes beside a program, cannot be read.
fn newer_source(binary: &Path) -> io::Result<Option<String>> {
    let built_at = modified(binary)?;
    let list = fs::read_to_string(binary.with_extension("d"))?;
    let (_, sources) = list.split_once(": ").ok_or_else(|| io::Error::other("it lists no sources"))?;
    let is_newer = |source: &&str| modified(Path::new(source)).map_or(true, |changed| changed > built_at);
    Ok(sources.split_ascii_whitespace().find(is_newer).map(str::to_owned))
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_program_is_current_until_one_of_its_sources_changes_or_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age_s: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age_s)).unwrap();
            folder.path().join(name)
        };
        let (program, first, second) = (file("program", 10), file("a.rs", 30), file("b.rs", 20));
        let list = format!("{}: {} {}\n", program.display(), first.display(), second.display());
        fs::write(folder.path().join("program.d"), list).unwrap();
        assert_eq!(newer_source(&program).unwrap(), None);

        file("b.rs", 9);
        assert_eq!(newer_source(&program).unwrap(), Some(second.display().to_string()));
        file("b.rs", 20);
        fs::remove_file(&first).unwrap();
        assert_eq!(newer_source(&program).unwrap(), Some(first.display().to_string()));
    }

    #[test]
    fn a_program_without_a_list_of_its_sources_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        File::create(&program).unwrap();
        assert!(newer_source(&program).is_err());
    }
}
