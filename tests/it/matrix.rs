//! Who may ask what: every route by every principal, and nothing of a workspace to anybody of another.

use std::collections::{BTreeMap, BTreeSet};

use driver::{Answer, Api, Call, Socket};
use http::Method;
use serde_json::{Value, json};

use crate::house::{House, ask, look, new_image, text, upload};

/// The status that each principal gets. A GET is asked as it is; all others with a query parameter that no route
/// takes, so that 422 says "you may" and nothing changes. Ids in paths are ours.
const TABLE: &str = "
  method route                                             none site visitor agent supervisor admin operator their_visitor their_agent their_admin
  GET    /                                                 200  200  200     200   200        200   200      200           200         200
  GET    /docs                                             200  200  200     200   200        200   200      200           200         200
  GET    /demo/{file}                                      200  200  200     200   200        200   200      200           200         200
  GET    /healthz                                          200  200  200     200   200        200   200      200           200         200
  GET    /readyz                                           200  200  200     200   200        200   200      200           200         200
  GET    /metrics                                          200  200  200     200   200        200   200      200           200         200
  GET    /api/v1/openapi.json                              200  200  200     200   200        200   200      200           200         200
  GET    /api/v1/chat/socket                               426  426  426     426   426        426   426      426           426         426

  POST   /api/v1/auth/login                                422  422  422     422   422        422   422      422           422         422
  POST   /api/v1/auth/refresh                              422  422  422     422   422        422   422      422           422         422
  POST   /api/v1/auth/logout                               422  422  422     422   422        422   422      422           422         422
  POST   /api/v1/auth/password                             401  401  403     422   422        422   422      403           422         422
  GET    /api/v1/auth/me                                   401  401  403     200   200        200   200      403           200         200

  GET    /api/v1/chat/widget/config                        401  200  401     401   401        401   401      401           401         401
  POST   /api/v1/chat/visitors                             401  422  401     401   401        401   401      401           401         401
  POST   /api/v1/chat/visitors/logout                      401  401  422     403   403        403   403      422           403         403

  GET    /api/v1/chat/conversations                        401  401  200     403   403        403   403      200           403         403
  POST   /api/v1/chat/conversations                        401  401  422     403   403        403   403      422           403         403
  GET    /api/v1/chat/conversations/{id}                   401  401  200     200   200        200   200      404           404         404
  GET    /api/v1/chat/conversations/{id}/events            401  401  200     200   200        200   200      404           404         404
  POST   /api/v1/chat/conversations/{id}/messages          401  401  422     422   422        422   422      404           404         404
  POST   /api/v1/chat/conversations/{id}/typing            401  401  422     422   422        422   422      404           404         404
  POST   /api/v1/chat/conversations/{id}/read              401  401  422     422   422        422   422      404           404         404
  POST   /api/v1/chat/conversations/{id}/end               401  401  422     422   422        422   422      404           404         404
  POST   /api/v1/chat/conversations/{id}/rating            401  401  422     403   403        403   403      404           403         403
  POST   /api/v1/chat/upload                               401  401  422     422   422        422   422      422           422         422
  GET    /api/v1/chat/files/{id}                           401  401  200     200   200        200   200      404           404         404
  GET    /api/v1/chat/files/{id}/thumbnail                 401  401  200     200   200        200   200      404           404         404

  GET    /api/v1/chat/agent/conversations                  401  401  403     200   200        200   200      403           200         200
  POST   /api/v1/chat/agent/conversations/{id}/accept      401  401  403     422   422        422   422      403           404         404
  POST   /api/v1/chat/agent/conversations/{id}/release     401  401  403     422   422        422   422      403           404         404
  POST   /api/v1/chat/agent/conversations/{id}/transfer    401  401  403     422   422        422   422      403           404         404
  POST   /api/v1/chat/agent/conversations/{id}/decline     401  401  403     422   422        422   422      403           404         404
  POST   /api/v1/chat/agent/conversations/{id}/reopen      401  401  403     422   422        422   422      403           404         404
  POST   /api/v1/chat/agent/conversations/{id}/tags        401  401  403     422   422        422   422      403           404         404
  GET    /api/v1/chat/agent/conversations/{id}/routing     401  401  403     200   200        200   200      403           404         404
  GET    /api/v1/chat/agent/colleagues                     401  401  403     200   200        200   200      403           200         200
  GET    /api/v1/chat/agent/status                         401  401  403     200   200        200   200      403           200         200
  PUT    /api/v1/chat/agent/status                         401  401  403     422   422        422   422      403           422         422

  GET    /api/v1/chat/canned-responses                     401  401  403     200   200        200   200      403           200         200
  POST   /api/v1/chat/canned-responses                     401  401  403     422   422        422   422      403           422         422
  GET    /api/v1/chat/canned-responses/{id}                401  401  403     200   200        200   200      403           404         404
  PATCH  /api/v1/chat/canned-responses/{id}                401  401  403     403   422        422   422      403           404         404
  DELETE /api/v1/chat/canned-responses/{id}                401  401  403     403   422        422   422      403           404         404

  GET    /api/v1/admin/workspaces                          401  401  403     403   403        403   200      403           403         403
  POST   /api/v1/admin/workspaces                          401  401  403     403   403        403   422      403           403         403
  GET    /api/v1/admin/workspaces/{id}                     401  401  403     403   403        403   200      403           403         403
  PATCH  /api/v1/admin/workspaces/{id}                     401  401  403     403   403        403   422      403           403         403
  DELETE /api/v1/admin/workspaces/{id}                     401  401  403     403   403        403   422      403           403         403
  GET    /api/v1/admin/sites                               401  401  403     403   403        200   200      403           403         200
  POST   /api/v1/admin/sites                               401  401  403     403   403        422   422      403           403         422
  GET    /api/v1/admin/sites/{id}                          401  401  403     403   403        200   200      403           403         404
  PATCH  /api/v1/admin/sites/{id}                          401  401  403     403   403        422   422      403           403         404
  DELETE /api/v1/admin/sites/{id}                          401  401  403     403   403        422   422      403           403         404
  POST   /api/v1/admin/sites/{id}/rotate-key               401  401  403     403   403        422   422      403           403         404
  GET    /api/v1/admin/teams                               401  401  403     403   403        200   200      403           403         200
  POST   /api/v1/admin/teams                               401  401  403     403   403        422   422      403           403         422
  GET    /api/v1/admin/teams/{id}                          401  401  403     403   403        200   200      403           403         404
  PATCH  /api/v1/admin/teams/{id}                          401  401  403     403   403        422   422      403           403         404
  DELETE /api/v1/admin/teams/{id}                          401  401  403     403   403        422   422      403           403         404
  GET    /api/v1/admin/agents                              401  401  403     403   403        200   200      403           403         200
  POST   /api/v1/admin/agents                              401  401  403     403   403        422   422      403           403         422
  GET    /api/v1/admin/agents/{id}                         401  401  403     403   403        200   200      403           403         404
  PATCH  /api/v1/admin/agents/{id}                         401  401  403     403   403        422   422      403           403         404
  DELETE /api/v1/admin/agents/{id}                         401  401  403     403   403        422   422      403           403         404
";

/// What no route takes.
const UNKNOWN_QUERY: &str = "?no_such_parameter=1";

/// A line of the table.
struct Row {
    method: Method,
    route: &'static str,
    /// By principal.
    expected: BTreeMap<&'static str, u16>,
}

fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines().map(str::split_whitespace).filter(|words| words.clone().next().is_some());
    let principals: Vec<&str> = lines.next().unwrap().skip(2).collect();
    lines
        .map(|mut words| {
            let (method, route) = (words.next().unwrap().parse().unwrap(), words.next().unwrap());
            let statuses: Vec<u16> = words.map(|status| status.parse().unwrap()).collect();
            assert_eq!(statuses.len(), principals.len(), "{method} {route}");
            Row { method, route, expected: principals.iter().copied().zip(statuses).collect() }
        })
        .collect()
}

/// Everybody of the table, and ids to ask for.
struct Cast {
    house: House,
    canned: String,
    file: String,
    picture: String,
}

impl Cast {
    async fn start() -> Self {
        let house = House::start().await;
        let (api, ours) = (&house.api, &house.ours);
        let body = json!({ "shortcut": "hi", "title": CANARY, "text": CANARY, "scope": "workspace" });
        let canned = ask(api.post("/api/v1/chat/canned-responses"), &ours.supervisor, &body).await;
        let canned = text(&canned.expect(201).unwrap()["id"]).to_owned();
        let name = format!("{CANARY}.txt");
        let file = upload(api, &ours.visitor.token, &ours.conversation, &name, CANARY.as_bytes()).await;
        let file = text(&file.expect(201).unwrap()["file_id"]).to_owned();
        let body = json!({ "client_id": "with-file", "text": CANARY, "file_ids": [file] });
        let path = format!("/api/v1/chat/conversations/{}/messages", ours.conversation);
        api.post(path).bearer(&ours.visitor.token).json(&body).send().await.unwrap().expect(201).unwrap();
        let picture = new_image(::image::ImageFormat::Png, 400, 400);
        let picture = upload(api, &ours.visitor.token, &ours.conversation, "a.png", &picture).await;
        let picture = text(&picture.expect(201).unwrap()["file_id"]).to_owned();
        Self { house, canned, file, picture }
    }

    /// The route with our ids in it.
    fn path(&self, route: &str) -> String {
        let ours = &self.house.ours;
        let id = match route.trim_start_matches("/api/v1/").split('/').nth(1) {
            Some("canned-responses") => &self.canned,
            Some("files") if route.ends_with("/thumbnail") => &self.picture,
            Some("files") => &self.file,
            Some("workspaces") => &ours.workspace,
            Some("sites") => &ours.site,
            Some("teams") => &ours.team,
            Some("agents") => &ours.agent.agent_id,
            Some(_) | None => &ours.conversation,
        };
        route.replace("{id}", id).replace("{file}", "api.js")
    }

    fn sign<'a>(&self, call: Call<'a>, principal: &str) -> Call<'a> {
        let House { ours, theirs, operator, .. } = &self.house;
        match principal {
            "none" => call,
            "site" => call.site(&ours.site_key),
            "visitor" => call.bearer(&ours.visitor.token),
            "agent" => call.bearer(&ours.agent.token),
            "supervisor" => call.bearer(&ours.supervisor.token),
            "admin" => call.bearer(&ours.admin.token),
            "operator" => call.bearer(&operator.token),
            "their_visitor" => call.bearer(&theirs.visitor.token),
            "their_agent" => call.bearer(&theirs.agent.token),
            "their_admin" => call.bearer(&theirs.admin.token),
            unknown => panic!("nobody is called {unknown}"),
        }
    }
}

fn empty_call<'a>(api: &'a Api, method: &Method, path: &str) -> Call<'a> {
    let call = api.call(method.clone(), path);
    if method == Method::GET { call } else { call.json(&json!({})) }
}

fn asked(method: &Method, path: &str) -> String {
    if method == Method::GET { path.to_owned() } else { format!("{path}{UNKNOWN_QUERY}") }
}

#[tokio::test]
async fn every_route_takes_those_of_its_row_and_nobody_else() {
    let cast = Cast::start().await;
    let api = &cast.house.api;
    let document = api.get("/api/v1/openapi.json").send().await.unwrap().expect(200).unwrap();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let tabled: BTreeSet<(String, String)> =
        rows().iter().map(|row| (row.method.to_string(), row.route.to_owned())).collect();
    assert_eq!(documented, tabled, "each route must have a row, and each row a route");

    let login = &cast.house.sandbox.ready().agents[0];
    let gone = api.login(&login.email, &login.password).await.unwrap();
    let refresh = json!({ "refresh_token": gone.refresh_token });
    api.post("/api/v1/auth/logout").json(&refresh).send().await.unwrap().expect(204).unwrap();
    let ended = async || api.get("/api/v1/auth/me").bearer(&gone.token).send().await.unwrap().status == 401;
    tokio::time::timeout(std::time::Duration::from_secs(5), async { while !ended().await {} }).await.unwrap();
    let bad = [
        ("garbage", "garbage".to_owned()),
        ("a changed token", changed(&cast.house.ours.admin.token)),
        ("a refresh token", cast.house.ours.admin.refresh_token.clone()),
        ("a token that has ended", gone.token.clone()),
        ("a site key", cast.house.ours.site_key.clone()),
    ];

    let mut wrong = Vec::new();
    for row in rows() {
        let path = asked(&row.method, &cast.path(row.route));
        for (principal, expected) in &row.expected {
            let answer = cast.sign(empty_call(api, &row.method, &path), principal).send().await.unwrap();
            let code = match (answer.status, *principal) {
                (401, _) => "UNAUTHENTICATED",
                (403, _) => "FORBIDDEN",
                (404, _) => "NOT_FOUND",
                (422, _) => "VALIDATION_FAILED",
                (_, _) => answer.code(),
            };
            if (answer.status, answer.code()) != (*expected, code) {
                wrong.push(format!("{} {} by {principal}: not {expected}: {answer}", row.method, row.route));
            }
            if answer.status == 401 && answer.header("www-authenticate") != "Bearer" {
                wrong.push(format!("{} {} by {principal}: no WWW-Authenticate", row.method, row.route));
            }
        }
        // Where nobody needs a credential none is looked at.
        let expected = row.expected["none"];
        for (what, token) in &bad {
            let answer = empty_call(api, &row.method, &path).bearer(token).send().await.unwrap();
            if answer.status != expected {
                wrong.push(format!("{} {} by {what}: not {expected}: {answer}", row.method, row.route));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Another one of the same form.
fn changed(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    format!("{rest}{}", if last == "1" { "2" } else { "1" })
}

#[tokio::test]
async fn what_is_foreign_is_answered_like_what_does_not_exist() {
    let cast = Cast::start().await;
    let api = &cast.house.api;
    let blank = |answer: &Answer| -> Value {
        let mut body = answer.body.clone();
        body["error"].as_object_mut().unwrap().remove("request_id").unwrap();
        body
    };
    let mut compared = 0;
    for row in rows().iter().filter(|row| row.route.contains("{id}")) {
        let ours = cast.path(row.route);
        let id = ours.split('/').find(|part| part.contains('_')).unwrap().to_owned();
        let random = ours.replace(&id, &changed(&id));
        for principal in ["their_visitor", "their_agent", "their_admin"] {
            if row.expected[principal] != 404 {
                continue;
            }
            for query in ["", UNKNOWN_QUERY] {
                for body in ["{}", "{", r#"{"no_such_field":1}"#] {
                    let send = async |path: &str| {
                        let call = api.call(row.method.clone(), format!("{path}{query}"));
                        let call = cast.sign(call, principal).body("application/json", body);
                        call.send().await.unwrap()
                    };
                    let (foreign, unknown) = (send(&ours).await, send(&random).await);
                    let what = format!("{} {ours}{query} {body} by {principal}", row.method);
                    // A file's query is a signed link, and this is none, for every asker and file.
                    let signed = row.route.contains("/files/") && !query.is_empty();
                    let expected = if signed { (401, "INVALID_SIGNATURE") } else { (404, "NOT_FOUND") };
                    assert_eq!((foreign.status, foreign.code()), expected, "{what}: {foreign}");
                    assert_eq!(blank(&foreign), blank(&unknown), "{what}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Stands in everything that our workspace holds.
const CANARY: &str = "canary7e1d";
/// Stands in what our agents say among themselves.
const NOTE_CANARY: &str = "canary-of-a-note";

#[tokio::test]
async fn nothing_of_a_workspace_reaches_another_and_no_note_a_visitor() {
    let cast = Cast::start().await;
    let House { api, ours, theirs, .. } = &cast.house;
    let named = json!({ "name": CANARY, "email": format!("{CANARY}@example.org") });
    let call = api.post("/api/v1/chat/visitors").site(&ours.site_key).bearer(&ours.visitor.token);
    call.json(&named).send().await.unwrap().expect(200).unwrap();
    for (route, id) in [("agents", &ours.agent.agent_id), ("teams", &ours.team), ("sites", &ours.site)] {
        let call = api.patch(format!("/api/v1/admin/{route}/{id}"));
        ask(call, &ours.admin, &json!({ "name": CANARY })).await.expect(200).unwrap();
    }
    let messages = format!("/api/v1/chat/conversations/{}/messages", ours.conversation);
    let attached =
        upload(api, &ours.agent.token, &ours.conversation, &format!("{NOTE_CANARY}.txt"), b"n").await;
    let attached = attached.expect(201).unwrap();
    let note =
        json!({ "client_id": "n", "note": true, "text": NOTE_CANARY, "file_ids": [attached["file_id"]] });
    ask(api.post(messages), &ours.agent, &note).await.expect(201).unwrap();

    // Ours see it, so it is there to be leaked.
    let own = look(api.get(cast.path("/api/v1/chat/conversations/{id}")), &ours.agent).await;
    assert!(own.to_string().contains(CANARY) && own.to_string().contains(NOTE_CANARY), "{own}");

    for row in rows() {
        let path = cast.path(row.route);
        for query in ["", UNKNOWN_QUERY] {
            // Only what cannot change anything of theirs is asked without the parameter.
            if query.is_empty() && row.method != Method::GET {
                continue;
            }
            for principal in ["their_visitor", "their_agent", "their_admin"] {
                let call = empty_call(api, &row.method, &format!("{path}{query}"));
                let answer = cast.sign(call, principal).send().await.unwrap();
                let told = format!("{answer} {:?}", answer.headers);
                assert!(!told.contains(CANARY), "{} {path}{query} by {principal}: {told}", row.method);
            }
            let call = empty_call(api, &row.method, &format!("{path}{query}"));
            let answer = cast.sign(call, "visitor").send().await.unwrap();
            let told = format!("{answer} {:?}", answer.headers);
            assert!(!told.contains(NOTE_CANARY), "{} {path}{query} by the visitor: {told}", row.method);
        }
    }
    for view in ["mine", "team", "all", "queue", "ended"] {
        for query in [format!("view={view}"), format!("view={view}&team_id={}", ours.team)] {
            let call = api.get(format!("/api/v1/chat/agent/conversations?{query}"));
            let answer = look(call, &theirs.admin).await;
            assert!(!answer.to_string().contains(CANARY), "{query}: {answer}");
        }
    }
    for query in [
        format!("conversation_id={}", ours.conversation),
        format!("team_id={}", ours.team),
        format!("q={CANARY}"),
    ] {
        let answer = look(api.get(format!("/api/v1/chat/canned-responses?{query}")), &theirs.admin).await;
        let data = answer.body["data"].as_array().map_or(0, Vec::len);
        assert_eq!(data, 0, "{query}: {answer}");
    }
    let file = api.get(format!("/api/v1/chat/files/{}", text(&attached["file_id"])));
    file.bearer(&ours.visitor.token).send().await.unwrap().expect(404).unwrap();

    for token in [&theirs.visitor.token, &theirs.admin.token] {
        let mut socket = Socket::open(api).await.unwrap();
        socket.hello(token, &[]).await.unwrap();
        let frame = json!({ "type": "subscribe", "conversation_id": ours.conversation, "after": 0 });
        let refused = socket.request(frame).await.unwrap();
        assert_eq!(refused["error"]["code"], "NOT_FOUND", "{refused}");
        let pushed = format!("{refused} {:?}", socket.take_pushes());
        assert!(!pushed.contains(CANARY), "{pushed}");
    }
    let mut socket = Socket::open(api).await.unwrap();
    socket.hello(&ours.visitor.token, &[(&ours.conversation, Some(0))]).await.unwrap();
    let caught_up = |push: &Value| push["type"] == "caught_up";
    socket.expect_push(caught_up, std::time::Duration::from_secs(10)).await.unwrap();
    let pushed = format!("{:?}", socket.take_pushes());
    assert!(!pushed.contains(NOTE_CANARY), "{pushed}");
}
