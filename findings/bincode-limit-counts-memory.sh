#!/usr/bin/env bash
# bincode 2.0.1: `with_limit` counts what is decoded into memory, not the bytes that are read.
#
# What one expects: a frame of at most N bytes is decoded with `config::standard().with_limit::<N>()`, and every frame
#   that fits N passes, since the limit is documented as one of bytes.
# What happens: the decoder claims the size in memory of a collection's elements before it reads them. With the standard configuration small
#   numbers take one byte on the wire and eight in memory, so a frame of 101 bytes with a hundred small `u64` is refused under
#   limits of 200 and 800, and passes under 1,000. Between nodes it shows late: frames of texts pass, frames of many
#   numbers, ids or enums are refused, although the frame limit on the wire holds.
# What to do: bound the frame's bytes before decoding, and give the decoder a limit of several times that, only against absurd lengths.
# Source: the crate's src/de/mod.rs, `claim_container_read`; seen with bincode 2.0.1.
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
bincode = { version = "=2.0.1", default-features = false, features = ["std"] }
[profile.dev]
debug = 0
TOML
mkdir src
cat >src/main.rs <<'RS'
use bincode::config::standard;
use bincode::{decode_from_slice, encode_to_vec};

fn main() {
    let numbers: Vec<u64> = (0..100).collect();
    let bytes = encode_to_vec(&numbers, standard()).expect("numbers can be written");
    println!("{} numbers, {} bytes on the wire", numbers.len(), bytes.len());
    let say = |limit: usize, read: Result<(Vec<u64>, usize), bincode::error::DecodeError>| {
        println!("limit {limit}: {}", read.as_ref().map_or_else(|error| error.to_string(), |_| "read".to_owned()));
        read.is_ok()
    };
    let seen = [
        say(200, decode_from_slice(&bytes, standard().with_limit::<200>())),
        say(800, decode_from_slice(&bytes, standard().with_limit::<800>())),
        say(1000, decode_from_slice(&bytes, standard().with_limit::<1000>())),
    ];
    std::process::exit(if seen == [false, false, true] && bytes.len() < 200 { 0 } else { 1 });
}
RS
cargo build --quiet
echo "bincode $(sed -n '/^name = "bincode"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)"
if target/debug/finding; then
  echo "seen: a limit larger than the frame refuses it"
else
  echo "not seen any more" >&2
  exit 1
fi
