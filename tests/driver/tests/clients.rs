//! The clients themselves, against servers of a few lines: a test that passes must not do so because of them.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in tests, and does not see that their helpers are tests"
)]

use std::net::SocketAddr;
use std::time::Duration;

use driver::{Api, Socket};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nx-name: v\r\n\r\n{\"error\":{}} ";

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads a request without a body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

#[tokio::test]
async fn requests_share_a_connection_and_survive_its_loss_between_them() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for requests_of_connection in [2, 1] {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..requests_of_connection {
                requests.push(read_request(&mut stream).await);
                stream.write_all(ANSWER).await.unwrap();
            }
        }
        requests
    });
    let api = Api::new(address);
    for path in ["/one", "/two", "/three"] {
        let answer = api.get(path).bearer("secret").send().await.unwrap();
        assert_eq!((answer.status, answer.header("x-name")), (200, "v"));
        assert_eq!(answer.body, json!({ "error": {} }));
    }
    let requests = server.await.unwrap();
    assert!(requests[2].starts_with("GET /three HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("authorization: Bearer secret\r\n"), "{requests:?}");
    assert!(requests[0].contains(&format!("host: {address}\r\n")), "{requests:?}");
}

#[tokio::test]
async fn a_lost_answer_is_an_error_and_not_a_second_request() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        drop(stream);
        tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err()
    });
    Api::new(address).get("/once").send().await.unwrap_err();
    assert!(server.await.unwrap(), "it came again");
}

#[tokio::test]
async fn silence_ends_with_the_callers_patience() {
    let (_listener, address) = listen().await;
    let silent = Api::new(address).get("/slow").patience(Duration::from_millis(50)).send().await.unwrap_err();
    assert_eq!(silent.to_string(), "GET /slow: no answer within 50ms");
}

#[tokio::test]
async fn raw_bytes_get_all_that_comes_back() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut junk = [0; 4];
        stream.read_exact(&mut junk).await.unwrap();
        stream.write_all(&junk).await.unwrap();
    });
    let answer = Api::new(address).raw(b"junk", Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer, b"junk");
}

#[tokio::test]
async fn a_socket_keeps_what_is_pushed_before_an_answer() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let hello: Value = serde_json::from_str(&hello).unwrap();
        assert_eq!(hello["resume"], json!([{ "conversation_id": "cnv_1", "after": 7 }]));
        let welcome = json!({ "type": "welcome", "reply_to": hello["id"] });
        for frame in [json!({ "type": "event", "seq": 8 }), json!({ "type": "typing" }), welcome] {
            socket.send(Message::text(frame.to_string())).await.unwrap();
        }
        let reason = CloseFrame { code: 4409.into(), reason: "replaced".into() };
        socket.close(Some(reason)).await.unwrap();
        while socket.next().await.is_some() {}
    });
    let mut socket = Socket::open_with(&Api::new(address), &[]).await.unwrap();
    let welcome = socket.hello("secret", &[("cnv_1", Some(7))]).await.unwrap();
    assert_eq!(welcome["type"], "welcome");
    let typing = socket.expect_push(|push| push["type"] == "typing", Duration::from_secs(5)).await.unwrap();
    assert_eq!(typing, json!({ "type": "typing" }));
    assert_eq!(socket.take_pushes(), [json!({ "type": "event", "seq": 8 })]);
    let closed = socket.expect_close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(closed, (Some(4409), "replaced".to_owned()));
}
