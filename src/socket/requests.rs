//! What a socket's frames ask for.

use std::sync::Arc;

use cluster::AgentKey;
use domain::{ConversationId, Seq};
use identity::Caller;

use super::close::Close;
use super::frames::{Frame, OfConversation, Ping, Read, RenewToken, Send, SetStatus, Subscribe, Typing};
use super::session::{Session, ends_at};
use crate::conversations;
use crate::errors::{ApiError, ErrorCode};
use crate::json::{Rfc3339, Shown};
use crate::strict_json::{JsonError, Node};

/// Further behind than this a socket is told of a gap, and pages it.
const REPLAY_MAX: u64 = 1_000;

impl Session {
    /// Does what a frame asks; a refusal is an `error` frame, and the socket lives.
    pub(super) async fn request(&mut self, text: &str) -> Result<(), Close> {
        let frame = match Node::parse(text.as_bytes()) {
            Ok(frame) => frame,
            Err(JsonError::Syntax(_)) => return Err(Close::BadFrame),
            // It is JSON, with a key given twice, or a number or text that none holds.
            Err(wrong @ JsonError::Schema(_)) => {
                let text_of = |name: &str| Node::text_of_refused(text.as_bytes(), name);
                let (reply_to, conversation_id) = (text_of("id"), text_of("conversation_id"));
                return self.settle(Err(wrong.into()), reply_to.as_deref(), conversation_id.as_deref()).await;
            }
        };
        let text_of = |name: &str| frame.field(name).as_ref().and_then(Node::text).map(str::to_owned);
        let kind = text_of("type").ok_or(Close::BadFrame)?;
        let (reply_to, conversation_id) = (text_of("id"), text_of("conversation_id"));
        let done = self.dispatch(&kind, frame).await;
        self.settle(done, reply_to.as_deref(), conversation_id.as_deref()).await
    }

    pub(super) async fn settle(
        &mut self,
        done: Result<(), Stop>,
        reply_to: Option<&str>,
        conversation_id: Option<&str>,
    ) -> Result<(), Close> {
        let error = match done {
            Ok(()) => return Ok(()),
            Err(Stop::Close(close)) => return Err(close),
            Err(Stop::Refuse(error)) => error,
        };
        let request_id = self.request_id.clone();
        error.log(&request_id);
        self.app.metrics.refused(error.code());
        self.write(&Frame::Error { reply_to, conversation_id, error: error.body(&request_id) }).await
    }

    async fn dispatch(&mut self, kind: &str, frame: Node<'_>) -> Result<(), Stop> {
        match kind {
            "subscribe" => {
                let Subscribe { id, conversation_id, after, .. } = frame.decode()?;
                // Its replay waits until that is paid.
                self.charge_subscriptions(1);
                self.subscribe(id.as_deref(), &conversation_id, after).await
            }
            "unsubscribe" => {
                let OfConversation { id, conversation_id, .. } = frame.decode()?;
                self.subscriptions.remove(parse_id(&conversation_id)?);
                self.ok(id.as_deref()).await
            }
            "send" => self.send(frame.decode()?).await,
            "typing" => {
                let Typing { id, conversation_id, typing, preview, .. } = frame.decode()?;
                let key = self.key(parse_id(&conversation_id)?);
                conversations::check_proven(&self.caller)?;
                conversations::typing(&self.app, key, &self.who, typing, preview).await?;
                self.ok_if_asked(id.as_deref()).await
            }
            "read" => {
                let Read { id, conversation_id, seq, .. } = frame.decode()?;
                let key = self.key(parse_id(&conversation_id)?);
                let read = cluster::Read { who: Arc::clone(&self.who), seq: Seq(seq) };
                self.app.cluster.ask(key, read).await.map_err(ApiError::from)?;
                self.ok_if_asked(id.as_deref()).await
            }
            "accept" => {
                let OfConversation { id, conversation_id, .. } = frame.decode()?;
                self.agent_key()?;
                let key = self.key(parse_id(&conversation_id)?);
                let accepted = self.app.cluster.accept(key, (*self.who).clone(), None, false).await;
                accepted.map_err(ApiError::from)?;
                self.ok(id.as_deref()).await
            }
            "decline" => {
                let OfConversation { id, conversation_id, .. } = frame.decode()?;
                self.agent_key()?;
                let key = self.key(parse_id(&conversation_id)?);
                self.app.cluster.decline(key, &self.who, None).await.map_err(ApiError::from)?;
                self.ok(id.as_deref()).await
            }
            "viewing" => {
                self.agent_key()?;
                self.viewing(frame.decode()?).await
            }
            "watch" => {
                self.agent_key()?;
                self.watch(frame.decode()?).await
            }
            "unwatch" => {
                self.agent_key()?;
                self.unwatch(frame.decode()?).await
            }
            "status" => {
                let SetStatus { id, status, .. } = frame.decode()?;
                conversations::set_status(&self.app, self.agent_key()?, status).await?;
                self.ok(id.as_deref()).await
            }
            "token" => {
                let RenewToken { id, token, .. } = frame.decode()?;
                self.renew(&token).await?;
                self.ok(id.as_deref()).await
            }
            "ping" => {
                let Ping { id, .. } = frame.decode()?;
                Ok(self.write(&Frame::Pong { reply_to: id.as_deref() }).await?)
            }
            "hello" => {
                Err(ApiError::new(ErrorCode::InvalidRequest, "this socket has said hello already").into())
            }
            _ => Err(ApiError::invalid_field("type", "is not known").into()),
        }
    }

    pub(super) async fn ok(&mut self, reply_to: Option<&str>) -> Result<(), Stop> {
        Ok(self.write(&Frame::Ok { reply_to }).await?)
    }

    /// Typing and read marks are answered only when the client named its frame.
    pub(super) async fn ok_if_asked(&mut self, reply_to: Option<&str>) -> Result<(), Stop> {
        if reply_to.is_some() { self.ok(reply_to).await } else { Ok(()) }
    }

    pub(super) fn agent_key(&self) -> Result<AgentKey, ApiError> {
        match &self.caller {
            Caller::Agent { workspace, agent, .. } => Ok(AgentKey { workspace: *workspace, agent: agent.id }),
            Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } => {
                Err(ApiError::forbidden("only agents may"))
            }
        }
    }

    pub(super) async fn subscribe(
        &mut self,
        reply_to: Option<&str>,
        conversation_id: &str,
        after: Option<u64>,
    ) -> Result<(), Stop> {
        let conversation = parse_id(conversation_id)?;
        let max = self.app.config.limits.subscriptions_per_socket;
        if !self.subscriptions.contains(conversation) && self.subscriptions.count() >= max {
            let message = format!("a socket has at most {max} subscriptions");
            return Err(ApiError::new(ErrorCode::RateLimited, message).into());
        }
        let key = self.key(conversation);
        let (who, sender, known) = (Arc::clone(&self.who), self.sender.clone(), Seq(after.unwrap_or(0)));
        let subscription = self.app.cluster.subscribe(key, who, sender, known).await;
        let subscription = subscription.map_err(ApiError::from)?;
        let (conversation_id, head) = (Shown(conversation), subscription.last_seq);
        self.write(&Frame::Subscribed { reply_to, conversation_id, last_seq: head.0 }).await?;
        let (written, announce) = match after {
            None => (head, false),
            Some(after) if after.saturating_add(REPLAY_MAX) < head.0 => {
                self.write(&Frame::Gap { conversation_id, from: after + 1, to: head.0 }).await?;
                (head, false)
            }
            Some(after) => (Seq(after).min(head), true),
        };
        self.subscriptions.add(conversation, subscription, written, announce);
        if self.subscriptions.is_viewing(conversation) {
            self.view_again(conversation).await;
        }
        Ok(())
    }

    async fn send(&mut self, frame: Send) -> Result<(), Stop> {
        let Send { id, conversation_id, client_id, text, file_ids, note, .. } = frame;
        let key = self.key(parse_id(&conversation_id)?);
        let app = Arc::clone(&self.app);
        conversations::take_send(&app, &self.caller)?;
        let message = conversations::Message { client_id, text, file_ids, note };
        let posted = conversations::post(&app, key, &self.caller, message).await?;
        let (message_id, at) = (posted.message_id.to_string(), Rfc3339(posted.at));
        Ok(self.write(&Frame::Sent { reply_to: id.as_deref(), message_id, seq: posted.seq.0, at }).await?)
    }

    /// A renewed token must be of the same person.
    async fn renew(&mut self, token: &str) -> Result<(), Stop> {
        let caller = self.app.identity.bearer(token).await.map_err(ApiError::from)?;
        let same = match (&self.caller, &caller) {
            (Caller::Visitor { visitor, .. }, Caller::Visitor { visitor: renewed, .. }) => {
                visitor.id == renewed.id
            }
            (Caller::Agent { agent, .. }, Caller::Agent { agent: renewed, .. }) => agent.id == renewed.id,
            (Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } | Caller::Agent { .. }, _) => {
                false
            }
        };
        if !same {
            return Err(ApiError::forbidden("the token is another person's").into());
        }
        self.ends_at = ends_at(&self.app, &caller);
        if let Caller::Agent { session, .. } = &caller {
            self.entry.handle.took(*session);
        }
        self.caller = caller;
        Ok(())
    }
}

/// Why a frame was not carried out.
pub(super) enum Stop {
    /// The client is told, and the socket lives.
    Refuse(ApiError),
    /// The socket ends.
    Close(Close),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Stop::Refuse(error)
    }
}

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Stop::Close(close)
    }
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Self {
        Stop::Refuse(error.into())
    }
}

pub(super) fn parse_id(text: &str) -> Result<ConversationId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}
