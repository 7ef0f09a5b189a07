#!/usr/bin/env bash
# tempfile 3.27.0 (Rust): the error of a temporary file that could not be made has no error number of the system.
#
# What one expects: `NamedTempFile::new_in` gives the system's error, as `File::create` does, so that a server tells a full disk
#   (`ENOSPC`), a quota (`EDQUOT`) and too many open files (`EMFILE`) apart by `raw_os_error()`, and answers 507 or 503.
# What happens: the crate puts the path into the error, by making a new one of the same kind. `kind()` is kept, `raw_os_error()` is `None`,
#   and the first error is not among the sources either: its number stands in the text alone. What has no kind of its own in the
#   standard library (too many open files) is `Uncategorized`, which no program can match on.
# What to do: `Builder::make_in` with a closure that opens the file, and keep the error that the closure saw.
# Source: the crate's src/error.rs, `PathError` and `with_err_path`.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
tempfile = "=3.27.0"
[profile.dev]
debug = 0
TOML
mkdir src open
cat >src/main.rs <<'RS'
use std::error::Error;
use std::fs::File;
use std::io;

fn main() {
    // As many files as this process may have open.
    let mut open = Vec::new();
    let plain = loop {
        match File::create(format!("open/{}", open.len())) {
            Ok(file) => open.push(file),
            Err(error) => break error,
        }
    };
    let temporary = tempfile::NamedTempFile::new_in("open").expect_err("no file may be opened any more");
    drop(open);
    let mut numbers = Vec::new();
    let mut source: Option<&(dyn Error + 'static)> = Some(&temporary);
    while let Some(error) = source {
        numbers.extend(error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error));
        source = error.source();
    }
    println!("File::create:          {:?}, number {:?}", plain.kind(), plain.raw_os_error());
    println!("NamedTempFile::new_in: {:?}, number {:?}", temporary.kind(), temporary.raw_os_error());
    println!("all its sources:       numbers {numbers:?}, text {temporary}");
}
RS
cargo build --quiet
echo "tempfile $(sed -n '/^name = "tempfile"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)"
(ulimit -n 64 && target/debug/finding) | tee seen
if grep -q 'File::create: .*number Some(24)' seen && grep -q 'NamedTempFile::new_in: .*number None' seen && grep -q 'sources: *numbers \[\], text .*os error 24' seen; then
  echo "seen: the number is gone"
else
  echo "not seen any more" >&2
  exit 1
fi
