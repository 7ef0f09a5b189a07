//! What the person who runs the server is told and does: its log, commands beside it, its metrics.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use driver::{Options, Sandbox, Signal, Socket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program::run;

/// Longer than a server needs to see what a command changed, and shorter than its sweep of teams.
const SEEN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_server_tells_once_what_happened_and_an_agent_why_a_conversation_is_gone() {
    let options = Options::default()
        .setting("log.format", "json")
        .setting("routing.agent_grace_s", "1")
        .setting("trusted_proxies", r#"["127.0.0.1"]"#);
    let mut sandbox = Sandbox::start(options).await.unwrap();
    let (api, ready) = (sandbox.api(), sandbox.ready().clone());
    let admin = api.login(&ready.admin.email, &ready.admin.password).await.unwrap();
    let team = json!({ "name": "Billing" });
    api.post("/api/v1/admin/teams")
        .bearer(&admin.token)
        .json(&team)
        .send()
        .await
        .unwrap()
        .expect(201)
        .unwrap();
    // From several clients behind the proxy, one of which says that it speaks for another.
    let wrong = json!({ "email": ready.agents[0].email, "password": "wrong wrong" });
    let clients = [
        ("203.0.113.9", "203.0.113.9"),
        ("192.0.2.1, 203.0.113.10", "203.0.113.10"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::8]:4711", "2001:db8::8"),
        ("\"203.0.113.11:80\", 127.0.0.1", "203.0.113.11"),
    ];
    for (forwarded, _) in clients {
        let call = api.post("/api/v1/auth/login").header("x-forwarded-for", forwarded).json(&wrong);
        call.send().await.unwrap().expect(401).unwrap();
    }

    // Takes a conversation without a socket, as curl does, and pauses.
    let agent = api.login(&ready.agents[0].email, &ready.agents[0].password).await.unwrap();
    let visitor = api.visitor(&ready.site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", Some("hi")).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap();
    api.set_status(&agent.token, "online").await.unwrap().expect(200).unwrap();
    api.accept(&agent.token, conversation).await.unwrap().expect(200).unwrap();
    let query = "after=0&wait_s=5";
    let released = async {
        loop {
            let log = api.events(&visitor.token, conversation, query).await.unwrap().expect(200).unwrap();
            if log["data"].as_array().unwrap().iter().any(|event| event["kind"] == "released") {
                return;
            }
        }
    };
    timeout(SEEN, released).await.unwrap();
    let late = api.post_message(&agent.token, conversation, "a", "still there?").await.unwrap();
    assert_eq!((late.status, late.code()), (409, "STALE_ASSIGNMENT"), "{late}");
    assert_eq!(late.body["error"]["details"]["reason"], "agent_gone", "{late}");

    let url = ready.url.clone();
    assert_eq!(sandbox.terminate().await.unwrap(), 0);
    let log = sandbox.log().unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |message: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with(message))).collect()
    };
    let refused: Vec<_> = told("a log-in was refused").iter().map(|line| line["client"].as_str()).collect();
    assert_eq!(refused, clients.map(|(_, client)| Some(client)), "{log}");
    for message in ["starting", "serving", "settings were changed", "draining", "stopped"] {
        let [line] = told(message)[..] else { panic!("{message}: {log}") };
        assert_eq!(line["level"], "INFO", "{line}");
    }
    assert!(told("serving")[0].to_string().contains(&url), "{log}");
    assert!(!told("an agent is online").is_empty() && !told("an agent is gone").is_empty(), "{log}");
    assert!(!log.contains("@demo.example"), "{log}");
}

#[tokio::test]
async fn people_are_made_and_disabled_beside_a_running_server() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, ready) = (sandbox.api(), sandbox.ready());
    let data = sandbox.folder().join("data");
    let command = |arguments: &[&str]| {
        let ran = run(&[arguments, &["--data", data.to_str().unwrap()]].concat(), &[]);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran
    };
    // The team's router is awake before the newcomer is in the team.
    let visitor = api.visitor(&ready.site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", Some("hi")).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap();

    let alone = command(&["agent", "create", "--email", "new@x.example", "--name", "New"]);
    assert!(alone.stderr.contains("warning: new@x.example is in no team"), "{alone:?}");
    let made: Value = serde_json::from_str(&alone.stdout).unwrap();
    let password = made["password"].as_str().unwrap();
    let agent = api.login("new@x.example", password).await.unwrap();
    let mut socket = Socket::open(&api).await.unwrap();
    socket.hello(&agent.token, &[]).await.unwrap();
    api.set_status(&agent.token, "online").await.unwrap().expect(200).unwrap();
    command(&["team", "add", "--team", "Support", "--agent", "new@x.example"]);
    socket.expect_push(|push| push["type"] == "offer", SEEN).await.unwrap();
    api.accept(&agent.token, conversation).await.unwrap().expect(200).unwrap();

    let listed = command(&["agent", "list", "--team", "Support", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3, "{listed}");

    // A new password ends the log-ins of the old one.
    let other = &ready.agents[0];
    let logged_in = api.login(&other.email, &other.password).await.unwrap();
    let mut of_other = Socket::open(&api).await.unwrap();
    of_other.hello(&logged_in.token, &[]).await.unwrap();
    command(&["admin", "reset-password", "--email", &other.email]);
    assert_eq!(of_other.expect_close(SEEN).await.unwrap().0, Some(4401));

    command(&["agent", "disable", "--email", "new@x.example"]);
    assert_eq!(socket.expect_close(SEEN).await.unwrap().0, Some(4401));
    api.try_login("new@x.example", password).await.unwrap().expect(401).unwrap();
    let queued = async {
        while api.conversation(&visitor.token, conversation).await.unwrap().body["conversation"]["state"]
            != "queued"
        {}
    };
    timeout(SEEN, queued).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_twice_waits_for_no_slow_upload() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let visitor = sandbox.api().visitor(&sandbox.ready().site_key).await.unwrap();
    let mut slow = TcpStream::connect(sandbox.api().address()).await.unwrap();
    let head = format!(
        "POST /api/v1/chat/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: \
         multipart/form-data; boundary=b\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
        visitor.token
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // It asks for the body, so the request is under way.
    let mut asked = [0; 12];
    slow.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");

    let told = async |sandbox: &Sandbox, words: &str| {
        while !sandbox.log().unwrap().contains(words) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    sandbox.signal(Signal::TERM).unwrap();
    timeout(SEEN, told(&sandbox, "draining")).await.unwrap();
    sandbox.signal(Signal::INT).unwrap();
    timeout(SEEN, told(&sandbox, "told to stop once more")).await.unwrap();
    assert_eq!(sandbox.exit_code(SEEN).await.unwrap(), 0);
    let log = sandbox.log().unwrap();
    assert!(log.contains("stopped") && !log.contains("did not end in time"), "{log}");
    sandbox.restart().await.unwrap();
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_exit_code() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let command = |line: &str| {
        // A file on a disk that is full.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(driver::binary());
        command.args(line.split(' ')).args(["--data", data]).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).status().unwrap().code()
    };
    for (line, code) in [
        ("agent list", 2),
        ("serve --listen 127.0.0.1:0 --config /no/such/file", 2),
        ("workspace create --name Shop", 0),
        // With a warning, for there is no team.
        ("agent create --email ann@x.example --name Ann", 0),
        ("agent create --email ann@x.example --name Ann", 1),
        ("doctor", 1),
    ] {
        assert_eq!(command(line), Some(code), "{line}");
    }
}

#[test]
fn a_password_is_typed_twice_at_a_terminal_or_nothing_is_done() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    assert_eq!(run(&["workspace", "create", "--name", "Shop", "--data", data], &[]).code, Some(0));
    // `script` has the command at a terminal of its own, to which its standard input is typed.
    let typed = |keys: &str| {
        let line = format!(
            "{} agent create --email ann@x.example --name Ann --password-prompt --data {data}",
            driver::binary().display()
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = command.spawn().expect("`script` of util-linux is needed");
        script.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
        let ended = script.wait_with_output().unwrap();
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).into_owned())
    };
    for (keys, code, said) in [
        ("correct horse\ncorrect hors\n", 2, "the two passwords differ: nothing was done"),
        ("short\nshort\n", 2, "the password must be 8 to 1024 bytes"),
        ("\u{4}", 2, "no password was typed: nothing was done"),
        ("correct horse\n\u{4}", 2, "no password was typed: nothing was done"),
        ("correct horse\ncorrect horse\n", 0, "\"email\": \"ann@x.example\""),
    ] {
        let (ended, told) = typed(keys);
        assert!(ended == Some(code) && told.contains(said), "{keys:?}: {ended:?} {told}");
    }
}

#[tokio::test]
async fn metrics_stand_in_the_document_of_the_listener_that_serves_them() {
    let documented = async |sandbox: &Sandbox| {
        let document = sandbox.api().get("/api/v1/openapi.json").send().await.unwrap().expect(200).unwrap();
        let served = sandbox.api().get("/metrics").send().await.unwrap().status;
        (document["paths"].get("/metrics").is_some(), served)
    };
    let here = Sandbox::start(Options::default()).await.unwrap();
    assert_eq!(documented(&here).await, (true, 200));
    let apart = Sandbox::start(Options::default().setting("metrics_listen", "127.0.0.1:0")).await.unwrap();
    assert_eq!(documented(&apart).await, (false, 404));
}
