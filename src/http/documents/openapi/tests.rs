use std::collections::BTreeSet;

use domain::{AgentId, ClientId, ConversationId, Email, Line, Name, Shortcut, Tag};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::*;

/// The document of a server that nobody configured.
fn served() -> Value {
    serde_json::from_str(&text(&Config::default())).unwrap()
}

/// Holds values against one of the document's schemas.
fn validator(document: &Value, name: &str) -> Validator {
    let schema =
        json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What is wrong with a schema, each with its place: what has no bound, and what is named and not there.
fn unbounded(schema: &Value, place: &str, names: &BTreeSet<&String>, found: &mut Vec<String>) {
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let has = |key: &str| schema.get(key).is_some();
    for kind in types {
        let bounded = match kind {
            "string" => has("maxLength") || has("enum") || schema["format"] == "binary",
            "integer" | "number" => has("minimum") && has("maximum"),
            "array" => has("maxItems") && has("items"),
            "object" => has("properties") || has("maxProperties") || has("additionalProperties"),
            "boolean" | "null" => true,
            unknown => panic!("{unknown} at {place}"),
        };
        if !bounded {
            found.push(format!("{place}: {kind}"));
        }
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/components/schemas/").unwrap_or_default().to_owned();
        if !names.contains(&name) {
            found.push(format!("{place}: {reference} is not there"));
        }
    }
    for (key, inner) in schema.as_object().into_iter().flatten() {
        let place = format!("{place}/{key}");
        match (key.as_str(), inner) {
            ("properties", Value::Object(fields)) => {
                for (field, schema) in fields {
                    unbounded(schema, &format!("{place}/{field}"), names, found);
                }
            }
            ("items" | "additionalProperties" | "propertyNames", Value::Object(_)) => {
                unbounded(inner, &place, names, found);
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| unbounded(schema, &place, names, found));
            }
            _ => {}
        }
    }
}

#[test]
fn every_text_number_and_list_has_a_bound() {
    let document = served();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: BTreeSet<&String> = schemas.keys().collect();
    let mut found = Vec::new();
    for (name, schema) in schemas {
        unbounded(schema, name, &names, &mut found);
    }
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let place = format!("{method} {path} {}", parameter["name"]);
                // All headers together are bounded, none by itself.
                if parameter["in"] != "header" {
                    unbounded(&parameter["schema"], &place, &names, &mut found);
                }
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                for header in response["headers"].as_object().into_iter().flat_map(serde_json::Map::values) {
                    unbounded(&header["schema"], &place, &names, &mut found);
                }
                assert!(response["headers"]["X-Request-Id"].is_object(), "{place}");
            }
        }
    }
    assert!(operations > 50, "{operations}");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn an_installation_s_own_limits_stand_in_its_document() {
    let mut config = Config::default();
    (config.limits.text_bytes_max, config.limits.page_max) = (1000, 20);
    let document: Value = serde_json::from_str(&text(&config)).unwrap();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Text"]["maxLength"], 1000);
    assert_eq!(schemas["OptionalText"]["maxLength"], 1000);
    assert_eq!(schemas["AgentPage"]["properties"]["data"]["maxItems"], 20);
    let parameters = document["paths"]["/api/v1/admin/agents"]["get"]["parameters"].as_array().unwrap();
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
    assert_eq!((&limit["schema"]["maximum"], &limit["schema"]["default"]), (&json!(20), &json!(20)));
}

#[test]
fn every_body_has_an_example_that_its_schema_takes() {
    let document = served();
    let mut bodies = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(reference) =
                operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
            else {
                continue;
            };
            let name = reference.rsplit('/').next().unwrap();
            let schema = &document["components"]["schemas"][name];
            let example = [&schema["example"], &schema["allOf"][0]["example"]]
                .into_iter()
                .find(|example| example.is_object())
                .unwrap_or_else(|| panic!("{method} {path}: {name} has no example"));
            let errors: Vec<String> =
                validator(&document, name).iter_errors(example).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{name}: {example}");
            bodies += 1;
        }
    }
    assert!(bodies > 20, "{bodies}");
}

/// Whether a type takes a text.
type Takes = fn(&str) -> bool;

#[test]
fn a_schema_takes_what_its_type_takes() {
    let document = served();
    let words: [(&str, Takes); 11] = [
        ("Name", |text| Name::parse(text).is_ok()),
        ("Tags/items", |text| Tag::parse(text).is_ok()),
        ("Title", |text| Line::<300>::parse(text).is_ok()),
        ("Skills/items", |text| Line::<64>::parse(text).is_ok()),
        ("ClientId", |text| ClientId::parse(text).is_ok()),
        ("Shortcut", |text| Shortcut::parse(text).is_ok()),
        ("Email", |text| Email::parse(text).is_ok()),
        ("Text", |text| domain::MessageText::parse(text, 16384).is_ok()),
        ("AgentId", |text| text.parse::<AgentId>().is_ok()),
        ("ConversationId", |text| text.parse::<ConversationId>().is_ok()),
        ("Zone", |text| jiff::tz::TimeZone::get(text).is_ok()),
    ];
    let long = [40, 41, 64, 65, 128, 129, 200, 201, 300, 301, 16384, 16385].map(|length| "x".repeat(length));
    let texts = [
        "",
        " ",
        "\t",
        "\u{3000}",
        "a",
        " a ",
        "a b",
        "a\tb",
        "a\nb",
        "a\n",
        "a\u{0}",
        "a\u{7f}",
        "a\u{85}",
        "a\u{9f}b",
        "é",
        "👩‍👩‍👧",
        "\u{200b}",
        " \u{feff}\u{ad}",
        "\u{3164}\u{2800}",
        "\u{fe0f}",
        "❤\u{fe0f}",
        "\u{200f}שלום",
        "a\u{202e}b",
        "\u{2066}a\u{2069}",
        "~",
        "!",
        "a-b_9",
        "A",
        "ann@example.org",
        "Ann@Example.ORG",
        "@x",
        "x@",
        "a@b@c",
        "a b@c",
        "a@b c",
        "agt_018f0c2e6b7d7a4c9d3e5f60718293a4",
        "agt_018F0C2E6B7D7A4C9D3E5F60718293A4",
        "cnv_018f0c2e6b7d7a4c9d3e5f60718293a4",
        "cnv_018f0c2e6b7d7a4c9d3e5f60718293a",
        "agt_",
        "Europe/Berlin",
        "UTC",
        "Mars/Olympus",
        "+01:00",
    ];
    for (word, takes) in words {
        let schema = validator(&document, word);
        for text in texts.into_iter().chain(long.iter().map(String::as_str)) {
            assert_eq!(schema.is_valid(&json!(text)), takes(text), "{word}: {text:?}");
        }
    }
    let origin = validator(&document, "Origins/items");
    for (text, taken) in [
        ("https://shop.example", true),
        ("http://localhost:3000", true),
        ("https://*.shop.example", true),
        ("https://127.0.0.1:8443", true),
        ("capacitor://localhost", true),
        ("https://127.0.0.256", false),
        ("https://*.shop", false),
        ("null", false),
        ("https://a b.example", false),
        ("https://shop.example/path", false),
    ] {
        assert_eq!(origin.is_valid(&json!(text)), taken, "{text}");
        assert_eq!(crate::origins::spelling::listed(text).is_ok(), taken, "{text}");
    }
}

#[test]
fn what_a_type_cannot_say_of_its_fields_together_the_schema_says() {
    let document = served();
    let (agent, team) = ("agt_018f0c2e6b7d7a4c9d3e5f60718293a4", "team_018f0c2e6b7d7a4c9d3e5f60718293a4");
    let file = "file_018f0c2e6b7d7a4c9d3e5f60718293a4";
    for (name, body, valid) in [
        ("MessageJson", json!({"client_id": "a"}), false),
        ("MessageJson", json!({"client_id": "a", "text": "hi"}), true),
        ("MessageJson", json!({"client_id": "a", "text": ""}), false),
        ("MessageJson", json!({"client_id": "a", "text": null, "file_ids": [file]}), true),
        ("MessageJson", json!({"client_id": "a", "text": "", "file_ids": [file]}), true),
        ("MessageJson", json!({"client_id": "a", "file_ids": []}), false),
        ("MessageJson", json!({"client_id": "a", "text": "hi", "more": 1}), false),
        ("TransferJson", json!({"to": {"agent_id": agent}}), true),
        ("TransferJson", json!({"to": {"team_id": team, "agent_id": null}}), true),
        ("TransferJson", json!({"to": {"team_id": team, "agent_id": agent}}), false),
        ("TransferJson", json!({"to": {}}), false),
        ("NewCannedWriteJson", json!({"shortcut": "a", "title": "a", "text": "a"}), true),
        ("NewCannedWriteJson", json!({"shortcut": "a", "title": "a"}), false),
        ("NewCannedWriteJson", json!({"shortcut": "a", "title": "a", "text": "a", "scope": "team"}), false),
        (
            "NewCannedWriteJson",
            json!({"shortcut": "a", "title": "a", "text": "a", "scope": "team", "team_id": team}),
            true,
        ),
        ("NewCannedWriteJson", json!({"shortcut": "a", "title": "a", "text": "a", "team_id": team}), false),
        ("CannedWriteJson", json!({}), true),
        ("NewAgentWriteJson", json!({"email": "a@b", "name": "A"}), false),
        ("AgentWriteJson", json!({"name": null}), false),
        ("TeamWriteJson", json!({"queue_max": null, "hours": null}), true),
        ("TeamWriteJson", json!({"hours": [{"day": "monday", "from": "09:00", "to": "25:00"}]}), false),
        ("NewSiteWriteJson", json!({"name": "A", "team_id": team, "identity_required": true}), false),
        (
            "NewSiteWriteJson",
            json!({"name": "A", "team_id": team, "identity_required": true, "identity_secret": "x".repeat(32)}),
            true,
        ),
        ("StartJson", json!({"client_id": "a", "attributes": {"a": [1]}}), false),
        (
            "StartJson",
            json!({"client_id": "a", "attributes": {"a": 1.5, "b": true, "c": "d\n", "e": null}}),
            true,
        ),
        ("StartJson", json!({"client_id": "a", "attributes": {"skills": ["a", "b"]}}), true),
        ("StartJson", json!({"client_id": "a", "attributes": {"a": 9_007_199_254_740_993_u64}}), false),
        ("StartJson", json!({"client_id": "a", "text": "", "team_id": "", "subject": ""}), true),
        ("EnterJson", json!({"name": "", "email": " ann@example.org\n"}), true),
        ("RateJson", json!({"score": 0}), false),
        ("RateJson", json!({"score": 5.5}), false),
    ] {
        assert_eq!(validator(&document, name).is_valid(&body), valid, "{name}: {body}");
    }
}
