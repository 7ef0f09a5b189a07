//! A server with two workspaces, and everybody who can ask something in each.

use driver::{Agent, Answer, Api, Call, Options, Sandbox, Visitor};
use serde_json::{Value, json};

/// What the agents that are made here log in with.
pub(crate) const PASSWORD: &str = "a long password";

/// The server and its two workspaces.
pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
    pub(crate) api: Api,
    /// The demo's workspace.
    pub(crate) ours: Side,
    /// Another one, of the same installation.
    pub(crate) theirs: Side,
    /// The installation's first admin, of our workspace.
    pub(crate) operator: Agent,
}

/// A workspace: its agent is in its team and online, and its visitor has a conversation that waits there.
pub(crate) struct Side {
    pub(crate) workspace: String,
    pub(crate) site: String,
    pub(crate) site_key: String,
    pub(crate) team: String,
    pub(crate) admin: Agent,
    pub(crate) supervisor: Agent,
    pub(crate) agent: Agent,
    pub(crate) visitor: Visitor,
    pub(crate) conversation: String,
}

impl House {
    /// Without rates.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Without rates, unless `options` say so.
    pub(crate) async fn start_with(options: Options) -> Self {
        let sandbox = Sandbox::start(Options::unlimited().and(options)).await.unwrap();
        let (api, ready) = (sandbox.api(), sandbox.ready());
        let operator = api.login(&ready.admin.email, &ready.admin.password).await.unwrap();
        let first = json!({ "email": "admin@theirs.example", "name": "Theirs", "password": PASSWORD });
        let body = json!({ "name": "Theirs", "admin": first });
        let made = ask(api.post("/api/v1/admin/workspaces"), &operator, &body).await.expect(201).unwrap();
        let their_admin = api.login("admin@theirs.example", PASSWORD).await.unwrap();

        let admin = new_agent(&api, &operator, "admin@ours.example", json!({ "role": "admin" })).await;
        let ids = [&ready.workspace_id, &ready.site_id, &ready.site_key, &ready.team_id];
        let ours = Side::furnish(&api, admin, ids.map(String::as_str), "ours").await;

        let body = json!({ "name": "Their team" });
        let team = ask(api.post("/api/v1/admin/teams"), &their_admin, &body).await.expect(201).unwrap();
        let body = json!({ "name": "Their site", "team_id": team["id"] });
        let site = ask(api.post("/api/v1/admin/sites"), &their_admin, &body).await.expect(201).unwrap();
        let ids = [&made["id"], &site["id"], &site["key"], &team["id"]].map(text);
        let theirs = Side::furnish(&api, their_admin, ids, "theirs").await;
        Self { sandbox, api, ours, theirs, operator }
    }
}

impl Side {
    async fn furnish(api: &Api, admin: Agent, ids: [&str; 4], domain: &str) -> Self {
        let [workspace, site, site_key, team] = ids.map(str::to_owned);
        let email = |name: &str| format!("{name}@{domain}.example");
        let supervisor = new_agent(api, &admin, &email("supervisor"), json!({ "role": "supervisor" })).await;
        let agent = new_agent(api, &admin, &email("agent"), json!({ "team_ids": [team] })).await;
        api.set_status(&agent.token, "online").await.unwrap().expect(200).unwrap();
        let visitor = api.visitor(&site_key).await.unwrap();
        let started = api.start_conversation(&visitor.token, "first", Some("hello")).await.unwrap();
        let conversation = text(&started.expect(201).unwrap()["conversation"]["id"]).to_owned();
        Self { workspace, site, site_key, team, admin, supervisor, agent, visitor, conversation }
    }
}

/// Makes an agent, with `more` of their fields, and logs them in.
pub(crate) async fn new_agent(api: &Api, admin: &Agent, email: &str, more: Value) -> Agent {
    let mut body = json!({ "email": email, "name": email, "password": PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask(api.post("/api/v1/admin/agents"), admin, &body).await.expect(201).unwrap();
    api.login(email, PASSWORD).await.unwrap()
}

/// Sends it as this agent, with this body.
pub(crate) async fn ask(call: Call<'_>, by: &Agent, body: &Value) -> Answer {
    call.bearer(&by.token).json(body).send().await.unwrap()
}

/// Sends it as this agent, without a body.
pub(crate) async fn look(call: Call<'_>, by: &Agent) -> Answer {
    call.bearer(&by.token).send().await.unwrap()
}

/// A value that must be a text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} where a text should be"))
}

/// Must be refused like this.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer}");
}

/// Must be refused for this field of the request.
#[track_caller]
pub(crate) fn assert_invalid(answer: &Answer, field: &str) {
    assert_refused(answer, 422, "VALIDATION_FAILED");
    assert_eq!(answer.body["error"]["details"][0]["field"], field, "{answer}");
    assert!(answer.body["error"]["details"][0]["rule"].is_string(), "{answer}");
}

/// A multipart body with these parts, each a name, a file name if it is a file, and bytes; and its media type.
pub(crate) fn multipart(parts: &[(&str, Option<&str>, &[u8])]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file_name, bytes) in parts {
        body.extend(format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"").into_bytes());
        if let Some(file_name) = file_name {
            body.extend(format!("; filename=\"{file_name}\"").into_bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b0undary--\r\n");
    ("multipart/form-data; boundary=b0undary", body)
}

/// An image of this size in one colour.
pub(crate) fn new_image(format: image::ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([200, 90, 40]))
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

/// Uploads a file, whatever the answer is.
pub(crate) async fn upload(api: &Api, token: &str, conversation: &str, name: &str, bytes: &[u8]) -> Answer {
    let parts = [("conversation_id", None, conversation.as_bytes()), ("file", Some(name), bytes)];
    let (media_type, body) = multipart(&parts);
    api.post("/api/v1/chat/upload").bearer(token).body(media_type, body).send().await.unwrap()
}
