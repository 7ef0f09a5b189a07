//! What admins set up: workspaces, sites, teams and agents; how each is made, read, changed and removed, and what a
//! change does to those who are at work.

use std::time::Duration;

use driver::Answer;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::house::{House, PASSWORD, ask, assert_invalid, assert_refused, look, new_agent, text};

mod workspaces;

/// Within this a change of teams is seen.
const SIGHT: Duration = Duration::from_secs(1);

/// A kind of record, and what a new one needs.
struct Kind {
    list: &'static str,
    valid: Value,
    /// A field and another value of it.
    change: (&'static str, Value),
    /// Fields with what breaks their rules.
    wrong: Vec<(&'static str, Value)>,
    required: Vec<&'static str>,
}

fn kinds(house: &House) -> Vec<Kind> {
    let (team, their_team) = (&house.ours.team, &house.theirs.team);
    let long = "x".repeat(201);
    vec![
        Kind {
            list: "/api/v1/admin/sites",
            valid: json!({ "name": "Shop", "team_id": team, "origins": ["https://shop.example"],
                "identity_secret": SECRET }),
            change: ("locale", json!("pt-BR")),
            wrong: vec![
                ("name", json!("")),
                ("name", json!(long)),
                ("team_id", json!(their_team)),
                ("team_id", json!(null)),
                ("origins[0]", json!(["https://shop.example/path"])),
                ("locale", json!("not a tag")),
                ("theme.color", json!({ "color": "red" })),
                ("tracking", json!("sometimes")),
                ("identity_secret", json!("x".repeat(31))),
                ("identity_secret", json!("x".repeat(129))),
                ("key", json!("mine")),
                ("id", json!("site_1")),
                ("version", json!(7)),
            ],
            required: vec!["name", "team_id"],
        },
        Kind {
            list: "/api/v1/admin/teams",
            valid: json!({ "name": "Sales", "agent_ids": [] }),
            change: ("idle_end_min", json!(5)),
            wrong: vec![
                ("name", json!(null)),
                ("assignment", json!("magic")),
                ("strategy", json!("magic")),
                ("accept_timeout_s", json!(0)),
                ("accept_timeout_s", json!(1.5)),
                ("idle_end_min", json!(0)),
                ("queue_max", json!(-1)),
                ("agent_ids[0]", json!([house.theirs.agent.agent_id])),
                ("workspace_id", json!(house.theirs.workspace)),
            ],
            required: vec!["name"],
        },
        Kind {
            list: "/api/v1/admin/agents",
            valid: json!({ "name": "Carl", "email": "carl@ours.example", "password": SECRET,
                "team_ids": [team] }),
            change: ("name", json!("Carla")),
            wrong: vec![
                ("email", json!("no address")),
                ("name", json!(" ")),
                ("password", json!("1234567")),
                ("role", json!("owner")),
                ("capacity", json!(-1)),
                ("capacity", json!(1001)),
                ("team_ids[0]", json!([their_team])),
                ("languages[0]", json!(["not a tag"])),
                ("operator", json!(true)),
                ("password_hash", json!("x")),
                ("disabled", json!("no")),
            ],
            required: vec!["email", "name", "password"],
        },
    ]
}

/// Never shown once it was set.
const SECRET: &str = "never-shown-0123456789-0123456789";

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

/// The list must be all that there is.
async fn ids(house: &House, list: &str, by: &driver::Agent) -> Vec<String> {
    let page = look(house.api.get(format!("{list}?limit=200")), by).await.expect(200).unwrap();
    assert_eq!(page["next_cursor"], Value::Null);
    page["data"].as_array().unwrap().iter().map(|row| text(&row["id"]).to_owned()).collect()
}

#[tokio::test]
async fn records_are_made_once_read_changed_by_their_version_and_removed() {
    let house = House::start().await;
    let (api, admin, stranger) = (&house.api, &house.ours.admin, &house.theirs.admin);
    let mut answers: Vec<Answer> = Vec::new();
    for Kind { list, valid, change: (field, value), .. } in kinds(&house) {
        let send =
            async |body: &Value| ask(api.post(list).header("idempotency-key", "the-key"), admin, body).await;
        let before = ids(&house, list, admin).await;
        let first = send(&valid).await;
        assert_eq!(first.status, 201, "{first}");
        let version = first.header("etag").to_owned();
        let repeat = send(&valid).await;
        assert_eq!((repeat.status, &repeat.body), (200, &first.body), "{repeat}");
        let other = with(&valid, "name", json!("Other"));
        assert_refused(&send(&other).await, 409, "IDEMPOTENCY_CONFLICT");
        let call = api.post(list).header("idempotency-key", "two words");
        assert_refused(&ask(call, admin, &valid).await, 400, "INVALID_HEADER");

        let made = first.body.clone();
        assert_eq!((&made["version"], &made["created_at"]), (&json!(1), &made["updated_at"]));
        let path = format!("{list}/{}", text(&made["id"]));
        let read = look(api.get(&path), admin).await;
        assert_eq!((read.status, read.header("etag")), (200, version.as_str()));
        assert_eq!(read.body, made);
        let mut expected = before.clone();
        expected.push(text(&made["id"]).to_owned());
        assert_eq!(ids(&house, list, admin).await, expected);
        let head = look(api.call(http::Method::HEAD, &path), admin).await;
        assert_eq!((head.status, head.bytes.len()), (200, 0));

        let change = json!({ field: value });
        let patch = async |version: &str, body: &Value| {
            ask(api.patch(&path).header("if-match", version), admin, body).await
        };
        let changed = patch(&version, &change).await;
        assert_eq!((changed.status, &changed.body[field]), (200, &value), "{changed}");
        assert_eq!(changed.body["version"], 2);
        assert_refused(&patch(&version, &change).await, 412, "PRECONDITION_FAILED");
        let stale = api.delete(&path).header("if-match", &version);
        assert_refused(&look(stale, admin).await, 412, "PRECONDITION_FAILED");
        // Without a version the last one wins.
        ask(api.patch(&path), admin, &json!({ "name": "Renamed" })).await.expect(200).unwrap();

        // For another workspace it does not exist, and its list is not longer.
        assert!(!ids(&house, list, stranger).await.contains(&text(&made["id"]).to_owned()));
        for answer in [
            look(api.get(&path), stranger).await,
            ask(api.patch(&path), stranger, &change).await,
            look(api.delete(&path), stranger).await,
        ] {
            assert_refused(&answer, 404, "NOT_FOUND");
        }
        answers.extend([first, read, changed, look(api.get(list), admin).await]);

        look(api.delete(&path), admin).await.expect(204).unwrap();
        assert_refused(&look(api.get(&path), admin).await, 404, "NOT_FOUND");
        assert_refused(&look(api.delete(&path), admin).await, 404, "NOT_FOUND");
        assert_eq!(ids(&house, list, admin).await, before);
    }
    for answer in answers {
        let told = answer.to_string();
        assert!(!told.contains(SECRET) && !told.contains("argon2"), "{told}");
        assert!(!told.contains("password") && !told.contains("\"identity_secret\""), "{told}");
    }
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_the_name_of_its_field() {
    let house = House::start().await;
    let (api, admin) = (&house.api, &house.ours.admin);
    for Kind { list, valid, wrong, required, .. } in kinds(&house) {
        let before = ids(&house, list, admin).await;
        let made = ask(api.post(list), admin, &valid).await.expect(201).unwrap();
        let path = format!("{list}/{}", text(&made["id"]));
        // For agents an e-mail that is free, so that the field alone is wrong.
        let free = if valid.get("email").is_some() {
            with(&valid, "email", json!("free@ours.example"))
        } else {
            with(&valid, "name", json!("Free"))
        };
        for (field, value) in wrong {
            let key = field.split(['.', '[']).next().unwrap();
            let create = ask(api.post(list), admin, &with(&free, key, value.clone())).await;
            assert_invalid(&create, field);
            let patch = ask(api.patch(&path), admin, &json!({ key: value })).await;
            assert_invalid(&patch, field);
        }
        for field in required {
            let mut body = free.clone();
            body.as_object_mut().unwrap().remove(field);
            assert_invalid(&ask(api.post(list), admin, &body).await, field);
        }
        for (body, status, code) in [
            ("{", 400, "INVALID_JSON"),
            ("[]", 422, "VALIDATION_FAILED"),
            (r#"{"name":"a","name":"b"}"#, 422, "VALIDATION_FAILED"),
        ] {
            let call = api.post(list).bearer(&admin.token).body("application/json", body);
            assert_refused(&call.send().await.unwrap(), status, code);
        }
        let unread = look(api.get(&path), admin).await;
        assert_eq!(unread.body, made, "a refused change changed something");
        assert_eq!(ids(&house, list, admin).await.len(), before.len() + 1);
    }
}

#[tokio::test]
async fn a_list_is_paged_with_cursors_of_its_own() {
    let house = House::start().await;
    let (api, admin) = (&house.api, &house.ours.admin);
    let list = "/api/v1/admin/teams";
    for number in 0..5 {
        let body = json!({ "name": format!("Team {number}") });
        ask(api.post(list), admin, &body).await.expect(201).unwrap();
    }
    let (mut paged, mut query, mut cursors) = (Vec::new(), "limit=2".to_owned(), Vec::new());
    loop {
        let page = look(api.get(format!("{list}?{query}")), admin).await.expect(200).unwrap();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        paged.extend(data.iter().map(|row| text(&row["id"]).to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        cursors.push(cursor.to_owned());
        query = format!("limit=2&cursor={cursor}");
    }
    assert_eq!(paged, ids(&house, list, admin).await);
    assert_eq!(cursors.len(), 2);
    for (path, by) in [
        (format!("{list}?cursor=x"), admin),
        (format!("/api/v1/admin/sites?cursor={}", cursors[0]), admin),
        (format!("{list}?cursor={}", cursors[0]), &house.theirs.admin),
    ] {
        assert_refused(&look(api.get(path), by).await, 400, "INVALID_CURSOR");
    }
    for wrong in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "order=name"] {
        assert_refused(&look(api.get(format!("{list}?{wrong}")), admin).await, 422, "VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn an_e_mail_names_one_agent_in_the_whole_installation() {
    let house = House::start().await;
    let (api, ours, theirs) = (&house.api, &house.ours, &house.theirs);
    let list = "/api/v1/admin/agents";
    for email in ["agent@ours.example", "AGENT@Ours.Example"] {
        let body = json!({ "name": "Double", "email": email, "password": PASSWORD });
        for admin in [&ours.admin, &theirs.admin] {
            assert_refused(&ask(api.post(list), admin, &body).await, 409, "CONFLICT");
        }
        let change = json!({ "email": email });
        let path = format!("{list}/{}", theirs.agent.agent_id);
        assert_refused(&ask(api.patch(path), &theirs.admin, &change).await, 409, "CONFLICT");
        let first = json!({ "email": email, "name": "Double", "password": PASSWORD });
        let workspace = json!({ "name": "Third", "admin": first });
        let made = ask(api.post("/api/v1/admin/workspaces"), &house.operator, &workspace).await;
        assert_refused(&made, 409, "CONFLICT");
    }
    // Nothing is left of the workspaces that were not made.
    let list = "/api/v1/admin/workspaces";
    assert_eq!(ids(&house, list, &house.operator).await.len(), 2);
    // One that was given up is free.
    let path = format!("/api/v1/admin/agents/{}", ours.agent.agent_id);
    ask(api.patch(&path), &ours.admin, &json!({ "email": "new@ours.example" })).await.expect(200).unwrap();
    new_agent(api, &theirs.admin, "agent@ours.example", json!({})).await;
    api.login("new@ours.example", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_last_admin_and_what_is_in_use_stay() {
    let house = House::start().await;
    let (api, side) = (&house.api, &house.theirs);
    let path = |list: &str, id: &str| format!("/api/v1/admin/{list}/{id}");
    let admins = path("agents", &side.admin.agent_id);
    for change in [json!({ "role": "supervisor" }), json!({ "disabled": true })] {
        assert_refused(&ask(api.patch(&admins), &side.admin, &change).await, 409, "CONFLICT");
    }
    assert_refused(&look(api.delete(&admins), &side.admin).await, 409, "CONFLICT");
    // A second one who is disabled is none.
    let more = json!({ "role": "admin" });
    let second = new_agent(api, &side.admin, "second@theirs.example", more).await;
    let seconds = path("agents", &second.agent_id);
    ask(api.patch(&seconds), &side.admin, &json!({ "disabled": true })).await.expect(200).unwrap();
    assert_refused(&look(api.delete(&admins), &side.admin).await, 409, "CONFLICT");
    ask(api.patch(&seconds), &side.admin, &json!({ "disabled": false })).await.expect(200).unwrap();
    // What was logged in before stays logged out.
    let second = api.login("second@theirs.example", PASSWORD).await.unwrap();

    // The team has a site and a conversation, the site a conversation, and soon the agent one.
    let (teams, sites) = (path("teams", &side.team), path("sites", &side.site));
    let agents = path("agents", &side.agent.agent_id);
    assert_refused(&look(api.delete(&teams), &side.admin).await, 409, "CONFLICT");
    assert_refused(&look(api.delete(&sites), &side.admin).await, 409, "CONFLICT");
    api.accept(&side.agent.token, &side.conversation).await.unwrap().expect(200).unwrap();
    let listed = async {
        while look(api.get("/api/v1/chat/agent/conversations"), &side.agent).await.body["data"] == json!([]) {
        }
    };
    timeout(SIGHT, listed).await.unwrap();
    assert_refused(&look(api.delete(&agents), &side.admin).await, 409, "CONFLICT");
    api.end(&side.agent.token, &side.conversation).await.unwrap().expect(200).unwrap();
    let removed = async |path: &str| {
        let gone = async { while look(api.delete(path), &side.admin).await.status == 409 {} };
        timeout(SIGHT, gone).await.unwrap();
        assert_refused(&look(api.get(path), &second).await, 404, "NOT_FOUND");
    };
    removed(&agents).await;
    removed(&sites).await;
    removed(&teams).await;
    removed(&admins).await;
    let left = async { while look(api.get("/api/v1/auth/me"), &side.admin).await.status != 401 {} };
    timeout(Duration::from_secs(5), left).await.unwrap();
}

#[tokio::test]
async fn a_changed_team_is_seen_at_once_and_a_capacity_holds() {
    let house = House::start().await;
    let (api, side) = (&house.api, &house.ours);
    let sees = async |expected: u16| {
        let seen = async {
            while api.conversation(&side.agent.token, &side.conversation).await.unwrap().status != expected {}
        };
        timeout(SIGHT, seen).await.unwrap();
    };
    sees(200).await;
    let agents = format!("/api/v1/admin/agents/{}", side.agent.agent_id);
    let teams = format!("/api/v1/admin/teams/{}", side.team);
    ask(api.patch(&agents), &side.admin, &json!({ "team_ids": [] })).await.expect(200).unwrap();
    sees(404).await;
    let team = look(api.get(&teams), &side.admin).await.expect(200).unwrap();
    let members = team["agent_ids"].as_array().unwrap().clone();
    assert!(!members.contains(&json!(side.agent.agent_id)), "{team}");
    let mut with_him = members.clone();
    with_him.push(json!(side.agent.agent_id));
    ask(api.patch(&teams), &side.admin, &json!({ "agent_ids": with_him })).await.expect(200).unwrap();
    sees(200).await;
    let agent = look(api.get(&agents), &side.admin).await.expect(200).unwrap();
    assert_eq!(agent["team_ids"], json!([side.team]));

    ask(api.patch(&agents), &side.admin, &json!({ "capacity": 1 })).await.expect(200).unwrap();
    api.accept(&side.agent.token, &side.conversation).await.unwrap().expect(200).unwrap();
    let visitor = api.visitor(&side.site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let second = text(&started["conversation"]["id"]);
    let full = api.accept(&side.agent.token, second).await.unwrap();
    assert_refused(&full, 409, "CAPACITY_EXCEEDED");
    let status = look(api.get("/api/v1/chat/agent/status"), &side.agent).await.expect(200).unwrap();
    assert_eq!((&status["capacity"], &status["load"]), (&json!(1), &json!(1)), "{status}");
    ask(api.patch(&agents), &side.admin, &json!({ "capacity": 2 })).await.expect(200).unwrap();
    api.accept(&side.agent.token, second).await.unwrap().expect(200).unwrap();
}
