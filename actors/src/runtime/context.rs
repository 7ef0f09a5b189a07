//! What all actors of a node share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorRef};
use store::{Clock, ConversationKey, Generation, Lanes, Store, StoreError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::crashes::Crashes;
use super::custody::Custody;
use super::outbox::Outbox;
use super::registry::Registry;
use super::stats::Stats;
use super::supervisor::{Supervisor, SupervisorMessage};
use super::visitors::VisitorsSeen;
use crate::hub::Hub;
use crate::mail::{Activity, AgentMessage, AgentPresence, ConversationMessage, QueueGauges, TeamMessage};
use crate::words::{AgentKey, ExecuteError, Notice, TeamKey};

/// What can be set of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many questions may wait in front of one actor; more are refused as overload.
    pub mailbox_places: usize,
    /// How long a caller waits for an answer before the outcome is unknown.
    pub deadline: Duration,
    /// A conversation without requests and listeners leaves memory after this time.
    pub passivate_after: Duration,
    /// An agent counts as present for this time after their last socket or request.
    pub agent_grace: Duration,
    /// How long an offer waits for its agent, unless the team says otherwise.
    pub accept_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mailbox_places: 256,
            deadline: Duration::from_secs(5),
            passivate_after: Duration::from_secs(60),
            agent_grace: Duration::from_secs(20),
            accept_timeout: Duration::from_secs(30),
        }
    }
}

/// What lets a node write. Dropping it seals nothing.
#[derive(Clone)]
pub struct Authority {
    /// The node's own, open.
    pub lanes: Arc<dyn Lanes>,
    /// Whether it has custody of the conversations yet.
    pub custody: Custody,
}

/// The store, the clock, the registries of the living, and the ways from one actor to others.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    /// All that is appended goes through these, by a node that has custody, as the one writer of each conversation.
    pub(crate) lanes: Arc<dyn Lanes>,
    custody: Custody,
    pub(crate) settings: Settings,
    pub(crate) conversations: Registry<ConversationKey, ConversationMessage, Activity>,
    pub(crate) agents: Registry<AgentKey, AgentMessage, AgentPresence>,
    pub(crate) teams: Registry<TeamKey, TeamMessage, QueueGauges>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) visitors: VisitorsSeen,
    pub(crate) supervisor: ActorRef<SupervisorMessage>,
    pub(crate) outbox: Outbox,
    pub(crate) stats: Arc<Stats>,
    pub(crate) crashes: Crashes,
    /// The lanes have ended.
    over: AtomicBool,
    started: Instant,
    next_id: AtomicU64,
}

impl Context {
    pub(crate) fn uptime_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// As which what is started here writes.
    ///
    /// # Errors
    /// [`ExecuteError::Moved`] while the node has no custody, and once the lanes have ended.
    pub(crate) fn may_start(&self) -> Result<Generation, ExecuteError> {
        self.custody.generation().filter(|_| !self.is_over()).ok_or(ExecuteError::Moved)
    }

    /// As which actors write: none is started without custody.
    pub(crate) fn generation(&self) -> Generation {
        self.custody.writes_as().expect("whatever writes was started with custody")
    }

    /// The lanes have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The lanes have ended: no actor stays, and none is started any more. A conversation first hears what became of what it
    /// was appending.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        for (_, handle) in self.conversations.living() {
            // An actor that ended has left already.
            handle.tell(ConversationMessage::LanesEnded);
        }
        self.agents.living().iter().for_each(|(_, handle)| handle.actor.stop(None));
        self.teams.living().iter().for_each(|(_, handle)| handle.actor.stop(None));
    }

    /// A number that this node gives once.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// Starts what actors stand on. The receiver yields what they tell one another.
///
/// # Errors
/// [`StoreError::Unavailable`] when the supervisor does not start.
pub(crate) async fn start(
    store: Store,
    clock: Clock,
    authority: Authority,
    settings: Settings,
) -> Result<(Arc<Context>, mpsc::Receiver<Notice>), StoreError> {
    let stats = Arc::new(Stats::default());
    let (outbox, notices) = Outbox::new(Arc::clone(&stats));
    let (supervisor, _) = Supervisor::spawn(None, Supervisor { stats: Arc::clone(&stats) }, ())
        .await
        .map_err(|error| StoreError::Unavailable(format!("no actor could be started: {error}")))?;
    let context = Context {
        store,
        clock,
        lanes: authority.lanes,
        custody: authority.custody,
        settings,
        conversations: Registry::new(),
        agents: Registry::new(),
        teams: Registry::new(),
        hub: Arc::default(),
        visitors: VisitorsSeen::default(),
        supervisor,
        outbox,
        stats,
        crashes: Crashes::default(),
        over: AtomicBool::new(false),
        started: Instant::now(),
        next_id: AtomicU64::new(1),
    };
    Ok((Arc::new(context), notices))
}
