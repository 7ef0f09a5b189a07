//! A socket's loop: one turn after the other, each of which does the first thing that there is to do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{AgentKey, ExecuteError, Push};
use futures_util::StreamExt;
use identity::{AuthError, Caller};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::close::{Close, close_for};
use super::frames::Frame;
use super::searches::Found;
use super::session::Session;
use super::side::{ATTACH_RETRY, CHECK_EVERY, Side};
use super::sockets::Order;
use crate::late::fired_late;

/// How long a new actor of the agent's is waited for; until the next try the socket does without it.
const ATTACH_WITHIN: Duration = Duration::from_secs(1);

enum Step {
    Order(Order),
    Tick,
    Push(Option<Push>),
    Frame(Option<Result<Message, WsError>>),
    Found(Result<Found, JoinError>),
    Replay,
    Changed,
    Lists,
}

impl Session {
    pub(super) async fn run(&mut self) -> Close {
        loop {
            if let Err(close) = self.turn().await {
                return close;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Close> {
        let now = Instant::now();
        let (wake, may_look) = (self.wakes_at(now), now >= self.side.look_at());
        let may_read = now >= self.read_on_at;
        if wake < self.alarm.deadline() {
            self.alarm.as_mut().reset(wake);
        }
        let step = tokio::select! {
            order = self.entry.handle.next_order() => Step::Order(order),
            () = &mut self.alarm => Step::Tick,
            push = self.pushes.next() => Step::Push(push),
            frame = self.ws.next() => Step::Frame(frame),
            Some(found) = self.searches.join_next() => Step::Found(found),
            () = std::future::ready(()), if may_read && self.subscriptions.has_replays() => Step::Replay,
            () = self.side.watcher().changed(), if may_look => Step::Changed,
            () = std::future::ready(()), if may_read && self.side.has_lists() => Step::Lists,
        };
        match step {
            Step::Order(Order::Close(close)) => Err(Box::pin(self.leave(close)).await),
            Step::Order(Order::Recheck) => Box::pin(self.recheck()).await,
            Step::Push(None) => Err(Close::TooSlow),
            Step::Tick if wake > Instant::now() => {
                self.alarm.as_mut().reset(wake);
                Ok(())
            }
            Step::Tick => {
                self.alarm.as_mut().reset(now + self.timing.ping);
                Box::pin(self.tick(wake)).await
            }
            Step::Push(Some(push)) => Box::pin(self.push_all(push)).await,
            Step::Frame(frame) => Box::pin(self.received(frame)).await,
            Step::Found(found) => Box::pin(self.take_found(found)).await,
            Step::Replay => Box::pin(self.replay()).await,
            Step::Changed => Box::pin(self.take_changes()).await,
            Step::Lists => Box::pin(self.show_lists()).await,
        }
    }

    /// Before a restart closes it, the socket writes what was pushed to it so far: that may be acknowledged already.
    async fn leave(&mut self, close: Close) -> Close {
        let Close::Restart { .. } = close else { return close };
        for _ in 0..self.pushes.len() {
            let Some(push) = self.pushes.try_next() else { break };
            if let Err(sooner) = self.push(push).await {
                return sooner;
            }
        }
        // The close is written behind it.
        close
    }

    fn wakes_at(&self, now: Instant) -> Instant {
        let mut wake = self.ping_at.min(self.received_at + self.timing.dead).min(self.ends_at);
        if let Some(check_at) = self.side.check_at() {
            wake = wake.min(check_at);
        }
        // Once that time has come, what changed wakes by itself.
        if self.side.look_at() > now {
            wake = wake.min(self.side.look_at());
        }
        if self.read_on_at > now && (self.subscriptions.has_replays() || self.side.has_lists()) {
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
            self.received_at = self.received_at.max(now - (self.timing.dead - self.timing.ping));
            self.ping_at = now;
        }
        if now >= self.received_at + self.timing.dead {
            return Err(Close::Timeout);
        }
        if now >= self.ends_at {
            return Err(Close::Unauthenticated);
        }
        if self.side.check_at().is_some_and(|check_at| now >= check_at) {
            self.recheck().await?;
            self.check_side().await?;
        }
        if self.subscriptions.has_lost() && now >= self.find_owner_at {
            self.find_owners();
        }
        if now >= self.ping_at {
            self.ping_at = now + self.timing.ping;
            self.feed(Message::Ping(Bytes::new())).await?;
            self.flush().await?;
        }
        Ok(())
    }

    /// Asks whether the caller still is who they were; a change of teams changes what they see.
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
            // Each subscription is made anew, as the person that the caller is now.
            for conversation in self.subscriptions.all() {
                self.subscriptions.lose_owner(conversation);
            }
            self.look_as_changed();
            self.find_owners();
        }
        self.caller = caller;
        Ok(())
    }

    async fn received(&mut self, frame: Option<Result<Message, WsError>>) -> Result<(), Close> {
        let text = match frame {
            None | Some(Ok(Message::Close(_))) => return Err(Close::Normal),
            Some(Err(error)) => return Err(close_for(&error)),
            Some(Ok(Message::Binary(_))) => return Err(Close::Binary),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
            Some(Ok(Message::Text(text))) => Some(text),
        };
        self.received_at = Instant::now();
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

    /// When the caller is looked at again; an agent's actor that ended has its successor told.
    async fn check_side(&mut self) -> Result<(), Close> {
        let check_at = Instant::now() + CHECK_EVERY;
        match &mut self.side {
            Side::Visitor(positions) => positions.check_at = Some(check_at),
            Side::Agent(agent_side) => {
                agent_side.check_at = check_at;
                if agent_side.attachment.is_none() {
                    return self.attach_again().await;
                }
            }
        }
        Ok(())
    }

    /// The agent's actor ended, and the next one is told of this socket: what it was to push is written as it is now.
    async fn attach_again(&mut self) -> Result<(), Close> {
        let Side::Agent(agent_side) = &mut self.side else { return Ok(()) };
        let attached = self.app.cluster.attach(agent_side.key, self.sender.clone());
        match timeout(ATTACH_WITHIN, attached).await.unwrap_or(Err(ExecuteError::Unknown)) {
            Ok(attachment) => {
                let status = attachment.view.status;
                agent_side.watches.read_again(attachment.view.conversations.iter().copied());
                agent_side.attachment = Some(attachment);
                self.write(&Frame::Status { status }).await?;
                self.flush().await
            }
            Err(error) => {
                agent_side.check_at = Instant::now() + ATTACH_RETRY;
                tracing::warn!(agent = %agent_side.key.agent, %error, "a socket was not attached again");
                Ok(())
            }
        }
    }
}
