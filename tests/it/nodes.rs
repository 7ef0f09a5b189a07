//! Servers over one CQL store, and commands beside them: the server that starts last is the one that may write, what a
//! command ends is over on it, and the folder of files is watched although messages lie elsewhere.

use std::fs;
use std::time::Duration;

use driver::cql::{self, Keyspace};
use driver::{Sandbox, Socket};
use serde_json::Value;

use crate::program::run;

/// What ended elsewhere is over within five seconds, and somewhat later on a busy machine.
const SEEN: Duration = Duration::from_secs(15);

async fn socket(sandbox: &Sandbox, token: &str) -> Socket {
    let mut socket = Socket::open(&sandbox.api()).await.unwrap();
    socket.hello(token, &[]).await.unwrap();
    socket
}

#[tokio::test]
async fn the_server_that_starts_last_writes_commands_run_beside_it_and_a_lost_folder_stops_it() {
    let Some(node) = cql::contact_point() else { return };
    let keyspace = Keyspace::new(&node, "nodes");
    let options = keyspace.options();
    let mut one = Sandbox::start(options.clone()).await.unwrap();
    let command = |arguments: &[&str], more: &[(&str, &str)]| {
        run(arguments, &[options.variables(), more.to_vec()].concat())
    };

    // Nothing is made by mistake, and what is wrong is told in words. A server that cannot start stops no other.
    let (wrong_place, mistyped) = ("SWITCHBOARD_STORE__CQL__DATACENTER", "SWITCHBOARD_STORE__CQL__KEYSPACE");
    let taken = format!("serve --listen {}", one.api().address());
    let second = one.folder().join("second");
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
        (taken.as_str(), "SWITCHBOARD_DATA_DIR", second.to_str().unwrap(), "cannot listen on"),
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

    // Another server takes over: sockets are sent away, and the first one ends and says why.
    let api = one.api();
    let visitor = api.visitor(&one.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", Some("hi")).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap().to_owned();
    let mut there = socket(&one, &visitor.token).await;
    let mut other = Sandbox::start(options.clone()).await.unwrap();
    assert_eq!(there.expect_close(SEEN).await.unwrap().0, Some(1012));
    assert_eq!(one.exit_code(SEEN).await.unwrap(), 3);
    let log = one.log().unwrap();
    assert!(log.contains("another server opened this store") && !log.contains("panicked"), "{log}");
    let api = other.api();
    let again = api.post_message(&visitor.token, &conversation, "m", "there?").await.unwrap();
    assert_eq!(again.expect(201).unwrap()["seq"], 3);

    // An agent made by a command logs in, and no longer once a command has disabled them.
    let made =
        command(&["agent", "create", "--email", "new@x.example", "--name", "New", "--team", "Support"], &[]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let password = made["password"].as_str().unwrap();
    let agent = api.login("new@x.example", password).await.unwrap();
    let mut there = socket(&other, &agent.token).await;
    assert_eq!(command(&["agent", "disable", "--email", "new@x.example"], &[]).code, Some(0));
    assert_eq!(there.expect_close(SEEN).await.unwrap().0, Some(4401));
    api.try_login("new@x.example", password).await.unwrap().expect(401).unwrap();

    // Files lie in the folder, messages do not: the server stops all the same, and starts again.
    fs::remove_dir_all(other.folder().join("data/files")).unwrap();
    assert_eq!(other.exit_code(SEEN).await.unwrap(), 1);
    let log = other.log().unwrap();
    let lost: Vec<&str> = log.lines().filter(|line| line.contains("files was removed while")).collect();
    assert!(lost.iter().any(|line| line.contains("ERROR")) && !log.contains("panicked"), "{log}");
    other.restart().await.unwrap();
    let last = api.post_message(&visitor.token, &conversation, "n", "and now?").await.unwrap();
    assert_eq!(last.expect(201).unwrap()["seq"], 4);
    drop((one, other));
    keyspace.remove().await.unwrap();
}
