//! Over real TCP on loopback. Times are shortened, and none is paused: a paused clock would run ahead of the sockets.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;

use store::Incarnation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::super::frame::{self, Class, HEADER_BYTES};
use super::super::handshake::Handshake;
use super::super::mutant::{self, Mutant};
use super::super::publications::Delivery;
use super::*;

/// More than anything here takes, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

const QUICK: LinkSettings = LinkSettings {
    handshake: Duration::from_millis(300),
    ping_every: Duration::from_millis(20),
    silence: Duration::from_secs(5),
    dial_pause_min: Duration::from_millis(5),
    dial_pause_max: Duration::from_millis(50),
    half_open_max: 256,
    half_open_of_address_max: 16,
};

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn secret(byte: u8) -> ClusterSecret {
    ClusterSecret::new(vec![byte; 32]).unwrap()
}

fn introduction(called: &str) -> Introduction {
    let incarnation = Uuid::from_u64_pair(1, called.as_bytes()[0].into());
    Introduction { name: name(called), incarnation, booted_ms: 5, level: 3 }
}

struct Started {
    name: NodeName,
    links: Links,
    inbox: LinkInbox,
    address: SocketAddr,
}

impl Started {
    async fn new(called: &str, settings: LinkSettings) -> Self {
        Self::with(called, settings, None).await
    }

    async fn with(called: &str, settings: LinkSettings, tls: Option<LinkTls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let vitals = || Vitals { clock_ms: 1_000, tick_age_ms: 2, heartbeat_age_ms: Some(3) };
        let (links, inbox) = Links::start(listener, secret(1), introduction(called), vitals, settings, tls);
        Self { name: name(called), links, inbox, address }
    }

    fn peers_are(&self, peers: &[(&NodeName, SocketAddr)]) {
        let peers = peers.iter().map(|(name, address)| ((*name).clone(), address.to_string()));
        self.links.set_peers(&peers.collect());
    }

    fn status(&self, peer: &NodeName) -> LinkStatus {
        self.links.peers()[peer].clone()
    }

    /// Completes once the link to a peer is as `is_so` wants it.
    async fn until(&self, peer: &NodeName, is_so: impl Fn(&LinkStatus) -> bool) -> LinkStatus {
        let looked = timeout(LONG, async {
            while !is_so(&self.status(peer)) {
                sleep(Duration::from_millis(2)).await;
            }
        });
        looked.await.unwrap_or_else(|_| panic!("{peer} stays {:?}", self.status(peer)));
        self.status(peer)
    }

    /// Completes once so many connections were refused.
    async fn refuses(&self, count: u64) {
        let looked = timeout(LONG, async {
            while self.links.refused() < count {
                sleep(Duration::from_millis(2)).await;
            }
        });
        looked.await.expect("it is refused");
    }

    /// Answers every ask with itself, in a task, and counts them.
    fn echo(&self) -> Arc<AtomicUsize> {
        let (inbox, count) = (self.inbox.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                let ask = inbox.ask().await;
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = ask.payload.clone();
                ask.answer(answer);
            }
        });
        count
    }
}

/// Two nodes that are each other's peers; the second dials.
async fn two() -> (Started, Started) {
    linked(Started::new("a", QUICK).await, Started::new("b", QUICK).await).await
}

async fn linked(a: Started, b: Started) -> (Started, Started) {
    a.peers_are(&[(&b.name, b.address), (&a.name, a.address)]);
    b.peers_are(&[(&a.name, a.address), (&b.name, b.address)]);
    a.until(&b.name, |status| status.is_linked && status.last_pong.is_some()).await;
    b.until(&a.name, |status| status.is_linked && status.last_pong.is_some()).await;
    (a, b)
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn two_nodes_ask_tell_publish_and_ping_each_other() {
    let (a, b) = two().await;
    b.echo();
    b.links.set_version(9);
    assert_eq!(a.links.ask(&b.name, bytes("hello"), LONG).await, Ok(bytes("hello")));
    let status = a.until(&b.name, |status| status.version == 9).await;
    assert_eq!((status.peer, status.protocol), (Some(introduction("b")), Some(1)));
    let pong = status.last_pong.unwrap();
    assert_eq!(pong.vitals, Vitals { clock_ms: 1_000, tick_age_ms: 2, heartbeat_age_ms: Some(3) });
    let of_b = Incarnation(introduction("b").incarnation);
    assert_eq!(a.links.last_pong(of_b).map(|last| last.vitals), Some(pong.vitals));
    assert_eq!(a.links.last_pong(Incarnation(Uuid::from_u64_pair(0, 0))), None, "of another boot");
    assert!(a.links.tell(&b.name, bytes("told")));
    let tell = b.inbox.tell().await;
    assert_eq!((tell.peer, tell.payload), (name("a"), bytes("told")));
    let long = Bytes::from(vec![5; 250_000]);
    assert!(b.links.publish(&a.name, bytes("key"), long.clone()));
    let came = a.inbox.publication().await;
    assert_eq!(came.publication, Delivery::Body { key: bytes("key"), body: long });
    // A node that is no peer is not spoken to.
    let stranger = name("c");
    assert_eq!(a.links.ask(&stranger, bytes("?"), LONG).await, Err(AskError::NotSent));
    assert!(!a.links.tell(&stranger, bytes("?")) && !a.links.publish(&stranger, bytes("?"), bytes("?")));
}

#[tokio::test]
async fn an_ask_that_is_not_answered_in_time_is_lost_and_one_that_is_dropped_answers_so() {
    let (a, b) = two().await;
    let asked = a.links.ask(&b.name, bytes("slow"), Duration::from_millis(500));
    let (asked, taken) = tokio::join!(asked, b.inbox.ask());
    assert_eq!(asked, Err(AskError::Lost));
    drop(taken);
    let (asked, ()) =
        tokio::join!(a.links.ask(&b.name, bytes("?"), LONG), async { drop(b.inbox.ask().await) });
    assert_eq!(asked, Err(AskError::Lost));
    assert!(timeout(Duration::from_millis(20), a.links.ask(&b.name, bytes("?"), LONG)).await.is_err());
    let counters = a.until(&b.name, |status| status.asks_open == 0).await.counters;
    assert_eq!((counters.asks, counters.lost, counters.forgotten), (3, 2, 1));
}

/// What somebody at the port gets to read until the connection is closed, within the time of a handshake.
async fn refused(a: &Started, say: impl AsRef<[u8]>) -> Vec<u8> {
    let before = a.links.refused();
    let mut stream = TcpStream::connect(a.address).await.unwrap();
    stream.write_all(say.as_ref()).await.unwrap();
    let mut read = Vec::new();
    let began = tokio::time::Instant::now();
    // A reset is a refusal too.
    let _ = timeout(LONG, stream.read_to_end(&mut read)).await.expect("it is closed");
    assert!(began.elapsed() < LinkSettings::default().handshake);
    a.refuses(before + 1).await;
    read
}

#[tokio::test]
async fn junk_silence_wrong_secrets_and_reflections_are_refused_within_the_time_and_told_nothing() {
    assert_eq!(LinkSettings::default().handshake, Duration::from_secs(5));
    let a = Started::new("a", QUICK).await;
    a.peers_are(&[(&name("b"), a.address)]);
    assert_eq!(refused(&a, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, b"");
    assert_eq!(refused(&a, [0xff; 3_000]).await, b"");
    assert_eq!(refused(&a, "").await, b"", "silence");
    assert_eq!(refused(&a, &[0, 0, 0, 200, 0, 1, 2]).await, b"", "half a frame");

    // The wrong secret, and the right one of a node that is no peer: nothing but the challenge is said.
    for (called, key) in [("b", 2), ("c", 1)] {
        let (mut handshake, hello) = Handshake::dial(
            introduction(called),
            secret(key),
            a.name.clone(),
            ConnectionKind::Data,
            [key; 32],
        );
        let mut stream = TcpStream::connect(a.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let mut challenge = vec![0; HEADER_BYTES + 33];
        stream.read_exact(&mut challenge).await.unwrap();
        stream.write_all(&handshake.receive(&challenge).unwrap().send).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(LONG, stream.read_to_end(&mut rest)).await.expect("it is closed");
        assert_eq!(rest, b"", "{called}");
    }

    // What this node says comes back to it, word by word: when it dials, and when it is dialed.
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let z = Started::new("z", QUICK).await;
    z.peers_are(&[(&a.name, echo.local_addr().unwrap())]);
    let (mut reflecting, _) = echo.accept().await.unwrap();
    let (mut reader, mut writer) = reflecting.split();
    timeout(LONG, tokio::io::copy(&mut reader, &mut writer)).await.expect("it is closed").ok();
    z.refuses(1).await;
    assert!(!z.status(&a.name).is_linked);
    assert!(!a.status(&name("b")).is_linked);
}

/// What comes in one piece with the end of the handshake is not left lying until more comes.
#[tokio::test]
async fn what_a_peer_says_right_behind_the_handshake_is_heard_at_once() {
    let a = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let b = Started::new("b", QUICK).await;
    b.peers_are(&[(&name("a"), a.local_addr().unwrap())]);
    let told = async {
        loop {
            let (mut stream, _) = a.accept().await.unwrap();
            let mut handshake = Handshake::accept(introduction("a"), secret(1), [9; 32]);
            let mut buffer = [0; 4096];
            let connection = loop {
                let read = stream.read(&mut buffer).await.unwrap();
                let mut progress = handshake.receive(&buffer[..read]).unwrap();
                if progress.greeted.is_some() {
                    frame::write(&mut progress.send, Class::Tell, 0, 7, 0, b"told");
                }
                let greeted = progress.greeted.map(|greeted| greeted.connection);
                if greeted != Some(ConnectionKind::Control) {
                    stream.write_all(&progress.send).await.unwrap();
                }
                if let Some(connection) = greeted {
                    break connection;
                }
            };
            if connection == ConnectionKind::Data {
                break stream;
            }
        }
    };
    let _stream = timeout(LONG, told).await.expect("it dials");
    let tell = timeout(LONG, b.inbox.tell()).await.expect("it was said");
    assert_eq!((tell.version, tell.payload), (7, bytes("told")));
}

/// The certificate and key of a node.
fn tls(pem: &[u8]) -> LinkTls {
    LinkTls::new(include_bytes!("../tls/authority.pem"), pem, pem).unwrap()
}

const A: &[u8] = include_bytes!("../tls/a.pem");
const B: &[u8] = include_bytes!("../tls/b.pem");

#[tokio::test]
async fn with_tls_nodes_link_by_certificates_that_name_them() {
    let a = Started::with("a", QUICK, Some(tls(A))).await;
    let b = Started::with("b", QUICK, Some(tls(B))).await;
    let (a, b) = linked(a, b).await;
    b.echo();
    assert_eq!(a.links.ask(&b.name, bytes("hello"), LONG).await, Ok(bytes("hello")));
    for n in 0..20u8 {
        assert!(b.links.publish(&a.name, bytes("key"), Bytes::from(vec![n; 50_000])));
    }
    for n in 0..20u8 {
        let body = Bytes::from(vec![n; 50_000]);
        assert_eq!(a.inbox.publication().await.publication, Delivery::Body { key: bytes("key"), body });
    }
}

#[tokio::test]
async fn without_the_right_certificate_nobody_is_linked() {
    let of_another = include_bytes!("../tls/b_of_another.pem");
    let table = [
        ("of another authority", A, Some(tls(of_another))),
        ("of another node, which dials", A, Some(tls(A))),
        ("of another node, which is dialed", B, Some(tls(B))),
        ("none", A, None),
    ];
    for (what, dialed, dialing) in table {
        let a = Started::with("a", QUICK, Some(tls(dialed))).await;
        let b = Started::with("b", QUICK, dialing).await;
        a.peers_are(&[(&b.name, b.address)]);
        b.peers_are(&[(&a.name, a.address)]);
        a.refuses(3).await;
        let linked = (a.status(&b.name).counters.links, b.status(&a.name).counters.links);
        assert_eq!(linked, (0, 0), "{what}");
    }
    // The broken rule is noticed.
    mutant::set(Some(Mutant::CertificateNameNotCompared));
    let a = Started::with("a", QUICK, Some(tls(A))).await;
    let b = Started::with("b", QUICK, Some(tls(A))).await;
    linked(a, b).await;
    mutant::set(None);

    let plain = Started::new("a", QUICK).await;
    let b = Started::with("b", QUICK, Some(tls(B))).await;
    plain.peers_are(&[(&b.name, b.address)]);
    b.peers_are(&[(&plain.name, plain.address)]);
    plain.refuses(3).await;
    assert!(!plain.status(&b.name).is_linked);
}

#[tokio::test]
async fn silent_connections_have_a_bound_and_keep_a_peer_out_for_a_handshake_s_time_at_most() {
    let (a, b) = (Started::new("a", QUICK).await, Started::new("b", QUICK).await);
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(a.address).await.unwrap());
    }
    // At once, not after the time of a handshake: the rest is closed unheard.
    a.refuses(24).await;
    a.peers_are(&[(&b.name, b.address)]);
    b.peers_are(&[(&a.name, a.address)]);
    a.until(&b.name, |status| status.is_linked && status.is_pinged).await;
    a.refuses(40).await;
}

/// Shakes hands as `called`, and then reads nothing.
async fn frozen(called: &str, kind: ConnectionKind, to: &Started) -> TcpStream {
    let mut stream = TcpStream::connect(to.address).await.unwrap();
    let (mut handshake, hello) =
        Handshake::dial(introduction(called), secret(1), to.name.clone(), kind, rand::random());
    stream.write_all(&hello).await.unwrap();
    let mut buffer = [0; 1024];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        let progress = handshake.receive(&buffer[..read]).unwrap();
        stream.write_all(&progress.send).await.unwrap();
        if progress.greeted.is_some() {
            return stream;
        }
    }
}

#[tokio::test]
async fn a_frozen_peer_that_is_flooded_costs_a_bounded_number_of_bytes_and_others_go_on() {
    let (a, b) = two().await;
    b.echo();
    let frozen_name = name("frozen");
    a.peers_are(&[(&b.name, b.address), (&frozen_name, b.address)]);
    let _stream = frozen("frozen", ConnectionKind::Data, &a).await;
    a.until(&frozen_name, |status| status.is_linked).await;
    let (mut most, mut ends) = (0, BTreeMap::<String, usize>::new());
    let mut asks = tokio::task::JoinSet::new();
    let links = Arc::new(a.links);
    for round in 0..400u32 {
        for key in 0..8u8 {
            links.publish(&frozen_name, Bytes::from(vec![key; 16]), Bytes::from(vec![0; 20_000]));
            links.tell(&frozen_name, Bytes::from(vec![0; 1_000]));
            let (links, peer) = (Arc::clone(&links), frozen_name.clone());
            let budget = Duration::from_millis(50 + u64::from(round % 100));
            asks.spawn(async move { links.ask(&peer, Bytes::from(vec![0; 4_000]), budget).await });
        }
        let answered = links.ask(&b.name, bytes("others"), LONG).await;
        assert_eq!(answered, Ok(bytes("others")), "in round {round}");
        let status = &links.peers()[&frozen_name];
        assert!(status.asks_open <= 1_024);
        most = most.max(status.queued_bytes);
    }
    // 64 MB of publications, 3 MB of tells and 13 MB of asks were to go out.
    assert!((1 << 20..4 << 20).contains(&most), "{most} bytes were kept");
    while let Some(end) = asks.join_next().await {
        *ends.entry(format!("{:?}", end.unwrap())).or_default() += 1;
    }
    let counters = links.peers()[&frozen_name].counters;
    println!("{most} bytes at most; {ends:?}; {counters:?}");
    assert!(counters.publications_gone > 2_000 && counters.tells_dropped > 0);
    assert_eq!(ends.values().sum::<usize>(), 3_200, "every ask ends");
    assert_eq!(ends.get("Ok(..)"), None);
}

#[tokio::test]
async fn after_a_reset_nodes_link_again_and_what_was_in_flight_is_lost() {
    let (a, b) = two().await;
    let (inbox, peer) = (a.inbox.clone(), b.name.clone());
    let asked = async {
        let lost = a.links.ask(&peer, bytes("lost"), LONG).await;
        let again = loop {
            match a.links.ask(&peer, bytes("again"), LONG).await {
                Err(AskError::NotSent) => sleep(Duration::from_millis(5)).await,
                ended => break ended,
            }
        };
        (lost, again)
    };
    let broken = async {
        let _taken = b.inbox.ask().await;
        // The peer that is asked goes, and comes again.
        b.peers_are(&[]);
        b.peers_are(&[(&a.name, a.address)]);
        b.echo();
        assert_eq!(inbox.publication().await.publication, Delivery::GoneAll);
    };
    let ((lost, again), ()) = tokio::join!(asked, broken);
    assert_eq!((lost, again), (Err(AskError::Lost), Ok(bytes("again"))));
    assert_eq!(a.status(&b.name).counters.links, 2);
}

#[tokio::test]
async fn a_peer_that_sends_no_pongs_has_its_link_closed_and_is_dialed_again() {
    let settings = LinkSettings { silence: Duration::from_secs(1), ..QUICK };
    let (a, mute) = (Started::new("a", settings).await, name("mute"));
    a.peers_are(&[(&mute, a.address)]);
    let _control = frozen("mute", ConnectionKind::Control, &a).await;
    let _data = frozen("mute", ConnectionKind::Data, &a).await;
    a.until(&mute, |status| status.is_linked && status.is_pinged).await;
    let asked = a.links.ask(&mute, bytes("?"), LONG);
    assert_eq!(timeout(LONG, asked).await, Ok(Err(AskError::Lost)));
    let status = a.until(&mute, |status| !status.is_linked && !status.is_pinged).await;
    assert_eq!(status.last_pong, None);
}

#[tokio::test]
async fn a_newer_boot_replaces_an_older_one_and_dropped_links_end() {
    let (a, b) = two().await;
    let newer = Introduction { incarnation: Uuid::from_u64_pair(3, 4), booted_ms: 6, ..introduction("b") };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vitals = || Vitals { clock_ms: 0, tick_age_ms: 0, heartbeat_age_ms: None };
    let (second, _inbox) = Links::start(listener, secret(1), newer.clone(), vitals, QUICK, None);
    second.set_peers(&BTreeMap::from([(a.name.clone(), a.address.to_string())]));
    a.until(&b.name, |status| status.peer.as_ref() == Some(&newer) && status.is_linked && status.is_pinged)
        .await;
    // The older one dials in vain.
    a.refuses(a.links.refused() + 2).await;
    let status = a.status(&b.name);
    assert!(status.peer == Some(newer) && status.is_linked && status.is_pinged, "{status:?}");
    drop((second, b));
    let status = a.until(&name("b"), |status| !status.is_linked && !status.is_pinged).await;
    assert_eq!(status.asks_open, 0);
}

/// A program that takes no publications, while its node is asked.
async fn asked_while_publications_are_not_taken(budget: Duration) -> Result<Bytes, AskError> {
    let (a, b) = two().await;
    a.echo();
    for _ in 0..100 {
        b.links.publish(&a.name, bytes("key"), Bytes::from(vec![0; 20_000]));
        sleep(Duration::from_millis(1)).await;
    }
    b.links.ask(&a.name, bytes("there?"), budget).await
}

#[tokio::test]
async fn a_reader_never_waits_for_the_program() {
    assert_eq!(asked_while_publications_are_not_taken(LONG).await, Ok(bytes("there?")));
    mutant::set(Some(Mutant::ReaderWaits));
    let broken = asked_while_publications_are_not_taken(Duration::from_secs(1)).await;
    mutant::set(None);
    assert_eq!(broken, Err(AskError::Lost), "the broken rule is noticed");
}
