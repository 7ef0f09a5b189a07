//! How the program behaves towards its operator: its exit codes, its first line, its drain, what a restart keeps,
//! and what its log never says.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use driver::{Api, Options, Sandbox, Signal, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::program::{Ran, run};

/// How long a drain may take: requests and sockets have 10 s to end, and so have conversations.
const DRAIN: Duration = Duration::from_secs(25);

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_first_line_says_all_that_the_contract_lists_and_nothing_else() {
    let server = Serving::start(&["demo", "--ephemeral"]);
    let line = &server.ready;
    let listed =
        ["url", "pid", "workspace_id", "site_id", "site_key", "origin", "team_id", "admin", "agents"];
    assert_eq!(keys(line), BTreeSet::from(listed));
    assert_eq!(keys(&line["admin"]), BTreeSet::from(["email", "password"]));
    let agents = line["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 2);
    for agent in agents {
        assert_eq!(keys(agent), BTreeSet::from(["agent_id", "email", "password"]));
    }
    for (field, prefix) in [("workspace_id", "ws_"), ("site_id", "site_"), ("team_id", "team_")] {
        assert!(line[field].as_str().unwrap().starts_with(prefix), "{line}");
    }
    assert_eq!(line["pid"].as_u64(), Some(server.child.id().into()));
    assert!(!line["url"].as_str().unwrap().ends_with('/'), "{line}");
    assert_eq!(server.interrupt(), Some(0));
}

#[tokio::test]
async fn serve_says_where_it_serves_and_who_it_is() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.terminate().await.unwrap();
    let data = sandbox.folder().join("data");
    let server = Serving::start(&["serve", "--data", data.to_str().unwrap()]);
    assert_eq!(keys(&server.ready), BTreeSet::from(["url", "pid"]));
    let address = server.ready["url"].as_str().unwrap().strip_prefix("http://").unwrap();
    let api = Api::new(address.parse().unwrap());
    api.get("/readyz").send().await.unwrap().expect(200).unwrap();
    assert_eq!(server.interrupt(), Some(0));
}

#[tokio::test]
async fn a_restart_on_the_same_folder_keeps_ids_log_ins_and_tokens() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let api = sandbox.api();
    let before = sandbox.ready().clone();
    let visitor = api.visitor(&before.site_key).await.unwrap();
    let started =
        api.start_conversation(&visitor.token, "c", Some("before")).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap();
    let agent = api.login(&before.agents[0].email, &before.agents[0].password).await.unwrap();
    assert_eq!(sandbox.terminate().await.unwrap(), 0);

    sandbox.restart().await.unwrap();
    let after = sandbox.ready().clone();
    assert_ne!(after.pid, before.pid);
    let ids = |ready: &driver::Ready| {
        let driver::Ready { workspace_id, site_id, site_key, team_id, .. } = ready.clone();
        let logins = ready.agents.iter().map(|a| (a.agent_id.clone(), a.email.clone(), a.password.clone()));
        (workspace_id, site_id, site_key, team_id, ready.admin.password.clone(), logins.collect::<Vec<_>>())
    };
    assert_eq!(ids(&after), ids(&before));
    for login in &after.agents {
        api.login(&login.email, &login.password).await.unwrap();
    }
    api.login(&after.admin.email, &after.admin.password).await.unwrap();
    let read = api.conversation(&visitor.token, conversation).await.unwrap().expect(200).unwrap();
    assert_eq!(read["events"][1]["text"], "before");
    api.get("/api/v1/auth/me").bearer(&agent.token).send().await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn asked_to_end_it_lets_everybody_finish_and_exits_0() {
    let mut sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap().to_owned();
    let mut socket = Socket::open(&api).await.unwrap();
    socket.hello(&visitor.token, &[(&conversation, Some(0))]).await.unwrap();

    let sender = {
        let (api, token, conversation) = (api.clone(), visitor.token.clone(), conversation.clone());
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                let client_id = format!("m{}", acknowledged.len());
                match api.post_message(&token, &conversation, &client_id, &client_id).await {
                    Ok(answer) if answer.status == 201 => acknowledged.push(client_id),
                    Ok(answer) => return Ok((acknowledged, answer)),
                    // Not answered: the listener is closed.
                    Err(error) => return Err((acknowledged, error)),
                }
            }
        })
    };
    // Some are written before it is asked.
    let wanted = |push: &Value| push["seq"].as_u64() > Some(5);
    socket.expect_push(wanted, Duration::from_secs(10)).await.unwrap();
    sandbox.signal(Signal::TERM).unwrap();
    let (code, reason) = socket.expect_close(DRAIN).await.unwrap();
    assert_eq!(code, Some(1012));
    assert!(reason.contains("retry_after_ms="), "{reason}");
    let acknowledged = match timeout(DRAIN, sender).await.unwrap().unwrap() {
        Ok((_, answer)) => panic!("a drain refuses nobody it has let in: {answer}"),
        Err((acknowledged, _)) => acknowledged,
    };
    assert_eq!(sandbox.exit_code(DRAIN).await.unwrap(), 0);

    sandbox.restart().await.unwrap();
    let log =
        api.events(&visitor.token, &conversation, "after=0&limit=200").await.unwrap().expect(200).unwrap();
    let texts: Vec<&str> =
        log["data"].as_array().unwrap().iter().filter_map(|e| e["text"].as_str()).collect();
    let missing: Vec<&String> =
        acknowledged.iter().take(150).filter(|sent| !texts.contains(&sent.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} of {}", acknowledged.len());
}

#[tokio::test]
async fn a_long_poll_does_not_hold_up_the_end() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap().to_owned();
    let poll = {
        let (api, token) = (api.clone(), visitor.token.clone());
        tokio::spawn(async move { api.events(&token, &conversation, "after=1&wait_s=25").await })
    };
    let waits = async || {
        let metrics = api.get("/metrics").send().await.unwrap();
        // The poll's connection and this one.
        String::from_utf8_lossy(&metrics.bytes).lines().any(|line| line == "switchboard_connections 2")
    };
    timeout(Duration::from_secs(10), async { while !waits().await {} }).await.unwrap();
    assert_eq!(sandbox.terminate().await.unwrap(), 0);
    drop(timeout(DRAIN, poll).await.unwrap());
}

#[tokio::test]
async fn what_is_taken_is_said_and_exits_2() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let data = sandbox.folder().join("data");
    let data = data.to_str().unwrap();
    for command in ["demo", "serve"] {
        let ran = run(&[command, "--listen", "127.0.0.1:0", "--data", data], &[]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("another server is using") && ran.stderr.contains(data), "{ran:?}");
    }
    // The first one was not disturbed, and its folder is free when it has gone.
    sandbox.api().get("/readyz").send().await.unwrap().expect(200).unwrap();
    sandbox.terminate().await.unwrap();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["demo", "serve"] {
        let ran = run(&[command, "--listen", &address, "--data", data], &[]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(&address), "{ran:?}");
    }
}

#[test]
fn wrong_usage_exits_2_and_says_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, "not a folder").unwrap();
    let below_a_file = file.join("data");
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["dance"], "dance"),
        (&["serve", "--no-such-flag"], "--no-such-flag"),
        (&["serve", "--listen", "nowhere"], "nowhere"),
        (&["serve", "--config", "/no/such/file.toml"], "/no/such/file.toml"),
        (&["demo", "--data", data, "--ephemeral"], "--ephemeral"),
        (&["demo", "--listen", "127.0.0.1:99999", "--data", data], "99999"),
        (&["serve", "--listen", "127.0.0.1:0", "--data", below_a_file.to_str().unwrap()], "/f"),
        (
            &["serve", "--listen", "127.0.0.1:0", "--data", file.to_str().unwrap()],
            "is a file: it must be a folder",
        ),
        // Browsers cannot reach it as its default says.
        (&["serve", "--listen", "0.0.0.0:0", "--data", data], "--public-url"),
        (&["agent", "list", "--data", data], "there is no data folder"),
    ];
    for (arguments, said) in cases {
        let ran = run(arguments, &[]);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("panicked"), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_config_is_checked_and_shown_as_it_holds() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("switchboard.toml");
    let config = |command: &str, text: &str, environment: &[(&str, &str)]| -> Ran {
        std::fs::write(&file, text).unwrap();
        run(&["config", command, "--config", file.to_str().unwrap()], environment)
    };
    let right = "listen = \"127.0.0.1:9\"\n[limits]\ntext_bytes_max = 100\n";
    assert_eq!(config("check", right, &[]).code, Some(0));

    // The environment goes over the file, and what is shown is a whole config that says the same.
    let environment =
        [("SWITCHBOARD_LIMITS__TEXT_BYTES_MAX", "200"), ("SWITCHBOARD_TRUSTED_PROXIES", "[\"10.0.0.0/8\"]")];
    let shown = config("show", right, &environment);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let table: toml::Table = shown.stdout.parse().unwrap();
    assert_eq!(table["limits"]["text_bytes_max"].as_integer(), Some(200));
    assert_eq!(table["limits"]["frame_bytes_max"].as_integer(), Some(65_536));
    assert_eq!(table["listen"].as_str(), Some("127.0.0.1:9"));
    assert_eq!(table["trusted_proxies"][0].as_str(), Some("10.0.0.0/8"));
    assert!(
        shown.stdout.contains("# environment SWITCHBOARD_LIMITS__TEXT_BYTES_MAX; default: 16384"),
        "{shown:?}"
    );
    assert!(shown.stdout.contains(&format!("# file {}; default: ", file.display())), "{shown:?}");
    let again = config("show", &shown.stdout, &[]);
    assert_eq!(again.stdout.parse::<toml::Table>().unwrap(), table);

    type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let wrong: &[Wrong<'_>] = &[
        ("no_such_key = 1", &[], "no_such_key"),
        ("lisen = \"127.0.0.1:9\"", &[], "did you mean listen?"),
        ("[limits]\ntext_bytes_maximum = 1", &[], "text_bytes_maximum"),
        ("[limits]\ntext_bytes_max = 0", &[], "text_bytes_max"),
        ("[limits]\npage_max = -1", &[], "page_max"),
        ("listen = 80", &[], "listen"),
        ("listen = \"0.0.0.0:80\"", &[], "public_url"),
        ("listen = ", &[], "line 1"),
        ("", &[("SWITCHBOARD_LIMITS__NO_SUCH", "1")], "SWITCHBOARD_LIMITS__NO_SUCH"),
        ("", &[("SWITCHBOARD_LIMITS__PAGE_MAX", "many")], "many"),
    ];
    for (text, environment, said) in wrong {
        for command in ["check", "show"] {
            let ran = config(command, text, environment);
            assert_eq!(ran.code, Some(2), "{text:?}: {ran:?}");
            assert!(ran.stderr.contains(said), "{text:?}: {ran:?}");
        }
    }
}

/// Stands in nothing but what a client or an operator keeps to themselves.
const CANARY: &str = "canary5f2c";

#[tokio::test]
async fn the_log_says_no_text_token_password_or_e_mail() {
    for format in ["json", "text"] {
        let options = Options::default().setting("log.level", "trace").setting("log.format", format);
        let mut sandbox = Sandbox::start(options).await.unwrap();
        let mut secrets = say_canaries_everywhere(&sandbox).await;
        let ready = sandbox.ready().clone();
        secrets.extend(ready.agents.iter().flat_map(|agent| [agent.password.clone(), agent.email.clone()]));
        secrets.extend([ready.admin.password, ready.admin.email, CANARY.to_owned()]);
        assert_eq!(sandbox.terminate().await.unwrap(), 0);

        let log = sandbox.log().unwrap();
        assert!(log.contains("answered") && log.contains("draining"), "the log was not told anything: {log}");
        for line in log.lines() {
            let found = secrets.iter().find(|secret| line.contains(secret.as_str()));
            assert_eq!(found, None, "{line}");
            assert!(format == "text" || serde_json::from_str::<Value>(line).is_ok(), "not JSON: {line}");
        }
        assert!(!log.contains("panicked"));
    }
}

/// Puts the canary into every place that a client fills, right and wrong ones; gives the secrets that the server
/// made meanwhile.
async fn say_canaries_everywhere(sandbox: &Sandbox) -> Vec<String> {
    let (api, ready) = (sandbox.api(), sandbox.ready());
    let text = format!("{CANARY} in a text");
    let email = format!("{CANARY}@example.org");
    let visitor = api.visitor(&ready.site_key).await.unwrap();
    let agent = api.login(&ready.agents[0].email, &ready.agents[0].password).await.unwrap();
    api.set_status(&agent.token, "online").await.unwrap().expect(200).unwrap();
    api.try_login(&email, &text).await.unwrap().expect(401).unwrap();
    api.try_login(&ready.agents[0].email, &text).await.unwrap().expect(401).unwrap();
    let refresh = json!({ "refresh_token": agent.refresh_token });
    let renewed = api.post("/api/v1/auth/refresh").json(&refresh).send().await.unwrap().expect(200).unwrap();
    let renewed = driver::Agent {
        token: renewed["access_token"].as_str().unwrap().to_owned(),
        refresh_token: renewed["refresh_token"].as_str().unwrap().to_owned(),
        ..agent.clone()
    };
    let named = json!({ "name": text, "email": email, "attributes": { "plan": text } });
    api.post("/api/v1/chat/visitors")
        .site(&ready.site_key)
        .json(&named)
        .send()
        .await
        .unwrap()
        .expect(201)
        .unwrap();
    api.get("/api/v1/auth/me").bearer(CANARY).send().await.unwrap().expect(401).unwrap();

    let started =
        api.start_conversation(&visitor.token, "c", Some(&text)).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap();
    api.accept(&renewed.token, conversation).await.unwrap().expect(200).unwrap();
    for (token, note) in [(&visitor.token, false), (&renewed.token, false), (&renewed.token, true)] {
        let body = json!({ "client_id": format!("m{note}"), "text": text, "note": note });
        let path = format!("/api/v1/chat/conversations/{conversation}/messages");
        api.post(path).bearer(token).json(&body).send().await.unwrap().expect(201).unwrap();
    }
    let path = format!("/api/v1/chat/conversations/{conversation}");
    for (rest, body) in [
        // Refused in each step of the judgement of a body.
        ("/messages", format!("{{\"text\": \"{CANARY}")),
        ("/messages", json!({ "client_id": "u", "text": text, CANARY: text }).to_string()),
        ("/messages", json!({ "client_id": format!("{CANARY}\u{7f}"), "text": text }).to_string()),
        ("/messages", json!({ "client_id": "m", "text": format!("{CANARY}\u{0}") }).to_string()),
        ("/messages", json!({ "client_id": "mfalse", "text": format!("{CANARY} other") }).to_string()),
        ("/typing", json!({ "typing": true, "preview": text }).to_string()),
        ("/end", json!({ "reason": 1, "text": text }).to_string()),
    ] {
        let call = api.post(format!("{path}{rest}")).bearer(&visitor.token);
        let answer = call.body("application/json", body).send().await.unwrap();
        assert!(matches!(answer.status, 204 | 400 | 409 | 422), "{rest}: {answer}");
    }
    for path in [format!("/{CANARY}?{CANARY}"), format!("{path}/events?{CANARY}={CANARY}")] {
        let answer = api.get(path).bearer(&visitor.token).send().await.unwrap();
        assert!(matches!(answer.status, 404 | 422), "{answer}");
    }

    let mut socket = Socket::open(&api).await.unwrap();
    socket.hello(&renewed.token, &[(conversation, Some(0))]).await.unwrap();
    for frame in [
        json!({ "type": "send", "conversation_id": conversation, "client_id": "s", "text": text }),
        json!({ "type": "send", "conversation_id": conversation, "client_id": "s", "text": [text] }),
        json!({ "type": CANARY, CANARY: text }),
        json!({ "type": "typing", "conversation_id": conversation, "typing": true, "preview": text }),
        json!({ "type": "token", "token": CANARY }),
        json!({ "type": "subscribe", "conversation_id": CANARY }),
    ] {
        socket.request(frame).await.unwrap();
    }
    let mut unknown = Socket::open(&api).await.unwrap();
    unknown.send_json(&json!({ "type": "hello", "token": CANARY })).await.unwrap();
    assert_eq!(unknown.expect_close(Duration::from_secs(5)).await.unwrap().0, Some(4401));
    vec![visitor.token, agent.token, agent.refresh_token, renewed.token, renewed.refresh_token]
}

/// A server without a sandbox of its own, killed when it is dropped.
struct Serving {
    child: std::process::Child,
    ready: Value,
}

impl Serving {
    fn start(arguments: &[&str]) -> Self {
        use std::io::BufRead;
        let mut child = std::process::Command::new(driver::binary())
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--ready-json"])
            .env_clear()
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    /// Ends it as Ctrl-C does, and gives its exit code.
    fn interrupt(mut self) -> Option<i32> {
        let asked = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
