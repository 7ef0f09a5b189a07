#!/usr/bin/env bash
# prometheus-client 0.25.2 (Rust): a line break in a metric's help text breaks the whole exposition.
#
# What one expects: help is free text, given once in the code. The text format has an escape for a line break (`\n`), so the encoder writes
#   it, as it does for the values of labels.
# What happens: 0.25.2 escapes the values of labels (0.25.0 did not), and writes help as it is, with a full stop behind. What follows the break becomes a line of its own, which is neither a comment nor a sample. A
#   strict parser refuses the whole answer, so that one two-line help text takes every metric of the process away. It goes unseen
#   as long as the metric is looked at with curl.
# What to do: keep help texts on one line, and let a test parse the exposition with a strict parser.
# Source: the OpenMetrics specification, "Escaping"; the crate's src/encoding/text.rs, `encode_help`. The strict parser is the
#   one of the Python client, 0.23.1.
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
prometheus-client = "=0.25.2"
[profile.dev]
debug = 0
TOML
mkdir src
cat >src/main.rs <<'RS'
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::{counter::Counter, family::Family};
use prometheus_client::registry::Registry;

fn main() {
    let help = if std::env::args().count() > 1 { "First line\nsecond line" } else { "First line, second line" };
    let sent = Family::<Vec<(String, String)>, Counter>::default();
    sent.get_or_create(&vec![("team".to_owned(), "first\nsecond".to_owned())]).inc();
    let mut registry = Registry::default();
    registry.register("sent", help, sent);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all");
    print!("{text}");
}
RS
cargo build --quiet
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check prometheus_client==0.23.1
cat >parse.py <<'PY'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
try:
    print("parsed:", [family.name for family in text_string_to_metric_families(sys.stdin.read())])
except ValueError as error:
    print("refused:", error)
PY
echo "prometheus-client $(sed -n '/^name = "prometheus-client"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)"
target/debug/finding with-a-break
one="$(target/debug/finding | venv/bin/python parse.py)"
two="$(target/debug/finding with-a-break | venv/bin/python parse.py)"
printf 'help of one line:  %s\nhelp of two lines: %s\n' "$one" "$two"
case "$one / $two" in
  parsed:*" / refused:"*) echo "seen: the label's line break is escaped, the help's is not" ;;
  *) echo "not seen any more" >&2; exit 1 ;;
esac
