//! A thousand who open and say nothing, hundreds whose bodies never end, hundreds who listen and do not read: all at
//! the limits that the program ships with. What the server holds for each of them is bounded, it is given back, and
//! a visitor who writes meanwhile hardly notices.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use driver::{Api, Options, Sandbox, Socket, Visitor, process};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::assert_unharmed;
use super::wire::{connect, connect_narrow};

const HALF_OPEN: usize = 1_000;
const SLOW_BODIES: usize = 1_500;
const DEAF: usize = 400;
/// Connections from one address: below what the limits allow, of sockets too.
const PER_ADDRESS: usize = 200;
/// Sent of a body of [`BODY_BYTES`], which then stops coming. All of them together are more than bodies may hold.
const SENT_BYTES: usize = 250_000;
const BODY_BYTES: usize = 262_144;
/// Pushed to those who do not read: more than system and server hold for one of them.
const PUSHED: usize = 500;
const TEXT_BYTES: usize = 16 * 1024;

/// What the server may hold for one of each, on average. A connection begins with two buffers of 8 KiB. Bodies share
/// 64 MiB and have 16 KiB each, beside the 32 KiB that a connection reads ahead: 92 KiB for each of [`SLOW_BODIES`], to which
/// the allocator adds up to a half. A socket's writer has 256 KiB at most.
const HALF_OPEN_BYTES_MAX: u64 = 64 * 1024;
const SLOW_BODY_BYTES_MAX: u64 = 144 * 1024;
const DEAF_BYTES_MAX: u64 = 320 * 1024;
const WAVES: usize = 3;
/// What the later waves together may add to what the first left behind: some is the allocator's.
const LEAK_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long that may take, and how many requests at a time keep the server's threads at work meanwhile.
const GIVEN_BACK: Duration = Duration::from_secs(20);
const BUSY: usize = 16;

/// How long a crowd is looked at.
const CALM: Duration = Duration::from_secs(3);
/// The longest that anybody else may wait.
const OTHERS: Duration = Duration::from_secs(5);
/// How long the server may take to be rid of a crowd: time-outs are at most 45 s.
const RID: Duration = Duration::from_secs(75);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_half_open_connections_cost_little_and_nobody_else_notices() {
    in_waves(HALF_OPEN, HALF_OPEN_BYTES_MAX, half_open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_bodies_that_never_end_cost_little_and_nobody_else_notices() {
    in_waves(SLOW_BODIES, SLOW_BODY_BYTES_MAX, slow_bodies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_who_listen_and_do_not_read_cost_little_and_nobody_else_notices() {
    in_waves(DEAF, DEAF_BYTES_MAX, deaf).await;
}

/// Has a crowd of so many come and go several times, on a server of its own: memory that another crowd has left behind would
/// make it look cheap.
async fn in_waves(size: usize, bytes_max: u64, crowd: impl AsyncFn(&Sandbox, &mut Other)) {
    process::raise_file_limit().unwrap();
    let options =
        ["visitors_per_minute_per_address", "conversations_per_minute_per_address", "visitor_send_burst"]
            .into_iter()
            .fold(Options::default(), |options, limit| options.limit(limit, 0))
            // All of the deaf are one visitor's, so that one conversation is pushed to all of them.
            .limit("sockets_per_visitor", 0);
    let sandbox = Sandbox::start(options).await.unwrap();
    warm_up(&sandbox).await;
    let mut other = Other::start(&sandbox).await;
    other.look(&sandbox, CALM).await;
    let (idle, before) = (open_connections(&sandbox).await, sandbox.rss_bytes().unwrap());
    println!("before: RSS {} MiB, {}", mib(before), other.pace());
    other.peak = before;

    let mut left = None;
    for wave in 1..=WAVES {
        crowd(&sandbox, &mut other).await;
        let each = other.peak.saturating_sub(before) / size as u64;
        println!(
            "wave {wave} of {size}: peak RSS {} MiB, {each} bytes each, {}",
            mib(other.peak),
            other.pace()
        );
        assert!(each < bytes_max, "{each} bytes for each");
        rid(&sandbox, idle).await;
        // What one thread has freed for another is given back when that one works again.
        let (until, mut rss) = (Instant::now() + GIVEN_BACK, sandbox.rss_bytes().unwrap());
        while left.is_some_and(|left| rss > left + LEAK_BYTES_MAX) {
            assert!(Instant::now() < until, "each wave leaves something behind: {left:?}, then {rss}");
            join_all((0..BUSY).map(|_| open_connections(&sandbox))).await;
            rss = sandbox.rss_bytes().unwrap();
        }
        println!("after wave {wave}: RSS {} MiB", mib(rss));
        left = left.or(Some(rss));
    }
    println!("the other one sent {}, all answered", other.stop().await);
    assert_unharmed(&sandbox).await;
}

/// Writes so much that the store's caches are full: whatever grows later is not theirs.
async fn warm_up(sandbox: &Sandbox) {
    const CACHES_BYTES: usize = 48 * 1024 * 1024;
    const TALKS: usize = 16;
    let (api, site_key, text) = (sandbox.api(), &sandbox.ready().site_key, "x".repeat(TEXT_BYTES));
    let fill = async || {
        let (visitor, conversation) = talk(&api, site_key).await;
        for number in 0..CACHES_BYTES / TALKS / TEXT_BYTES {
            let posted = api.post_message(&visitor.token, &conversation, &format!("m{number}"), &text).await;
            posted.unwrap().expect(201).unwrap();
        }
        api.events(&visitor.token, &conversation, "limit=200").await.unwrap().expect(200).unwrap();
    };
    join_all((0..TALKS).map(|_| fill())).await;
}

/// Heads that stop in the middle.
async fn half_open(sandbox: &Sandbox, other: &mut Other) {
    let server = sandbox.api().address();
    let mut crowd = Vec::new();
    for number in 0..HALF_OPEN {
        let mut stream = connect(server, address(number)).await.unwrap();
        stream.write_all(b"POST /api/v1/chat/visitors HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap();
        crowd.push(stream);
    }
    assert!(open_connections(sandbox).await >= HALF_OPEN as u64);
    other.look(sandbox, CALM).await;
}

/// Bodies that stop in the middle, with a good token.
async fn slow_bodies(sandbox: &Sandbox, other: &mut Other) {
    let api = sandbox.api();
    let server = api.address();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let head = format!(
        "POST /api/v1/chat/conversations HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\r\n",
        visitor.token
    );
    let bytes = [head.as_bytes(), &vec![b' '; SENT_BYTES]].concat();
    let send = async |number: usize| {
        let mut stream = connect(server, address(number)).await.unwrap();
        // Once the memory that bodies share is used up the server says so and reads no further.
        let _refused = timeout(Duration::from_secs(5), stream.write_all(&bytes)).await;
        stream
    };
    let crowd = join_all((0..SLOW_BODIES).map(send)).await;
    other.look(sandbox, CALM).await;
    drop(crowd);
}

/// Sockets that stop reading while they are pushed to, beside one that reads.
async fn deaf(sandbox: &Sandbox, other: &mut Other) {
    let api = sandbox.api();
    let (visitor, conversation) = talk(&api, &sandbox.ready().site_key).await;
    let open = |number| listen_once(api.address(), address(number), &visitor.token, &conversation);
    let mut crowd: Vec<TcpStream> = Vec::new();
    for group in 0..DEAF / 50 {
        crowd.extend(join_all((group * 50..(group + 1) * 50).map(open)).await);
    }
    let mut reader = Socket::open(&api).await.unwrap();
    reader.hello(&visitor.token, &[(&conversation, Some(0))]).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut seq = 0;
        while seq < PUSHED as u64 + 1 {
            let push = reader.expect_push(|push| push["type"] == "event", OTHERS * 5).await.unwrap();
            assert_eq!(push["seq"], seq + 1);
            seq += 1;
        }
    });
    let (text, mut slowest) = ("x".repeat(TEXT_BYTES), Duration::ZERO);
    for number in 0..PUSHED {
        let sent = Instant::now();
        let answer =
            api.post_message(&visitor.token, &conversation, &format!("m{number}"), &text).await.unwrap();
        answer.expect(201).unwrap();
        slowest = slowest.max(sent.elapsed());
        other.look(sandbox, Duration::ZERO).await;
    }
    assert!(slowest < OTHERS, "who writes to the deaf waits {slowest:?}");
    timeout(OTHERS * 10, reading).await.expect("who reads gets it all").unwrap();
    println!("who writes to the deaf waits {slowest:.0?} at most");
    // They are closed by the server, one after the other: their window is full, or a write to them stalls.
    let until = Instant::now() + RID;
    while gauge(sandbox, "switchboard_sockets{kind=\"visitor\"} ").await > 0 {
        assert!(Instant::now() < until, "some are still open");
        other.look(sandbox, Duration::ZERO).await;
    }
    drop(crowd);
}

/// Waits until the server has closed all but the connections that were there before.
async fn rid(sandbox: &Sandbox, before: u64) {
    let until = Instant::now() + RID;
    while open_connections(sandbox).await > before + 2 {
        assert!(Instant::now() < until, "{} are still open", open_connections(sandbox).await);
        sleep(Duration::from_millis(50)).await;
    }
}

async fn open_connections(sandbox: &Sandbox) -> u64 {
    gauge(sandbox, "switchboard_connections ").await
}

/// What the server says of itself.
async fn gauge(sandbox: &Sandbox, name: &str) -> u64 {
    let metrics = sandbox.api().get("/metrics").send().await.unwrap();
    let text = String::from_utf8(metrics.bytes.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}in {text}")).parse().unwrap()
}

/// So many come from each address.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, 0, 1 + u8::try_from(number / PER_ADDRESS).unwrap())
}

async fn talk(api: &Api, site_key: &str) -> (Visitor, String) {
    let visitor = api.visitor(site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let id = started["conversation"]["id"].as_str().unwrap().to_owned();
    (visitor, id)
}

/// A socket that has subscribed and will not be read any more.
async fn listen_once(server: SocketAddr, from: Ipv4Addr, token: &str, conversation: &str) -> TcpStream {
    let mut stream = connect_narrow(server, from).await.unwrap();
    let upgrade = "GET /api/v1/chat/socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let resume = json!([{ "conversation_id": conversation, "after": 0 }]);
    let hello = json!({ "type": "hello", "token": token, "resume": resume }).to_string();
    // A text of 126 bytes or more, under a mask of zeros.
    let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0], hello.as_bytes()].concat();
    stream.write_all(&[upgrade.as_bytes(), &frame].concat()).await.unwrap();
    let mut heard = Vec::new();
    let caught_up = async {
        while !String::from_utf8_lossy(&heard).contains("caught_up") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "{}", String::from_utf8_lossy(&heard));
        }
    };
    timeout(OTHERS * 5, caught_up).await.expect("it is greeted");
    stream
}

/// A visitor like any other, who writes all the time, and looks at the server's memory.
struct Other {
    peak: u64,
    latencies: watch::Receiver<Vec<Duration>>,
    seen: usize,
    stop: watch::Sender<bool>,
    task: JoinHandle<Value>,
}

impl Other {
    async fn start(sandbox: &Sandbox) -> Self {
        let api = sandbox.api();
        let (visitor, conversation) = talk(&api, &sandbox.ready().site_key).await;
        let (told, latencies) = watch::channel(Vec::new());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut sent = 0;
            while !*stopped.borrow() {
                let (begun, client_id) = (Instant::now(), format!("m{sent}"));
                let answer =
                    api.post_message(&visitor.token, &conversation, &client_id, "hello").await.unwrap();
                let took = begun.elapsed();
                assert_eq!(answer.status, 201, "{answer}");
                assert!(took < OTHERS, "somebody else waits {took:?}");
                told.send_modify(|latencies| latencies.push(took));
                sent += 1;
                sleep(Duration::from_millis(20)).await;
            }
            api.conversation(&visitor.token, &conversation).await.unwrap().expect(200).unwrap()
        });
        Self { peak: 0, latencies, seen: 0, stop, task }
    }

    /// Looks on for a while, once at least.
    async fn look(&mut self, sandbox: &Sandbox, time: Duration) {
        let until = Instant::now() + time;
        loop {
            self.peak = self.peak.max(sandbox.rss_bytes().unwrap());
            if Instant::now() >= until {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// How long the visitor waited since this was last asked.
    fn pace(&mut self) -> String {
        assert!(!self.task.is_finished(), "the other one was not served");
        let mut new = self.latencies.borrow()[self.seen..].to_vec();
        self.seen += new.len();
        new.sort();
        let percentile = |percent: usize| new[(new.len() * percent).div_ceil(100) - 1];
        let (p50, p99) = (percentile(50), percentile(99));
        format!("the other one's POST p50 {p50:.1?} p99 {p99:.1?} of {}", new.len())
    }

    /// Stops the visitor; returns how many of their messages there are.
    async fn stop(self) -> u64 {
        self.stop.send_replace(true);
        let read = self.task.await.expect("the visitor is served to the end");
        let sent = self.latencies.borrow().len() as u64;
        assert_eq!(read["conversation"]["last_seq"], sent + 1);
        sent
    }
}

fn mib(bytes: u64) -> u64 {
    bytes / 1024 / 1024
}
