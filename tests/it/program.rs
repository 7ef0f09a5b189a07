//! Runs the program for its exit code and its words, where it is expected to end by itself.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// None: a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it said on standard output.
    pub(crate) stdout: String,
    /// What it said on standard error: its log, and why it failed.
    pub(crate) stderr: String,
}

/// Runs it with an environment of only these variables, to its end. Blocks.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    // What a command finds and leaves in its folder is its own.
    let folder = tempfile::tempdir().unwrap();
    // Files, not pipes: a full pipe would hold up the process that writes into it.
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut child = Command::new(driver::binary())
        .current_dir(folder.path())
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{arguments:?} did not end within {PATIENCE:?}: {}", text(&mut stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ran { code: status.code(), stdout: text(&mut stdout), stderr: text(&mut stderr) }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
