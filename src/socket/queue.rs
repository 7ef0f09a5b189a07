//! A visitor's positions in queues: written at the beginning, then when they change.

use std::sync::Arc;
use std::time::Duration;

use cluster::QueuePosition;
use domain::{ConversationId, State};
use store::{HeadFilter, HeadView};
use tokio::time::Instant;

use super::close::Close;
use super::frames::Frame;
use super::queue_positions::CONVERSATIONS_MAX;
use super::session::Session;
use super::side::Side;
use crate::json::Shown;

/// A visitor's positions are not written more often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
impl Session {
    /// Where each of a visitor's conversations waits, at the beginning.
    pub(super) async fn write_positions(&mut self) -> Result<(), Close> {
        let Side::Visitor(positions) = &mut self.side else { return Ok(()) };
        let (view, filter) = (HeadView::OfVisitor(positions.visitor), HeadFilter::default());
        let app = Arc::clone(&self.app);
        let rows = match app.store.heads.list(self.workspace, &view, &filter, None, CONVERSATIONS_MAX).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "a visitor's positions were not read");
                return Ok(());
            }
        };
        for row in rows.iter().filter(|row| row.head.state == State::Queued) {
            // Of a conversation whose router is silent the router publishes the position later.
            if let Some(place) = app.cluster.position(self.key(row.conversation), row.head.team).await {
                self.write_position(row.conversation, place).await?;
            }
        }
        Ok(())
    }

    /// Writes the positions that changed.
    pub(super) async fn show_positions(&mut self) -> Result<(), Close> {
        let Side::Visitor(positions) = &mut self.side else { return Ok(()) };
        let changes = positions.watcher.take();
        changes.left.iter().for_each(|conversation| positions.forget(*conversation));
        for (conversation, place) in changes.places {
            self.write_position(conversation, place).await?;
        }
        self.flush().await
    }

    async fn write_position(
        &mut self,
        conversation: ConversationId,
        place: QueuePosition,
    ) -> Result<(), Close> {
        let Side::Visitor(positions) = &mut self.side else { return Ok(()) };
        if !positions.note(conversation, place) {
            return Ok(());
        }
        positions.look_at = Instant::now() + LOOK_EVERY;
        let QueuePosition { position, expected_wait_s, .. } = place;
        let conversation_id = Shown(conversation);
        self.write(&Frame::Queue { conversation_id, position, expected_wait_s }).await
    }
}
