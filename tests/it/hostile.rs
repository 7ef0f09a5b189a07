//! Clients that mean harm, or do it: bytes that are no request, requests that are none of ours, and crowds that are
//! slow. They get an error of the contract's form or a plain 4xx, or are closed; never a 5xx, never a panic, and nobody
//! else notices.

mod bodies;
mod crowd;
mod hellos;
mod reads;
mod requests;
mod slow;
mod wire;

use driver::Sandbox;
use serde_json::Value;

use wire::Heard;

/// Codes of the contract by their status, as far as what is hostile can earn them.
const CODES: &[(u16, &[&str])] = &[
    (400, &["INVALID_JSON", "INVALID_REQUEST", "INVALID_HEADER", "INVALID_CURSOR"]),
    (401, &["UNAUTHENTICATED", "INVALID_TOKEN"]),
    (404, &["NOT_FOUND"]),
    (405, &["METHOD_NOT_ALLOWED"]),
    (408, &["REQUEST_TIMEOUT"]),
    (411, &["LENGTH_REQUIRED"]),
    (413, &["PAYLOAD_TOO_LARGE"]),
    (414, &["URI_TOO_LONG"]),
    (415, &["UNSUPPORTED_MEDIA_TYPE"]),
    (422, &["VALIDATION_FAILED"]),
    (426, &["UPGRADE_REQUIRED"]),
    (429, &["RATE_LIMITED", "OVERLOADED"]),
    (431, &["HEADERS_TOO_LARGE"]),
];

/// Panics unless the answer is an error of the contract's form, with what every answer carries.
fn assert_refused(what: &str, heard: &Heard) {
    let known = CODES.iter().find(|(status, _)| *status == heard.status);
    let (_, codes) = known.unwrap_or_else(|| panic!("{what}: {heard:?}"));
    let body: Value = serde_json::from_slice(&heard.body).unwrap_or_else(|_| panic!("{what}: {heard:?}"));
    let error = &body["error"];
    assert!(codes.contains(&error["code"].as_str().unwrap_or_default()), "{what}: {heard:?}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {heard:?}");
    assert_eq!(error["request_id"].as_str(), heard.header("x-request-id"), "{what}: {heard:?}");
    assert_eq!(heard.header("x-content-type-options"), Some("nosniff"), "{what}: {heard:?}");
    assert_eq!(heard.header("content-type"), Some("application/json"), "{what}: {heard:?}");
}

/// The server serves, and nothing in its log asks for a person.
async fn assert_unharmed(sandbox: &Sandbox) {
    sandbox.api().get("/readyz").send().await.unwrap().expect(200).unwrap();
    let log = sandbox.log().unwrap();
    let bad: Vec<&str> = log.lines().filter(|l| l.contains("panicked") || l.contains("\"ERROR\"")).collect();
    assert_eq!(bad, Vec::<&str>::new());
}
