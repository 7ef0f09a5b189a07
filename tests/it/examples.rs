//! The API document's examples, sent to a server as they stand: what a reader copies is taken.

use driver::Call;
use http::Method;
use serde_json::Value;

use crate::house::{House, text};

/// Stands in the examples for a team that is there.
const TEAM: &str = "team_018f0c2e6b7d7a4c9d3e5f60718293a4";

/// A body of the document, and where it is sent.
struct Example {
    method: Method,
    path: String,
    body: Value,
}

fn examples(document: &Value) -> Vec<Example> {
    let mut examples = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(name) = schema.as_str().and_then(|reference| reference.rsplit('/').next()) else {
                continue;
            };
            let schema = &document["components"]["schemas"][name];
            let example = [&schema["example"], &schema["allOf"][0]["example"]];
            let body = example.into_iter().find(|example| example.is_object());
            let body = body.unwrap_or_else(|| panic!("{name} has no example")).clone();
            let method = method.to_uppercase().parse().unwrap();
            examples.push(Example { method, path: path.clone(), body });
        }
    }
    examples
}

/// What the path's `{id}` is.
fn id<'a>(house: &'a House, canned: &'a str, path: &str) -> &'a str {
    let ours = &house.ours;
    match path.trim_start_matches("/api/v1/").split('/').nth(1) {
        Some("canned-responses") => canned,
        Some("workspaces") => &ours.workspace,
        Some("sites") => &ours.site,
        Some("teams") => &ours.team,
        Some("agents") => &ours.agent.agent_id,
        Some(_) | None => &ours.conversation,
    }
}

fn signed<'a>(house: &House, call: Call<'a>, path: &str) -> Call<'a> {
    let ours = &house.ours;
    match path.trim_start_matches("/api/v1/") {
        rest if rest.starts_with("admin/") => call.bearer(&house.operator.token),
        rest if rest.starts_with("chat/agent/") || rest.starts_with("chat/canned") => {
            call.bearer(&ours.agent.token)
        }
        "auth/password" => call.bearer(&ours.supervisor.token),
        rest if rest.starts_with("auth/") => call,
        "chat/visitors" => call.site(&ours.site_key),
        // Of a visitor who has nothing more to say.
        "chat/visitors/logout" => call.bearer(&house.theirs.visitor.token),
        _ => call.bearer(&ours.visitor.token),
    }
}

#[tokio::test]
async fn every_example_of_the_document_is_taken() {
    let house = House::start().await;
    let document = house.api.get("/api/v1/openapi.json").send().await.unwrap().expect(200).unwrap();
    let (mut done, mut refused, mut canned) = (0, Vec::new(), String::new());
    for Example { method, path, body } in examples(&document) {
        let here = path.replace("{id}", id(&house, &canned, &path));
        let body: Value = body.to_string().replace(TEAM, &house.ours.team).parse().unwrap();
        let answer =
            signed(&house, house.api.call(method.clone(), &here), &path).json(&body).send().await.unwrap();
        match answer.status {
            200..=299 => done += 1,
            // Nobody has that log-in, and the conversation may be somebody else's by now.
            401 | 403 | 404 | 409 => {}
            _ => refused.push(format!("{method} {path}: {body}: {answer}")),
        }
        if path.ends_with("/canned-responses") {
            canned = text(&answer.body["id"]).to_owned();
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(done >= 15, "{done}");
}
