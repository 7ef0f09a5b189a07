//! Files in an object store: served as from a folder, and no more than files are lost from sight when it is away.

use driver::{Options, S3Server};
use image::ImageFormat;
use serde_json::json;
use tempfile::TempDir;

use crate::files::{files_in, path_of, say};
use crate::house::{House, assert_refused, new_image, text, upload};
use crate::program::run;

/// A server over a bucket that is made, with the folder of its keys.
async fn options(server: &S3Server) -> (Options, TempDir) {
    server.put("/uploads").await.unwrap();
    let keys = TempDir::new().unwrap();
    let key = |name: &str| {
        let path = keys.path().join(name);
        std::fs::write(&path, format!("{name}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let options = Options::default()
        .setting("store.blobs.kind", "s3")
        .setting("store.blobs.bucket", "uploads")
        .setting("store.blobs.endpoint", &format!("http://{}", server.address()))
        .setting("store.blobs.prefix", "chat/files")
        .setting("store.blobs.access_key_file", &key("access-key"))
        .setting("store.blobs.secret_key_file", &key("secret-key"))
        .setting("store.blobs.allow_http", "true");
    (options, keys)
}

#[tokio::test]
async fn files_in_a_bucket_are_served_whole_in_ranges_and_after_a_restart() {
    let server = S3Server::start().await.unwrap();
    let (options, _keys) = options(&server).await;
    let mut house = House::start_with(options).await;
    let ours = &house.ours;
    let words = "0123456789 ".repeat(60_000);
    let uploaded =
        upload(&house.api, &ours.visitor.token, &ours.conversation, "a.txt", words.as_bytes()).await;
    let uploaded = uploaded.expect(201).unwrap();
    let picture = new_image(ImageFormat::Jpeg, 1000, 400);
    let picture = upload(&house.api, &ours.visitor.token, &ours.conversation, "a.jpg", &picture).await;
    let picture = picture.expect(201).unwrap();
    let body = json!({ "client_id": "c", "file_ids": [uploaded["file_id"], picture["file_id"]] });
    say(&house.api, &ours.visitor.token, &ours.conversation, &body).await.expect(201).unwrap();
    assert_eq!(files_in(house.sandbox.folder()), 0, "no byte stays on this machine");

    house.sandbox.terminate().await.unwrap();
    house.sandbox.restart().await.unwrap();
    let (api, token) = (house.sandbox.api(), &ours.visitor.token);
    let read = api.get(path_of(&uploaded)).bearer(token).send().await.unwrap();
    assert_eq!((read.status, read.bytes.as_ref()), (200, words.as_bytes()));
    for (range, expected) in [
        ("bytes=0-0", &words[..1]),
        ("bytes=262140-262150", &words[262_140..=262_150]),
        ("bytes=-300000", &words[words.len() - 300_000..]),
    ] {
        let read = api.get(path_of(&uploaded)).bearer(token).header("range", range).send().await.unwrap();
        assert_eq!((read.status, read.bytes.as_ref()), (206, expected.as_bytes()), "{range}");
    }
    let beyond = api.get(path_of(&uploaded)).bearer(token).header("range", "bytes=660000-");
    assert_refused(&beyond.send().await.unwrap(), 416, "RANGE_NOT_SATISFIABLE");
    let small = api.get(text(&picture["thumbnail_url"])).send().await.unwrap();
    let small = image::load_from_memory(&small.bytes).unwrap();
    assert_eq!((small.width(), small.height()), (320, 128));
}

#[tokio::test]
async fn without_its_bucket_a_server_takes_messages_and_says_that_files_must_wait() {
    let server = S3Server::start().await.unwrap();
    let (options, _keys) = options(&server).await;
    let house = House::start_with(options.clone()).await;
    let doctor = || run(&["doctor"], &options.variables()).stdout;
    assert!(doctor().contains("ok    bucket uploads: answers"), "{}", doctor());
    let (api, ours) = (&house.api, &house.ours);
    let (token, conversation) = (&ours.visitor.token, &ours.conversation);
    let uploaded = upload(api, token, conversation, "a.txt", b"words").await.expect(201).unwrap();
    drop(server);
    let refused = upload(api, token, conversation, "b.txt", b"words").await;
    assert_refused(&refused, 503, "UNAVAILABLE");
    let read = api.get(path_of(&uploaded)).bearer(token).send().await.unwrap();
    assert_refused(&read, 503, "UNAVAILABLE");
    let body = json!({ "client_id": "c", "text": "words" });
    say(api, token, conversation, &body).await.expect(201).unwrap();
    api.get("/readyz").send().await.unwrap().expect(200).unwrap();
    assert_eq!(files_in(house.sandbox.folder()), 0, "nothing is left of what was not taken");
    assert!(!house.sandbox.log().unwrap().contains("secret-key"));
    let said = doctor();
    assert!(said.contains("fail  bucket uploads: ") && !said.contains("secret-key"), "{said}");
}

#[test]
fn a_secret_that_cannot_be_read_is_named_and_exits_2() {
    let folder = TempDir::new().unwrap();
    let (data, empty) = (folder.path().join("data"), folder.path().join("empty"));
    std::fs::write(&empty, " \n").unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    for (secret, said) in [("/no/such/secret", "/no/such/secret"), (empty.to_str().unwrap(), "it is empty")] {
        let ran = run(
            &arguments,
            &[
                ("SWITCHBOARD_STORE__BLOBS__KIND", "s3"),
                ("SWITCHBOARD_STORE__BLOBS__BUCKET", "uploads"),
                ("SWITCHBOARD_STORE__BLOBS__ACCESS_KEY_FILE", secret),
                ("SWITCHBOARD_STORE__BLOBS__SECRET_KEY_FILE", secret),
            ],
        );
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("panicked"), "{ran:?}");
    }
}
