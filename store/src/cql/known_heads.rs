//! Heads that lists have read a moment ago: many people look at the same lists, and the pages of one list overlap.

use std::sync::Mutex;
use std::time::Duration;

use dashmap::DashMap;
use domain::Head;
use tokio::time::Instant;

use crate::{ConversationKey, StoreError};

/// Heads that one call reads at once.
pub(super) const AT_ONCE: usize = 32;
/// How long a head that was read is shown: lists may be one second behind.
const FRESH: Duration = Duration::from_millis(500);
/// How often those that are shown no longer are let go.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Heads that are kept; beyond them they are read each time.
const MAX: usize = 20_000;

/// The heads, as of when they were read.
#[derive(Debug, Default)]
pub(super) struct KnownHeads {
    heads: DashMap<ConversationKey, Known>,
    swept_at: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Known {
    /// The head may be older, but by nothing that was written before.
    since: Instant,
    /// None: it is to be read again.
    head: Option<Head>,
}

impl KnownHeads {
    /// What `read` finds, or found a moment ago.
    pub(super) async fn get(
        &self,
        key: ConversationKey,
        read: impl Future<Output = Result<Option<Head>, StoreError>>,
    ) -> Result<Option<Head>, StoreError> {
        if let Some(known) = self.heads.get(&key)
            && known.since.elapsed() < FRESH
            && let Some(head) = &known.head
        {
            return Ok(Some(head.clone()));
        }
        let since = Instant::now();
        let head = read.await?;
        if head.is_some() && self.heads.len() < MAX {
            let mut known = self.heads.entry(key).or_insert(Known { since, head: None });
            // This node may have written meanwhile.
            if known.since <= since {
                *known = Known { since, head: head.clone() };
            }
        }
        Ok(head)
    }

    /// This node has written it: its lists show that at once.
    pub(super) fn forget(&self, key: ConversationKey) {
        if let Some(mut known) = self.heads.get_mut(&key) {
            *known = Known { since: Instant::now(), head: None };
        }
    }

    /// Lets go of what is shown no longer, from time to time.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut swept_at = self.swept_at.lock().expect("nobody panics while holding it");
        if swept_at.is_none_or(|at| now - at >= SWEEP_EVERY) {
            *swept_at = Some(now);
            drop(swept_at);
            self.heads.retain(|_, known| known.since.elapsed() < FRESH);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ConversationId, Seq, WorkspaceId};
    use uuid::Uuid;

    use crate::conformance::Play;

    use super::*;

    fn key() -> ConversationKey {
        ConversationKey {
            workspace: WorkspaceId::from_uuid(Uuid::nil()),
            conversation: ConversationId::from_uuid(Uuid::nil()),
        }
    }

    fn head(last_seq: u64) -> Head {
        Head { last_seq: Seq(last_seq), ..Play::some().head().clone() }
    }

    /// The last event that is shown, where `stored` is that of what is stored.
    async fn shown(known: &KnownHeads, stored: u64) -> u64 {
        let found = known.get(key(), async { Ok(Some(head(stored))) }).await;
        found.unwrap().unwrap().last_seq.0
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_read_again_after_a_while_or_a_write() {
        let known = KnownHeads::default();
        assert_eq!(shown(&known, 1).await, 1);
        tokio::time::advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!(shown(&known, 2).await, 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(shown(&known, 2).await, 2);
        known.forget(key());
        assert_eq!(shown(&known, 3).await, 3);
        assert_eq!(shown(&known, 4).await, 3);
        tokio::time::advance(FRESH).await;
        known.sweep();
        assert!(known.heads.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_a_write_is_not_kept() {
        let known = KnownHeads::default();
        assert_eq!(shown(&known, 1).await, 1);
        tokio::time::advance(FRESH).await;
        let read = async {
            tokio::time::advance(Duration::from_millis(1)).await;
            known.forget(key());
            Ok(Some(head(1)))
        };
        assert!(known.get(key(), read).await.unwrap().is_some());
        assert_eq!(shown(&known, 2).await, 2);
    }

    #[tokio::test]
    async fn what_is_not_there_is_looked_for_each_time() {
        let known = KnownHeads::default();
        assert_eq!(known.get(key(), async { Ok(None) }).await.unwrap(), None);
        assert_eq!(shown(&known, 1).await, 1);
    }
}
