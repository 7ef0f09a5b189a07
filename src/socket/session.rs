//! One socket, from its welcome to its close: what it hears, what it is pushed, what it replays.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{
    AgentKey, Attachment, ExecuteError, Overflow, Push, PushReceiver, PushSender, QueueNews, window,
};
use domain::{ConversationId, Event, Principal, Rejection, Timestamp, WorkspaceId};
use futures_util::{SinkExt, StreamExt};
use store::ConversationKey;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::frames::{Frame, Hello};
use super::greeting::{Ws, close_for};
use super::subscriptions::{Place, Subscriptions};
use super::{Close, Entry, Order};
use crate::http::App;
use crate::http::rate::{Bucket, Key, Quota};
use crate::http::request_id::RequestId;
use crate::identity::{AuthError, Caller};
use crate::json::{ByJson, ConversationJson, EventJson, Rfc3339, Show, Shown, looks, loss, offer_end};
use crate::metrics::{OpenSocket, SocketKind};
use crate::talk;

/// How many events a replay reads at once.
const REPLAY_PAGE: usize = 128;
/// How soon an agent's token is looked at again: a revocation on any node closes his sockets within 5 s.
const AGENT_CHECK: Duration = Duration::from_secs(4);
/// How soon a lost owner is looked for again.
const FIND_OWNER: Duration = Duration::from_millis(500);
/// How long after its end a token may be renewed on the socket.
const RENEW_WITHIN: Duration = Duration::from_secs(60);
/// Pushes that are written together before the socket is flushed.
const WRITE_TOGETHER: usize = 64;

/// A greeted socket.
pub(super) struct Session {
    pub(super) app: Arc<App>,
    pub(super) ws: Ws,
    pub(super) caller: Caller,
    pub(super) who: Arc<Principal>,
    pub(super) workspace: WorkspaceId,
    entry: Entry,
    /// Counts it for the operator.
    _open: OpenSocket,
    /// Tells the agent's actor that he is present.
    _attachment: Option<Attachment>,
    pub(super) sender: PushSender,
    pushes: PushReceiver,
    overflow: Overflow,
    pub(super) subscriptions: Subscriptions,
    frames: Option<Bucket>,
    pub(super) request_id: RequestId,
    timing: Timing,
    heard_at: Instant,
    ping_at: Instant,
    check_at: Option<Instant>,
    find_owner_at: Instant,
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
}

impl Session {
    /// Enters the socket and welcomes it; then what it resumes.
    pub(super) async fn begin(
        app: Arc<App>,
        ws: Ws,
        caller: Caller,
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
        let attachment = match &caller {
            Caller::Agent { agent, .. } => {
                let key = AgentKey { workspace, agent: agent.id };
                match app.router.attach(key, sender.clone()).await {
                    Ok(attachment) => Some(attachment),
                    Err(_) => return Err((Box::new(ws), Close::Overloaded)),
                }
            }
            Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } => None,
        };
        let timing = Timing {
            ping: Duration::from_secs(ping_s),
            dead: Duration::from_secs(dead_s),
            stall: Duration::from_secs(limits.push_stall_s),
        };
        let frames = Quota::burst(limits.frames_burst, limits.frames_per_s).map(Bucket::full);
        let now = Instant::now();
        let view = attachment.as_ref().map(|attachment| attachment.view.clone());
        let mut session = Box::new(Self {
            entry: app.sockets.enter(person, session, max),
            _open: app.metrics.socket_opened(if session.is_some() {
                SocketKind::Agent
            } else {
                SocketKind::Visitor
            }),
            ends_at: ends_at(&app, &caller),
            check_at: session.map(|_| now + AGENT_CHECK),
            who: Arc::new(who),
            workspace,
            app,
            ws,
            caller,
            _attachment: attachment,
            sender,
            overflow: pushes.overflow(),
            pushes,
            subscriptions: Subscriptions::default(),
            frames,
            request_id,
            timing,
            heard_at: now,
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
        let wake = self.wakes_at();
        let step = tokio::select! {
            order = self.entry.handle.next_order() => Step::Order(order),
            () = self.overflow.happened() => Step::TooSlow,
            () = sleep_until(wake) => Step::Tick,
            push = self.pushes.next() => Step::Push(push),
            frame = self.ws.next() => Step::Frame(frame),
            () = std::future::ready(()), if self.subscriptions.has_replays() => Step::Replay,
        };
        match step {
            Step::Order(Order::Close(close)) => Err(close),
            Step::Order(Order::Recheck) => Box::pin(self.recheck()).await,
            Step::TooSlow | Step::Push(None) => Err(Close::TooSlow),
            Step::Tick => Box::pin(self.tick()).await,
            Step::Push(Some(push)) => Box::pin(self.push_all(push)).await,
            Step::Frame(frame) => Box::pin(self.heard(frame)).await,
            Step::Replay => Box::pin(self.replay()).await,
        }
    }

    fn wakes_at(&self) -> Instant {
        let mut wake = self.ping_at.min(self.heard_at + self.timing.dead).min(self.ends_at);
        if let Some(check_at) = self.check_at {
            wake = wake.min(check_at);
        }
        if self.subscriptions.has_lost() {
            wake = wake.min(self.find_owner_at);
        }
        wake
    }

    async fn tick(&mut self) -> Result<(), Close> {
        let now = Instant::now();
        if now >= self.heard_at + self.timing.dead {
            return Err(Close::Timeout);
        }
        if now >= self.ends_at {
            return Err(Close::Unauthenticated);
        }
        if self.check_at.is_some_and(|check_at| now >= check_at) {
            self.check_at = Some(now + AGENT_CHECK);
            self.recheck().await?;
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
            self.find_owners().await?;
        }
        self.caller = caller;
        Ok(())
    }

    async fn find_owners(&mut self) -> Result<(), Close> {
        self.find_owner_at = Instant::now() + FIND_OWNER;
        for conversation in self.subscriptions.take_lost() {
            match self
                .app
                .router
                .subscribe(self.key(conversation), Arc::clone(&self.who), self.sender.clone())
                .await
            {
                Ok(subscription) => self.subscriptions.found_owner(conversation, subscription),
                Err(ExecuteError::Rejected(Rejection::NotFound)) => self.lose_sight(conversation).await?,
                Err(
                    ExecuteError::Rejected(_)
                    | ExecuteError::Overloaded
                    | ExecuteError::Unknown
                    | ExecuteError::Poisoned
                    | ExecuteError::Store(_),
                ) => self.subscriptions.lose_owner(conversation),
            }
        }
        self.flush().await
    }

    async fn lose_sight(&mut self, conversation: ConversationId) -> Result<(), Close> {
        if self.subscriptions.remove(conversation) {
            let conversation_id = Shown(conversation);
            self.write(&Frame::Unsubscribed { conversation_id, reason: "sight_lost" }).await?;
        }
        Ok(())
    }

    /// Writes a push and those that came with it, then flushes once.
    async fn push_all(&mut self, first: Push) -> Result<(), Close> {
        self.push(first).await?;
        for _ in 1..WRITE_TOGETHER {
            let Some(push) = self.pushes.try_next() else { break };
            self.push(push).await?;
        }
        self.flush().await
    }

    async fn push(&mut self, push: Push) -> Result<(), Close> {
        match push {
            Push::Event { conversation, event } => match self.subscriptions.place(conversation, event.seq) {
                Place::Next => self.write_event(conversation, &event).await,
                Place::Skip | Place::Missing => Ok(()),
            },
            Push::Typing { conversation, by, typing, preview } => {
                let (conversation_id, preview) = (Shown(conversation), preview.as_deref());
                self.write(&Frame::Typing { conversation_id, by: ByJson::of(&by), typing, preview }).await
            }
            Push::Read { conversation, by, seq } => {
                let conversation_id = Shown(conversation);
                self.write(&Frame::Read { conversation_id, by: ByJson::of(&by), seq: seq.0 }).await
            }
            Push::SightLost { conversation } => self.lose_sight(conversation).await,
            Push::OwnerLost { conversation } => {
                self.subscriptions.lose_owner(conversation);
                self.find_owner_at = Instant::now();
                Ok(())
            }
            Push::Assigned { conversation, head } => {
                let conversation = ConversationJson::of(conversation, &head, self.who.audience());
                self.write(&Frame::Assigned { conversation }).await
            }
            Push::Unassigned { conversation, why } => {
                let (conversation_id, reason) = (Shown(conversation), loss(why));
                self.write(&Frame::Unassigned { conversation_id, reason }).await
            }
            Push::Status(status) => self.write(&Frame::Status { status }).await,
            Push::Offer { conversation, expires_at } => self.write_offer(conversation, expires_at).await,
            Push::OfferEnded { conversation, why } => {
                let (conversation_id, reason) = (Shown(conversation), offer_end(why));
                self.write(&Frame::OfferEnded { conversation_id, reason }).await
            }
            Push::Queue(QueueNews { team, waiting, since }) => {
                let now = self.app.clock.now();
                let longest_wait_s = since.map_or(0, |since| now.ms_since(since) / 1000);
                self.write(&Frame::QueueChanged { team_id: team.to_string(), waiting, longest_wait_s }).await
            }
            Push::Presence { conversation, by, state } => {
                let (conversation_id, by, state) = (Shown(conversation), ByJson::of(&by), looks(state));
                self.write(&Frame::Presence { conversation_id, by, state }).await
            }
        }
    }

    /// With the conversation as it is now; of one that is gone nothing need be said.
    async fn write_offer(
        &mut self,
        conversation: ConversationId,
        expires_at: Timestamp,
    ) -> Result<(), Close> {
        let app = Arc::clone(&self.app);
        let key = self.key(conversation);
        let head = match app.store.heads.get(key).await {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(%conversation, %error, "an offer was not shown");
                return Ok(());
            }
        };
        let (audience, place) = (self.who.audience(), talk::place(&app, key, &head).await);
        let conversation = ConversationJson::of(conversation, &head, audience).placed(place, audience);
        self.write(&Frame::Offer { conversation, expires_at: Rfc3339(expires_at) }).await
    }

    /// Reads and writes one page of one conversation's missing events.
    async fn replay(&mut self) -> Result<(), Close> {
        let Some(replay) = self.subscriptions.next_replay() else { return Ok(()) };
        let conversation = replay.conversation;
        let page = match self.app.store.log.read(self.key(conversation), replay.after, REPLAY_PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%conversation, %error, "a replay waits for the store");
                self.subscriptions.replay_failed(conversation);
                // The store is given a moment; orders and frames wait as long.
                tokio::time::sleep(FIND_OWNER).await;
                return Ok(());
            }
        };
        let mut written = replay.after;
        for event in &page {
            self.write_event(conversation, event).await?;
            written = event.seq;
        }
        if self.subscriptions.replayed(conversation, written) {
            let conversation_id = Shown(conversation);
            self.write(&Frame::CaughtUp { conversation_id, seq: written.0 }).await?;
        }
        self.flush().await
    }

    async fn heard(&mut self, frame: Option<Result<Message, WsError>>) -> Result<(), Close> {
        let (text, counts) = match frame {
            None | Some(Ok(Message::Close(_))) => return Err(Close::Normal),
            Some(Err(error)) => return Err(close_for(&error)),
            Some(Ok(Message::Binary(_))) => return Err(Close::Binary),
            // Pongs come at our own asking.
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => (None, false),
            Some(Ok(Message::Ping(_))) => (None, true),
            Some(Ok(Message::Text(text))) => (Some(text), true),
        };
        self.heard_at = Instant::now();
        if let Some(bucket) = &mut self.frames
            && counts
            && bucket.take().is_err()
        {
            return Err(Close::TooManyFrames);
        }
        if let Some(text) = text {
            if let Caller::Agent { agent, .. } = &self.caller {
                let key = AgentKey { workspace: self.workspace, agent: agent.id };
                self.app.router.agent_seen(key, agent.status);
            }
            self.request(text.as_str()).await?;
        }
        self.flush().await
    }

    pub(super) fn key(&self, conversation: ConversationId) -> ConversationKey {
        ConversationKey { workspace: self.workspace, conversation }
    }

    async fn write_event(&mut self, conversation: ConversationId, event: &Event) -> Result<(), Close> {
        let app = Arc::clone(&self.app);
        let (audience, workspace) = (self.who.audience(), self.workspace);
        let show = Show { audience, workspace, links: &app.file_links, now: app.clock.now() };
        let (conversation_id, seq) = (Shown(conversation), event.seq.0);
        self.write(&Frame::Event { conversation_id, seq, event: EventJson::of(event, show) }).await
    }

    /// Writes a frame without flushing it.
    pub(super) async fn write(&mut self, frame: &Frame<'_>) -> Result<(), Close> {
        let text = serde_json::to_string(frame).expect("frames have text keys and no failing serializer");
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

    async fn flush(&mut self) -> Result<(), Close> {
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
