//! Frames that are wrong: which of them are answered with an error, and which close the socket with what code.

use driver::{Options, Socket};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::raw::{BINARY, PING, PONG, Raw, TEXT, TEXT_BEGINS, TEXT_ENDS, TEXT_GOES_ON, frame, unmasked};
use super::{PATIENCE, Stage, assert_lives, close_code, code, send};

#[tokio::test]
async fn what_can_be_read_and_is_wrong_is_answered_and_the_socket_lives() {
    let stage = Stage::start(Options::unlimited()).await;
    let talk = stage.talk(0).await;
    let mut socket = stage.socket(&talk.visitor.token).await;
    let conversation = &talk.conversation;
    for (wrong, expected) in [
        (json!({ "type": "dance" }), "VALIDATION_FAILED"),
        (json!({ "type": "" }), "VALIDATION_FAILED"),
        (json!({ "type": "SUBSCRIBE", "conversation_id": conversation }), "VALIDATION_FAILED"),
        // The server's own words.
        (json!({ "type": "event", "conversation_id": conversation, "seq": 1 }), "VALIDATION_FAILED"),
        (json!({ "type": "hello", "token": talk.visitor.token }), "INVALID_REQUEST"),
        (json!({ "type": "subscribe" }), "VALIDATION_FAILED"),
        (json!({ "type": "subscribe", "conversation_id": 7 }), "VALIDATION_FAILED"),
        (json!({ "type": "subscribe", "conversation_id": conversation, "after": -1 }), "VALIDATION_FAILED"),
        (json!({ "type": "subscribe", "conversation_id": conversation, "after": 1.5 }), "VALIDATION_FAILED"),
        (json!({ "type": "subscribe", "conversation_id": conversation, "before": 1 }), "VALIDATION_FAILED"),
        (json!({ "type": "read", "conversation_id": conversation }), "VALIDATION_FAILED"),
        (json!({ "type": "typing", "conversation_id": conversation, "typing": "yes" }), "VALIDATION_FAILED"),
        (json!({ "type": "ping", "payload": "x" }), "VALIDATION_FAILED"),
        (json!({ "type": "token", "token": "secret" }), "INVALID_TOKEN"),
        // Agents' words.
        (json!({ "type": "accept", "conversation_id": conversation }), "FORBIDDEN"),
        (json!({ "type": "status", "status": "online" }), "FORBIDDEN"),
        (json!({ "type": "status", "status": "asleep" }), "VALIDATION_FAILED"),
    ] {
        let error = socket.request(wrong.clone()).await.unwrap();
        assert_eq!(code(&error), expected, "{wrong}: {error}");
        let details = &error["error"]["details"];
        assert_eq!(details.is_array(), expected == "VALIDATION_FAILED", "{wrong}: {error}");
    }
    // Without a usable id the answer names none.
    for nameless in [
        json!({ "type": "dance" }).to_string(),
        json!({ "type": "ping", "id": 5 }).to_string(),
        r#"{"type":"ping","type":"ping"}"#.to_owned(),
        r#"{"type":"read","conversation_id":"cnv_1","seq":1e999}"#.to_owned(),
        r#"{"type":"ping","\udfff":1}"#.to_owned(),
    ] {
        socket.send(Message::text(nameless.clone())).await.unwrap();
        let error = socket.expect_push(|push| push["type"] == "error", PATIENCE).await.unwrap();
        assert_eq!(code(&error), "VALIDATION_FAILED", "{nameless}: {error}");
        assert!(error.get("reply_to").is_none(), "{error}");
    }
    // Half of a surrogate pair is no text, wherever it stands; the answer says to what it belongs and which field it is.
    for (rest, field) in [
        (r#""type":"typing","typing":true,"preview":"\ud800""#, "preview"),
        (r#""type":"typing","typing":true,"preview":"x\udc00y""#, "preview"),
        (r#""type":"send","client_id":"s1","text":"\ud83d""#, "text"),
        (r#""type":"send","client_id":"s2","text":"\ud83d\ud83d\ude00""#, "text"),
        (r#""type":"send","client_id":"\udbff","text":"a""#, "client_id"),
        (r#""type":"send","client_id":"s3","text":"a","file_ids":["\ud800"]"#, "file_ids[0]"),
        (r#""type":"ping","\ud800":1"#, "\u{fffd}"),
    ] {
        let frame = format!(r#"{{"id":"half","conversation_id":"{conversation}",{rest}}}"#);
        socket.send(Message::text(frame.clone())).await.unwrap();
        let error = socket.expect_push(|push| push["reply_to"] == "half", PATIENCE).await.unwrap();
        assert_eq!(code(&error), "VALIDATION_FAILED", "{frame}: {error}");
        assert_eq!(error["error"]["details"][0]["field"], field, "{frame}: {error}");
        assert_eq!(error["conversation_id"], json!(conversation), "{frame}: {error}");
    }
    assert_eq!(send(&mut socket, conversation, "c", "still here").await["seq"], 2);
}

#[tokio::test]
async fn every_frame_counts_also_those_that_say_nothing() {
    const MAX: u64 = 20;
    let options = Options::unlimited().limit("frames_burst", MAX).limit("frames_per_s", 1);
    let stage = Stage::start(options).await;
    let visitor = stage.visitor().await;
    let ping = frame(TEXT, br#"{"type":"ping"}"#);
    let cases: &[(&str, Vec<u8>, Vec<u8>)] = &[
        ("pongs", vec![], frame(PONG, b"")),
        ("pongs with words", vec![], frame(PONG, b"here")),
        ("pings", vec![], frame(PING, b"")),
        ("empty fragments", frame(TEXT_BEGINS, b"{"), frame(TEXT_GOES_ON, b"")),
        ("fragments of one byte", frame(TEXT_BEGINS, b"{"), frame(TEXT_GOES_ON, b" ")),
        ("pongs between fragments", frame(TEXT_BEGINS, b"{"), frame(PONG, b"")),
        ("texts", vec![], ping.clone()),
    ];
    for (name, begun, again) in cases {
        let mut raw = Raw::greeted(&stage.api, &visitor.token).await;
        // Those within the limit pass; far more than the limit, at once, do not.
        raw.write(&ping).await;
        assert!(raw.next_text().await.contains("pong"), "{name}");
        raw.write(begun).await;
        raw.write(&again.repeat(10 * MAX as usize)).await;
        assert_eq!(raw.close_code().await, Some(4429), "{name}");
        // Before the hello too.
        let mut raw = Raw::open(&stage.api, "").await;
        raw.write(begun).await;
        raw.write(&frame(PONG, b"").repeat(10 * MAX as usize)).await;
        assert_eq!(raw.close_code().await, Some(4429), "{name}, before the hello");
    }
    // What came before the first frame too many is answered.
    let mut raw = Raw::greeted(&stage.api, &visitor.token).await;
    raw.write(&ping.repeat(3 * MAX as usize)).await;
    for _ in 0..MAX {
        assert!(raw.next_text().await.contains("pong"));
    }
    assert_eq!(raw.close_code().await, Some(4429));
}

#[tokio::test]
async fn what_cannot_be_read_closes_with_4400() {
    let stage = Stage::start(Options::default()).await;
    let visitor = stage.visitor().await;
    let too_deep = format!("{{\"type\":\"ping\",\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    for unreadable in [
        "",
        "ping",
        "{",
        "{\"type\":\"ping\"",
        "{\"type\":\"ping\"} {}",
        "[]",
        "[{\"type\":\"ping\"}]",
        "\"ping\"",
        "null",
        "7",
        "{}",
        "{\"id\":\"1\"}",
        "{\"type\":7}",
        "{\"type\":null}",
        "{'type':'ping'}",
        "\u{feff}{\"type\":\"ping\"}",
        &too_deep,
    ] {
        let mut socket = stage.socket(&visitor.token).await;
        socket.send(Message::text(unreadable)).await.unwrap();
        assert_eq!(close_code(&mut socket).await, Some(4400), "{unreadable}");
    }
}

/// A message of exactly this size on the wire, which is answered when it is let in.
fn ping_of(bytes: usize) -> Vec<u8> {
    let mut ping = br#"{"type":"ping"}"#.to_vec();
    ping.resize(bytes, b' ');
    ping
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_with_its_code() {
    const MAX: usize = 65_536;
    let stage = Stage::start(Options::default()).await;
    let visitor = stage.visitor().await;
    let half = ping_of(MAX / 2 + 1);
    let cases: &[(&str, Vec<u8>, u16)] = &[
        ("binary", frame(BINARY, br#"{"type":"ping"}"#), 1003),
        ("empty binary", frame(BINARY, b""), 1003),
        ("not UTF-8", frame(TEXT, b"{\"type\":\"\xff\"}"), 1007),
        ("UTF-8 that breaks off", frame(TEXT, b"{\"type\":\"\xe2\x82"), 1007),
        ("a surrogate", frame(TEXT, b"\"\xed\xa0\x80\""), 1007),
        ("one byte too big", frame(TEXT, &ping_of(MAX + 1)), 1009),
        ("far too big", frame(TEXT, &ping_of(1 << 20)), 1009),
        ("only said to be big", frame(TEXT, &ping_of(1 << 20))[..14].to_vec(), 1009),
        ("too big in fragments", [frame(TEXT_BEGINS, &half), frame(TEXT_ENDS, &half)].concat(), 1009),
        ("not masked", unmasked(TEXT, br#"{"type":"ping"}"#), 1002),
        ("a reserved bit", frame(TEXT | 0x40, br#"{"type":"ping"}"#), 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("a fragmented ping", frame(PING & 0x0f, b""), 1002),
        ("a ping over 125 bytes", frame(PING, &[0; 126]), 1002),
        ("a fragment of nothing", frame(TEXT_GOES_ON, b"a"), 1002),
        ("a message in a message", [frame(TEXT_BEGINS, b"a"), frame(TEXT, b"b")].concat(), 1002),
    ];
    for (name, bytes, expected) in cases {
        let mut raw = Raw::greeted(&stage.api, &visitor.token).await;
        raw.write(bytes).await;
        assert_eq!(raw.close_code().await, Some(*expected), "{name}");
        // The same before the hello.
        let mut raw = Raw::open(&stage.api, "").await;
        raw.write(bytes).await;
        assert_eq!(raw.close_code().await, Some(*expected), "{name}, as the first frame");
    }
}

#[tokio::test]
async fn the_largest_frame_and_a_fragmented_one_are_let_in() {
    let stage = Stage::start(Options::default()).await;
    let visitor = stage.visitor().await;
    let mut socket = stage.socket(&visitor.token).await;
    let largest = String::from_utf8(ping_of(65_536)).unwrap();
    socket.send(Message::text(largest)).await.unwrap();
    let is_pong = |push: &Value| push["type"] == "pong";
    socket.expect_push(is_pong, PATIENCE).await.unwrap();

    let mut raw = Raw::greeted(&stage.api, &visitor.token).await;
    // A ping may come between the fragments of a message.
    for (first_byte, part) in
        [(TEXT_BEGINS, "{\"type\""), (PING, "are you there"), (TEXT_GOES_ON, ":\"pi"), (TEXT_ENDS, "ng\"}")]
    {
        raw.write(&frame(first_byte, part.as_bytes())).await;
    }
    assert_eq!(raw.next_text().await, r#"{"type":"pong"}"#);
}

#[tokio::test]
async fn too_many_frames_close_with_4429() {
    const BURST: usize = 5;
    let limits = Options::default().limit("frames_burst", BURST as u64).limit("frames_per_s", 1);
    let stage = Stage::start(limits).await;
    let visitor = stage.visitor().await;
    let mut neighbour = stage.socket(&visitor.token).await;
    for flood in [
        Message::text(r#"{"type":"ping"}"#),
        // Wrong ones count as well, and so do those of the protocol that are answered.
        Message::text(r#"{"type":"dance"}"#),
        Message::Ping("are you there".into()),
    ] {
        let mut socket: Socket = stage.socket(&visitor.token).await;
        for _ in 0..BURST {
            socket.send(flood.clone()).await.unwrap();
        }
        // The burst is served; a bucket that fills meanwhile lets a few more pass.
        let mut more = 0;
        let closed = loop {
            let patience = std::time::Duration::from_millis(1);
            match socket.next_within(patience).await.unwrap() {
                Some(driver::Frame::Closed { code, .. }) => break code,
                Some(driver::Frame::Json(_)) => {}
                None => {
                    assert!(more < 50, "{flood:?}: there is no limit");
                    more += 1;
                    // What it is closed before cannot be sent; that is seen above.
                    let _closed = socket.send(flood.clone()).await;
                }
            }
        };
        assert_eq!(closed, Some(4429), "{flood:?}");
    }
    assert_lives(&mut neighbour).await;
}
