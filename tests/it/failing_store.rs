//! The whole server on a disk that fails: what was acknowledged stays, what was not is never said to be there, and
//! a client that asks again with the same `client_id` learns the truth.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use driver::{Answer, Api, Options, Sandbox, Socket, Visitor};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

/// How long the server may take to notice, and to end.
const NOTICE: Duration = Duration::from_secs(10);
/// Visitors who write at once.
const WRITERS: usize = 8;

/// A disk below the server's data folder that can be spoiled (`shim/disk.c`).
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let source = Path::new(driver::ROOT).join("tests/it/shim/disk.c");
        let library = folder.path().join("disk.so");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
        let built = built.expect("a C compiler is needed: `cc`");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { folder }
    }

    fn options(&self) -> Options {
        Options::unlimited()
            .environment("LD_PRELOAD", &self.path("disk.so"))
            .environment("DISK_FOLDER", "/data/")
            .environment("DISK_SYNC_FAILS", &self.path("sync-fails"))
            .environment("DISK_FULL", &self.path("full"))
    }

    fn spoil(&self, fault: &str) {
        fs::write(self.path(fault), "").unwrap();
    }

    fn mend(&self, fault: &str) {
        fs::remove_file(self.path(fault)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

/// A visitor in their conversation, and what they said.
struct Writer {
    api: Api,
    who: Visitor,
    conversation: String,
    acknowledged: Vec<String>,
    unknown: Vec<String>,
    sent: usize,
}

impl Writer {
    async fn arrive(sandbox: &Sandbox) -> Self {
        let api = sandbox.api();
        let who = api.visitor(&sandbox.ready().site_key).await.unwrap();
        let started = api.start_conversation(&who.token, "start", None).await.unwrap().expect(201).unwrap();
        let conversation = started["conversation"]["id"].as_str().unwrap().to_owned();
        Self { api, who, conversation, acknowledged: Vec::new(), unknown: Vec::new(), sent: 0 }
    }

    async fn post(&self, client_id: &str) -> anyhow::Result<Answer> {
        self.api
            .post_message(&self.who.token, &self.conversation, client_id, &format!("text of {client_id}"))
            .await
    }

    /// Sends one message more; none: the connection broke.
    async fn write(&mut self) -> Option<Answer> {
        self.sent += 1;
        let client_id = format!("m{}", self.sent);
        let answer = self.post(&client_id).await.ok();
        match &answer {
            Some(answer) if answer.status == 201 => self.acknowledged.push(client_id),
            Some(_) | None => self.unknown.push(client_id),
        }
        answer
    }

    /// All that stands in the conversation's log, in its order; `seq` has no hole.
    async fn log(&self) -> Vec<String> {
        let page = self.api.events(&self.who.token, &self.conversation, "after=0&limit=200").await.unwrap();
        let page = page.expect(200).unwrap();
        let events = page["data"].as_array().unwrap();
        for (place, event) in (1_u64..).zip(events) {
            assert_eq!(event["seq"], place, "{page}");
        }
        let messages = events.iter().filter(|event| event["kind"] == "message");
        messages.map(|event| event["client_id"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn after_a_failed_sync_the_server_ends_and_a_restart_knows_the_truth() {
    let disk = Disk::new();
    let mut sandbox = Sandbox::start(disk.options()).await.unwrap();
    let mut writers = join_all((0..WRITERS).map(|_| Writer::arrive(&sandbox))).await;
    for _ in 0..10 {
        let answers = join_all(writers.iter_mut().map(Writer::write)).await;
        assert!(
            answers.iter().flatten().filter(|answer| answer.status == 201).count() == WRITERS,
            "{answers:?}"
        );
    }

    disk.spoil("sync-fails");
    // All at once, so that some share a commit, and again until the server has gone.
    let ended = Instant::now() + NOTICE;
    loop {
        let answers = join_all(writers.iter_mut().map(Writer::write)).await;
        for answer in answers.iter().flatten() {
            assert_eq!(
                (answer.status, answer.code()),
                (503, "UNAVAILABLE"),
                "acknowledged without a sync: {answer}"
            );
        }
        if answers.iter().all(Option::is_none) {
            break;
        }
        assert!(Instant::now() < ended, "it still answers");
    }
    // Nobody sends it traffic any more.
    assert!(sandbox.api().get("/readyz").send().await.map_or(true, |answer| answer.status == 503));
    assert_eq!(sandbox.exit_code(NOTICE).await.unwrap(), 1);
    let log = sandbox.log().unwrap();
    assert!(log.contains("takes no more writes") && !log.contains("panicked"), "{log}");

    disk.mend("sync-fails");
    sandbox.restart().await.unwrap();
    let mut found = 0;
    for writer in &writers {
        let log = writer.log().await;
        let acknowledged = writer.acknowledged.len();
        assert_eq!(log[..acknowledged], writer.acknowledged, "what was acknowledged, in its order");
        for client_id in &writer.unknown {
            let was_there = log.contains(client_id);
            found += usize::from(was_there);
            let status = if was_there { 200 } else { 201 };
            writer.post(client_id).await.unwrap().expect(status).unwrap();
        }
        let mut log = writer.log().await;
        assert_eq!(log.len(), writer.sent, "{log:?}");
        log.sort();
        log.dedup();
        assert_eq!(log.len(), writer.sent, "one of them stands there twice");
    }
    let unknown: usize = writers.iter().map(|writer| writer.unknown.len()).sum();
    println!("{unknown} unknown, of which {found} were there after the restart");
}

#[tokio::test]
async fn a_server_that_cannot_sync_its_store_does_not_start() {
    let disk = Disk::new();
    let mut sandbox = Sandbox::start(disk.options()).await.unwrap();
    let mut writer = Writer::arrive(&sandbox).await;
    assert_eq!(writer.write().await.unwrap().status, 201);
    sandbox.kill().unwrap();

    disk.spoil("sync-fails");
    sandbox.restart_unready().unwrap();
    assert_ne!(sandbox.exit_code(NOTICE).await.unwrap(), 0);
    assert!(!sandbox.log().unwrap().contains("panicked"));

    disk.mend("sync-fails");
    sandbox.restart_unready().unwrap();
    sandbox.restart().await.unwrap();
    assert_eq!(writer.log().await, writer.acknowledged);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else_and_then_goes_on() {
    let disk = Disk::new();
    let mut sandbox = Sandbox::start(disk.options()).await.unwrap();
    let api = sandbox.api();
    let mut writers = join_all((0..WRITERS).map(|_| Writer::arrive(&sandbox))).await;
    join_all(writers.iter_mut().map(Writer::write)).await;
    let (who, conversation) = (writers[0].who.clone(), writers[0].conversation.clone());
    let mut socket = Socket::open(&api).await.unwrap();
    socket.hello(&who.token, &[(&conversation, Some(0))]).await.unwrap();

    disk.spoil("full");
    for _ in 0..20 {
        for answer in join_all(writers.iter_mut().map(Writer::write)).await {
            let answer = answer.expect("the server lives");
            assert_eq!((answer.status, answer.code()), (507, "STORAGE_FULL"), "{answer}");
        }
    }
    let frame =
        json!({ "type": "send", "conversation_id": conversation, "client_id": "socket", "text": "t" });
    let refused = socket.request(frame.clone()).await.unwrap();
    assert_eq!(refused["error"]["code"], "STORAGE_FULL", "{refused}");
    let visitor = api.try_visitor(&sandbox.ready().site_key).await.unwrap();
    assert_eq!((visitor.status, visitor.code()), (507, "STORAGE_FULL"), "{visitor}");
    let started = api.start_conversation(&who.token, "another", Some("hello")).await.unwrap();
    assert_eq!((started.status, started.code()), (507, "STORAGE_FULL"), "{started}");
    let uploaded = upload(&api, &who.token, &conversation).await;
    assert_eq!((uploaded.status, uploaded.code()), (507, "STORAGE_FULL"), "{uploaded}");
    for writer in &writers {
        assert_eq!(writer.log().await, writer.acknowledged);
    }
    for path in ["/readyz", "/healthz", "/metrics"] {
        api.get(path).send().await.unwrap().expect(200).unwrap();
    }

    disk.mend("full");
    for writer in &mut writers {
        for client_id in writer.unknown.split_off(0) {
            writer.post(&client_id).await.unwrap().expect(201).unwrap();
            writer.post(&client_id).await.unwrap().expect(200).unwrap();
            writer.acknowledged.push(client_id);
        }
        assert_eq!(writer.log().await, writer.acknowledged);
    }
    assert_eq!(socket.request(frame).await.unwrap()["type"], "sent");
    // The socket's replay ends where the log does, whatever it missed.
    let last_seq = writers[0].acknowledged.len() as u64 + 2;
    let last = |push: &Value| push["type"] == "event" && push["seq"] == last_seq;
    socket.expect_push(last, NOTICE).await.unwrap();
    api.start_conversation(&who.token, "another", Some("hello")).await.unwrap().expect(201).unwrap();
    upload(&api, &who.token, &conversation).await.expect(201).unwrap();
    assert!(!sandbox.log().unwrap().contains("panicked"));

    // And it is all on the disk.
    sandbox.restart().await.unwrap();
    for writer in &writers[1..] {
        assert_eq!(writer.log().await, writer.acknowledged);
    }
}

async fn upload(api: &Api, token: &str, conversation: &str) -> Answer {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"conversation_id\"\r\n\r\n{conversation}\r\n\
         --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
         content-type: text/plain\r\n\r\n{}\r\n--b--\r\n",
        "words ".repeat(2_000),
    );
    let call = api.post("/api/v1/chat/upload").bearer(token);
    call.body("multipart/form-data; boundary=b", body).send().await.unwrap()
}
