//! The view: which boot of a node may write. One record, changed by compare-and-set, so that of two that start at once one
//! comes after the other; the later one seals the lanes of the one before, and starts only then.

use std::sync::Arc;
use std::time::Duration;

use actors::{Authority, WeakNode};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use store::{
    Document, Generation, INSTALLATION, Incarnation, Lanes, OpenLanesError, RecordError, RecordKind, Records,
    Store, StoreError,
};
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// The one record's id.
const ID: &str = "view";
/// How often others may change the view between a reading and the write that rests on it.
const CHANGES_MAX: usize = 32;
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

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct View {
    /// One more with each boot: the generation as which it writes.
    version: u64,
    /// The boot that may write, or is about to; none: the last one left.
    member: Option<Uuid>,
    /// Boots before it whose lanes are not known to be sealed.
    unsealed: Vec<Uuid>,
}

impl Document for View {
    const KIND: RecordKind = RecordKind::View;

    fn id(&self) -> String {
        ID.to_owned()
    }
}

impl View {
    /// Says whether anything changed.
    fn join(&mut self, me: Uuid) -> bool {
        if self.member == Some(me) {
            return false;
        }
        self.version += 1;
        self.unsealed.extend(self.member.replace(me));
        true
    }

    /// Says whether anything changed.
    fn note_sealed(&mut self, sealed: &[Uuid]) -> bool {
        let before = self.unsealed.len();
        self.unsealed.retain(|boot| !sealed.contains(boot));
        self.unsealed.len() != before
    }

    /// Says whether anything changed.
    fn leave(&mut self, me: Uuid) -> bool {
        self.member.take_if(|member| *member == me).is_some()
    }
}

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
        change(&*self.store.records, now, |view| view.leave(lanes.incarnation().0)).await.map(drop)
    }

    /// For tests that name the boot.
    #[cfg(test)]
    pub(crate) async fn enter_as(store: &Store, me: Incarnation, now: Timestamp) -> Result<Self, StartError> {
        Ok(Self { store: store.clone(), authority: enter(store, me, now).await? })
    }
}

async fn enter(store: &Store, me: Incarnation, now: Timestamp) -> Result<Authority, StartError> {
    let view = change(&*store.records, now, |view| view.join(me.0)).await?;
    match take_over(store, me, &view, now).await {
        Ok(lanes) => Ok(Authority { lanes, generation: Generation(view.version) }),
        Err(error) => {
            // Its lanes will never be used, so that the next boot need not seal them; nothing rests on this.
            if let Err(error) = change(&*store.records, now, |view| view.leave(me.0)).await {
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
    for &boot in &view.unsealed {
        try_again(|| async move { Ok(store.log.seal(Incarnation(boot)).await?) }).await?;
        tracing::info!(%boot, "sealed the lanes of a boot before this one");
    }
    if !view.unsealed.is_empty() {
        change(&*store.records, now, |latest| latest.note_sealed(&view.unsealed)).await?;
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

/// Changes the view, however often others change it meanwhile, and gives it as it is then. `change` says whether it changed
/// anything; what it did already it does not do again.
async fn change(
    records: &dyn Records,
    now: Timestamp,
    change: impl Fn(&mut View) -> bool,
) -> Result<View, StoreError> {
    for _ in 0..CHANGES_MAX {
        let written = match store::get::<View>(records, INSTALLATION, ID).await? {
            None => {
                let mut view = View::default();
                if !change(&mut view) {
                    return Ok(view);
                }
                store::insert(records, INSTALLATION, view, now).await
            }
            Some(mut found) => {
                if !change(&mut found.document) {
                    return Ok(found.document);
                }
                store::update(records, found, now).await
            }
        };
        match written {
            Ok(view) => return Ok(view.document),
            // What may have been written is there when it is read, or the next write is refused.
            Err(RecordError::Changed | RecordError::Taken(_) | RecordError::Unknown) => {}
            Err(RecordError::Store(error)) => return Err(error),
        }
    }
    Err(StoreError::Unavailable("the view was changed again and again".into()))
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
