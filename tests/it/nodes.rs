//! Several servers over one CQL store, and commands beside them: what one of them ends is over on all, and the folder of
//! files is watched although messages lie elsewhere.

use std::fs;
use std::time::Duration;

use driver::cql::{self, Keyspace};
use driver::{Sandbox, Socket};
use serde_json::{Value, json};

use crate::identity::{SECRET, signed};
use crate::program::run;

/// What ended on one server is over on all within five seconds, and somewhat later on a busy machine.
const SEEN: Duration = Duration::from_secs(15);

async fn socket(sandbox: &Sandbox, token: &str) -> Socket {
    let mut socket = Socket::open(&sandbox.api()).await.unwrap();
    socket.hello(token, &[]).await.unwrap();
    socket
}

/// The code of a visitor's own list.
async fn asked(sandbox: &Sandbox, token: &str) -> String {
    let answer = sandbox.api().get("/api/v1/chat/conversations").bearer(token).send().await.unwrap();
    if answer.status == 200 { String::new() } else { answer.code().to_owned() }
}

#[tokio::test]
async fn what_a_command_or_another_server_ends_is_over_and_a_lost_folder_stops_its_server_alone() {
    let Some(node) = cql::contact_point() else { return };
    let keyspace = Keyspace::new(&node, "nodes");
    let options = keyspace.options();
    let one = Sandbox::start(options.clone()).await.unwrap();
    let mut other = Sandbox::start(options.clone()).await.unwrap();
    let command = |arguments: &[&str], more: &[(&str, &str)]| {
        run(arguments, &[options.variables(), more.to_vec()].concat())
    };

    // Nothing is made by mistake, and what is wrong is told in words.
    let (wrong_place, mistyped) = ("SWITCHBOARD_STORE__CQL__DATACENTER", "SWITCHBOARD_STORE__CQL__KEYSPACE");
    for (line, variable, value, said) in [
        (
            "agent list",
            wrong_place,
            "elsewhere",
            "store.cql.datacenter = elsewhere: there is no such datacenter, only",
        ),
        (
            "serve --listen 127.0.0.1:0",
            wrong_place,
            "Datacenter1",
            "there is no such datacenter, only datacenter1",
        ),
        ("doctor", wrong_place, "dc2", "fail  store (cql): store.cql.datacenter = dc2"),
        ("agent list", mistyped, "mistyped", "there are no tables in the keyspace mistyped"),
        ("agent create --email a@x.example --name A", mistyped, "mistyped", "there are no tables"),
        ("team list --json", mistyped, "mistyped", "there are no tables in the keyspace mistyped"),
    ] {
        let ran = command(&line.split(' ').collect::<Vec<_>>(), &[(variable, value)]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains(said) && !told.contains("policy"), "{line} {value}: {ran:?}");
        assert_eq!(ran.code, Some(if line == "doctor" { 1 } else { 2 }), "{line} {value}: {ran:?}");
    }

    // An agent made by a command logs in everywhere, and nowhere once a command has disabled them.
    let made =
        command(&["agent", "create", "--email", "new@x.example", "--name", "New", "--team", "Support"], &[]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let password = made["password"].as_str().unwrap();
    let mut sockets = Vec::new();
    for sandbox in [&one, &other] {
        let agent = sandbox.api().login("new@x.example", password).await.unwrap();
        sockets.push(socket(sandbox, &agent.token).await);
    }
    assert_eq!(command(&["agent", "disable", "--email", "new@x.example"], &[]).code, Some(0));
    for mut socket in sockets {
        assert_eq!(socket.expect_close(SEEN).await.unwrap().0, Some(4401));
    }
    for sandbox in [&one, &other] {
        sandbox.api().try_login("new@x.example", password).await.unwrap().expect(401).unwrap();
    }

    // A log-out, and then a proof, each asked of one server and known to the other.
    let (ready, api) = (one.ready(), one.api());
    let admin = api.login(&ready.admin.email, &ready.admin.password).await.unwrap();
    let site = api.patch(format!("/api/v1/admin/sites/{}", ready.site_id)).bearer(&admin.token);
    site.json(&json!({ "identity_secret": SECRET })).send().await.unwrap().expect(200).unwrap();
    for proves in [false, true] {
        let visitor = api.visitor(&ready.site_key).await.unwrap();
        let mut there = socket(&other, &visitor.token).await;
        assert_eq!(asked(&other, &visitor.token).await, "");
        if proves {
            let identity = json!({ "identity": { "token": signed("ann") } });
            let call = api.post("/api/v1/chat/visitors").site(&ready.site_key).bearer(&visitor.token);
            call.json(&identity).send().await.unwrap().expect(200).unwrap();
        } else {
            let call = api.post("/api/v1/chat/visitors/logout").bearer(&visitor.token);
            call.send().await.unwrap().expect(204).unwrap();
        }
        assert_eq!(asked(&one, &visitor.token).await, "TOKEN_REVOKED", "at once where it was asked");
        assert_eq!(there.expect_close(SEEN).await.unwrap().0, Some(4401));
        assert_eq!(asked(&other, &visitor.token).await, "TOKEN_REVOKED");
    }

    // Files lie in the folder, messages do not: the server stops all the same, and the other one goes on.
    fs::remove_dir_all(other.folder().join("data/files")).unwrap();
    assert_eq!(other.exit_code(SEEN).await.unwrap(), 1);
    let log = other.log().unwrap();
    let lost: Vec<&str> = log.lines().filter(|line| line.contains("files was removed while")).collect();
    assert!(lost.iter().any(|line| line.contains("ERROR")) && !log.contains("panicked"), "{log}");
    let visitor = api.visitor(&ready.site_key).await.unwrap();
    api.start_conversation(&visitor.token, "c", Some("hi")).await.unwrap().expect(201).unwrap();
    drop((one, other));
    keyspace.remove().await.unwrap();
}
