//! Canned responses: who sees, finds, makes, changes and removes which.

use driver::{Agent, Answer};
use serde_json::{Value, json};

use crate::house::{House, ask, assert_invalid, assert_refused, look, new_agent, text};

const PATH: &str = "/api/v1/chat/canned-responses";

impl House {
    async fn canned(&self, by: &Agent, body: &Value) -> Answer {
        ask(self.api.post(PATH), by, body).await
    }

    /// Makes one that must be taken; gives it.
    async fn make(&self, by: &Agent, shortcut: &str, text: &str, more: Value) -> Value {
        let mut body = json!({ "shortcut": shortcut, "title": format!("Title of {shortcut}"), "text": text });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.canned(by, &body).await.expect(201).unwrap()
    }

    /// The shortcuts that a list has, in alphabetical order.
    async fn shortcuts(&self, by: &Agent, query: &str) -> Vec<String> {
        let page = look(self.api.get(format!("{PATH}?{query}")), by).await.expect(200).unwrap();
        let data = page["data"].as_array().unwrap();
        let mut shortcuts: Vec<String> = data.iter().map(|row| text(&row["shortcut"]).to_owned()).collect();
        shortcuts.sort();
        shortcuts
    }
}

fn path_of(canned: &Value) -> String {
    format!("{PATH}/{}", text(&canned["id"]))
}

#[tokio::test]
async fn each_agent_sees_their_own_their_teams_and_the_workspaces() {
    let house = House::start().await;
    let (ours, theirs) = (&house.ours, &house.theirs);
    let outside = new_agent(&house.api, &ours.admin, "outside@ours.example", json!({})).await;
    let team = json!({ "scope": "team", "team_id": ours.team });
    let everyones =
        house.make(&ours.supervisor, "all", "For everybody", json!({ "scope": "workspace" })).await;
    let teams = house.make(&ours.supervisor, "team", "For the team", team.clone()).await;
    let own = house.make(&ours.agent, "own", "For myself", json!({})).await;
    assert_eq!((&own["scope"], &own["version"]), (&json!("own"), &json!(1)));
    assert_eq!((&teams["scope"], &teams["team_id"]), (&json!("team"), &json!(ours.team)));

    for (who, seen) in [
        (&ours.agent, vec!["all", "own", "team"]),
        (&ours.supervisor, vec!["all", "team"]),
        (&ours.admin, vec!["all", "team"]),
        (&outside, vec!["all"]),
        (&theirs.admin, vec![]),
        (&theirs.agent, vec![]),
    ] {
        assert_eq!(house.shortcuts(who, "").await, seen);
        for canned in [&everyones, &teams, &own] {
            let expected = if seen.contains(&text(&canned["shortcut"])) { 200 } else { 404 };
            let answer = look(house.api.get(path_of(canned)), who).await;
            assert_eq!(answer.status, expected, "{answer}");
            if expected == 404 {
                let change = json!({ "title": "Mine" });
                assert_eq!(ask(house.api.patch(path_of(canned)), who, &change).await.status, 404);
                assert_eq!(look(house.api.delete(path_of(canned)), who).await.status, 404);
            }
        }
    }
    assert_eq!(house.shortcuts(&ours.agent, &format!("team_id={}", ours.team)).await, ["team"]);

    // Agents write their own alone.
    for scope in [json!({ "scope": "workspace" }), team] {
        let mut body = json!({ "shortcut": "x", "title": "X", "text": "x" });
        body.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        assert_refused(&house.canned(&ours.agent, &body).await, 403, "FORBIDDEN");
        assert_refused(&ask(house.api.patch(path_of(&own)), &ours.agent, &scope).await, 403, "FORBIDDEN");
    }
    for canned in [&everyones, &teams] {
        let change = json!({ "title": "Mine" });
        assert_refused(&ask(house.api.patch(path_of(canned)), &ours.agent, &change).await, 403, "FORBIDDEN");
        assert_refused(&look(house.api.delete(path_of(canned)), &ours.agent).await, 403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn a_list_is_searched_paged_and_filled_for_a_conversation() {
    let house = House::start().await;
    let (api, ours, theirs) = (&house.api, &house.ours, &house.theirs);
    let agent = &ours.agent;
    house.make(agent, "hello", "Good day", json!({})).await;
    house.make(agent, "bye", "Say HELLO to your family", json!({})).await;
    house.make(agent, "othello", "A moor", json!({ "title": "Play" })).await;
    let words =
        r"Hi {{visitor.name}} and {{visitor.email|you}}, {{ agent.name }} of {{team.name}}: \{{no.such}}";
    house.make(agent, "vars", words, json!({})).await;
    for (q, found) in [
        ("hel", vec!["bye", "hello"]),
        ("HEL", vec!["bye", "hello"]),
        ("title%20of", vec!["bye", "hello", "vars"]),
        ("moor", vec!["othello"]),
        ("m%C3%B6%C3%B6r%20", vec!["othello"]),
        ("%EF%BC%AD%6Fo%CC%88r", vec!["othello"]),
        ("nothing", vec![]),
        ("", vec!["bye", "hello", "othello", "vars"]),
    ] {
        assert_eq!(house.shortcuts(agent, &format!("q={q}")).await, found, "{q}");
    }

    let mut paged = Vec::new();
    let mut query = "limit=3".to_owned();
    let cursor = loop {
        let page = look(api.get(format!("{PATH}?{query}")), agent).await.expect(200).unwrap();
        paged.extend(page["data"].as_array().unwrap().iter().map(|row| row["shortcut"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break query };
        query = format!("limit=3&cursor={cursor}");
    };
    paged.sort_by(|a, b| text(a).cmp(text(b)));
    assert_eq!(paged, ["bye", "hello", "othello", "vars"]);
    let other = format!("{PATH}?{cursor}&q=hel");
    assert_refused(&look(api.get(other), agent).await, 400, "INVALID_CURSOR");
    assert_refused(&look(api.get(format!("{PATH}?{cursor}")), &ours.admin).await, 400, "INVALID_CURSOR");
    for wrong in ["limit=0", "limit=201", "team_id=none", "colour=red", "q=a&q=b"] {
        assert_refused(&look(api.get(format!("{PATH}?{wrong}")), agent).await, 422, "VALIDATION_FAILED");
    }

    // What has no value is told in other words; a visitor's name may look like a variable.
    let named = json!({ "name": "{{agent.email}}" });
    let call = api.post("/api/v1/chat/visitors").site(&ours.site_key);
    let visitor = call.json(&named).send().await.unwrap().expect(201).unwrap();
    let started = api.start_conversation(text(&visitor["token"]), "c", None).await.unwrap();
    let conversation = started.expect(201).unwrap()["conversation"]["id"].clone();
    let team = look(api.get(format!("/api/v1/admin/teams/{}", ours.team)), &ours.admin).await;
    let expected = format!(
        "Hi {{{{agent.email}}}} and you, agent@ours.example of {}: {{{{no.such}}}}",
        text(&team.body["name"])
    );
    let filled = format!("{PATH}?q=vars&conversation_id={}", text(&conversation));
    let page = look(api.get(&filled), agent).await.expect(200).unwrap();
    assert_eq!(page["data"][0]["text"], expected);
    let page = look(api.get(format!("{PATH}?q=vars")), agent).await.expect(200).unwrap();
    assert_eq!(page["data"][0]["text"], words);
    assert_refused(&look(api.get(&filled), &theirs.agent).await, 404, "NOT_FOUND");
}

#[tokio::test]
async fn one_is_made_once_changed_by_its_version_and_removed() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let agent = &ours.agent;
    let body = json!({ "shortcut": "hi_1-a", "title": "Hi", "text": "Hello\n there" });
    let send = async |body: &Value| ask(api.post(PATH).header("idempotency-key", "key-1"), agent, body).await;
    let made = send(&body).await.expect(201).unwrap();
    assert_eq!(send(&body).await.expect(200).unwrap(), made);
    let other = json!({ "shortcut": "hi_1-b", "title": "Hi", "text": "Hello" });
    assert_refused(&send(&other).await, 409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(house.shortcuts(agent, "").await, ["hi_1-a"]);

    // A shortcut is taken in its scope alone.
    assert_refused(&house.canned(agent, &body).await, 409, "CONFLICT");
    house.make(&ours.supervisor, "hi_1-a", "Another's own", json!({})).await;
    house.make(&ours.supervisor, "hi_1-a", "Everybody's", json!({ "scope": "workspace" })).await;
    let team = json!({ "scope": "team", "team_id": ours.team });
    house.make(&ours.supervisor, "hi_1-a", "The team's", team.clone()).await;
    let mut again = team;
    again.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    assert_refused(&house.canned(&ours.admin, &again).await, 409, "CONFLICT");
    let second = house.make(agent, "second", "x", json!({})).await;
    let taken = json!({ "shortcut": "hi_1-a" });
    assert_refused(&ask(api.patch(path_of(&second)), agent, &taken).await, 409, "CONFLICT");

    let path = path_of(&made);
    let read = look(api.get(&path), agent).await;
    let version = read.header("etag").to_owned();
    assert_eq!(read.expect(200).unwrap(), made);
    let patch = async |version: &str, body: &Value| {
        ask(api.patch(&path).header("if-match", version), agent, body).await
    };
    let changed = patch(&version, &json!({ "text": "Bye" })).await;
    assert_ne!(changed.header("etag"), version);
    let changed = changed.expect(200).unwrap();
    assert_eq!(
        (&changed["text"], &changed["title"], &changed["version"]),
        (&json!("Bye"), &json!("Hi"), &json!(2))
    );
    assert_refused(&patch(&version, &json!({ "text": "No" })).await, 412, "PRECONDITION_FAILED");
    let call = api.delete(&path).header("if-match", &version);
    assert_refused(&look(call, agent).await, 412, "PRECONDITION_FAILED");
    look(api.delete(&path), agent).await.expect(204).unwrap();
    assert_refused(&look(api.get(&path), agent).await, 404, "NOT_FOUND");
    assert_refused(&look(api.delete(&path), agent).await, 404, "NOT_FOUND");

    let long = "x".repeat(16385);
    let valid = json!({ "shortcut": "ok", "title": "Ok", "text": "ok" });
    for (field, value) in [
        ("shortcut", json!("")),
        ("shortcut", json!("Hi")),
        ("shortcut", json!("x".repeat(33))),
        ("shortcut", json!(null)),
        ("title", json!("x".repeat(301))),
        ("title", json!("a\nb")),
        ("text", json!("  ")),
        ("text", json!("a\u{0}")),
        ("text", json!("Hi {{visitor.nam}}")),
        ("text", json!("Hi {{visitor.name")),
        ("text", json!(long)),
        ("scope", json!("planet")),
        ("team_id", json!(ours.team)),
        ("team_id", json!("team_1")),
        ("owner", json!("me")),
    ] {
        let mut body = valid.clone();
        body[field] = value;
        assert_invalid(&house.canned(agent, &body).await, field);
    }
    for field in ["shortcut", "title", "text"] {
        let mut body = valid.clone();
        body.as_object_mut().unwrap().remove(field);
        assert_invalid(&house.canned(agent, &body).await, field);
    }
    let foreign = json!({ "shortcut": "ok", "title": "Ok", "text": "ok", "scope": "team", "team_id": house.theirs.team });
    assert_invalid(&house.canned(&ours.admin, &foreign).await, "team_id");
}
