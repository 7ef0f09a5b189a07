//! The server put together, from the store up, and taken apart again in the order that loses nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, Ended, Joining, Settings};
use domain::Timestamp;
use files::{FileLimits, Files, QuotaLimits, Storage};
use identity::{Identity, Keys};
use store::Clock;
use store::folder::{FolderLost, FolderWatch};
use store::sqlite::Access;
use store::{Series, Store, StoreError};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{App, Parts};
use crate::blobs;
use crate::config::{Config, JoinConfig, StoreKind};
use crate::database::Database;
use crate::demo::{self, Demo};
use crate::descriptors;
use crate::http::documents;
use crate::http::engine::accept::{self, Front};
use crate::http::table::paths::Paths;
use crate::http::{api, table};
use crate::metrics::Figures;
use crate::socket;
use crate::staffing;

mod error;
mod signals;

pub use error::ServerError;
use signals::Signals;

/// Connections that the system keeps until they are accepted: a burst of clients who come back together. A shorter queue
/// has them try again after a second.
const LISTEN_QUEUE: u32 = 4096;
/// How long requests and sockets have to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Sockets come back to the next server within this time, not all at once.
const RETURN_SPREAD_MS: u64 = 2_000;
/// The pause before a node that was put out of the view joins again.
const JOIN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the server looks whether its data folder is still there; it has two seconds to notice.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// How often the bytes of uploads are saved: so much of them a server that is killed forgets.
const SAVE_COUNTS_EVERY: Duration = Duration::from_secs(5);
/// How often what has expired is removed.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// Every so many rounds of that, files are swept: about hourly.
const SWEEP_ROUNDS: u64 = 60;
/// How much is removed at once.
const EXPIRE_AT_ONCE: usize = 1_000;

/// What there is before anything can be asked: the store, who is who, and the addresses.
struct Foundation {
    config: Config,
    database: Database,
    store: Store,
    clock: Clock,
    identity: Arc<Identity>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    joining: Option<Joining>,
    bound: SocketAddr,
}

impl Foundation {
    async fn lay(config: Config) -> Result<Self, ServerError> {
        if let Err(error) = descriptors::raise() {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %config.listen,
            store = config.store.kind.word(),
            data_dir = %config.data_dir.display(),
            "starting"
        );
        let join = config.cluster.join()?;
        let database = Database::open(&config, Access::Server).await?;
        let listener = listen(config.listen).await?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let joining = match join {
            Some(JoinConfig { name, secret, tls }) => {
                let (listener, bound) = listen_for_peers(config.cluster.listen).await?;
                let address = config.cluster.advertise.clone().unwrap_or_else(|| bound.to_string());
                Some(Joining { name, address, listener, secret, tls })
            }
            None => None,
        };
        let bound =
            listener.local_addr().map_err(|error| ServerError::Listen { address: config.listen, error })?;
        let (store, clock) = (database.store(), Clock::system());
        let identity = Arc::new(Identity::new(Arc::clone(&store.records), clock.clone()));
        Ok(Self { config, database, store, clock, identity, listener, metrics, joining, bound })
    }
}

/// A server that is bound and ready to be run.
pub struct Server {
    /// What its handlers share.
    pub app: Arc<App>,
    /// How it is reached.
    pub url: String,
    /// How it starts again.
    again: Again,
    database: Database,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    signals: Signals,
    watches: Arc<[FolderWatch; 2]>,
}

impl Server {
    /// Opens the store and binds the addresses; nothing is answered before [`Self::run`].
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        let foundation = Foundation::lay(config).await?;
        Self::build(foundation, None, None).await
    }

    /// The same, with a workspace, a site and log-ins to try it with, and a page that does.
    pub async fn start_demo(config: Config) -> Result<(Self, Demo), ServerError> {
        Self::build_demo(config, None).await
    }

    async fn build_demo(config: Config, signals: Option<Signals>) -> Result<(Self, Demo), ServerError> {
        let foundation = Foundation::lay(config).await?;
        let Foundation { config, store, identity, clock, bound, .. } = &foundation;
        let origin = config.own_origin(*bound);
        let demo = demo::seed(&*store.records, identity, clock, &config.data_dir, &origin).await?;
        Ok((Self::build(foundation, Some(&demo), signals).await?, demo))
    }

    /// `signals`: heard already, by a server that this one follows in the same process.
    async fn build(
        foundation: Foundation,
        demo: Option<&Demo>,
        signals: Option<Signals>,
    ) -> Result<Self, ServerError> {
        let Foundation { config, database, store, clock, identity, listener, metrics, joining, bound } =
            foundation;
        let again = Again { config: Config { listen: bound, ..config.clone() }, is_demo: demo.is_some() };
        let keys = Keys::load(&*store.records, clock.now()).await?;
        let settings = Settings {
            agent_grace: Duration::from_secs(config.routing.agent_grace_s.into()),
            accept_timeout: Duration::from_secs(config.routing.accept_timeout_s.into()),
            ..Settings::default()
        };
        let limits = FileLimits {
            bytes_max: config.limits.upload_bytes_max,
            pixels_max: config.limits.image_pixels_max,
            quotas: QuotaLimits {
                visitor_bytes: config.limits.upload_bytes_per_day_per_visitor,
                site_bytes: config.limits.upload_bytes_per_day_per_site,
                workspace_bytes: config.limits.upload_bytes_per_day_per_workspace,
            },
        };
        let blobs = blobs::open(&config)?;
        let watches = Arc::new(database.watches(&config).map_err(ServerError::Watch)?);
        let in_folder = matches!(config.store.kind, StoreKind::Sqlite).then(|| config.data_dir.clone());
        let storage =
            Storage::new(blobs.incoming().to_owned(), in_folder, config.limits.storage_reserve_bytes);
        let files = Files::open(blobs, Arc::clone(&store.records), clock.clone(), limits, storage);
        let files = Arc::new(files.map_err(ServerError::Files)?);
        let signals = match signals {
            Some(signals) => signals,
            None => Signals::hear().map_err(ServerError::Signals)?,
        };
        // Last of what may fail: alone, it stops a server that runs over the same store.
        let cluster = Cluster::start(store.clone(), clock.clone(), settings, joining).await?;
        let url = config.own_origin(bound).as_str().to_owned();
        let config = Arc::new(config);
        let documents = documents::build(&config);
        let parts = Parts { config, clock, store, identity, keys, cluster, files, documents };
        let mut app = App::new(parts, bound);
        if let Some(demo) = demo {
            app.documents.show_demo(&app.origins, demo);
        }
        let app = Arc::new(app);
        watch_figures(&app, &database);
        Ok(Self { app, url, again, database, listener, metrics, signals, watches })
    }

    /// Serves until SIGTERM or SIGINT, until it is drained, or until another server takes the store over, then drains: no new
    /// connections, sockets are told to come back, requests end, conversations finish what is in flight, the store is closed. A
    /// second signal cuts connections off. A node that its cluster has put out starts again, as another boot.
    pub async fn run(mut self) -> Result<(), ServerError> {
        loop {
            let again = self.again.clone();
            let (signals, told) = self.serve().await;
            let Err(ServerError::Out) = told else { return told };
            tracing::warn!("the cluster has put this node out of its view: it joins again");
            match again.start(signals).await? {
                Some(server) => self = server,
                None => return Ok(()),
            }
        }
    }

    async fn serve(self) -> (Signals, Result<(), ServerError>) {
        let Self { app, url, again: _, database, listener, metrics, mut signals, watches } = self;
        app.readiness.set(app.cluster.serves());
        if app.cluster.serves() {
            tracing::info!(url, "serving");
        } else {
            tracing::info!(url, "standing by: another node serves");
        }
        let (stop, stopped) = watch::channel(false);
        let mut fronts = JoinSet::new();
        let rows = table::served(&app.config);
        fronts.spawn(accept::serve(listener, front(&app, Paths::new(rows)), stopped.clone(), DRAIN));
        if let Some(listener) = metrics {
            let rows = api::health::METRICS.iter();
            fronts.spawn(accept::serve(listener, front(&app, Paths::new(rows)), stopped, DRAIN));
        }
        let mut chores = JoinSet::new();
        chores.spawn(Arc::clone(&app.sockets).follow(Arc::clone(&app.identity)));
        chores.spawn(expire(Arc::clone(&app)));
        chores.spawn(staffing::follow(Arc::clone(&app)));
        chores.spawn(reach_files(Arc::clone(&app)));
        chores.spawn(save_counts(Arc::clone(&app)));
        let files = Arc::clone(&app.files);
        chores.spawn(async move { files.storage().report().await });

        let told = tokio::select! {
            () = signals.first() => Ok(()),
            () = app.cluster.told_to_leave() => Ok(()),
            end = app.cluster.ended() => Err(match end {
                Ended::Superseded => ServerError::Superseded,
                Ended::Out => ServerError::Out,
                Ended::Failed => ServerError::StoreFailed,
            }),
            lost = lost(&watches) => Err(ServerError::FolderLost(lost)),
            never = ready_with_custody(&app) => match never {},
        };
        app.readiness.set(false);
        if let Err(ServerError::FolderLost(lost)) = &told {
            tracing::error!(%lost, "the server stops: what it acknowledged from now on would be lost");
            if watches[0].check().is_err() {
                // Closed, the store would remove the log of whichever database is there now, by its name.
                std::mem::forget(database.clone());
            }
        }
        match &told {
            Ok(()) => tracing::info!("draining"),
            // What is asked meanwhile is refused, and sockets come back to the server that took over.
            Err(ServerError::Superseded) => tracing::error!("the server stops: another one opened its store"),
            Err(ServerError::Out) => tracing::warn!("draining: this node is out of the view"),
            Err(_) => return (signals, told),
        }
        if told.is_ok() {
            let app = Arc::clone(&app);
            chores.spawn(async move { app.cluster.begin_leaving().await });
        }
        app.sockets.restart_all(RETURN_SPREAD_MS);
        // Everybody who hears it is still here.
        let _ = stop.send(true);
        let all_ended = async { while fronts.join_next().await.is_some() {} };
        tokio::select! {
            () = all_ended => {}
            () = signals.first() => {
                tracing::warn!("told to stop once more: connections that have not ended are cut");
                fronts.shutdown().await;
            }
        }
        let left = app.cluster.drain(DRAIN).await;
        if left > 0 {
            tracing::warn!(conversations = left, "some conversations did not finish in time");
        }
        chores.shutdown().await;
        if let Err(error) = app.files.save_counts().await {
            tracing::warn!(%error, "the last uploads are not counted");
        }
        database.close().await;
        tracing::info!("stopped");
        (signals, told)
    }
}

/// How a server starts again in the same process.
#[derive(Clone)]
struct Again {
    /// With the address that was bound.
    config: Config,
    is_demo: bool,
}

impl Again {
    /// Starts until it has; none: it was told to stop before.
    async fn start(self, mut signals: Signals) -> Result<Option<Server>, ServerError> {
        loop {
            tokio::select! {
                () = signals.first() => return Ok(None),
                () = tokio::time::sleep(JOIN_AGAIN_AFTER) => {}
            }
            let heard = Signals::hear().map_err(ServerError::Signals)?;
            let started = async {
                if self.is_demo {
                    Server::build_demo(self.config.clone(), Some(heard)).await.map(|(server, _)| server)
                } else {
                    let foundation = Foundation::lay(self.config.clone()).await?;
                    Server::build(foundation, None, Some(heard)).await
                }
            };
            let started = tokio::select! {
                () = signals.first() => return Ok(None),
                started = started => started,
            };
            match started {
                Ok(server) => return Ok(Some(server)),
                Err(ServerError::Out) => tracing::warn!("out of the view before it had started: once more"),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Wants traffic as soon as this node has custody; a node that stands by does not.
async fn ready_with_custody(app: &App) -> Infallible {
    app.cluster.custody().await;
    if !app.readiness.get() {
        app.readiness.set(true);
        tracing::info!("serving");
    }
    std::future::pending().await
}

/// Completes when something that the server stands on is lost.
async fn lost(watches: &Arc<[FolderWatch; 2]>) -> FolderLost {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let watches = Arc::clone(watches);
        // Asking a disk may take long.
        let checked = tokio::task::spawn_blocking(move || watches.iter().try_for_each(FolderWatch::check));
        // What could not be asked is asked again.
        if let Ok(Err(lost)) = checked.await {
            return lost;
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart need not wait until the system has forgotten the old connections.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(LISTEN_QUEUE)
    };
    bound().map_err(|error| ServerError::Listen { address, error })
}

/// The address that was bound with it: the links take the socket over.
async fn listen_for_peers(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), ServerError> {
    let listener = listen(address).await?;
    let taken = || {
        let bound = listener.local_addr()?;
        Ok((listener.into_std()?, bound))
    };
    taken().map_err(|error| ServerError::Listen { address, error })
}

fn front(app: &Arc<App>, paths: Paths) -> Front {
    Front {
        app: Arc::clone(app),
        paths: Arc::new(paths),
        serve_socket: |app, stream, read_ahead, handover| {
            Box::pin(socket::serve(app, stream, read_ahead, handover))
        },
    }
}

fn watch_figures(app: &Arc<App>, database: &Database) {
    let (cluster, database, files) = (app.cluster.clone(), database.clone(), Arc::clone(&app.files));
    app.metrics.watch(move || {
        let (conversations_live, agents_live) = cluster.live();
        Figures {
            actors: cluster.stats(),
            conversations_live,
            agents_live,
            queues: cluster.queues(),
            agents: cluster.agents_by_status(),
            store: Some(database.stats()),
            storage: files.storage().room().ok(),
            member: cluster.member_figures(),
        }
    });
}

/// Says at once what else only the first upload would: that an object store is not there, or lets nobody in.
async fn reach_files(app: Arc<App>) {
    if let Err(error) = app.files.reach().await {
        tracing::error!(%error, "where the bytes of files lie is not reached: no file is taken or shown until it is");
    }
}

/// Keeps what uploads count against their quotas.
async fn save_counts(app: Arc<App>) {
    loop {
        tokio::time::sleep(SAVE_COUNTS_EVERY).await;
        if let Err(error) = app.files.save_counts().await {
            tracing::debug!(%error, "what uploads count is saved later");
        }
    }
}

/// Removes records and entries whose time is over, and from time to time the bytes of files that have no record any more.
async fn expire(app: Arc<App>) {
    let Store { records, series, .. } = &app.store;
    for round in 1_u64.. {
        tokio::time::sleep(EXPIRE_EVERY).await;
        if app.clock.is_doubted() {
            continue;
        }
        if let Err(error) = records.expire(app.clock.now(), EXPIRE_AT_ONCE).await {
            tracing::warn!(%error, "what has expired was not removed");
        }
        if let Err(error) = expire_entries(&**series, app.clock.now()).await {
            tracing::warn!(%error, "entries whose time is over were not removed");
        }
        if round.is_multiple_of(SWEEP_ROUNDS)
            && let Err(error) = app.files.sweep().await
        {
            tracing::warn!(%error, "files without a record were not removed");
        }
    }
}

/// All of them: page views come faster than what is removed at once each round. Other writes come in between.
async fn expire_entries(series: &dyn Series, now: Timestamp) -> Result<(), StoreError> {
    while series.expire(now, EXPIRE_AT_ONCE).await? == EXPIRE_AT_ONCE {}
    Ok(())
}
