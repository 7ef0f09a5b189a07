//! One address that opens socket after socket and proves nobody, or always the same one: it shuts out itself alone.

use std::net::{Ipv4Addr, SocketAddr};

use driver::{Options, Sandbox};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::assert_unharmed;
use super::slow::LATE;
use super::wire::connect;

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER_ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Of one kind at once.
const FLOOD: usize = 20;
/// Fewer than one kind makes.
const FAILED_MAX: u64 = 10;
const HELLOS_PER_S: u64 = 8;

type Opened = WebSocketStream<TcpStream>;

/// Opens a socket, or gives the answer to the upgrade: its status and two of its headers.
async fn open(
    server: SocketAddr,
    from: Ipv4Addr,
    client: Option<&str>,
) -> Result<Opened, (u16, String, String)> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let stream = connect(server, from).await.unwrap();
    let mut request = format!("ws://{server}/api/v1/chat/socket").into_client_request().unwrap();
    if let Some(client) = client {
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
    }
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let header = |name: &str| {
                answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
            };
            Err((answer.status().as_u16(), header("retry-after"), header("ratelimit-policy")))
        }
        Err(error) => panic!("{error}"),
    }
}

/// What comes of a hello: the welcome, or the code that the server closes with.
async fn hello(mut socket: Opened, token: &str) -> Result<Value, Option<u16>> {
    let hello = json!({ "type": "hello", "id": "1", "token": token });
    let _refused = socket.send(Message::text(hello.to_string())).await;
    outcome(&mut socket).await
}

async fn outcome(socket: &mut Opened) -> Result<Value, Option<u16>> {
    loop {
        match timeout(LATE, socket.next()).await.expect("the server answers or closes") {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(close))) => return Err(close.map(|close| close.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(None),
        }
    }
}

/// First frames that prove nobody; none: nothing is said at all.
const WRONG: &[Option<&str>] = &[
    Some(r#"{"type":"hello","token":"vt_0000000000000000000000000000000000000000000"}"#),
    Some(r#"{"type":"hello","token":""}"#),
    Some(r#"{"type":"hello"}"#),
    Some(r#"{"type":"ping"}"#),
    Some("{"),
    Some("\u{1f4a9}"),
    None,
];

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_proves_nobody_shuts_out_itself_alone() {
    let options = Options::default()
        .limit("hello_timeout_s", 1)
        .limit("hellos_per_s", HELLOS_PER_S)
        .limit("failed_hellos_per_minute_per_address", FAILED_MAX);
    let sandbox = Sandbox::start(options).await.unwrap();
    let (api, server) = (sandbox.api(), sandbox.api().address());
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let honest = async || hello(open(server, HOME, None).await.expect("an upgrade"), &visitor.token).await;
    for (number, first) in WRONG.iter().enumerate() {
        // Each from an address of its own, and much more than one address may.
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number).unwrap() + 1);
        let one = async || match open(server, from, None).await {
            Ok(mut socket) => {
                if let Some(first) = first {
                    let _refused = socket.send(Message::text(*first)).await;
                }
                outcome(&mut socket).await.expect_err("no welcome")
            }
            Err((status, ..)) => Some(status),
        };
        let (_, welcomed) = tokio::join!(join_all((0..FLOOD).map(|_| one())), honest());
        assert_eq!(welcomed.unwrap()["type"], "welcome", "while another address sends {first:?}");
        let (status, retry_after, policy) = open(server, from, None).await.expect_err("it is known by now");
        assert_eq!((status, policy.as_str()), (429, "\"failed-hellos\";q=10;w=60"), "{first:?}");
        assert!((1..=60).contains(&retry_after.parse::<u64>().unwrap()), "{first:?}: {retry_after}");
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_a_good_token_does_not_get_all_hellos_of_the_node() {
    let options = Options::unlimited().limit("hellos_per_s", HELLOS_PER_S);
    let sandbox = Sandbox::start(options).await.unwrap();
    let (api, server) = (sandbox.api(), sandbox.api().address());
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let flood = async {
        loop {
            let one =
                async || hello(open(server, ATTACKER, None).await.expect("an upgrade"), &visitor.token).await;
            join_all((0..FLOOD).map(|_| one())).await;
        }
    };
    let honest = async {
        for _ in 0..3 {
            // The first second of a flood may take all; then half of what comes back is others'.
            let mut refused = 0;
            while hello(open(server, HOME, None).await.expect("an upgrade"), &visitor.token).await.is_err() {
                refused += 1;
                assert!(refused < 1_000, "no honest hello passes");
            }
        }
    };
    tokio::select! {
        () = honest => {}
        () = flood => {}
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_it_is_the_client_who_is_counted() {
    let options = Options::default()
        .setting("trusted_proxies", r#"["127.0.0.3"]"#)
        .limit("failed_hellos_per_minute_per_address", FAILED_MAX);
    let sandbox = Sandbox::start(options).await.unwrap();
    let (api, server) = (sandbox.api(), sandbox.api().address());
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let wrong = async |client: &str| match open(server, OTHER_ATTACKER, Some(client)).await {
        Ok(socket) => hello(socket, "wrong").await.expect_err("no welcome"),
        Err((status, ..)) => Some(status),
    };
    // Whatever the client itself wrote further left changes nothing.
    let lines: Vec<String> = (0..FLOOD).map(|n| format!("198.51.100.{n}, 203.0.113.7:{n}, ,")).collect();
    join_all(lines.iter().map(|line| wrong(line))).await;
    let refused = open(server, OTHER_ATTACKER, Some("\"203.0.113.7\"")).await.expect_err("it is known");
    assert_eq!(refused.0, 429);
    let honest = open(server, OTHER_ATTACKER, Some("203.0.113.8")).await.expect("an upgrade");
    assert_eq!(hello(honest, &visitor.token).await.unwrap()["type"], "welcome");
    // A peer that is no proxy speaks for itself, and a person is told once.
    for _ in 0..2 {
        let peer = open(server, ATTACKER, Some("203.0.113.7")).await.expect("an upgrade");
        assert_eq!(hello(peer, &visitor.token).await.unwrap()["type"], "welcome");
    }
    let log = sandbox.log().unwrap();
    assert_eq!(log.matches("a forwarding header is not believed").count(), 1);
    assert_unharmed(&sandbox).await;
}
