//! Keeping a socket's positions: what it missed is read from the store.

use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, Event};

use super::close::Close;
use super::frames::Frame;
use super::session::Session;
use crate::json::{EventJson, Show, Shown};

/// How many events a replay reads at once.
const REPLAY_PAGE: usize = 128;
/// How long a replay waits for a store that does not answer.
const AGAIN: Duration = Duration::from_millis(500);

impl Session {
    /// Reads and writes one page of one conversation's missing events.
    pub(super) async fn replay(&mut self) -> Result<(), Close> {
        let Some(replay) = self.subscriptions.next_replay() else { return Ok(()) };
        let conversation = replay.conversation;
        let turn = self.begin_read().await;
        let page = match self.app.store.log.read(self.key(conversation), replay.after, REPLAY_PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%conversation, %error, "a replay waits for the store");
                self.subscriptions.replay_failed(conversation);
                // The store is given a moment; orders and frames wait as long.
                tokio::time::sleep(AGAIN).await;
                return Ok(());
            }
        };
        drop(turn);
        let mut written = replay.after;
        for event in &page {
            self.write_event(conversation, event).await?;
            written = event.seq;
        }
        if self.subscriptions.replayed(conversation, written) {
            let conversation_id = Shown(conversation);
            self.write(&Frame::CaughtUp { conversation_id, seq: written.0 }).await?;
        }
        self.end_read();
        self.flush().await
    }

    pub(super) async fn write_event(
        &mut self,
        conversation: ConversationId,
        event: &Event,
    ) -> Result<(), Close> {
        let app = Arc::clone(&self.app);
        let (audience, workspace) = (self.who.audience(), self.workspace);
        let show = Show { audience, workspace, links: &app.file_links, now: app.clock.now() };
        let (conversation_id, seq) = (Shown(conversation), event.seq.0);
        self.write(&Frame::Event { conversation_id, seq, event: EventJson::of(event, show) }).await
    }

    pub(super) async fn lose_sight(&mut self, conversation: ConversationId) -> Result<(), Close> {
        if self.subscriptions.remove(conversation) {
            let conversation_id = Shown(conversation);
            self.write(&Frame::Unsubscribed { conversation_id, reason: "sight_lost" }).await?;
        }
        Ok(())
    }
}
