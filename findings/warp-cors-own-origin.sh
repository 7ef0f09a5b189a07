#!/usr/bin/env bash
# warp 0.4.3: its CORS filter refuses the page that the server itself serves.
#
# What one expects: `warp::cors().allow_origin("https://shop.example")` lets one foreign site in, and changes nothing for pages of
#   the server's own address, since a request to one's own origin is no cross-origin request.
# What happens: browsers send `Origin` with a POST to the page's own server too. The filter knows nothing of the server's own address: an
#   `Origin` that is not listed is answered 403 with the text "CORS request forbidden: origin not allowed", the handler is
#   not called. GET requests of the page carry no `Origin`, so the page loads and reads, and only its writes fail. A WebSocket's
#   upgrade carries `Origin` always.
# What to do: list the server's own origin, under every name by which it is reached, or judge origins before warp.
# Source: warp's source, filters/cors.rs, `check_request`; the documentation of `warp::cors` does not mention the server's own origin.
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
tokio = { version = "=1.53.1", features = ["macros", "rt"] }
warp = { version = "=0.4.3", default-features = false, features = ["test"] }
[profile.dev]
debug = 0
TOML
mkdir src
cat >src/main.rs <<'RS'
use warp::Filter;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cors = warp::cors().allow_origin("https://shop.example").allow_methods(["GET", "POST"]);
    let routes = warp::path("messages").map(|| "written").with(cors);
    let ask = async |method: &str, origin: Option<&str>| {
        let request = warp::test::request().method(method).path("/messages").header("host", "chat.example");
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        let answer = request.reply(&routes).await;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        println!("Host: chat.example, {method}, Origin: {}: {} {text}", origin.unwrap_or("none"), answer.status());
        answer.status().as_u16()
    };
    let seen = [
        ask("GET", None).await,
        ask("POST", Some("https://shop.example")).await,
        ask("POST", Some("https://chat.example")).await,
    ];
    std::process::exit(if seen == [200, 200, 403] { 0 } else { 1 });
}
RS
cargo build --quiet
echo "warp $(sed -n '/^name = "warp"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)"
if target/debug/finding; then
  echo "seen: a POST from the server's own page is refused"
else
  echo "not seen any more" >&2
  exit 1
fi
