//! Files: what is taken, who may use and read one, and how its bytes are served.

use std::path::Path;
use std::time::Duration;

use driver::{Agent, Answer, Api, Options, Sandbox};
use http::Method;
use image::ImageFormat;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::house::{House, assert_invalid, assert_refused, multipart, new_agent, new_image, text, upload};

/// The beginning of one.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let head: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    [head, &width.to_be_bytes(), &height.to_be_bytes(), b"\x08\x06\0\0\0"].concat()
}

/// Files as people's programs write them, and the media type that each gets. They are in `samples`, with what made them.
const SAMPLES: [(&str, &str); 26] = [
    ("photo.jfif", "image/jpeg"),
    ("photo.avif", "image/avif"),
    ("photo.heic", "image/heic"),
    ("photo.bmp", "image/bmp"),
    ("photo.tif", "image/tiff"),
    ("report.pdf", "application/pdf"),
    ("cp1252.csv", "text/csv"),
    ("utf-16le.txt", "text/plain"),
    ("shift-jis.txt", "text/plain"),
    ("latin-1.eml", "text/plain"),
    ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("deck.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("budget.xls", "application/vnd.ms-excel"),
    ("protected-budget.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("voice.mp3", "audio/mpeg"),
    ("voice.opus", "audio/ogg"),
    ("voice.wav", "audio/wav"),
    ("voice.aac", "audio/aac"),
    ("voice.flac", "audio/flac"),
    ("voice.amr", "audio/amr"),
    ("voice.m4a", "audio/mp4"),
    ("voice.webm", "audio/webm"),
    ("clip.mp4", "video/mp4"),
    ("clip.mov", "video/quicktime"),
    ("clip.3gp", "video/3gpp"),
    ("clip.mkv", "video/x-matroska"),
];

pub(crate) fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(driver::ROOT).join("tests/it/samples").join(name)).unwrap()
}

/// A sample of each kind that is served in a way of its own: its bytes, its name, its media type, and its encoding.
fn samples() -> Vec<(Vec<u8>, &'static str, &'static str, &'static str)> {
    const UTF8: &str = "; charset=utf-8";
    let made = SAMPLES.into_iter().map(|(name, mime)| (sample(name), name, mime, ""));
    let written: [(&str, &str, &str); 5] = [
        ("grüße", "a.txt", "text/plain"),
        ("a,b\n1,2\n", "a.csv", "text/csv"),
        ("<ann> hi\n<bob> hello", "chat.txt", "text/plain"),
        ("<p align=\"center\">\n<script>alert(1)</script>", "README.md", "text/plain"),
        ("\u{1b}[31merror\u{1b}[0m\u{c}", "run.log", "text/plain"),
    ];
    let written = written.into_iter().map(|(text, name, mime)| (text.into(), name, mime, UTF8));
    let drawn = [
        (ImageFormat::Png, "a.png", "image/png"),
        (ImageFormat::Gif, "a.gif", "image/gif"),
        (ImageFormat::WebP, "a.webp", "image/webp"),
    ];
    let drawn = drawn.into_iter().map(|(format, name, mime)| (new_image(format, 2, 2), name, mime, ""));
    made.chain(written).chain(drawn).collect()
}

pub(crate) async fn say(api: &Api, token: &str, conversation: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/chat/conversations/{conversation}/messages");
    api.post(path).bearer(token).json(body).send().await.unwrap()
}

pub(crate) fn path_of(uploaded: &Value) -> String {
    format!("/api/v1/chat/files/{}", text(&uploaded["file_id"]))
}

#[tokio::test]
async fn every_kind_is_known_by_its_bytes_and_served_so_that_no_page_runs_it() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    for (bytes, name, mime, charset) in samples() {
        let uploaded = upload(api, &ours.visitor.token, &ours.conversation, name, &bytes).await;
        let uploaded = uploaded.expect(201).unwrap();
        assert_eq!((&uploaded["name"], &uploaded["mime"]), (&json!(name), &json!(mime)));
        let is_shown = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"].contains(&mime);
        assert_eq!(uploaded.get("thumbnail_url").is_some(), is_shown && mime != "image/avif", "{name}");
        assert_eq!(text(&uploaded["sha256"]).len(), 64);

        let answer = api.get(text(&uploaded["url"])).send().await.unwrap();
        assert_eq!((answer.status, &uploaded["size"]), (200, &json!(answer.bytes.len())), "{name}");
        assert!(is_shown || answer.bytes.as_ref() == bytes, "{name}");
        assert_eq!(answer.header("content-type"), format!("{mime}{charset}"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("content-security-policy").starts_with("sandbox;"), "{:?}", answer.headers);
        let how = if is_shown { "inline" } else { "attachment" };
        let expected = format!("{how}; filename=\"{name}\"; filename*=UTF-8''{name}");
        assert_eq!(answer.header("content-disposition"), expected);
    }
    // What it is called is made harmless, and what it is does not follow from it.
    let picture = new_image(ImageFormat::Png, 2, 2);
    let named =
        upload(api, &ours.visitor.token, &ours.conversation, "../../e\u{202e}vil.exe", &picture).await;
    let named = named.expect(201).unwrap();
    assert_eq!((&named["name"], &named["mime"]), (&json!("evil.exe.png"), &json!("image/png")));
}

#[tokio::test]
async fn what_a_browser_or_a_machine_would_run_is_refused_and_nothing_is_left_of_it() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let cases: [(&[u8], &str); 14] = [
        (b"", "empty.txt"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "a.svg"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "a.png"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "a.html"),
        (b" \r\n\t<HTML>", "a.txt"),
        (b"\xef\xbb\xbf<body>", "a.txt"),
        (b"<?xml version=\"1.0\"?><a/>", "a.txt"),
        (b"<!-- --><svg/>", "a.csv"),
        (b"plain words", "a.html"),
        (b"alert(1)", "a.js"),
        (b"MZ\x90\0\x03\0\0\0", "a.exe"),
        (b"\x7fELF\x02\x01\x01\0", "a.png"),
        (b"text with \0 in it", "a.txt"),
        (b"\x89PNG\r\n\x1a\nbroken", "a.png"),
    ];
    for (bytes, name) in cases {
        let answer = upload(api, &ours.visitor.token, &ours.conversation, name, bytes).await;
        assert_refused(&answer, 422, "UNSUPPORTED_FILE");
    }
    let bomb = png_header(1 << 20, 1 << 20);
    let answer = upload(api, &ours.visitor.token, &ours.conversation, "a.png", &bomb).await;
    assert_refused(&answer, 422, "UNSUPPORTED_FILE");
    assert_eq!(files_in(house.sandbox.folder()), 0);
}

/// How many files there are in the server's folder of files, whole or not.
pub(crate) fn files_in(folder: &Path) -> usize {
    fn count(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&folder.join("data/files"))
}

#[tokio::test]
async fn an_upload_is_one_file_after_its_conversation_and_no_larger_than_the_limit() {
    let sandbox = Sandbox::start(Options::unlimited().limit("upload_bytes_max", 1000)).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let conversation = text(&started["conversation"]["id"]);
    let send = async |parts: &[(&str, Option<&str>, &[u8])]| {
        let (media_type, body) = multipart(parts);
        let call = api.post("/api/v1/chat/upload").bearer(&visitor.token);
        call.body(media_type, body).send().await.unwrap()
    };
    let first = ("conversation_id", None, conversation.as_bytes());
    let file = ("file", Some("a.txt"), b"words".as_slice());
    assert_eq!(send(&[first, ("file", Some("a.txt"), &[b'x'; 1000])]).await.status, 201);
    let large = send(&[first, ("file", Some("a.txt"), &[b'x'; 1001])]).await;
    assert_refused(&large, 413, "PAYLOAD_TOO_LARGE");
    let huge = send(&[first, ("file", Some("a.txt"), &vec![b'x'; 200_000])]).await;
    assert_refused(&huge, 413, "PAYLOAD_TOO_LARGE");

    assert_invalid(&send(&[file, first]).await, "conversation_id");
    assert_invalid(&send(&[file]).await, "conversation_id");
    assert_invalid(&send(&[first]).await, "file");
    assert_invalid(&send(&[first, file, file]).await, "file");
    assert_invalid(&send(&[first, first, file]).await, "file");
    assert_invalid(&send(&[first, file, ("role", None, b"admin")]).await, "");
    for unknown in ["", "none", "cnv_00000000000080008000000000000000"] {
        assert_refused(&send(&[("conversation_id", None, unknown.as_bytes()), file]).await, 404, "NOT_FOUND");
    }
    let call = api.post("/api/v1/chat/upload").bearer(&visitor.token);
    assert_refused(&call.json(&json!({})).send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE");
    let call = api.post("/api/v1/chat/upload").bearer(&visitor.token);
    let bare = call.body("multipart/form-data", "x").send().await.unwrap();
    assert_refused(&bare, 400, "INVALID_REQUEST");
    assert_eq!(files_in(sandbox.folder()), 1);

    // The parts are those that their names say, however their headers are written.
    let raw = async |boundary: &str, id: &str, file: &str, end: &str| {
        let body = format!(
            "--b b\r\n{id}\r\n\r\n{conversation}\r\n--b b\r\n{file}\r\n\r\nwords\r\n--bb\r\n--b b--{end}"
        );
        let call = api.post("/api/v1/chat/upload").bearer(&visitor.token);
        let media_type = format!("multipart/form-data; {boundary}");
        call.body(&media_type, body).send().await.unwrap()
    };
    let id = "Content-Disposition: form-data; name=\"conversation_id\"";
    for (file, name) in [
        ("filename=\"my; name=x.txt\"; name=\"file\"", "my; name=x.txt"),
        (
            "name=\"file\"; filename=\"%22; name=%22conversation_id%22; x=%22.txt\"",
            "\"; name=\"conversation_id\"; x=\".txt",
        ),
        ("filename=\"a\\\"; name=\\\"role.txt\"; name=\"file\"", "a\"; name=\"role.txt"),
        ("NAME=file; FILENAME=a.txt", "a.txt"),
        ("name=\"file\"; filename=\"a%0D%0Ab: c.txt\"", "ab: c.txt"),
        ("name=\"file\"; filename=\"C:\\new\\a.txt\"", "a.txt"),
        ("name=\"file\"; filename=\"写真 naïve\u{202e}.md\"", "写真 naïve.md"),
        ("name=file; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("name=\"file\"", "file.txt"),
    ] {
        let header = format!("Content-Type: text/html\r\ncontent-disposition: form-data;\r\n {file}");
        let uploaded = raw("BOUNDARY=\"b b\"", id, &header, "").await.expect(201).unwrap();
        assert_eq!((text(&uploaded["name"]), &uploaded["mime"]), (name, &json!("text/plain")), "{file}");
        assert_eq!(uploaded["size"], "words\r\n--bb".len());
    }
    for (id, file, end) in [
        (id, "Content-Disposition: form-data; name=\"file", ""),
        (id, "Content-Disposition: form-data; name=\"file\"; name=\"file\"", ""),
        (id, "Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64", ""),
        (id, "Content-Type: text/plain", ""),
        (&"X-A: 1\r\n".repeat(2000), "Content-Disposition: form-data; name=\"file\"", ""),
        (id, "Content-Disposition: form-data; name=\"file\"\r\nX-A: a\rb", ""),
    ] {
        assert_refused(&raw("boundary=\"b b\"", id, file, end).await, 400, "INVALID_REQUEST");
    }
    let plain = "Content-Disposition: form-data; name=\"file\"";
    assert_refused(&raw("boundary=c", id, plain, "").await, 400, "INVALID_REQUEST");
    assert_refused(&raw("boundary=b b", id, plain, "").await, 400, "INVALID_REQUEST");
    let behind = raw("boundary=\"b b\"", id, plain, &"x".repeat(70_000)).await;
    assert_refused(&behind, 413, "PAYLOAD_TOO_LARGE");
    assert_eq!(files_in(sandbox.folder()), 10);

    // In a conversation that has ended the visitor can say nothing more.
    api.end(&visitor.token, conversation).await.unwrap().expect(200).unwrap();
    assert_refused(&send(&[first, file]).await, 409, "CONVERSATION_ENDED");
}

#[tokio::test]
async fn a_file_is_used_once_by_its_uploader_in_its_conversation() {
    let house = House::start().await;
    let (api, ours, theirs) = (&house.api, &house.ours, &house.theirs);
    let (visitor, here) = (&ours.visitor, ours.conversation.as_str());
    api.accept(&ours.agent.token, here).await.unwrap().expect(200).unwrap();
    let elsewhere =
        api.start_conversation(&visitor.token, "second", None).await.unwrap().expect(201).unwrap();
    let elsewhere = text(&elsewhere["conversation"]["id"]);
    let uploaded = upload(api, &visitor.token, here, "a.txt", b"words").await.expect(201).unwrap();
    let file = &uploaded["file_id"];
    let body = |client_id: &str, files: Value| json!({ "client_id": client_id, "file_ids": files });

    let one = body("m", json!([file]));
    let refused = [
        say(api, &visitor.token, elsewhere, &one).await,
        say(api, &ours.agent.token, here, &one).await,
        say(api, &theirs.visitor.token, &theirs.conversation, &one).await,
        say(api, &visitor.token, here, &body("m", json!([file, file]))).await,
        say(api, &visitor.token, here, &body("m", json!([file, "file_1"]))).await,
        say(api, &visitor.token, here, &body("m", json!([]))).await,
        say(api, &visitor.token, here, &body("m", json!(vec![file; 11]))).await,
    ];
    for answer in &refused {
        assert_refused(answer, 422, "VALIDATION_FAILED");
    }
    // None of the refused has used it up, and a repeat of what was said says it once.
    let said = say(api, &visitor.token, here, &one).await.expect(201).unwrap();
    assert_eq!(say(api, &visitor.token, here, &one).await.expect(200).unwrap(), said);
    let again = say(api, &visitor.token, here, &body("other", json!([file]))).await;
    assert_refused(&again, 422, "VALIDATION_FAILED");

    let log = api.events(&visitor.token, here, "after=0").await.unwrap().expect(200).unwrap();
    let events = log["data"].as_array().unwrap();
    let event = events.iter().find(|event| event["seq"] == said["seq"]).unwrap();
    let card = &event["files"][0];
    for field in ["file_id", "name", "mime", "size"] {
        assert_eq!(card[field], uploaded[field], "{field}");
    }
    assert_eq!(card.get("sha256"), None);
    let linked = api.get(text(&card["url"])).send().await.unwrap();
    assert_eq!((linked.status, linked.bytes.as_ref()), (200, b"words".as_slice()));
}

#[tokio::test]
async fn bytes_are_read_by_who_reads_the_conversation_or_has_the_link_as_it_was_signed() {
    let house = House::start().await;
    let (api, ours, theirs) = (&house.api, &house.ours, &house.theirs);
    let here = ours.conversation.as_str();
    let outside = new_agent(api, &ours.admin, "outside@ours.example", json!({})).await;
    let neighbour = api.visitor(&ours.site_key).await.unwrap();
    api.accept(&ours.agent.token, here).await.unwrap().expect(200).unwrap();
    let of =
        async |token: &str, name: &str| upload(api, token, here, name, b"words").await.expect(201).unwrap();
    let visitors = of(&ours.visitor.token, "visitors.txt").await;
    let (sent, noted) = (of(&ours.agent.token, "sent.txt").await, of(&ours.agent.token, "noted.txt").await);
    let unsent = of(&ours.agent.token, "unsent.txt").await;
    for (client_id, file, note) in [("sent", &sent, false), ("noted", &noted, true)] {
        let body = json!({ "client_id": client_id, "file_ids": [file["file_id"]], "note": note });
        say(api, &ours.agent.token, here, &body).await.expect(201).unwrap();
    }
    let insiders = [&ours.agent, &ours.supervisor, &ours.admin].map(|agent: &Agent| agent.token.as_str());
    let strangers = [&neighbour.token, &outside.token, &theirs.visitor.token, &theirs.agent.token];
    let read = async |file: &Value, token: &str| api.get(path_of(file)).bearer(token).send().await.unwrap();
    for (file, to_visitor) in [(&visitors, 200), (&sent, 200), (&noted, 404), (&unsent, 404)] {
        for token in insiders {
            assert_eq!(read(file, token).await.status, 200, "{file}");
        }
        assert_eq!(read(file, &ours.visitor.token).await.status, to_visitor, "{file}");
        for token in strangers.into_iter().chain([&theirs.admin.token]) {
            assert_refused(&read(file, token).await, 404, "NOT_FOUND");
        }
        assert_refused(&api.get(path_of(file)).send().await.unwrap(), 401, "UNAUTHENTICATED");
        assert_refused(&read(file, "garbage").await, 401, "INVALID_TOKEN");
    }

    // Whether there is such a file, or could be, is not said to who shows nothing.
    for path in ["/api/v1/chat/files/none", "/api/v1/chat/files/file_1/thumbnail", "/api/v1/chat/files/%20"] {
        assert_refused(&api.get(path).send().await.unwrap(), 401, "UNAUTHENTICATED");
        assert_refused(&api.get(path).bearer(&ours.agent.token).send().await.unwrap(), 404, "NOT_FOUND");
    }

    let url = text(&visitors["url"]);
    assert_eq!(api.get(url).send().await.unwrap().status, 200);
    let (base, signature) = url.rsplit_once('=').unwrap();
    let expires = url.split("expires=").nth(1).unwrap().split('&').next().unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    for changed in [
        format!("{base}={flipped}{}", &signature[1..]),
        format!("{base}="),
        base.to_owned(),
        url.replace(expires, "1000000000"),
        url.replace(expires, "9999999999"),
        url.replace(&ours.workspace, &theirs.workspace),
        url.replace(text(&visitors["file_id"]), text(&noted["file_id"])),
        format!("{url}&more=1"),
        format!("{}?signature={signature}", path_of(&visitors)),
    ] {
        assert_refused(&api.get(&changed).send().await.unwrap(), 401, "INVALID_SIGNATURE");
        // A link is judged by its signature alone, also from an agent who may read the file.
        let signed_in = api.get(&changed).bearer(&ours.agent.token).send().await.unwrap();
        assert_refused(&signed_in, 401, "INVALID_SIGNATURE");
    }
}

#[tokio::test]
async fn one_range_is_served_several_are_the_whole_and_none_beyond_the_end() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let uploaded = upload(api, &ours.visitor.token, &ours.conversation, "a.txt", b"0123456789")
        .await
        .expect(201)
        .unwrap();
    let url = text(&uploaded["url"]);
    let whole = api.get(url).send().await.unwrap();
    assert_eq!((whole.header("accept-ranges"), whole.header("content-length")), ("bytes", "10"));
    let etag = whole.header("etag").to_owned();
    for (range, status, bytes, content_range) in [
        ("bytes=0-0", 206, "0", "bytes 0-0/10"),
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=5-999", 206, "56789", "bytes 5-9/10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
        ("lines=0-1", 200, "0123456789", ""),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let body = if method == Method::GET { bytes } else { "" };
            let answer = api.call(method, url).header("range", range).send().await.unwrap();
            let got = (answer.status, answer.bytes.as_ref(), answer.header("content-range"));
            assert_eq!(got, (status, body.as_bytes(), content_range), "{range}");
            assert_eq!(answer.header("content-length"), bytes.len().to_string(), "{range}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
    }
    for range in ["bytes=10-", "bytes=4-2", "bytes=-0", "bytes=x"] {
        let answer = api.get(url).header("range", range).send().await.unwrap();
        assert_refused(&answer, 416, "RANGE_NOT_SATISFIABLE");
        assert_eq!(answer.header("content-range"), "bytes */10");
    }
    let call = api.get(url).header("range", "bytes=0-1").header("if-range", "\"another\"");
    assert_eq!(call.send().await.unwrap().status, 200);
    let known = api.get(url).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!((known.status, known.bytes.len()), (304, 0));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_no_file() {
    let house = House::start().await;
    let (api, ours, folder) = (&house.api, &house.ours, house.sandbox.folder());
    let bytes = vec![b'x'; 500_000];
    let parts =
        [("conversation_id", None, ours.conversation.as_bytes()), ("file", Some("a.txt"), bytes.as_slice())];
    let (media_type, body) = multipart(&parts);
    let head = format!(
        "POST /api/v1/chat/upload HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: {media_type}\r\n\
         content-length: {}\r\n\r\n",
        api.address(),
        ours.visitor.token,
        body.len()
    );
    let mut stream = TcpStream::connect(api.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..300_000]).await.unwrap();
    let until = async |expected: usize| {
        let reached = async {
            while files_in(folder) != expected {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), reached).await.unwrap();
    };
    until(1).await;
    drop(stream);
    until(0).await;
    let whole = upload(api, &ours.visitor.token, &ours.conversation, "a.txt", &bytes).await;
    assert_eq!(whole.status, 201, "{whole}");
    assert_eq!(files_in(folder), 1);
}
