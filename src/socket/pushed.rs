//! What actors push to a socket, as frames.

use std::sync::Arc;

use cluster::{Push, QueueNews, QueuePosition};
use domain::{ConversationId, State, Timestamp};

use super::close::Close;
use super::frames::Frame;
use super::session::Session;
use super::subscriptions::Arrival;
use crate::conversations::people;
use crate::json::{ByJson, ConversationJson, Rfc3339, Shown, loss, offer_end, presence_state};

/// Pushes that are written together before the socket is flushed.
const WRITE_TOGETHER: usize = 64;

impl Session {
    /// Writes a push and those that came with it, then flushes once.
    pub(super) async fn push_all(&mut self, first: Push) -> Result<(), Close> {
        self.push(first).await?;
        for _ in 1..WRITE_TOGETHER {
            let Some(push) = self.pushes.try_next() else { break };
            self.push(push).await?;
        }
        self.flush().await
    }

    pub(super) async fn push(&mut self, push: Push) -> Result<(), Close> {
        match push {
            Push::Event { conversation, event } => match self.subscriptions.place(conversation, event.seq) {
                Arrival::Next => self.write_shared(conversation, &event).await,
                Arrival::Skip | Arrival::Missing => Ok(()),
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
            // The next search is due at once, or soon after the last one: an owner that crashes at each is not followed without a pause.
            Push::OwnerLost { conversation } => {
                self.subscriptions.lose_owner(conversation);
                Ok(())
            }
            Push::AgentLost => {
                self.side.lose_attachment();
                Ok(())
            }
            Push::Assigned { conversation, head } => {
                let head = people::named(&self.app.identity, self.workspace, &head).await;
                let conversation = ConversationJson::of(conversation, &head, self.who.audience());
                self.write(&Frame::Assigned { conversation }).await
            }
            Push::Unassigned { conversation, why } => {
                let (conversation_id, reason) = (Shown(conversation), loss(why));
                self.write(&Frame::Unassigned { conversation_id, reason }).await
            }
            Push::Status(status) => self.write(&Frame::Status { status }).await,
            Push::Offer { conversation, position, expires_at } => {
                self.write_offer(conversation, position, expires_at).await
            }
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
                let (conversation_id, by, state) =
                    (Shown(conversation), ByJson::of(&by), presence_state(state));
                self.write(&Frame::Presence { conversation_id, by, state }).await
            }
        }
    }

    /// With the conversation as it is now; of one that is gone nothing need be said.
    async fn write_offer(
        &mut self,
        conversation: ConversationId,
        position: QueuePosition,
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
        let position = Some(position).filter(|_| head.state == State::Queued);
        let audience = self.who.audience();
        let head = people::named(&app.identity, self.workspace, &head).await;
        let conversation = ConversationJson::of(conversation, &head, audience).placed(position, audience);
        self.write(&Frame::Offer { conversation, expires_at: Rfc3339(expires_at) }).await
    }
}
