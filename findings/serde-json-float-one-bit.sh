#!/usr/bin/env bash
# serde_json 1.0.154 (Rust): a number that it wrote is read back as another number, one bit off.
#
# What one expects: a 64-bit float is written with as many digits as name it, so that `from_str(&to_string(x))` is `x`. A service that keeps
#   what a page told it (an attribute, an amount, a coordinate) gives the same number back.
# What happens: with the default features the reader's precision is best effort, and some values differ in their last bit. So a
#   number may change each time that it is stored and read, a comparison of what was sent with what is kept fails, and a hash of
#   the content is another one. Of 100,000 floats of random digits 11,745 are hit;
#   amounts of a few digits are not, so that it goes unseen.
# What to do: the feature `float_roundtrip`; it costs reading of floats about twice the time. Another crate of the program may have
#   switched it on already, since features are united: then it vanishes, and comes back when that crate goes.
# Source: the crate's README and Cargo.toml, "float_roundtrip".
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >src/main.rs <<'RS'
fn main() {
    let sent = -7_211_494_769_351_796.0_f64;
    let written = serde_json::to_string(&sent).expect("a number is JSON");
    let read: f64 = serde_json::from_str(&written).expect("what was written is read");
    println!("sent {sent:?}, written {written}, read {read:?}");
    // A plain generator, so that the count is the same each time; numbers between a thousandth and 10^17.
    let (mut state, mut other, mut tried) = (1_u64, 0, 0);
    while tried < 100_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = f64::from_bits(state ^ (state >> 29));
        if !(1e-3..1e17).contains(&number.abs()) {
            continue;
        }
        let back: f64 = serde_json::from_str(&serde_json::to_string(&number).expect("JSON")).expect("a number");
        other += u32::from(back.to_bits() != number.to_bits());
        tried += 1;
    }
    println!("{other} of {tried} others are read as another number");
    println!("same: {}", sent.to_bits() == read.to_bits() && other == 0);
}
RS
for features in '[]' '["float_roundtrip"]'; do
  cat >Cargo.toml <<TOML
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
serde_json = { version = "=1.0.154", features = $features }
[profile.dev]
debug = 0
TOML
  cargo build --quiet
  echo "serde_json $(sed -n '/^name = "serde_json"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock), features $features"
  target/debug/finding | tee "seen$features"
done
if grep -q 'same: false' 'seen[]' && grep -q 'same: true' 'seen["float_roundtrip"]'; then
  echo "seen: what it wrote is read as another number, unless the feature is on"
else
  echo "not seen any more" >&2
  exit 1
fi
