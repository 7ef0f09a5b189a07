//! The folders that the program makes are its user's alone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Starts a demo in the folder, with a mask that hides nothing, and waits until it serves; then looks, and ends it.
fn while_serving(arguments: &str, folder: &Path, look: impl FnOnce()) {
    let line = format!("umask 0; exec \"$0\" demo --listen 127.0.0.1:0 --ready-json {arguments}");
    let mut child = Command::new("sh")
        .args(["-c", &line])
        .arg(driver::binary())
        .current_dir(folder)
        .env("TMPDIR", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready.contains("\"url\""), "{ready}");
    looked.unwrap();
}

#[test]
fn what_holds_data_is_nobody_else_s_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let only = |name: &str| {
        let mut names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        names.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(name)).unwrap()
    };
    while_serving("--data new/data", folder.path(), || {
        let data = only("new").join("data");
        assert_eq!((mode(&only("new")), mode(&data)), (0o700, 0o700));
        for entry in fs::read_dir(&data).unwrap() {
            let path = entry.unwrap().path();
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "{}", path.display());
        }
    });
    while_serving("--ephemeral", folder.path(), || assert_eq!(mode(&only(".tmp")), 0o700));
}
