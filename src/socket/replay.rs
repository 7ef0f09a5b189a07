//! Keeping a socket's positions: what it missed is read from the store.

use std::sync::Arc;
use std::time::Duration;

use cluster::SharedEvent;
use domain::{ConversationId, Event};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::close::Close;
use super::frames::Frame;
use super::session::{Session, to_text};
use crate::conversations::show_to;
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

    async fn write_event(&mut self, conversation: ConversationId, event: &Event) -> Result<(), Close> {
        let app = Arc::clone(&self.app);
        let show = show_to(&app, self.workspace, &self.who);
        self.write(&event_frame(conversation, event, show)).await
    }

    /// Writes an event that many are shown at this moment: one of them makes the frame for all.
    pub(super) async fn write_shared(
        &mut self,
        conversation: ConversationId,
        event: &SharedEvent,
    ) -> Result<(), Close> {
        let audience = self.who.audience();
        let show = show_to(&self.app, self.workspace, &self.who);
        let text = event.shown(audience, |event| to_text(&event_frame(conversation, event, show)).into());
        self.write_text(Utf8Bytes::try_from(text).expect("frames are text")).await
    }

    pub(super) async fn lose_sight(&mut self, conversation: ConversationId) -> Result<(), Close> {
        if self.subscriptions.remove(conversation) {
            let conversation_id = Shown(conversation);
            self.write(&Frame::Unsubscribed { conversation_id, reason: "sight_lost" }).await?;
        }
        Ok(())
    }
}

fn event_frame<'a>(conversation: ConversationId, event: &'a Event, show: Show<'_>) -> Frame<'a> {
    let (conversation_id, seq) = (Shown(conversation), event.seq.0);
    Frame::Event { conversation_id, seq, event: EventJson::of(event, show) }
}
