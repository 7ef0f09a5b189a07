//! Bodies that are wrong: JSON that is deep, wide, broken or not JSON, and texts that hold what no text may.

use std::time::{Duration, Instant};

use driver::{Answer, Api, Options, Sandbox, Visitor};
use serde_json::{Value, json};

use super::assert_unharmed;

/// How long the worst body may take, on a machine that does other things too.
const QUICK: Duration = Duration::from_secs(2);

struct Desk {
    sandbox: Sandbox,
    api: Api,
    visitor: Visitor,
    messages: String,
}

impl Desk {
    async fn open() -> Self {
        let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
        let api = sandbox.api();
        let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
        let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
        let id = started["conversation"]["id"].as_str().unwrap();
        Self { messages: format!("/api/v1/chat/conversations/{id}/messages"), sandbox, api, visitor }
    }

    async fn post(&self, body: impl Into<bytes::Bytes>) -> Answer {
        let call = self.api.post(&self.messages).bearer(&self.visitor.token);
        call.body("application/json", body).send().await.unwrap()
    }
}

/// The start of a message whose last field is still open.
const OPEN: &str = r#"{"client_id":"m","text":"t","x":"#;

#[tokio::test]
async fn json_that_cannot_be_parsed_is_400_and_json_that_is_wrong_422() {
    let desk = Desk::open().await;
    let deep = |depth: usize| format!("{OPEN}{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let wide = |keys: usize| {
        let keys: Vec<String> = (0..keys).map(|key| format!("\"{key}\":1")).collect();
        format!("{{{}}}", keys.join(","))
    };
    let same = |keys: usize| format!("{{{}}}", vec!["\"a\":1"; keys].join(","));
    let text = |text: &str| format!(r#"{{"client_id":"m","text":"{text}"}}"#);
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("nothing", Vec::new(), 411),
        ("blanks", b"   ".into(), 400),
        ("no JSON", b"client_id=m&text=t".into(), 400),
        ("broken off", br#"{"client_id":"m","text":"t"#.into(), 400),
        ("two values", br#"{"client_id":"m","text":"t"}{}"#.into(), 400),
        ("a comma too many", br#"{"client_id":"m","text":"t",}"#.into(), 400),
        ("single quotes", b"{'client_id':'m','text':'t'}".into(), 400),
        ("a comment", br#"{"client_id":"m",/* */"text":"t"}"#.into(), 400),
        ("a byte order mark", "\u{feff}{}".into(), 400),
        ("UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect(), 400),
        ("bad UTF-8", b"{\"client_id\":\"m\",\"text\":\"\xff\"}".into(), 400),
        ("an overlong slash", b"{\"client_id\":\"m\",\"text\":\"\xc0\xaf\"}".into(), 400),
        ("a surrogate in UTF-8", b"{\"client_id\":\"m\",\"text\":\"\xed\xa0\x80\"}".into(), 400),
        ("bad UTF-8 behind the end", b"{\"client_id\":\"m\",\"text\":\"t\"} \xff".into(), 400),
        ("half a surrogate", text("\\ud800").into(), 422),
        ("a wrong escape", text("\\x41").into(), 400),
        ("a raw NUL", text("a\0b").into(), 400),
        ("a raw newline", text("a\nb").into(), 400),
        ("NaN", format!("{OPEN}NaN}}").into(), 400),
        ("a leading zero", format!("{OPEN}01}}").into(), 400),
        ("31 deep", deep(31).into(), 422),
        ("32 deep in the object", deep(32).into(), 400),
        ("100,000 deep", deep(100_000).into(), 400),
        ("100,000 deep and never closed", "[".repeat(100_000).into(), 400),
        ("100,000 objects deep", "{\"a\":".repeat(40_000).into(), 400),
        ("a list", b"[]".into(), 422),
        ("null", b"null".into(), 422),
        ("a number", b"1".into(), 422),
        ("an empty object", b"{}".into(), 422),
        ("a wrong type", br#"{"client_id":1,"text":"t"}"#.into(), 422),
        ("an unknown field", format!("{OPEN}1}}").into(), 422),
        ("a key twice", br#"{"client_id":"m","text":"t","text":"t"}"#.into(), 422),
        ("a key twice, once in disguise", br#"{"client_id":"m","text":"t","\u0074ext":"t"}"#.into(), 422),
        ("a number beyond all", format!("{OPEN}1e999}}").into(), 422),
        ("a number of 1,000 digits", format!("{OPEN}{}}}", "9".repeat(1000)).into(), 422),
        ("20,000 keys", wide(20_000).into(), 422),
        ("30,000 times one key", same(30_000).into(), 422),
        ("100,000 keys", wide(100_000).into(), 413),
        ("an escaped NUL", text("a\\u0000b").into(), 422),
        ("an escape", text("a\\u001b[2J").into(), 422),
        ("DEL", text("a\u{7f}b").into(), 422),
        ("a control of C1", text("a\u{85}b").into(), 422),
        ("blanks of all kinds", text("\u{2003}\u{3000}\\n\\t").into(), 422),
        ("a text too long", text(&"a".repeat(16 * 1024 + 1)).into(), 422),
        ("a client_id with a control", br#"{"client_id":"m\u0007","text":"t"}"#.into(), 422),
        ("a client_id too long", json!({"client_id": "m".repeat(129), "text": "t"}).to_string().into(), 422),
        ("a file that is none", json!({"client_id": "m", "file_ids": ["../../etc"]}).to_string().into(), 422),
        ("10,000 files", json!({"client_id": "m", "file_ids": vec!["x"; 10_000]}).to_string().into(), 422),
    ];
    for (what, body, status) in cases {
        let begun = Instant::now();
        let answer = desk.post(body).await;
        assert!(begun.elapsed() < QUICK, "{what}: {:?}", begun.elapsed());
        assert_eq!(answer.status, status, "{what}: {answer}");
        let code = match status {
            400 => "INVALID_JSON",
            411 => "LENGTH_REQUIRED",
            413 => "PAYLOAD_TOO_LARGE",
            _ => "VALIDATION_FAILED",
        };
        assert_eq!(answer.code(), code, "{what}: {answer}");
    }
    // Nothing of it was taken.
    let log = desk.messages.replace("/messages", "/events");
    let page = desk.api.get(log).bearer(&desk.visitor.token).send().await.unwrap().expect(200).unwrap();
    assert_eq!(page["last_seq"], 1, "{page}");
    assert_unharmed(&desk.sandbox).await;
}

#[tokio::test]
async fn what_is_typed_so_far_holds_nothing_that_no_message_may() {
    let desk = Desk::open().await;
    let typing = desk.messages.replace("/messages", "/typing");
    for (preview, status) in [
        ("a\0b", 422),
        ("\u{1b}[2J", 422),
        ("a\u{7f}", 422),
        ("a\u{85}b", 422),
        ("a\u{8}", 422),
        ("", 204),
        (" ", 204),
        ("a\tb\r\nc", 204),
        ("\u{202e}abc", 204),
        ("👩‍👩‍👧 שלום", 204),
    ] {
        let body = json!({ "typing": true, "preview": preview });
        let answer = desk.api.post(&typing).bearer(&desk.visitor.token).json(&body).send().await.unwrap();
        assert_eq!(answer.status, status, "{preview:?}: {answer}");
        if status == 422 {
            assert_eq!(answer.body["error"]["details"][0]["field"], "preview", "{answer}");
        }
    }
}

#[tokio::test]
async fn texts_of_every_script_come_back_as_they_were_sent() {
    let desk = Desk::open().await;
    let texts = [
        "<script>alert(1)</script>",
        "'; DROP TABLE event; --",
        "{{7*7}} ${7*7} %s %n %00 \\u0000",
        "\u{202e}backwards\u{202c} \u{200d}\u{fe0f}\u{feff}",
        "Z\u{335}a\u{336}\u{337}lgo",
        "👩‍👩‍👧‍👦🏳️‍🌈 你好 שלום مرحبا",
        " a\r\n\tb ",
    ];
    for (number, text) in texts.iter().enumerate() {
        let body = json!({ "client_id": format!("t{number}"), "text": text });
        desk.post(body.to_string()).await.expect(201).unwrap();
    }
    let log = desk.messages.replace("/messages", "/events?after=1");
    let page = desk.api.get(log).bearer(&desk.visitor.token).send().await.unwrap().expect(200).unwrap();
    let stored: Vec<&str> =
        page["data"].as_array().unwrap().iter().filter_map(|e| e["text"].as_str()).collect();
    assert_eq!(stored, texts);
}

#[tokio::test]
async fn a_body_of_another_type_is_415_and_none_is_read_where_none_is_taken() {
    let desk = Desk::open().await;
    let body = json!({ "client_id": "m", "text": "t" }).to_string();
    for type_ in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data", "a"]
    {
        let call = desk.api.post(&desk.messages).bearer(&desk.visitor.token);
        let answer = call.body(type_, body.clone()).send().await.unwrap();
        assert_eq!((answer.status, answer.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{type_}: {answer}");
    }
    // Nothing is unpacked, so nothing that is packed is taken for what it is not.
    for coding in ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, identity"] {
        for (path, type_) in [
            (desk.messages.as_str(), "application/json"),
            ("/api/v1/chat/upload", "multipart/form-data; boundary=b"),
        ] {
            let call = desk.api.post(path).bearer(&desk.visitor.token).header("content-encoding", coding);
            let answer = call.body(type_, body.clone()).send().await.unwrap();
            assert_eq!((answer.status, answer.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{coding}: {answer}");
        }
    }
    let type_ = "Application/JSON; charset=utf-8";
    let call = desk.api.post(&desk.messages).bearer(&desk.visitor.token);
    call.body(type_, body).send().await.unwrap().expect(201).unwrap();
    // A GET's body is nobody's.
    let call = desk.api.get("/healthz").body("application/json", vec![b'['; 100_000]);
    call.send().await.unwrap().expect(200).unwrap();
    assert_unharmed(&desk.sandbox).await;
}

#[tokio::test]
async fn an_upload_that_is_none_is_refused() {
    let desk = Desk::open().await;
    let part =
        |head: &str, body: &str| format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let bodies = [
        String::new(),
        "--".to_owned(),
        "--b--\r\n".to_owned(),
        part("name=\"file\"; filename=\"a\"", "x"),
        part("name=\"conversation_id\"", "nowhere") + "--b--\r\n",
        part("name=\"conversation_id\"", &"x".repeat(200_000)) + "--b--\r\n",
        part("name=\"a\"", "x").repeat(5_000),
        format!("--b\r\n{}\r\n\r\n", "x: y\r\n".repeat(10_000)),
        format!("--b\r\ncontent-disposition: {}", "form-data;".repeat(10_000)),
    ];
    for body in bodies {
        for type_ in
            ["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary="]
        {
            let begun = Instant::now();
            let call = desk.api.post("/api/v1/chat/upload").bearer(&desk.visitor.token);
            let answer = call.body(type_, body.clone()).send().await.unwrap();
            assert!(begun.elapsed() < QUICK, "{answer}");
            assert!(
                matches!(answer.status, 400 | 404 | 411 | 413 | 415 | 422),
                "{type_} {body:.60}: {answer}"
            );
            assert_ne!(answer.body["error"]["code"], Value::Null, "{answer}");
        }
    }
    assert_unharmed(&desk.sandbox).await;
}
