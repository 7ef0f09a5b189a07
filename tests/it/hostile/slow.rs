//! Clients that take their time, and one address that takes all the room: each is held to its limit and told so.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use driver::{Options, Sandbox};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::wire::{answers, connect, connect_narrow, read_to_end};
use super::{assert_refused, assert_unharmed};

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Of the time-outs here.
const LIMIT: Duration = Duration::from_secs(1);
/// After the limit, on a machine that does other things too: the server lingers for two seconds more.
pub(super) const LATE: Duration = Duration::from_secs(6);
/// Between two bytes of a client who is never done.
const DRIP: Duration = Duration::from_millis(100);

async fn impatient() -> Sandbox {
    let options =
        Options::unlimited().limit("header_timeout_s", 1).limit("keep_alive_s", 2).limit("body_timeout_s", 1);
    Sandbox::start(options).await.unwrap()
}

/// Sends a beginning and then byte after byte, and gives what the server said and when it closed.
async fn drip(server: SocketAddr, beginning: &str, byte: u8) -> (Vec<u8>, Duration) {
    let (mut reader, mut writer) = connect(server, HOME).await.unwrap().into_split();
    writer.write_all(beginning.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let dripping = async {
        while writer.write_all(&[byte]).await.is_ok() {
            sleep(DRIP).await;
        }
        std::future::pending::<()>().await;
    };
    let mut all = Vec::new();
    let reading = async { while let Ok(1..) = reader.read_buf(&mut all).await {} };
    tokio::select! {
        () = reading => {}
        () = dripping => {}
        () = sleep(LIMIT + LATE) => panic!("the server still waits for {beginning:?}"),
    }
    (all, begun.elapsed())
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_408_or_the_end() {
    let sandbox = impatient().await;
    let server = sandbox.api().address();
    for (beginning, byte) in [
        ("", b'G'),
        ("GET /healthz HTTP/1.1\r\n", b'a'),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nx: ", b'b'),
        ("GET /", b'c'),
        // The second of a connection.
        ("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /healthz HTTP/1.1\r\nx: ", b'd'),
    ] {
        let (said, after) = drip(server, beginning, byte).await;
        assert!(after >= LIMIT / 2, "{beginning:?}: closed after {after:?}");
        let mut heard = answers(&said);
        if beginning.contains("\r\n\r\n") {
            assert_eq!(heard.remove(0).status, 200);
        }
        for heard in &heard {
            assert_eq!(heard.status, 408);
            assert_refused(beginning, heard);
        }
    }
    // Who says nothing at all is not spoken to, and after a request may be silent for longer.
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    for (beginning, least) in [("", LIMIT), (request, LIMIT * 2)] {
        let mut silent = connect(server, HOME).await.unwrap();
        silent.write_all(beginning.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let said = timeout(LIMIT + LATE, read_to_end(&mut silent)).await.expect("it is closed");
        assert!(answers(&said).iter().all(|heard| heard.status == 200));
        assert!(begun.elapsed() >= least / 10 * 9, "closed after {:?}", begun.elapsed());
    }
    // Within that time the connection takes a request, whole or in two pieces, and the wait begins again.
    let mut kept = connect(server, HOME).await.unwrap();
    for pieces in [vec![request], vec![&request[..9], &request[9..]], vec![request]] {
        for piece in pieces {
            kept.write_all(piece.as_bytes()).await.unwrap();
            sleep(DRIP).await;
        }
        sleep(LIMIT + DRIP).await;
    }
    kept.shutdown().await.unwrap();
    assert_eq!(answers(&read_to_end(&mut kept).await).len(), 3);
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let sandbox = impatient().await;
    let (server, api) = (sandbox.api().address(), sandbox.api());
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let head = |path: &str, lines: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n{lines}\r\n\r\n",
            visitor.token
        )
    };
    let json = "content-type: application/json\r\n";
    let start = "/api/v1/chat/conversations";
    for (what, beginning, byte) in [
        ("a body", head(start, &format!("{json}content-length: 1000")), b' '),
        ("a chunk", head(start, &format!("{json}transfer-encoding: chunked")) + "3e8\r\n", b' '),
        ("a chunk's size", head(start, &format!("{json}transfer-encoding: chunked")), b'0'),
        (
            "an upload",
            head(
                "/api/v1/chat/upload",
                "content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000",
            ),
            b'-',
        ),
    ] {
        let (said, after) = drip(server, &beginning, byte).await;
        let heard = answers(&said);
        let [heard] = heard.as_slice() else { panic!("{what}: {heard:?}") };
        assert_eq!(heard.status, 408, "{what}: {heard:?}");
        assert_refused(what, heard);
        assert!(after >= LIMIT, "{what}: {after:?}");
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn slow_bodies_of_one_address_hold_up_that_address_alone_and_give_way_there_too() {
    // More than an address may hold: 64 of the largest.
    const SLOW: usize = 72;
    const BYTES: usize = 262_144;
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (server, api) = (sandbox.api().address(), sandbox.api());
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let head = format!(
        "POST /api/v1/chat/conversations HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {BYTES}\r\n\r\n",
        visitor.token
    );
    let begun = [head.as_bytes(), &vec![b' '; BYTES - 64]].concat();
    let slow = join_all((0..SLOW).map(|_| async {
        let mut stream = connect(server, ELSEWHERE).await.unwrap();
        let _refused = timeout(LIMIT, stream.write_all(&begun)).await;
        stream
    }));
    let slow = slow.await;
    // The same size, in one go.
    let honest = async |from: Ipv4Addr, client_id: &str| {
        let mut body = format!("{{\"client_id\":\"{client_id}\"}}").into_bytes();
        body.resize(BYTES, b' ');
        let mut stream = connect(server, from).await.unwrap();
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        answers(&read_to_end(&mut stream).await).remove(0).status
    };
    assert_eq!(honest(HOME, "elsewhere").await, 201);
    let until = Instant::now() + LATE;
    while honest(ELSEWHERE, "here").await != 201 {
        assert!(Instant::now() < until, "the slow ones do not give way");
    }
    // Those who gave way are told so.
    let mut told = Vec::new();
    for mut stream in slow {
        let mut said = Vec::new();
        let _still_open =
            timeout(DRIP, async { while let Ok(1..) = stream.read_buf(&mut said).await {} }).await;
        for heard in answers(&said) {
            assert_refused("a body too slow", &heard);
            told.push(heard.status);
        }
    }
    assert!(told.contains(&408) || told.contains(&429), "{told:?}");
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_closed() {
    let sandbox = impatient().await;
    let server = sandbox.api().address();
    let mut deaf = connect_narrow(server, HOME).await.unwrap();
    let ask = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    let before = sandbox.rss_bytes().unwrap();
    let begun = Instant::now();
    // It asks until the server takes nothing more, and on until that closes.
    while timeout(LIMIT + LATE, deaf.write_all(ask)).await.expect("the server closes").is_ok() {
        assert!(begun.elapsed() < LATE * 3, "the server goes on answering who does not read");
    }
    let grown = sandbox.rss_bytes().unwrap().saturating_sub(before);
    println!("one who does not read costs {} KiB", grown / 1024);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes for one who does not read");
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn one_address_has_its_number_of_connections_and_no_more() {
    const MAX: usize = 5;
    let options = Options::unlimited().limit("connections_per_address", MAX as u64);
    let sandbox = Sandbox::start(options).await.unwrap();
    let server = sandbox.api().address();
    let ask = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..MAX {
        held.push(connect(server, ELSEWHERE).await.unwrap());
    }
    // All are served, so all are counted.
    for stream in &mut held {
        stream.write_all(ask).await.unwrap();
        stream.read_u8().await.unwrap();
    }
    let refused = join_all((0..10).map(|_| async {
        let mut stream = connect(server, ELSEWHERE).await.unwrap();
        let _refused = stream.write_all(ask).await;
        answers(&read_to_end(&mut stream).await)
    }));
    for heard in refused.await.iter().flatten() {
        assert_eq!((heard.status, heard.header("retry-after")), (429, Some("1")), "{heard:?}");
        assert_refused("one connection too many", heard);
    }
    sandbox.api().get("/healthz").send().await.unwrap().expect(200).unwrap();

    // One goes, and there is room for one.
    held.pop();
    let until = Instant::now() + LATE;
    while !is_served(connect(server, ELSEWHERE).await.unwrap(), ask).await {
        assert!(Instant::now() < until, "its place is not free again");
    }
    assert_unharmed(&sandbox).await;
}

async fn is_served(mut stream: TcpStream, ask: &[u8]) -> bool {
    let _refused = stream.write_all(ask).await;
    let _half_closed = stream.shutdown().await;
    answers(&read_to_end(&mut stream).await).iter().any(|heard| heard.status == 200)
}
