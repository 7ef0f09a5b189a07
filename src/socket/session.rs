//! The state of one greeted socket, and the writing of its frames. Its loop is `turn.rs`.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cluster::{PushReceiver, PushSender, window};
use domain::{ConversationId, Principal, WorkspaceId};
use futures_util::SinkExt;
use identity::Caller;
use store::ConversationKey;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::close::{Close, close_for};
use super::counted::Counted;
use super::frames::{Frame, Hello};
use super::searches::Searches;
use super::side::Side;
use super::sockets::Entry;
use super::subscriptions::Subscriptions;
use crate::app::App;
use crate::errors::RequestId;
use crate::metrics::{OpenSocket, SocketKind};
use crate::rates::Key;
use crate::rates::reads;

/// How long after its end a token may be renewed on the socket.
const RENEW_WITHIN: Duration = Duration::from_secs(60);

pub(super) type Ws = WebSocketStream<Counted>;

/// A greeted socket.
pub(super) struct Session {
    pub(super) app: Arc<App>,
    pub(super) ws: Ws,
    pub(super) caller: Caller,
    peer: IpAddr,
    pub(super) who: Arc<Principal>,
    pub(super) workspace: WorkspaceId,
    pub(super) entry: Entry,
    /// Counts it for the operator.
    _open: OpenSocket,
    pub(super) side: Side,
    pub(super) sender: PushSender,
    pub(super) pushes: PushReceiver,
    pub(super) subscriptions: Subscriptions,
    pub(super) searches: Searches,
    pub(super) request_id: RequestId,
    pub(super) timing: Timing,
    /// Rings when the next thing is due, or sooner: it is set anew only where it would ring too late.
    pub(super) alarm: Pin<Box<Sleep>>,
    pub(super) received_at: Instant,
    /// Written by the replay or list that is being read, and not charged yet.
    unpaid_bytes: usize,
    /// Until then what was read is paid, and replays and lists wait.
    pub(super) read_on_at: Instant,
    pub(super) ping_at: Instant,
    pub(super) find_owner_at: Instant,
    /// When the token's time, and the time to renew it, is over.
    pub(super) ends_at: Instant,
}

/// How often a socket is pinged, and when its silence means that it is dead.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    pub(super) ping: Duration,
    pub(super) dead: Duration,
    stall: Duration,
}

impl Session {
    /// Enters the socket and welcomes it; then what it resumes.
    pub(super) async fn begin(
        app: Arc<App>,
        mut ws: Ws,
        caller: Caller,
        peer: IpAddr,
        hello: Hello,
        request_id: RequestId,
    ) -> Result<Box<Self>, (Box<Ws>, Close)> {
        let (Some(who), Some(workspace)) = (caller.principal(), caller.workspace()) else {
            return Err((Box::new(ws), Close::Unauthenticated));
        };
        let limits = &app.config.limits;
        let (person, session, max, ping_s, dead_s) = match &caller {
            Caller::Agent { agent, session, .. } => (
                Key::of_agent(agent.id),
                Some(*session),
                limits.sockets_per_agent,
                limits.agent_ping_interval_s,
                limits.agent_dead_after_s,
            ),
            Caller::Visitor { visitor, .. } => (
                Key::of_visitor(visitor.id),
                None,
                limits.sockets_per_visitor,
                limits.ping_interval_s,
                limits.dead_after_s,
            ),
            Caller::Anonymous | Caller::Site { .. } => return Err((Box::new(ws), Close::Unauthenticated)),
        };
        let (sender, pushes) = window(limits.push_window_events, limits.push_window_bytes);
        let (side, view) = match Side::open(&app, &caller, workspace, &sender).await {
            Ok(opened) => opened,
            Err(close) => return Err((Box::new(ws), close)),
        };
        let timing = Timing {
            ping: Duration::from_secs(ping_s),
            dead: Duration::from_secs(dead_s),
            stall: Duration::from_secs(limits.push_stall_s),
        };
        // The hello is no request.
        ws.get_mut().forgive();
        let now = Instant::now();
        let mut session = Box::new(Self {
            entry: app.sockets.enter(person, session, max),
            _open: app.metrics.socket_opened(if session.is_some() {
                SocketKind::Agent
            } else {
                SocketKind::Visitor
            }),
            ends_at: ends_at(&app, &caller),
            who: Arc::new(who),
            workspace,
            app,
            ws,
            caller,
            peer,
            side,
            sender,
            pushes,
            subscriptions: Subscriptions::default(),
            searches: Searches::default(),
            request_id,
            timing,
            alarm: Box::pin(sleep_until(now + timing.ping)),
            received_at: now,
            unpaid_bytes: 0,
            read_on_at: now,
            ping_at: now + timing.ping,
            find_owner_at: now,
        });
        let welcomed = match session.welcome(&hello, view).await {
            Ok(()) => session.flush().await,
            Err(close) => Err(close),
        };
        match welcomed {
            Ok(()) => Ok(session),
            Err(close) => Err((Box::new(session.ws), close)),
        }
    }

    pub(super) fn key(&self, conversation: ConversationId) -> ConversationKey {
        ConversationKey { workspace: self.workspace, conversation }
    }

    /// Charges `count` subscriptions, whatever comes of them; false: what was read before is not paid yet.
    pub(super) fn charge_subscriptions(&self, count: usize) -> bool {
        let app = &self.app;
        let paid = reads::debt(&app.reads, &app.rates, &self.caller, self.peer).is_zero();
        reads::charge_subscriptions(&app.rates, &self.caller, self.peer, count);
        paid
    }

    /// A replay or list begins to be read: waits for this person's turn at the store.
    pub(super) async fn begin_read(&mut self) -> reads::Turn {
        self.unpaid_bytes = 0;
        self.app.reads.wait(&self.caller).await
    }

    /// What was written since [`Self::begin_read`] is charged; the next read waits until it is paid.
    pub(super) fn end_read(&mut self) {
        let bytes = std::mem::take(&mut self.unpaid_bytes);
        reads::charge(&self.app.rates, &self.caller, self.peer, bytes);
        let debt = reads::debt(&self.app.reads, &self.app.rates, &self.caller, self.peer);
        self.read_on_at = Instant::now() + debt;
    }

    /// Writes a frame without flushing it.
    pub(super) async fn write(&mut self, frame: &Frame<'_>) -> Result<(), Close> {
        self.write_text(to_text(frame).into()).await
    }

    pub(super) async fn write_text(&mut self, text: Utf8Bytes) -> Result<(), Close> {
        self.unpaid_bytes += text.len();
        self.feed(Message::Text(text)).await
    }

    pub(super) async fn feed(&mut self, message: Message) -> Result<(), Close> {
        tokio::select! {
            biased;
            fed = timeout(self.timing.stall, self.ws.feed(message)) => match fed {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(close_for(&error)),
                Err(_) => Err(Close::TooSlow),
            },
            () = self.pushes.overflowed() => Err(Close::TooSlow),
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), Close> {
        tokio::select! {
            biased;
            flushed = timeout(self.timing.stall, self.ws.flush()) => match flushed {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(close_for(&error)),
                Err(_) => Err(Close::TooSlow),
            },
            () = self.pushes.overflowed() => Err(Close::TooSlow),
        }
    }
}

/// As it goes over the wire.
pub(super) fn to_text(frame: &Frame<'_>) -> String {
    serde_json::to_string(frame).expect("frames have text keys and no failing serializer")
}

/// When a token's time is over, and with it the time to renew it.
pub(super) fn ends_at(app: &App, caller: &Caller) -> Instant {
    let left_ms = match caller {
        Caller::Visitor { expires_at, .. } | Caller::Agent { expires_at, .. } => {
            expires_at.ms_since(app.clock.now())
        }
        Caller::Anonymous | Caller::Site { .. } => 0,
    };
    Instant::now() + Duration::from_millis(left_ms) + RENEW_WITHIN
}
