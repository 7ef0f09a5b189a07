//! A node that is alone: which boot of it may write. It is the one member of the view, with every shard; of two that start at once
//! one comes after the other; the later one seals the lanes of the one before, and starts only then.

use std::sync::Arc;
use std::time::Duration;

use actors::{Authority, WeakNode};
use domain::Timestamp;
use store::{Generation, Incarnation, Lanes, OpenLanesError, Store, StoreError};
use uuid::Uuid;

use crate::membership::{Member, MemberState, View, change};
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

#[cfg(test)]
mod tests;

/// How often a node that writes nothing looks whether it still may.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a call that the store did not answer is made again, and the pause before: twice as long each time.
const TRIES_MAX: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another server started meanwhile and sealed the lanes of this one.
    #[error("another server opened this store: only one may run without `[cluster]`")]
    Superseded,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The name of a node that is alone: each server that starts over the same store is its next boot.
const ALONE: &str = "alone";
/// The newest formats that this program reads.
const LEVEL: u32 = 1;

/// The boot that may write, with its lanes open.
#[derive(Clone)]
pub struct Boot {
    store: Store,
    authority: Authority,
}

impl Boot {
    /// Makes a new boot the one that may write, seals those before, and opens its lanes.
    ///
    /// # Errors
    /// [`StartError::Superseded`]: another boot came after this one. [`StartError::Store`]: the store did not answer; the
    /// caller may enter again.
    pub async fn enter(store: &Store, now: Timestamp) -> Result<Self, StartError> {
        let authority = enter(store, Incarnation(Uuid::new_v4()), now).await?;
        Ok(Self { store: store.clone(), authority })
    }

    /// What it writes by.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Writes no more: seals the lanes, and goes out of the view.
    ///
    /// # Errors
    /// [`StoreError`]: the next boot seals the lanes.
    pub async fn leave(&self, now: Timestamp) -> Result<(), StoreError> {
        let lanes = &self.authority.lanes;
        lanes.close().await?;
        change(&*self.store.records, now, |view| view.leave(lanes.incarnation())).await.map(drop)
    }

    /// For tests that name the boot.
    #[cfg(test)]
    pub(crate) async fn enter_as(store: &Store, me: Incarnation, now: Timestamp) -> Result<Self, StartError> {
        Ok(Self { store: store.clone(), authority: enter(store, me, now).await? })
    }
}

async fn enter(store: &Store, me: Incarnation, now: Timestamp) -> Result<Authority, StartError> {
    let view = change(&*store.records, now, |view| view.enter_alone(member(me))).await?;
    match take_over(store, me, &view, now).await {
        Ok(lanes) => Ok(Authority { lanes, generation: Generation(view.version()) }),
        Err(error) => {
            // Its lanes will never be used, so that the next boot need not seal them; nothing rests on this.
            if let Err(error) = change(&*store.records, now, |view| view.leave(me)).await {
                tracing::debug!(%error, "a boot that failed stays in the view");
            }
            Err(error)
        }
    }
}

async fn take_over(
    store: &Store,
    me: Incarnation,
    view: &View,
    now: Timestamp,
) -> Result<Arc<dyn Lanes>, StartError> {
    for &boot in view.unsealed() {
        try_again(|| async move { Ok(store.log.seal(boot).await?) }).await?;
        tracing::info!(boot = %boot.0, "sealed the lanes of a boot before this one");
    }
    if !view.unsealed().is_empty() {
        let notes = |latest: &mut View| latest.note_sealed(view.unsealed()) | latest.clear_ended(me);
        change(&*store.records, now, notes).await?;
    }
    try_again(|| async {
        store.log.open(me).await.map_err(|error| match error {
            OpenLanesError::Sealed => StartError::Superseded,
            OpenLanesError::Store(error) => StartError::Store(error),
        })
    })
    .await
}

/// Looks again and again whether the lanes are open, until they are not or the node is gone: one in which nothing is
/// written would not find otherwise that another server has taken over.
pub(crate) async fn watch(node: WeakNode, lanes: Arc<dyn Lanes>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if node.upgrade().is_none() {
            return;
        }
        match lanes.confirm().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::debug!(%error, "whether the lanes are open is not known"),
        }
    }
}

/// The boot as a member: nobody has to reach it.
fn member(incarnation: Incarnation) -> Member {
    Member {
        name: NodeName::parse(ALONE).expect("a plain word"),
        incarnation,
        address: String::new(),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: LEVEL,
    }
}

async fn try_again<T, F>(call: impl Fn() -> F) -> Result<T, StartError>
where
    F: Future<Output = Result<T, StartError>>,
{
    let mut pause = TRY_AGAIN;
    for _ in 1..TRIES_MAX {
        match call().await {
            Err(StartError::Store(error)) => {
                tracing::debug!(%error, "once more");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    call().await
}
