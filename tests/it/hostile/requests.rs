//! Heads that are wrong: what is no HTTP, what two servers would read in two ways, what is too large, and paths and
//! queries that try to be others than they are.

use driver::{Options, Sandbox};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::wire::exchange;
use super::{assert_refused, assert_unharmed};

const HOST: &str = "host: switchboard";
/// What follows a request that is read in two ways: its answer would be one too many.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nhost: switchboard\r\n\r\n";

#[tokio::test]
async fn what_is_no_http_is_closed_or_gets_a_4xx() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let server = sandbox.api().address();
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut noise = |length: usize| (0..length).map(|_| random.random()).collect::<Vec<u8>>();

    let mut cases: Vec<Vec<u8>> = [
        "\r\n\r\n\r\n\r\n",
        "\0\0\0\0\0\0\0\0",
        "GET /\r\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / SPDY/1\r\n\r\n",
        "GET\r\n\r\n",
        "GET  /  HTTP/1.1\r\n\r\n",
        "/ GET HTTP/1.1\r\n\r\n",
        "G\0T / HTTP/1.1\r\n\r\n",
        "G\u{7f}T / HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
        "SSH-2.0-OpenSSH_9.0\r\n",
        "EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "HTTP/1.1 200 OK\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    cases.extend((0..50).map(|n| noise(1 << (n % 16))));
    cases.push([b"GET /".as_slice(), &noise(500), b" HTTP/1.1\r\n\r\n"].concat());
    cases.push([b"GET / HTTP/1.1\r\nx: ".as_slice(), &noise(500), b"\r\n\r\n"].concat());
    for case in &cases {
        let shown = String::from_utf8_lossy(&case[..case.len().min(60)]).into_owned();
        for heard in exchange(server, case).await {
            assert!((400..500).contains(&heard.status), "{shown:?}: {heard:?}");
        }
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn a_request_that_two_servers_would_read_differently_is_never_read_as_two() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let server = sandbox.api().address();
    let visitor = sandbox.api().visitor(&sandbox.ready().site_key).await.unwrap();
    let token = &visitor.token;
    let cases = [
        ("both lengths", "content-length: 12\r\ntransfer-encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("both lengths, turned", "transfer-encoding: chunked\r\ncontent-length: 12", "2\r\n{}\r\n0\r\n\r\n"),
        ("two lengths", "content-length: 2\r\ncontent-length: 52", "{}"),
        ("a list of lengths", "content-length: 2, 52", "{}"),
        ("a signed length", "content-length: +2", "{}"),
        ("a negative length", "content-length: -2", "{}"),
        ("a hexadecimal length", "content-length: 0x2", "{}"),
        ("a broken length", "content-length: 2.0", "{}"),
        ("a length with a hole", "content-length: 2 0", "{}"),
        ("a length beyond numbers", "content-length: 99999999999999999999999", "{}"),
        ("a length in a folded line", "content-length:\r\n 2", "{}"),
        ("a space before the colon", "content-length : 2", "{}"),
        ("a coding that is none", "transfer-encoding: xchunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("a coding in quotes", "transfer-encoding: \"chunked\"", "2\r\n{}\r\n0\r\n\r\n"),
        ("a last coding that is none", "transfer-encoding: chunked, identity", "2\r\n{}\r\n0\r\n\r\n"),
        ("another coding", "transfer-encoding: gzip", "{}"),
        ("another coding before", "transfer-encoding: gzip, chunked", "2\r\n{}\r\n0\r\n\r\n"),
        (
            "another line before",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        ("chunks of chunks", "transfer-encoding: chunked, chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("a line twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("no coding before", "transfer-encoding: identity, chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("an empty coding before", "transfer-encoding: , chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("a coding after a tab", "transfer-encoding:\tchunked\r\ncontent-length: 12", "2\r\n{}\r\n0\r\n\r\n"),
        ("a coding after a vertical tab", "transfer-encoding: \u{b}chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("a chunk without a size", "transfer-encoding: chunked", "\r\n{}\r\n0\r\n\r\n"),
        ("a negative chunk", "transfer-encoding: chunked", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a chunk of 0x2", "transfer-encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("a chunk beyond numbers", "transfer-encoding: chunked", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("a chunk longer than said", "transfer-encoding: chunked", "1\r\n{}\r\n0\r\n\r\n"),
        ("a header in two lines", "x: a\r\n b\r\ncontent-length: 2", "{}"),
        ("a header without a colon", "content-length 2", "{}"),
        ("a header without a name", ": 2", "{}"),
        ("two hosts", "host: evil.example\r\ncontent-length: 2", "{}"),
        ("a NUL in a header", "x: a\0b", "{}"),
        ("a carriage return in a header", "x: a\rcontent-length: 2", "{}"),
    ];
    for (what, lines, body) in cases {
        let head =
            format!("POST /api/v1/chat/conversations HTTP/1.1\r\n{HOST}\r\nauthorization: Bearer {token}");
        let type_ = "content-type: application/json";
        let request = format!("{head}\r\n{type_}\r\n{lines}\r\n\r\n{body}{SMUGGLED}");
        let heard = exchange(server, request.as_bytes()).await;
        assert!(heard.len() <= 1, "{what}: {heard:?}");
        for heard in &heard {
            assert!((400..500).contains(&heard.status), "{what}: {heard:?}");
        }
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn http_1_1_needs_one_host_and_1_0_none() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let server = sandbox.api().address();
    for lines in ["", "host: a\r\nhost: a\r\n", "host: a\r\nHost: b\r\n"] {
        for target in ["/healthz", "/api/v1/auth/me", "http://switchboard/healthz"] {
            let heard = exchange(server, format!("GET {target} HTTP/1.1\r\n{lines}\r\n").as_bytes()).await;
            let [heard] = heard.as_slice() else { panic!("{target} {lines:?}: {heard:?}") };
            assert_eq!(heard.status, 400, "{target} {lines:?}: {heard:?}");
            assert_refused(target, heard);
        }
    }
    // A target that names another host would be somebody else's for the next server.
    for target in [
        "http://evil.example",
        "https://evil.example",
        "http://switchboard.evil.example",
        "http://switchboard:81",
        "http://ann@switchboard",
        "http://switchboard@evil.example",
        "http://127.0.0.1",
    ] {
        for path in ["/healthz", "/nowhere"] {
            let request = format!("GET {target}{path} HTTP/1.1\r\n{HOST}\r\n\r\n");
            let heard = exchange(server, request.as_bytes()).await;
            let [heard] = heard.as_slice() else { panic!("{target}{path}: {heard:?}") };
            assert_eq!(heard.status, 400, "{target}{path}: {heard:?}");
            assert_refused(target, heard);
        }
    }
    for request in [
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost:\r\n\r\n",
        "GET http://switchboard/healthz HTTP/1.1\r\nhost: switchboard\r\n\r\n",
        "GET http://Switchboard:8080/healthz HTTP/1.1\r\nhost: switchboard:8080\r\n\r\n",
        "GET http://switchboard/healthz HTTP/1.0\r\n\r\n",
    ] {
        let heard = exchange(server, request.as_bytes()).await;
        assert_eq!(heard.iter().map(|heard| heard.status).collect::<Vec<_>>(), [200], "{request:?}");
    }
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    const REQUESTS: usize = 200;
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let mut bytes = String::new();
    for number in 0..REQUESTS {
        let path = if number % 3 == 0 { "/healthz" } else { "/nowhere" };
        bytes += &format!("GET {path} HTTP/1.1\r\n{HOST}\r\nx-request-id: r{number}\r\n\r\n");
    }
    let heard = exchange(sandbox.api().address(), bytes.as_bytes()).await;
    assert_eq!(heard.len(), REQUESTS);
    for (number, heard) in heard.iter().enumerate() {
        assert_eq!(heard.status, if number % 3 == 0 { 200 } else { 404 });
        assert_eq!(heard.header("x-request-id"), Some(format!("r{number}").as_str()));
    }

    // What comes behind a refusal whose body was not read is not taken for a request.
    let post = format!("POST /nowhere HTTP/1.1\r\n{HOST}\r\ncontent-length: {}\r\n\r\n", SMUGGLED.len());
    let heard = exchange(sandbox.api().address(), format!("{post}{SMUGGLED}").as_bytes()).await;
    let [heard] = heard.as_slice() else { panic!("{heard:?}") };
    // And the client is told, so that it sends nothing more here.
    assert_eq!((heard.status, heard.header("connection")), (404, Some("close")), "{heard:?}");
}

#[tokio::test]
async fn what_is_too_large_is_said_before_anything_else() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let server = sandbox.api().address();
    let get = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\n{HOST}\r\n{lines}\r\n");
    let post = |path: &str, lines: &str| format!("POST {path} HTTP/1.1\r\n{HOST}\r\n{lines}\r\n");
    let long = |length: usize| "a".repeat(length);
    let headers = |count: usize| (0..count).map(|n| format!("x-{n}: a\r\n")).collect::<String>();
    let start = "/api/v1/chat/conversations";
    let cases = [
        ("a header of 16 KiB", get("/healthz", &format!("x: {}\r\n", long(16 * 1024))), 431),
        ("headers of 16 KiB", get("/healthz", &format!("x: {}\r\n", long(150)).repeat(99)), 200),
        ("headers over 16 KiB", get("/healthz", &format!("x: {}\r\n", long(180)).repeat(99)), 431),
        ("a header of 100 KiB", get("/healthz", &format!("x: {}\r\n", long(100 * 1024))), 431),
        ("a header of 1 MiB", get("/healthz", &format!("x: {}\r\n", long(1024 * 1024))), 431),
        ("99 headers", get("/healthz", &headers(98)), 200),
        ("101 headers", get("/healthz", &headers(100)), 431),
        ("1,000 headers", get("/healthz", &headers(1000)), 431),
        ("10,000 headers", get("/healthz", &headers(10_000)), 431),
        ("a path of 8 KiB and a byte", get(&format!("/{}", long(8192)), ""), 414),
        ("a query of 8 KiB", get(&format!("/healthz?{}", long(8192)), ""), 414),
        ("a path of 8 KiB", get(&format!("/{}", long(8191)), ""), 404),
        ("a path of 60 KiB", get(&format!("/{}", long(60 * 1024)), ""), 414),
        ("a path of 100 KiB", get(&format!("/{}", long(100 * 1024)), ""), 414),
        ("a method of 1 KiB", format!("{} / HTTP/1.1\r\n{HOST}\r\n\r\n", long(1024)), 405),
        ("a body that is said to be large", post(start, "content-length: 262145\r\n"), 413),
        ("a body that is said to be huge", post(start, "content-length: 9223372036854775807\r\n"), 413),
        ("a large body for nobody", post("/nowhere", "content-length: 262145\r\n"), 413),
        ("a large upload", post("/api/v1/chat/upload", "content-length: 99999999\r\n"), 413),
        ("no length", post(start, ""), 411),
    ];
    for (what, request, status) in &cases {
        let heard = exchange(server, request.as_bytes()).await;
        let [heard] = heard.as_slice() else { panic!("{what}: {heard:?}") };
        assert_eq!(heard.status, *status, "{what}: {heard:?}");
        if *status >= 400 {
            assert_refused(what, heard);
        }
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn a_path_is_what_it_is_written_as() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let id = started["conversation"]["id"].as_str().unwrap();
    let whole = format!("/api/v1/chat/conversations/{id}");
    let shouted = whole.to_uppercase();
    let encoded = format!("/api/v1/chat/conversations/%63{}", &id[1..]);
    let mut cases: Vec<Vec<u8>> = [
        "/..",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/..%5c..%5cetc",
        "/\\..\\..\\etc",
        "/%252e%252e/",
        "/assets/../../../Cargo.toml",
        "//",
        "//healthz",
        "/./healthz",
        "/healthz/",
        "/healthz/.",
        "/healthz%00",
        "/healthz%20",
        "/healthz;a=b",
        "/%68ealthz",
        "/HEALTHZ",
        "/%",
        "/%zz",
        "/%ff%fe",
        "/%c0%ae%c0%ae/",
        "/%00",
        "/\u{1}",
        "/\u{7f}",
        "/ü",
        "/api/v1/chat/conversations/",
        "/api/v1/chat/conversations//messages",
        "/api/v1/chat/conversations/cnv_/",
        "/api/v1/chat/conversations/cnv_%00",
        "/api/v1/chat/conversations/cnv_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "/api/v1/chat/conversations/agt_00000000000000000000000000000000",
        "/api/v1/chat/../chat/conversations",
        "http://evil.example/nowhere",
        "evil.example:80",
        "*",
        "?",
        &shouted,
        &encoded,
        &format!("{whole}/"),
        &format!("{whole}/../{id}"),
        &format!("{whole}%00"),
        &format!("{whole}%2fevents"),
    ]
    .map(|path| path.as_bytes().to_vec())
    .into();
    cases.extend([b"/\xff\xfe".to_vec(), b"/\xc0\xae".to_vec(), b"/a\tb".to_vec(), b"/a b".to_vec()]);
    for path in &cases {
        let shown = String::from_utf8_lossy(path);
        let tail = format!(" HTTP/1.1\r\n{HOST}\r\nauthorization: Bearer {}\r\n\r\n", visitor.token);
        let request = [b"GET ".as_slice(), path, tail.as_bytes()].concat();
        for heard in exchange(api.address(), &request).await {
            assert!(matches!(heard.status, 400 | 404), "{shown}: {heard:?}");
            assert_refused(&shown, &heard);
        }
    }
    // Nothing of it was found by another way, and what is written as it is is found.
    api.conversation(&visitor.token, id).await.unwrap().expect(200).unwrap();
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn a_query_says_what_its_route_knows_and_says_it_once() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let id = started["conversation"]["id"].as_str().unwrap();
    let many = (0..1000).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
    let cases: [(&str, u16); 26] = [
        ("after=-1", 422),
        ("after=1.5", 422),
        ("after=1e3", 422),
        ("after=0x1", 422),
        ("after=", 422),
        ("after=%00", 422),
        ("after=%ff", 422),
        ("after=%f0%9f%91%8b", 422),
        ("after=99999999999999999999", 422),
        ("after=18446744073709551615", 200),
        ("after=1&after=1", 422),
        ("after=1&%61fter=1", 422),
        ("%61fter=1", 200),
        ("before=0", 422),
        ("after=1&before=5", 422),
        ("limit=0", 422),
        ("limit=201", 422),
        ("wait_s=26", 422),
        ("AFTER=1", 422),
        ("after[]=1", 422),
        ("%ff=1", 422),
        ("%00", 422),
        ("%zz=%zz", 422),
        ("=", 422),
        ("nothing", 422),
        (&many, 422),
    ];
    for (query, status) in cases {
        let path = format!("/api/v1/chat/conversations/{id}/events?{query}");
        let request =
            format!("GET {path} HTTP/1.1\r\n{HOST}\r\nauthorization: Bearer {}\r\n\r\n", visitor.token);
        let heard = exchange(api.address(), request.as_bytes()).await;
        let [heard] = heard.as_slice() else { panic!("{query}: {heard:?}") };
        assert_eq!(heard.status, status, "{query}: {heard:?}");
        if status >= 400 {
            assert_refused(query, heard);
        }
    }
    let list = |query: &str| format!("/api/v1/chat/conversations?{query}");
    for cursor in ["cursor=", "cursor=x", "cursor=%00", "cursor=%ff%ff", "cursor=AAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = api.get(list(cursor)).bearer(&visitor.token).send().await.unwrap();
        assert_eq!((answer.status, answer.code()), (400, "INVALID_CURSOR"), "{cursor}: {answer}");
    }
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn a_credential_that_is_none_is_a_401_or_a_400() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let api = sandbox.api();
    let long = format!("Bearer {}", "a".repeat(8_000));
    let cases: &[(&[u8], u16)] = &[
        (b"", 401),
        (b"Bearer", 401),
        (b"Bearer ", 401),
        (b"bearer a b", 401),
        (b"Bearer \xff\xfe", 401),
        (b"Bearer a\tb", 401),
        (b"Bearer null", 401),
        (b"Bearer sk_x", 401),
        (b"Basic YTpi", 401),
        (b"Bearer a, Bearer b", 401),
        (b"Bearer a\r\nauthorization: Bearer b", 400),
        (long.as_bytes(), 401),
    ];
    for (value, status) in cases {
        let head = format!("GET /api/v1/auth/me HTTP/1.1\r\n{HOST}\r\nauthorization: ");
        let request = [head.as_bytes(), value, b"\r\n\r\n"].concat();
        let heard = exchange(api.address(), &request).await;
        let shown = String::from_utf8_lossy(value);
        let [heard] = heard.as_slice() else { panic!("{shown}: {heard:?}") };
        assert_eq!(heard.status, *status, "{shown}: {heard:?}");
        assert_refused(&shown, heard);
    }
    assert_unharmed(&sandbox).await;
}
