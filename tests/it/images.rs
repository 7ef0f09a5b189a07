//! Images that people send: what they tell beside the picture, how they are shown small, and those that are hostile.

use driver::process::peak_rss_bytes;
use driver::{Options, Sandbox, zlib_of_zeros};
use futures_util::StreamExt;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::files::{files_in, path_of, say};
use crate::house::{House, assert_refused, new_image, text, upload};

/// A PNG's chunk, with the sum that belongs to it.
fn png_chunk(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let sum = crc32fast::hash(&[kind.as_slice(), payload].concat());
    [&(payload.len() as u32).to_be_bytes(), kind.as_slice(), payload, &sum.to_be_bytes()].concat()
}

#[tokio::test]
async fn what_an_image_tells_beside_its_picture_is_gone_before_anybody_reads_it() {
    const SECRET: &[u8] = b"52.5163 N 13.3777 E";
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let (jpeg, png) = (new_image(ImageFormat::Jpeg, 40, 20), new_image(ImageFormat::Png, 40, 20));
    // TIFF, little-endian: turned by 90 degrees; a directory of GPS, with a place.
    let exif: &[u8] = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x25\x88\x04\0\x01\0\0\0\x26\0\0\0\0\0\0\0\
                        \x01\0\x1c\0\x02\0\x14\0\0\0\x38\0\0\0\0\0\0\0";
    let length = (exif.len() + SECRET.len() + 2) as u16;
    let photo =
        [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), exif, SECRET, &jpeg[2..], b"behind the end", SECRET];
    let comment = png_chunk(b"tEXt", &[b"Comment\0", SECRET].concat());
    let drawing = [&png[..33], &comment, &png[33..]];
    for (name, bytes, turned) in [("a.jpg", photo.concat(), true), ("a.png", drawing.concat(), false)] {
        let uploaded = upload(api, &ours.visitor.token, &ours.conversation, name, &bytes).await;
        let uploaded = uploaded.expect(201).unwrap();
        let kept = api.get(text(&uploaded["url"])).send().await.unwrap().bytes;
        assert!(!kept.windows(SECRET.len()).any(|window| window == SECRET), "{name}");
        assert_eq!(uploaded["size"], kept.len(), "{name}");
        let sha256: String = Sha256::digest(&kept).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(uploaded["sha256"], sha256, "{name}");
        let mut reader = image::ImageReader::new(std::io::Cursor::new(&kept)).with_guessed_format().unwrap();
        reader.no_limits();
        let orientation = reader.into_decoder().unwrap().orientation().unwrap();
        assert_eq!(orientation == Orientation::Rotate90, turned, "{name}");
    }
}

#[tokio::test]
async fn an_image_can_be_shown_small_to_all_who_may_see_it() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let large = new_image(format, 1000, 400);
        let uploaded = upload(api, &ours.visitor.token, &ours.conversation, "large", &large).await;
        let uploaded = uploaded.expect(201).unwrap();
        let client_id = format!("{format:?}");
        let body = json!({ "client_id": client_id, "file_ids": [uploaded["file_id"]] });
        let said = say(api, &ours.visitor.token, &ours.conversation, &body).await.expect(201).unwrap();
        let after = format!("after={}", said["seq"].as_u64().unwrap() - 1);
        let log = api.events(&ours.visitor.token, &ours.conversation, &after).await.unwrap();
        let log = log.expect(200).unwrap();
        for url in [&uploaded["thumbnail_url"], &log["data"][0]["files"][0]["thumbnail_url"]] {
            let answer = api.get(text(url)).send().await.unwrap();
            assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"), "{format:?}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(answer.header("content-security-policy").starts_with("sandbox;"), "{:?}", answer.headers);
            assert!(answer.header("content-disposition").starts_with("inline;"), "{:?}", answer.headers);
            let small = image::load_from_memory(&answer.bytes).unwrap();
            assert_eq!((small.width(), small.height()), (320, 128), "{format:?}");
            let known = api.get(text(url)).header("if-none-match", answer.header("etag"));
            assert_eq!(known.send().await.unwrap().status, 304);
        }
        let path = format!("{}/thumbnail", path_of(&uploaded));
        assert_eq!(api.get(&path).bearer(&ours.visitor.token).send().await.unwrap().status, 200);
        // A link is to one of the two, and not to the other.
        let query = text(&uploaded["url"]).split_once('?').unwrap().1;
        let crossed = api.get(format!("{path}?{query}")).send().await.unwrap();
        assert_refused(&crossed, 401, "INVALID_SIGNATURE");
    }

    let tiny = new_image(ImageFormat::Png, 320, 200);
    let uploaded = upload(api, &ours.visitor.token, &ours.conversation, "a.png", &tiny).await;
    let uploaded = uploaded.expect(201).unwrap();
    let answer = api.get(text(&uploaded["thumbnail_url"])).send().await.unwrap();
    assert_eq!(answer.bytes.as_ref(), tiny, "it is small enough itself");
    let words = upload(api, &ours.visitor.token, &ours.conversation, "a.txt", b"words").await;
    let words = words.expect(201).unwrap();
    assert_eq!(words.get("thumbnail_url"), None);
    let none = api.get(format!("{}/thumbnail", path_of(&words))).bearer(&ours.visitor.token);
    assert_refused(&none.send().await.unwrap(), 404, "NOT_FOUND");
}

#[tokio::test]
async fn an_image_of_too_many_pixels_is_kept_and_stripped_without_a_thumbnail() {
    const SECRET: &[u8] = b"52.5163 N 13.3777 E";
    let limits = Options::unlimited().limit("image_pixels_max", 1000);
    let sandbox = Sandbox::start(limits).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let conversation = text(&started["conversation"]["id"]);
    let (jpeg, png) = (new_image(ImageFormat::Jpeg, 40, 30), new_image(ImageFormat::Png, 40, 30));
    let length = (SECRET.len() as u16 + 2).to_be_bytes();
    let photo = [&jpeg[..2], b"\xff\xff\xfe", &length, SECRET, &jpeg[2..], SECRET].concat();
    let comment = png_chunk(b"tEXt", &[b"Comment\0", SECRET].concat());
    let drawing = [&png[..33], &comment, &png[33..], SECRET].concat();
    for (name, bytes, clean) in [
        ("a.jpg", photo, jpeg),
        ("a.png", drawing, png),
        ("a.gif", new_image(ImageFormat::Gif, 40, 30), new_image(ImageFormat::Gif, 40, 30)),
        ("a.webp", new_image(ImageFormat::WebP, 40, 30), new_image(ImageFormat::WebP, 40, 30)),
    ] {
        let uploaded = upload(&api, &visitor.token, conversation, name, &bytes).await;
        let uploaded = uploaded.expect(201).unwrap();
        assert_eq!(uploaded.get("thumbnail_url"), None, "{name}");
        let kept = api.get(text(&uploaded["url"])).send().await.unwrap();
        assert!(!kept.bytes.windows(SECRET.len()).any(|window| window == SECRET), "{name}");
        assert_eq!((kept.bytes.as_ref(), text(&uploaded["name"])), (clean.as_slice(), name));
        assert!(kept.header("content-disposition").starts_with("inline;"), "{:?}", kept.headers);
        let cut = upload(&api, &visitor.token, conversation, name, &clean[..20]).await;
        assert_refused(&cut, 422, "UNSUPPORTED_FILE");
    }
}

#[tokio::test]
async fn images_that_are_broken_or_blow_up_are_refused_and_the_server_goes_on() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let png = |width: u32, height: u32, depth: u8, pixels: &[u8]| {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let header = png_chunk(b"IHDR", &[&size, [depth, 6, 0, 0, 0].as_slice()].concat());
        let rest = [png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")].concat();
        [b"\x89PNG\r\n\x1a\n".as_slice(), &header, &rest].concat()
    };
    let whole = new_image(ImageFormat::Png, 400, 400);
    let photo = new_image(ImageFormat::Jpeg, 400, 400);
    let hostile = [
        ("more pixels than are taken", png(1 << 15, 1 << 15, 8, b"")),
        ("of 8 bytes each, in a few", png(8000, 5000, 16, b"")),
        ("no pixels", png(400, 400, 8, b"\x78\x9c\x03\0\0\0\0\x01")),
        ("pixels that are none", png(400, 400, 8, b"these are no pixels")),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("a cut off photo", photo[..photo.len() - 2].to_vec()),
        (
            "a scan again and again",
            [&photo[..photo.len() - 2], &b"\xff\xda\0\x08\x01\x01\0\0\x3f\0".repeat(200), b"\xff\xd9"]
                .concat(),
        ),
        (
            "a frame beyond its screen",
            b"GIF89a\x02\0\x02\0\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;".to_vec(),
        ),
    ];
    let attempts = hostile.iter().map(|(what, bytes)| async move {
        let answer = upload(api, &ours.visitor.token, &ours.conversation, "a.png", bytes).await;
        assert_eq!((answer.status, answer.code()), (422, "UNSUPPORTED_FILE"), "{what}: {answer}");
    });
    futures_util::future::join_all(attempts).await;
    assert_eq!(files_in(house.sandbox.folder()), 0);
    let sound = upload(api, &ours.visitor.token, &ours.conversation, "a.png", &whole).await;
    assert_eq!(sound.status, 201, "{sound}");
    assert_eq!(files_in(house.sandbox.folder()), 2);
}

/// A PNG in shades of grey, all black, whose pixels take few bytes.
fn black_png(width: u32, height: u32, more: &[Vec<u8>]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = png_chunk(b"IHDR", &[&size, [8, 0, 0, 0, 0].as_slice()].concat());
    let mebibytes = (u64::from(width + 1) * u64::from(height)).div_ceil(1 << 20) as usize;
    let pixels = png_chunk(b"IDAT", &zlib_of_zeros(mebibytes));
    [b"\x89PNG\r\n\x1a\n".to_vec(), header, more.concat(), pixels, png_chunk(b"IEND", b"")].concat()
}

#[tokio::test]
async fn what_unpacks_to_very_much_in_an_image_takes_no_memory_and_is_not_kept() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let send = async |bytes: &[u8]| {
        let answer = upload(api, &ours.visitor.token, &ours.conversation, "a.png", bytes).await;
        answer.expect(201).unwrap()
    };
    let packed = zlib_of_zeros(250);
    let bombs: Vec<Vec<u8>> = [
        (b"iCCP", [b"name\0\0".as_slice(), &packed].concat()),
        (b"zTXt", [b"Comment\0\0".as_slice(), &packed].concat()),
        (b"iTXt", [b"XML:com.adobe.xmp\0\x01\0\0\0".as_slice(), &packed].concat()),
    ]
    .map(|(kind, payload)| black_png(10, 10, &[png_chunk(kind, &payload)]))
    .into();
    let pid = house.sandbox.ready().pid;
    let clean = send(&black_png(10, 10, &[])).await["size"].clone();
    // What as many honest files of this size take, at once.
    let honest = black_png(10, 10, &[png_chunk(b"zTXt", &vec![b'x'; packed.len()])]);
    for kept in futures_util::future::join_all((0..12).map(|_| send(&honest))).await {
        assert_eq!(kept["size"], clean, "{kept}");
    }
    let before = peak_rss_bytes(pid).unwrap();
    let many = bombs.iter().cycle().take(12).map(|bytes| send(bytes));
    for kept in futures_util::future::join_all(many).await {
        assert_eq!(kept["size"], clean, "{kept}");
    }
    let grown = peak_rss_bytes(pid).unwrap() - before;
    assert!(grown < 32 << 20, "{grown} bytes for files of {}", bombs[0].len());
}

#[tokio::test]
async fn many_uploads_at_once_take_little_more_memory_than_their_bytes() {
    let house = House::start().await;
    let (api, ours) = (&house.api, &house.ours);
    let pid = house.sandbox.ready().pid;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    // A thread of the server that touches a page of its own takes that page, and not two megabytes.
    if let Some(huge_pages) = status.lines().find_map(|line| line.strip_prefix("THP_enabled:")) {
        assert_eq!(huge_pages.trim(), "0");
    }
    let bytes = vec![b'x'; 260_000];
    let send = async || upload(api, &ours.visitor.token, &ours.conversation, "a.txt", &bytes).await.status;
    assert_eq!(send().await, 201);
    let before = peak_rss_bytes(pid).unwrap();
    let statuses = futures_util::future::join_all((0..24).map(|_| send())).await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let grown = peak_rss_bytes(pid).unwrap() - before;
    assert!(grown < 40 << 20, "{grown} bytes for 24 files of {}", bytes.len());
}

#[tokio::test]
async fn costly_images_of_one_do_not_hold_up_a_small_one_of_another() {
    let house = House::start().await;
    let (api, ours, theirs) = (&house.api, &house.ours, &house.theirs);
    // They take so long that the small one comes in time from a busy machine, too.
    let costly = black_png(3000, 2000, &[]);
    let mut many: futures_util::stream::FuturesUnordered<_> = (0..12)
        .map(|_| async { upload(api, &ours.visitor.token, &ours.conversation, "a.png", &costly).await })
        .collect();
    // The others have come by then, and wait.
    assert_eq!(many.next().await.unwrap().status, 201);
    let small = new_image(ImageFormat::Png, 400, 8);
    let small = upload(api, &theirs.visitor.token, &theirs.conversation, "a.png", &small);
    let mut small = std::pin::pin!(small);
    let mut left = many.len();
    let small = loop {
        tokio::select! {
            biased;
            Some(answer) = many.next() => {
                assert_eq!(answer.status, 201, "{answer}");
                left -= 1;
            }
            answer = &mut small => break answer,
        }
    };
    assert_eq!(small.status, 201, "{small}");
    assert!(left > 0, "the small one was the last");
    while let Some(answer) = many.next().await {
        assert_eq!(answer.status, 201, "{answer}");
    }
}
