//! What the server stands on: its data folder, which may be taken from under it, the room on its disk, and the files
//! that it may have open. None of them ends in a lie, a server that is of no use any more, or a 500.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use driver::process::{limit_files, open_files};
use driver::{Answer, Options, Sandbox, Signal};
use futures_util::future::join_all;
use image::ImageFormat;
use serde_json::json;
use tokio::time::timeout;

use crate::files::{files_in, path_of, say};
use crate::house::{House, assert_refused, new_image, text, upload};
use crate::program::run;

/// Two seconds to notice, and some to end on a busy machine.
const NOTICE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_server_whose_folder_is_taken_from_under_it_stops_and_touches_nothing_else() {
    type Change = fn(&Path) -> std::io::Result<()>;
    let changes: [(&str, Change); 8] = [
        ("removed", |data| fs::remove_dir_all(data)),
        ("replaced", |data| {
            let new = data.with_extension("new");
            fs::create_dir_all(new.join("files/incoming"))?;
            for name in ["server.lock", "switchboard.db", "switchboard.db-wal"] {
                fs::write(new.join(name), "another's")?;
            }
            fs::rename(data, data.with_extension("old"))?;
            fs::rename(new, data)
        }),
        ("replaced", |data| {
            fs::copy(data.join("switchboard.db"), data.join("copy"))?;
            fs::rename(data.join("copy"), data.join("switchboard.db"))
        }),
        ("removed", |data| fs::remove_file(data.join("switchboard.db-wal"))),
        // Without it a command beside the server would lock nothing.
        ("removed", |data| fs::remove_file(data.join("switchboard.db-shm"))),
        ("removed", |data| fs::rename(data, data.with_extension("moved"))),
        ("removed", |data| fs::remove_dir_all(data.join("files"))),
        ("replaced", |data| {
            fs::write(data.join("new.lock"), "")?;
            fs::rename(data.join("new.lock"), data.join("server.lock"))
        }),
    ];
    join_all(changes.into_iter().enumerate().map(async |(place, (how, change))| {
        let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
        let data = sandbox.folder().join("data");
        change(&data).unwrap();
        assert_eq!(sandbox.exit_code(NOTICE).await.unwrap(), 1, "change {place}");
        let log = sandbox.log().unwrap();
        let told = format!("was {how} by another while");
        let told = if how == "replaced" { told } else { format!("was {how} while") };
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&told)).collect();
        assert!(lines.iter().any(|line| line.contains("ERROR")), "change {place}: {log}");
        assert!(!log.contains("panicked"), "{log}");
        if place == 1 {
            for name in ["switchboard.db", "switchboard.db-wal"] {
                assert_eq!(fs::read_to_string(data.join(name)).unwrap(), "another's");
            }
        }
    }))
    .await;
}

#[tokio::test]
async fn removing_the_lock_makes_no_room_for_a_second_server() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let data = sandbox.folder().join("data");
    // So that it is still there when the second one comes.
    sandbox.signal(Signal::STOP).unwrap();
    fs::remove_file(data.join("server.lock")).unwrap();
    let second = run(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()], &[]);
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.stderr.contains("another server is using"), "{second:?}");
    sandbox.signal(Signal::CONT).unwrap();
    // The second one made the file anew.
    assert_eq!(sandbox.exit_code(NOTICE).await.unwrap(), 1);
    sandbox.restart().await.unwrap();
}

#[tokio::test]
async fn at_the_reserve_of_the_disk_files_are_refused_and_messages_are_not() {
    let house = House::start_with(Options::default().limit("storage_reserve_bytes", 1 << 50)).await;
    let (api, ours) = (&house.api, &house.ours);
    for token in [&ours.visitor.token, &ours.agent.token] {
        let refused = upload(api, token, &ours.conversation, "a.txt", b"words").await;
        assert_refused(&refused, 507, "STORAGE_FULL");
    }
    assert_eq!(files_in(house.sandbox.folder()), 0);
    let words = json!({ "client_id": "m", "text": "words" });
    say(api, &ours.visitor.token, &ours.conversation, &words).await.expect(201).unwrap();
    let ready = house.sandbox.ready();
    api.login(&ready.agents[0].email, &ready.agents[0].password).await.unwrap();
    api.visitor(&ours.site_key).await.unwrap();

    let health = api.get("/readyz").send().await.unwrap().expect(200).unwrap();
    assert_eq!((&health["status"], &health["reason"]), (&json!("degraded"), &json!("storage_reserve")));
    let metrics = api.get("/metrics").send().await.unwrap();
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    assert!(metrics.lines().any(|line| line == "switchboard_storage_reserve_reached 1"), "{metrics}");
    let log = house.sandbox.log().unwrap();
    let told = log.lines().filter(|line| line.contains("the disk is nearly full")).collect::<Vec<_>>();
    assert!(told.len() == 1 && told[0].contains("ERROR"), "{log}");
    assert!(!log.contains("a request failed"), "not once for each upload as well: {log}");
}

#[tokio::test]
async fn a_day_brings_so_many_bytes_and_a_restart_changes_nothing() {
    let limits = Options::default()
        .limit("upload_bytes_per_day_per_visitor", 100_000)
        .limit("upload_bytes_per_day_per_site", 150_000)
        .limit("upload_bytes_per_day_per_workspace", 180_000);
    let mut house = House::start_with(limits).await;
    let another = house.api.visitor(&house.ours.site_key).await.unwrap();
    let started = house.api.start_conversation(&another.token, "c", None).await.unwrap().expect(201).unwrap();
    let elsewhere = text(&started["conversation"]["id"]);
    let send = async |house: &House, token: &str, conversation: &str, bytes: usize| {
        upload(&house.api, token, conversation, "a.txt", &vec![b'x'; bytes]).await
    };
    let assert_passed = |answer: &Answer, whose: &str| {
        assert_refused(answer, 429, "RATE_LIMITED");
        assert!(text(&answer.body["error"]["message"]).contains(whose), "{answer}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{answer}");
    };
    let ours = |house: &House| (house.ours.visitor.token.clone(), house.ours.conversation.clone());
    let (token, here) = ours(&house);
    assert_eq!(send(&house, &token, &here, 60_000).await.status, 201);
    assert_passed(&send(&house, &token, &here, 40_001).await, "a visitor");
    assert_eq!(send(&house, &token, &here, 30_000).await.status, 201);
    assert_passed(&send(&house, &another.token, elsewhere, 60_001).await, "a site");
    assert_eq!(send(&house, &another.token, elsewhere, 50_000).await.status, 201);
    let agent = house.ours.agent.token.clone();
    assert_passed(&send(&house, &agent, &here, 40_001).await, "a workspace");
    let theirs = (house.theirs.visitor.token.clone(), house.theirs.conversation.clone());
    assert_eq!(send(&house, &theirs.0, &theirs.1, 90_000).await.status, 201);
    assert_eq!(files_in(house.sandbox.folder()), 4, "nothing is left of what was refused");

    assert_eq!(house.sandbox.terminate().await.unwrap(), 0);
    house.sandbox.restart().await.unwrap();
    assert_passed(&send(&house, &token, &here, 10_001).await, "a visitor");
    assert_passed(&send(&house, &agent, &here, 40_001).await, "a workspace");
    assert_eq!(send(&house, &agent, &here, 40_000).await.status, 201);
}

/// The answer; lifts the limit when the request waits for its connection.
async fn patient<T>(answer: impl Future<Output = T>, lift: impl FnOnce()) -> T {
    let mut answer = pin!(answer);
    match timeout(Duration::from_millis(250), answer.as_mut()).await {
        Ok(answer) => answer,
        Err(_) => {
            lift();
            answer.await
        }
    }
}

#[tokio::test]
async fn out_of_descriptors_what_opens_files_is_unavailable_and_then_goes_on() {
    let house = House::start().await;
    let (api, ours, pid) = (&house.api, &house.ours, house.sandbox.ready().pid);
    let send = async |name: &str, bytes: &[u8]| {
        upload(api, &ours.visitor.token, &ours.conversation, name, bytes).await
    };
    let words = send("a.txt", b"words").await.expect(201).unwrap();
    let picture = new_image(ImageFormat::Png, 400, 400);
    let (mut taken, mut refused) = (0, 0);
    // From too few even for a connection, which then waits, to enough. What is just being closed is counted as open.
    for step in 0..=10 {
        for (name, bytes) in [("a.txt", b"words".as_slice()), ("a.png", &picture)] {
            let limit = (open_files(pid).unwrap() + step).saturating_sub(6);
            let before = limit_files(pid, limit).unwrap();
            let lifted = || limit_files(pid, before).map(drop).unwrap();
            let answer = patient(send(name, bytes), lifted).await;
            let read = api.get(path_of(&words)).bearer(&ours.visitor.token).send();
            let read = patient(read, lifted).await.unwrap();
            let said = json!({ "client_id": format!("{name}-{step}"), "text": "words" });
            let said = patient(say(api, &ours.visitor.token, &ours.conversation, &said), lifted).await;
            lifted();
            assert_eq!(said.status, 201, "{said}");
            for answer in [&answer, &read] {
                if answer.status >= 400 {
                    assert_refused(answer, 503, "UNAVAILABLE");
                    assert!(!answer.header("retry-after").is_empty(), "{answer}");
                    refused += 1;
                }
            }
            taken += usize::from(answer.status == 201);
        }
    }
    assert!(refused >= 1 && taken >= 1, "{refused} refused, {taken} taken");
    assert_eq!(send("a.png", &picture).await.status, 201);
    let incoming = house.sandbox.folder().join("data/files/incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0, "nothing is left of what was refused");
}

/// Kills what it runs when the test ends, however it ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only when the server has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_connection_more_than_the_system_allows_is_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64:64").arg(driver::binary());
    command
        .args(["demo", "--listen", "127.0.0.1:0", "--ready-json", "--data"])
        .arg(folder.path().join("data"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(command.spawn().expect("`prlimit` of util-linux is needed"));
    let mut ready = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let address = text(&ready["url"]).strip_prefix("http://").unwrap().to_owned();
    // A connection, and the head of its answer.
    let ask = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(NOTICE)).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 2048];
        let read = stream.read(&mut answer).unwrap();
        (stream, String::from_utf8_lossy(&answer[..read]).to_lowercase())
    };
    let mut held = Vec::new();
    let refused = loop {
        let (stream, answer) = ask();
        if !answer.starts_with("http/1.1 200") {
            break answer;
        }
        held.push(stream);
        assert!(held.len() < 64, "the bound does not follow the limit");
    };
    assert!(refused.starts_with("http/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    drop(held);
    let begun = Instant::now();
    while !ask().1.starts_with("http/1.1 200") {
        assert!(begun.elapsed() < NOTICE, "nobody gets in any more");
    }
}
