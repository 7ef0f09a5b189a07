//! The live conversations of a workspace, as this node knows them: read from all shards at most twice a second, however many
//! callers ask, and kept up with the node's own writes. So a list shows the node's own writes at once, and everybody's within
//! a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dashmap::DashMap;
use domain::{ConversationId, WorkspaceId};
use tokio::time::Instant;

use crate::StoreError;

use super::derived::{LivePointer, Stamp};

/// How long a reading counts as fresh; after that the writes of other nodes are looked for.
const FRESH: Duration = Duration::from_millis(500);
/// A workspace whose lists no caller asks for is forgotten after so long.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// An entry of the live index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) conversation: ConversationId,
    pub(super) pointer: LivePointer,
    pub(super) stamp: Stamp,
}

/// The workspaces that were asked for lately.
#[derive(Default)]
pub(super) struct LiveCache {
    workspaces: DashMap<WorkspaceId, Arc<Known>>,
}

#[derive(Default)]
struct Known {
    /// Held by the caller that reads; the others wait for what it finds.
    reading: tokio::sync::Mutex<()>,
    view: Mutex<View>,
}

/// A workspace's live conversations.
struct View {
    asked_at: Instant,
    /// When the shards were last read, before the first of them was.
    read_at: Option<Instant>,
    rows: HashMap<ConversationId, Row>,
}

/// The newest word of a conversation.
#[derive(Clone, Copy)]
struct Row {
    stamp: Stamp,
    /// None: it was removed.
    pointer: Option<LivePointer>,
    /// When this node wrote it; none: it was read.
    written_at: Option<Instant>,
}

impl LiveCache {
    /// This node has written it.
    pub(super) fn wrote(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        pointer: Option<LivePointer>,
        stamp: Stamp,
    ) {
        if let Some(known) = self.workspaces.get(&workspace) {
            let mut view = known.view();
            if !view.is_forgotten() {
                view.wrote(conversation, Row { stamp, pointer, written_at: Some(Instant::now()) });
                return;
            }
        }
        self.workspaces.remove_if(&workspace, |_, known| known.view().is_forgotten());
    }

    /// All that is live in a workspace, in no order. `read` reads it from all shards; it runs only when what is known is
    /// too old, and once for all who ask meanwhile.
    pub(super) async fn current(
        &self,
        workspace: WorkspaceId,
        read: impl Future<Output = Result<Vec<Live>, StoreError>>,
    ) -> Result<Vec<Live>, StoreError> {
        let known = self.of(workspace);
        if let Some(live) = known.view().fresh() {
            return Ok(live);
        }
        let _reading = known.reading.lock().await;
        // Another caller may have read while this one waited.
        if let Some(live) = known.view().fresh() {
            return Ok(live);
        }
        self.forget_unasked();
        let begun = Instant::now();
        let found = read.await?;
        let mut view = known.view();
        view.read(found, begun);
        Ok(view.live())
    }

    /// For a caller who asks.
    fn of(&self, workspace: WorkspaceId) -> Arc<Known> {
        let known = self.workspaces.entry(workspace).or_default();
        known.view().asked_at = Instant::now();
        Arc::clone(&known)
    }

    /// Forgets the workspaces that nobody asks for, nor writes to.
    fn forget_unasked(&self) {
        self.workspaces.retain(|_, known| !known.view().is_forgotten());
    }
}

impl Known {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().expect("nobody panics while holding it")
    }
}

impl Default for View {
    fn default() -> Self {
        Self { asked_at: Instant::now(), read_at: None, rows: HashMap::new() }
    }
}

impl View {
    fn is_forgotten(&self) -> bool {
        self.asked_at.elapsed() > FORGOTTEN
    }

    /// None: it is too old.
    fn fresh(&self) -> Option<Vec<Live>> {
        self.read_at.is_some_and(|at| at.elapsed() < FRESH).then(|| self.live())
    }

    fn live(&self) -> Vec<Live> {
        let rows = self.rows.iter();
        rows.filter_map(|(conversation, row)| {
            let (conversation, stamp) = (*conversation, row.stamp);
            row.pointer.map(|pointer| Live { conversation, pointer, stamp })
        })
        .collect()
    }

    fn wrote(&mut self, conversation: ConversationId, row: Row) {
        let known = self.rows.entry(conversation).or_insert(row);
        if row.stamp > known.stamp {
            *known = row;
        }
    }

    /// Takes what the shards said, whose reading began at `begun`; what was written since may have been missed.
    fn read(&mut self, found: Vec<Live>, begun: Instant) {
        self.rows.retain(|_, row| row.written_at.is_some_and(|at| at >= begun));
        for Live { conversation, pointer, stamp } in found {
            self.wrote(conversation, Row { stamp, pointer: Some(pointer), written_at: None });
        }
        self.read_at = Some(begun);
    }
}

#[cfg(test)]
mod tests {
    use domain::{Seq, State, TeamId, Timestamp};
    use uuid::Uuid;

    use crate::Epoch;

    use super::*;

    fn pointer(last_event_at: u64) -> LivePointer {
        LivePointer {
            team: TeamId::from_uuid(Uuid::nil()),
            state: State::Queued,
            assignee: None,
            queued_at: Timestamp::from_ms(1),
            last_event_at: Timestamp::from_ms(last_event_at),
        }
    }

    fn id(n: u8) -> ConversationId {
        ConversationId::from_uuid(Uuid::from_bytes([n; 16]))
    }

    fn put(seq: u64) -> Stamp {
        Stamp::put(Epoch(1), Seq(seq))
    }

    fn found(n: u8, seq: u64) -> Live {
        Live { conversation: id(n), pointer: pointer(seq), stamp: put(seq) }
    }

    fn shown(view: &View) -> Vec<(ConversationId, u64)> {
        let mut shown: Vec<_> = view
            .live()
            .into_iter()
            .map(|live| (live.conversation, live.pointer.last_event_at.as_ms()))
            .collect();
        shown.sort();
        shown
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_word_wins_whether_it_was_read_or_written() {
        let mut view = View::default();
        let written = |pointer, stamp| Row { stamp, pointer, written_at: Some(Instant::now()) };
        view.read(vec![found(1, 3), found(2, 3), found(3, 3), found(4, 3)], Instant::now());
        assert_eq!(shown(&view), [(id(1), 3), (id(2), 3), (id(3), 3), (id(4), 3)]);

        tokio::time::advance(FRESH).await;
        assert!(view.fresh().is_none(), "others may have written since");
        let begun = Instant::now();
        view.wrote(id(1), written(Some(pointer(5)), put(5)));
        view.wrote(id(2), written(None, Stamp::removal(Epoch(1), Seq(4))));
        view.wrote(id(5), written(Some(pointer(1)), put(1)));
        view.wrote(id(3), written(Some(pointer(2)), put(2)));
        assert_eq!(
            shown(&view),
            [(id(1), 5), (id(3), 3), (id(4), 3), (id(5), 1)],
            "older words are not taken"
        );
        // The shards were read before the writes; another node has ended 3, and moved 4.
        view.read(vec![found(1, 3), found(2, 3), found(4, 9)], begun);
        assert_eq!(shown(&view), [(id(1), 5), (id(4), 9), (id(5), 1)]);
        assert!(view.fresh().is_some());

        tokio::time::advance(FRESH).await;
        view.read(vec![found(4, 9)], Instant::now());
        assert_eq!(shown(&view), [(id(4), 9)], "what was written before the shards were read is in them");
    }

    #[tokio::test(start_paused = true)]
    async fn a_workspace_that_nobody_asks_for_is_kept_in_mind_no_longer() {
        let (cache, workspace) = (LiveCache::default(), WorkspaceId::from_uuid(Uuid::nil()));
        let write = |n: u8| cache.wrote(workspace, id(n), Some(pointer(1)), put(1));
        write(1);
        assert!(cache.workspaces.is_empty(), "nobody has asked yet");
        let known = cache.of(workspace);
        write(2);
        tokio::time::advance(FORGOTTEN).await;
        write(3);
        assert_eq!(shown(&known.view()), [(id(2), 1), (id(3), 1)]);
        tokio::time::advance(Duration::from_millis(1)).await;
        write(4);
        assert!(cache.workspaces.is_empty());
    }
}
