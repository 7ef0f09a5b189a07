//! One socket, from its welcome to its close: what it hears, what it is pushed, what it replays.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{AgentKey, Overflow, Push, PushReceiver, PushSender, window};
use domain::{ConversationId, Principal, WorkspaceId};
use futures_util::{SinkExt, StreamExt};
use store::ConversationKey;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::frames::{Frame, Hello};
use super::greeting::{Ws, close_for};
use super::side::Side;
use super::subscriptions::Subscriptions;
use super::{Close, Entry, Order};
use crate::http::App;
use crate::http::rate::Key;
use crate::http::reads;
use crate::http::request_id::RequestId;
use crate::identity::{AuthError, Caller};
use crate::late::fired_late;
use crate::metrics::{OpenSocket, SocketKind};

/// How long after its end a token may be renewed on the socket.
const RENEW_WITHIN: Duration = Duration::from_secs(60);

/// A greeted socket.
pub(super) struct Session {
    pub(super) app: Arc<App>,
    pub(super) ws: Ws,
    pub(super) caller: Caller,
    peer: IpAddr,
    pub(super) who: Arc<Principal>,
    pub(super) workspace: WorkspaceId,
    entry: Entry,
    /// Counts it for the operator.
    _open: OpenSocket,
    pub(super) side: Side,
    pub(super) sender: PushSender,
    pub(super) pushes: PushReceiver,
    overflow: Overflow,
    pub(super) subscriptions: Subscriptions,
    pub(super) request_id: RequestId,
    timing: Timing,
    heard_at: Instant,
    /// Written by the replay or list that is being read, and not charged yet.
    unpaid_bytes: usize,
    /// Until then what was read is paid, and replays and lists wait.
    read_on_at: Instant,
    ping_at: Instant,
    pub(super) find_owner_at: Instant,
    /// When the token's time, and the time to renew it, is over.
    pub(super) ends_at: Instant,
}

/// How often a socket is pinged, and when its silence means that it is dead.
#[derive(Clone, Copy)]
struct Timing {
    ping: Duration,
    dead: Duration,
    stall: Duration,
}

enum Step {
    Order(Order),
    TooSlow,
    Tick,
    Push(Option<Push>),
    Frame(Option<Result<Message, WsError>>),
    Replay,
    Changed,
    Lists,
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
            overflow: pushes.overflow(),
            pushes,
            subscriptions: Subscriptions::default(),
            request_id,
            timing,
            heard_at: now,
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

    pub(super) async fn run(&mut self) -> Close {
        loop {
            if let Err(close) = self.turn().await {
                return close;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Close> {
        let now = Instant::now();
        let (wake, may_look) = (self.wakes_at(), now >= self.side.look_at());
        let may_read = now >= self.read_on_at;
        let step = tokio::select! {
            order = self.entry.handle.next_order() => Step::Order(order),
            () = self.overflow.happened() => Step::TooSlow,
            () = sleep_until(wake) => Step::Tick,
            push = self.pushes.next() => Step::Push(push),
            frame = self.ws.next() => Step::Frame(frame),
            () = std::future::ready(()), if may_read && self.subscriptions.has_replays() => Step::Replay,
            () = self.side.watcher().changed(), if may_look => Step::Changed,
            () = std::future::ready(()), if may_read && self.side.has_lists() => Step::Lists,
        };
        match step {
            Step::Order(Order::Close(close)) => Err(close),
            Step::Order(Order::Recheck) => Box::pin(self.recheck()).await,
            Step::TooSlow | Step::Push(None) => Err(Close::TooSlow),
            Step::Tick => Box::pin(self.tick(wake)).await,
            Step::Push(Some(push)) => Box::pin(self.push_all(push)).await,
            Step::Frame(frame) => Box::pin(self.heard(frame)).await,
            Step::Replay => Box::pin(self.replay()).await,
            Step::Changed => Box::pin(self.look()).await,
            Step::Lists => Box::pin(self.show_lists()).await,
        }
    }

    fn wakes_at(&self) -> Instant {
        let mut wake = self.ping_at.min(self.heard_at + self.timing.dead).min(self.ends_at);
        if let Some(check_at) = self.side.check_at() {
            wake = wake.min(check_at);
        }
        // Once that time has come, what changed wakes by itself.
        if self.side.look_at() > Instant::now() {
            wake = wake.min(self.side.look_at());
        }
        if self.read_on_at > Instant::now() && (self.subscriptions.has_replays() || self.side.has_lists()) {
            wake = wake.min(self.read_on_at);
        }
        if self.subscriptions.has_lost() {
            wake = wake.min(self.find_owner_at);
        }
        wake
    }

    /// Does what is due since `wake`.
    async fn tick(&mut self, wake: Instant) -> Result<(), Close> {
        let now = Instant::now();
        if fired_late(wake) {
            // The process did not run: what was said meanwhile is still unread, and nobody was pinged.
            self.heard_at = self.heard_at.max(now - (self.timing.dead - self.timing.ping));
            self.ping_at = now;
        }
        if now >= self.heard_at + self.timing.dead {
            return Err(Close::Timeout);
        }
        if now >= self.ends_at {
            return Err(Close::Unauthenticated);
        }
        if self.side.check_at().is_some_and(|check_at| now >= check_at) {
            self.recheck().await?;
            self.check_agent().await?;
        }
        if self.subscriptions.has_lost() && now >= self.find_owner_at {
            self.find_owners().await?;
        }
        if now >= self.ping_at {
            self.ping_at = now + self.timing.ping;
            self.feed(Message::Ping(Bytes::new())).await?;
            self.flush().await?;
        }
        Ok(())
    }

    /// Asks whether he still is who he was; a change of teams changes what he sees.
    async fn recheck(&mut self) -> Result<(), Close> {
        let caller = match self.app.identity.still_valid(&self.caller).await {
            Ok(caller) => caller,
            Err(AuthError::Invalid | AuthError::Expired | AuthError::Revoked) => {
                return Err(Close::Unauthenticated);
            }
            // Nobody is thrown out because the store is silent.
            Err(AuthError::Store(_)) => return Ok(()),
        };
        if let Some(who) = caller.principal()
            && who != *self.who
        {
            self.who = Arc::new(who);
            // Each subscription is made anew, as the one he is now.
            for conversation in self.subscriptions.all() {
                self.subscriptions.lose_owner(conversation);
            }
            self.look_as_changed();
            self.find_owners().await?;
        }
        self.caller = caller;
        Ok(())
    }

    async fn heard(&mut self, frame: Option<Result<Message, WsError>>) -> Result<(), Close> {
        let text = match frame {
            None | Some(Ok(Message::Close(_))) => return Err(Close::Normal),
            Some(Err(error)) => return Err(close_for(&error)),
            Some(Ok(Message::Binary(_))) => return Err(Close::Binary),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
            Some(Ok(Message::Text(text))) => Some(text),
        };
        self.heard_at = Instant::now();
        if let Caller::Visitor { visitor, .. } = &self.caller {
            self.app.cluster.visitor_seen(self.workspace, visitor.id);
        }
        if let Some(text) = text {
            if let Caller::Agent { agent, .. } = &self.caller {
                let key = AgentKey { workspace: self.workspace, agent: agent.id };
                self.app.cluster.agent_seen(key, agent.status);
            }
            self.request(text.as_str()).await?;
        }
        self.flush().await
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
        let text = serde_json::to_string(frame).expect("frames have text keys and no failing serializer");
        self.unpaid_bytes += text.len();
        self.feed(Message::text(text)).await
    }

    async fn feed(&mut self, message: Message) -> Result<(), Close> {
        tokio::select! {
            fed = timeout(self.timing.stall, self.ws.feed(message)) => match fed {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(close_for(&error)),
                Err(_) => Err(Close::TooSlow),
            },
            () = self.overflow.happened() => Err(Close::TooSlow),
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), Close> {
        tokio::select! {
            flushed = timeout(self.timing.stall, self.ws.flush()) => match flushed {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(close_for(&error)),
                Err(_) => Err(Close::TooSlow),
            },
            () = self.overflow.happened() => Err(Close::TooSlow),
        }
    }
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

#[cfg(test)]
mod tests;
