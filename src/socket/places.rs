//! A visitor's places in queues: told at the beginning, then when they change.

use std::sync::Arc;
use std::time::Duration;

use cluster::{QueuePosition, Watcher};
use domain::{ConversationId, State, VisitorId};
use store::{HeadFilter, HeadView};
use tokio::time::Instant;

use super::Close;
use super::frames::Frame;
use super::session::Session;
use super::side::Side;
use crate::json::Shown;

/// A visitor is told of his places not more often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So many of a visitor's newest conversations are looked at for those that wait.
const CONVERSATIONS_MAX: usize = 20;

/// What a visitor's socket has beside.
pub(super) struct Places {
    visitor: VisitorId,
    pub(super) watcher: Watcher,
    /// When what changed is told next.
    pub(super) look_at: Instant,
    /// When the visitor is to be looked at again.
    pub(super) check_at: Option<Instant>,
    /// What was told last, of those that may still wait.
    told: Vec<(ConversationId, u64, Option<u64>)>,
}

impl Places {
    pub(super) fn new(visitor: VisitorId, watcher: Watcher, check_at: Option<Instant>) -> Self {
        Self { visitor, watcher, look_at: Instant::now(), check_at, told: Vec::new() }
    }

    /// Whether that is news to the visitor, who is told it now.
    fn tell(&mut self, conversation: ConversationId, place: QueuePosition) -> bool {
        let now = (conversation, place.position, place.expected_wait_s);
        if self.told.contains(&now) {
            return false;
        }
        self.forget(conversation);
        if self.told.len() >= CONVERSATIONS_MAX {
            self.told.remove(0);
        }
        self.told.push(now);
        true
    }

    fn forget(&mut self, conversation: ConversationId) {
        self.told.retain(|(other, ..)| *other != conversation);
    }
}

impl Session {
    /// Where each of a visitor's conversations waits, at the beginning.
    pub(super) async fn write_places(&mut self) -> Result<(), Close> {
        let Side::Visitor(places) = &mut self.side else { return Ok(()) };
        let (view, filter) = (HeadView::OfVisitor(places.visitor), HeadFilter::default());
        let app = Arc::clone(&self.app);
        let rows = match app.store.heads.list(self.workspace, &view, &filter, None, CONVERSATIONS_MAX).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "a visitor's places were not read");
                return Ok(());
            }
        };
        for row in rows.iter().filter(|row| row.head.state == State::Queued) {
            // One whose router is silent is told of by that router.
            if let Some(place) = app.cluster.position(self.key(row.conversation), row.head.team).await {
                self.write_place(row.conversation, place).await?;
            }
        }
        Ok(())
    }

    /// Tells a visitor of the places that changed.
    pub(super) async fn look_at_places(&mut self) -> Result<(), Close> {
        let Side::Visitor(places) = &mut self.side else { return Ok(()) };
        let changes = places.watcher.take();
        changes.left.iter().for_each(|conversation| places.forget(*conversation));
        for (conversation, place) in changes.places {
            self.write_place(conversation, place).await?;
        }
        self.flush().await
    }

    async fn write_place(&mut self, conversation: ConversationId, place: QueuePosition) -> Result<(), Close> {
        let Side::Visitor(places) = &mut self.side else { return Ok(()) };
        if !places.tell(conversation, place) {
            return Ok(());
        }
        places.look_at = Instant::now() + LOOK_EVERY;
        let QueuePosition { position, expected_wait_s, .. } = place;
        let conversation_id = Shown(conversation);
        self.write(&Frame::Queue { conversation_id, position, expected_wait_s }).await
    }
}
