//! For the tests of this module: a server with a table of its own, on a real socket, and a client of raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Email, Line, Name, Origin, Role, Site, SiteId, TeamId, Timestamp, Workspace, WorkspaceId};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use identity::{Identity, Keys, NewAgent, Password, VisitorRequest};
use serde::Deserialize;
use store::Clock;
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{FolderBlobs, INSTALLATION};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Limits};
use crate::http::engine::accept::{self, Front, ServeSocket};
use crate::http::engine::reply::Reply;
use crate::http::table::paths::Paths;
use crate::http::table::{self, BodyKind, Doc, Handler, Rate, Route, Row, Target, Who};
use crate::socket::Handover;
use crate::{app::App, http::api};

/// On the list of the one site.
pub(crate) const SHOP: &str = "https://shop.example";
/// On the list of another site.
pub(crate) const OTHER_SHOP: &str = "https://other.example";

const fn row(method: Method, path: &'static str, who: Who, body: BodyKind) -> Route {
    limited(method, path, who, body, &[])
}

const fn limited(
    method: Method,
    path: &'static str,
    who: Who,
    body: BodyKind,
    rates: &'static [Rate],
) -> Route {
    Route {
        row: Row { method, path, target: Target::Open, who, rates, body, doc: Doc::NONE },
        handler: |call| Box::pin(said(call)),
    }
}

const fn open(path: &'static str, handler: Handler) -> Route {
    Route {
        row: Row {
            method: Method::GET,
            path,
            target: Target::Open,
            who: Who::Open,
            rates: &[],
            body: BodyKind::None,
            doc: Doc::NONE,
        },
        handler,
    }
}

async fn said(mut call: crate::http::engine::call::Call) -> Result<Reply, crate::errors::ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        text: Option<String>,
    }
    if call.row.body == BodyKind::None {
        return Ok(Reply::ok(&call.peer.to_string()));
    }
    let said: Said = call.json().await?;
    Ok(Reply::created(&said.text))
}

/// A row of each sort.
static ROWS: &[Route] = &[
    row(Method::GET, "/t/open", Who::Open, BodyKind::None),
    row(Method::GET, "/t/site", Who::Site { in_query: false }, BodyKind::None),
    row(Method::GET, "/t/config", Who::Site { in_query: true }, BodyKind::None),
    row(Method::GET, "/t/visitor", Who::VISITOR, BodyKind::None),
    row(Method::GET, "/t/agent", Who::AGENT, BodyKind::None),
    row(Method::GET, "/t/admin", Who::ADMIN, BodyKind::None),
    row(Method::GET, "/t/both/{id}", Who::VISITOR_OR_AGENT, BodyKind::None),
    row(Method::GET, "/t/file", Who::BearerOrLink, BodyKind::None),
    row(Method::PUT, "/t/both/{id}", Who::VISITOR_OR_AGENT, BodyKind::OptionalJson),
    row(Method::POST, "/t/open", Who::Open, BodyKind::Json),
    row(Method::POST, "/t/upload", Who::VISITOR, BodyKind::Multipart),
    limited(Method::POST, "/t/send", Who::VISITOR, BodyKind::Json, &[Rate::Send]),
    limited(Method::POST, "/t/login", Who::LogIn, BodyKind::Json, &[Rate::LogIns]),
    open("/t/panic", |_| Box::pin(async { panic!("as the test wants") })),
    open("/t/slow", |_| {
        Box::pin(async {
            let rest = futures_util::stream::once(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(Bytes::from_static(b"rest"))
            });
            let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"begun "))]);
            let content_type = http::HeaderValue::from_static("text/plain");
            Ok(Reply::stream(StatusCode::OK, content_type, 10, begun.chain(rest).boxed()))
        })
    }),
    open("/t/stream", |_| {
        Box::pin(async {
            let chunks = [Bytes::from_static(b"ab"), Bytes::from_static(b"cd")].map(Ok::<_, std::io::Error>);
            let content_type = http::HeaderValue::from_static("text/plain");
            Ok(Reply::stream(StatusCode::OK, content_type, 4, futures_util::stream::iter(chunks)))
        })
    }),
];

/// A server on a free port, with a site, a visitor and an agent.
pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) visitor: String,
    pub(crate) agent: String,
    stop: watch::Sender<bool>,
    pub(crate) served: JoinHandle<()>,
    _sqlite: SqliteStore,
    _dir: TempDir,
}

/// Sends back what it gets, and first what was read ahead.
fn echo(_: Arc<App>, mut tcp: TcpStream, read_ahead: Bytes, handover: Handover) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let _seat = handover.seat;
        tcp.write_all(&read_ahead).await.unwrap();
        let (mut read, mut write) = tcp.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    })
}

fn site(id: u8, key: &str, origin: &str) -> Site {
    let (key, team) = (Line::parse(key).unwrap(), TeamId::from_hash([2; 16]));
    let site = Site::new(SiteId::from_hash([id; 16]), key, Name::parse("Shop").unwrap(), team);
    Site { origins: vec![Origin::parse(origin).unwrap()], ..site }
}

impl Server {
    pub(crate) async fn start(change: impl FnOnce(&mut Limits)) -> Self {
        let mut config = Config::default();
        change(&mut config.limits);
        Self::with(config).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::serving(config, echo).await
    }

    /// One whose sockets are served like this.
    pub(crate) async fn serving(config: Config, serve_socket: ServeSocket) -> Self {
        let dir = TempDir::new().unwrap();
        let sqlite = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
        let store = sqlite.store();
        let records = store.records.as_ref();
        let clock = Clock::by_hand(Timestamp::from_ms(1_700_000_000_000));
        let now = clock.now();
        let id = WorkspaceId::from_hash([1; 16]);
        let name = Name::parse("Acme").unwrap();
        let workspace = Workspace { id, name, time_zone: Name::parse("UTC").unwrap() };
        store::insert(records, INSTALLATION, workspace, now).await.unwrap();
        let shop = site(3, "shop-key", SHOP);
        store::insert(records, id, shop.clone(), now).await.unwrap();
        store::insert(records, id, site(4, "other-key", OTHER_SHOP), now).await.unwrap();
        let identity = Arc::new(Identity::new(Arc::clone(&store.records), clock.clone()));
        let ann =
            NewAgent::new(Email::parse("ann@example.org").unwrap(), Name::parse("Ann").unwrap(), Role::Agent);
        identity.create_agent(id, ann, Password::parse("correct horse").unwrap()).await.unwrap();
        let agent = identity.login("ann@example.org", "correct horse").await.unwrap().access_token;
        let visitor = identity.visitor_for(id, &shop, None, &VisitorRequest::default()).await.unwrap().token;

        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys = Keys::load(records, now).await.unwrap();
        let settings = cluster::Settings::default();
        let cluster = cluster::Cluster::start(store.clone(), clock.clone(), settings, None).await.unwrap();
        let limits = files::FileLimits {
            bytes_max: 1 << 20,
            pixels_max: 1 << 20,
            quotas: files::QuotaLimits::default(),
        };
        let records = Arc::clone(&store.records);
        let blobs = Arc::new(FolderBlobs::open(&dir.path().join("files")).unwrap());
        let storage = files::Storage::new(dir.path().to_owned(), None, Some(0));
        let files = files::Files::open(blobs, records, clock.clone(), limits, storage);
        let files = Arc::new(files.unwrap());
        let config = Arc::new(config);
        let documents = crate::http::documents::build(&config);
        let parts = crate::app::Parts { config, clock, store, identity, keys, cluster, files, documents };
        let app = Arc::new(App::new(parts, address));
        let rows = ROWS.iter().chain(table::table()).chain(api::health::METRICS);
        let front = Front { app: Arc::clone(&app), paths: Arc::new(Paths::new(rows)), serve_socket };
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(accept::serve(listener, front, stopped, Duration::from_secs(1)));
        Self { app, address, visitor, agent, stop, served, _sqlite: sqlite, _dir: dir }
    }

    pub(crate) fn own_origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn stop(&self) {
        self.stop.send(true).unwrap();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a head with these lines, and a body, on a connection of its own; reads the answer to the end.
    pub(crate) async fn ask(&self, request_line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{request_line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.ask_raw(&format!("{head}\r\n{body}")).await
    }

    pub(crate) async fn ask_raw(&self, bytes: &str) -> Answer {
        let mut connection = self.connect().await;
        connection.write_all(bytes.as_bytes()).await.unwrap();
        Answer::read(&mut connection).await
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads to the end of the connection.
    pub(crate) async fn read(connection: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        connection.read_to_end(&mut bytes).await.unwrap();
        Self::parse(&String::from_utf8(bytes).unwrap())
    }

    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"));
        json["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}
