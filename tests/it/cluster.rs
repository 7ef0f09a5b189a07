//! Three real nodes over one CQL store: one serves and the others stand by; one is drained, one killed, one frozen.

use std::fs;
use std::time::{Duration, Instant};

use driver::cql::{self, Keyspace};
use driver::{Answer, Api, Options, Sandbox, Signal, Socket};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::program::{Ran, run};

/// What is noticed within seconds, on a busy machine.
const NOTICED: Duration = Duration::from_secs(40);

/// Each look is a command, which connects to the store.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What all nodes share.
struct Installation {
    keyspace: Keyspace,
    folder: TempDir,
}

impl Installation {
    fn new(node: &str) -> Self {
        let installation = Self { keyspace: Keyspace::new(node, "cluster"), folder: TempDir::new().unwrap() };
        fs::write(installation.path("secret"), "s".repeat(32)).unwrap();
        fs::write(installation.path("other"), "o".repeat(32)).unwrap();
        fs::write(installation.path("key"), "k").unwrap();
        installation
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Files are in a bucket that nobody asks for.
    fn options(&self, name: &str, secret: &str) -> Options {
        let files = [
            ("store.blobs.kind", "s3"),
            ("store.blobs.bucket", "b"),
            ("store.blobs.endpoint", "http://127.0.0.1:1"),
            ("store.blobs.allow_http", "true"),
            ("store.blobs.access_key_file", &self.path("key")),
            ("store.blobs.secret_key_file", &self.path("key")),
            ("cluster.name", name),
            ("cluster.listen", "127.0.0.1:0"),
            ("cluster.secret_file", &self.path(secret)),
        ];
        files.into_iter().fold(self.keyspace.options(), |options, (path, value)| options.setting(path, value))
    }

    async fn start(&self, name: &str) -> Sandbox {
        Sandbox::start(self.options(name, "secret")).await.unwrap()
    }

    /// An error when the store is too busy to say it.
    fn status(&self) -> Result<Value, Ran> {
        let ran = run(&["cluster", "status", "--json"], &self.keyspace.options().variables());
        if ran.code == Some(0) { Ok(serde_json::from_str(&ran.stdout).unwrap()) } else { Err(ran) }
    }

    /// Has a node drained; a store that is too busy to take it is told again, which is harmless.
    async fn drain(&self, name: &str) -> Ran {
        let began = Instant::now();
        loop {
            let ran = run(&["drain", name], &self.keyspace.options().variables());
            if ran.code != Some(1) || began.elapsed() > NOTICED {
                return ran;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Completes once the cluster stands so; says how long that took.
    async fn until(&self, is_so: impl Fn(&Value) -> bool) -> (Value, Duration) {
        let began = Instant::now();
        loop {
            let status = self.status();
            match status {
                Ok(status) if is_so(&status) => return (status, began.elapsed()),
                _ => assert!(began.elapsed() < NOTICED, "it stays {status:#?}"),
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

fn names(status: &Value) -> Vec<&str> {
    let members = status["members"].as_array().unwrap();
    members.iter().map(|member| member["name"].as_str().unwrap()).collect()
}

fn of<'a>(status: &'a Value, name: &str) -> &'a Value {
    let members = status["members"].as_array().unwrap();
    members.iter().find(|member| member["name"] == name).unwrap()
}

/// The node that owns everything, and has started it.
fn server(status: &Value) -> Option<&str> {
    let members = status["members"].as_array().unwrap();
    let owner = members.iter().find(|member| member["shards"] == 256 && member["arriving"] == 0)?;
    owner["name"].as_str()
}

async fn until_ready(node: &Sandbox) {
    let began = Instant::now();
    while node.api().get("/readyz").send().await.unwrap().status != 200 {
        assert!(began.elapsed() < NOTICED, "it does not serve");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asks as a client does, who repeats what was not answered as it was.
async fn answered(node: &Sandbox, ask: impl AsyncFn(&Api) -> anyhow::Result<Answer>) -> Value {
    let began = Instant::now();
    let api = node.api();
    loop {
        let answer = ask(&api).await.unwrap();
        if !answer.is_unknown() {
            assert!(answer.status < 300, "{answer}");
            return answer.body;
        }
        assert!(began.elapsed() < NOTICED, "{answer}\n{}", node.log().unwrap());
        sleep(Duration::from_millis(50)).await;
    }
}

/// Writes, and says with which `seq` it stands.
async fn post(node: &Sandbox, token: &str, conversation: &str, client_id: &str) -> u64 {
    let began = Instant::now();
    let posted =
        answered(node, async |api| api.post_message(token, conversation, client_id, "hello").await).await;
    println!("{client_id} is written after {:?}", began.elapsed());
    posted["seq"].as_u64().unwrap()
}

#[tokio::test]
async fn one_of_three_nodes_serves_and_the_next_takes_over_when_it_drains_dies_or_freezes() {
    let Some(node) = cql::contact_point() else { return };
    let installation = Installation::new(&node);
    let mut a = installation.start("a").await;
    let (mut b, mut c) = tokio::join!(installation.start("b"), installation.start("c"));
    let is_settled = |status: &Value| {
        let is_settled = |name| {
            let member = of(status, name);
            member["linked"].as_array().unwrap().len() == 2 && member["state"] == "up"
        };
        names(status) == ["a", "b", "c"] && ["a", "b", "c"].into_iter().all(is_settled)
    };
    let (status, _) = installation.until(is_settled).await;
    assert_eq!((server(&status), status["moves"].as_u64()), (Some("a"), Some(0)));
    assert_eq!(of(&status, "b")["shards"], 0);
    let text = run(&["cluster", "status"], &installation.keyspace.options().variables()).stdout;
    assert!(text.contains("NAME") && text.contains("a, c") && text.contains("127.0.0.1:"), "{text}");

    // One serves; the others say that they do not, and that they live.
    until_ready(&a).await;
    let visitor = a.api().visitor(&a.ready().site_key).await.unwrap();
    let started =
        answered(&a, async |api| api.start_conversation(&visitor.token, "c", Some("hi")).await).await;
    let conversation = started["conversation"]["id"].as_str().unwrap().to_owned();
    let refused = b.api().post_message(&visitor.token, &conversation, "m", "there?").await.unwrap();
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.expect(503).unwrap()["error"]["code"], "UNAVAILABLE");
    assert_eq!(b.api().get("/healthz").send().await.unwrap().status, 200);
    let metrics = b.api().get("/metrics").send().await.unwrap();
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    for line in [
        "switchboard_cluster_members{state=\"up\"} 3",
        "switchboard_cluster_custody 0",
        "switchboard_link_up{peer=\"a\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }

    // A server of no cluster stays away, and a node with another secret changes nothing.
    let alone = run(&["serve", "--listen", "127.0.0.1:0"], &installation.keyspace.options().variables());
    assert_eq!(alone.code, Some(2), "{alone:?}");
    assert!(alone.stderr.contains("nodes of a cluster use this store (a, b, c)"), "{}", alone.stderr);
    let mut stranger = Sandbox::start(installation.options("d", "other")).await.unwrap();
    installation.until(|status| names(status) == ["a", "b", "c"]).await;
    stranger.kill().unwrap();
    installation.until(|status| names(status) == ["a", "b", "c"] && server(status) == Some("a")).await;

    // Drained from anywhere: its socket is sent away, it ends, and the next one goes on.
    let mut socket = Socket::open(&a.api()).await.unwrap();
    socket.hello(&visitor.token, &[]).await.unwrap();
    let drained = installation.drain("a").await;
    // One that has left meanwhile is not there to be told once more.
    assert!(
        drained.stdout.trim() == "a has left" || drained.stderr.contains("there is no node a"),
        "{drained:?}"
    );
    assert_eq!(socket.expect_close(NOTICED).await.unwrap().0, Some(1012));
    assert_eq!(a.exit_code(NOTICED).await.unwrap(), 0);
    let (status, took) = installation.until(|status| server(status).is_some()).await;
    println!("another node has everything {took:?} after the first one has left");
    assert_eq!(names(&status), ["b", "c"]);
    let (first, second) = if server(&status) == Some("b") { (&mut b, &mut c) } else { (&mut c, &mut b) };
    until_ready(first).await;
    assert_eq!(post(first, &visitor.token, &conversation, "m").await, 3);

    // Killed: the other one serves within seconds, and has what was acknowledged.
    first.kill().unwrap();
    let (status, took) =
        installation.until(|status| names(status).len() == 1 && server(status).is_some()).await;
    println!("another node has everything {took:?} after a kill");
    assert_eq!(status["unsealed"].as_array().unwrap().len(), 0);
    until_ready(second).await;
    assert_eq!(post(second, &visitor.token, &conversation, "n").await, 4);

    // Frozen: the one that was killed is there again, and takes its turn. When the frozen one wakes it joins as another boot.
    first.restart().await.unwrap();
    let is_settled = |status: &Value, name: &str| {
        let member = of(status, name);
        member["linked"].as_array().unwrap().len() == 1 && member["state"] == "up"
    };
    let both =
        |status: &Value| names(status) == ["b", "c"] && is_settled(status, "b") && is_settled(status, "c");
    installation.until(both).await;
    let (frozen, serving) = (second, first);
    let name_of = |status: &Value| server(status).unwrap().to_owned();
    let (status, _) = installation.until(|status| server(status).is_some()).await;
    let name = name_of(&status);
    let before = of(&status, &name)["incarnation"].clone();
    frozen.signal(Signal::STOP).unwrap();
    let (status, took) =
        installation.until(|status| names(status).len() == 1 && server(status).is_some()).await;
    println!("another node has everything {took:?} after a freeze");
    assert_ne!(name_of(&status), name);
    frozen.signal(Signal::CONT).unwrap();
    let (status, _) = installation.until(|status| names(status) == ["b", "c"]).await;
    assert_ne!(of(&status, &name)["incarnation"], before);
    assert_ne!(name_of(&status), name);
    until_ready(serving).await;
    assert_eq!(post(serving, &visitor.token, &conversation, "o").await, 5);
    assert_eq!(frozen.api().get("/readyz").send().await.unwrap().status, 503);
    assert_eq!(frozen.terminate().await.unwrap(), 0);
    assert_eq!(serving.terminate().await.unwrap(), 0);
    let (status, _) = installation.until(|status| names(status).is_empty()).await;
    assert!(status["unsealed"].as_array().unwrap().is_empty(), "{status:#}");
    for node in [&a, &*frozen, &*serving] {
        let log = node.log().unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
    drop((a, b, c, stranger));
    installation.keyspace.remove().await.unwrap();
}
