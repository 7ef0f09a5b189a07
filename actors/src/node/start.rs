//! A node's beginning.

use std::sync::{Arc, Weak};

use store::{Clock, Lanes, Store, StoreError};
use tokio::sync::mpsc;

use super::local::Node;
use super::tick;
use crate::runtime::{self, Authority, Context, Settings};
use crate::words::Notice;

impl Node {
    /// Starts a node that writes by `authority`; with its lanes the node ends. The receiver yields what its actors tell one
    /// another; deliver each by [`Node::deliver`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no actor could be started.
    pub async fn start(
        store: Store,
        clock: Clock,
        authority: Authority,
        settings: Settings,
    ) -> Result<(Self, mpsc::Receiver<Notice>), StoreError> {
        let (context, notices) = runtime::start(store, clock, authority, settings).await?;
        tokio::spawn(tick::run(Arc::downgrade(&context)));
        tokio::spawn(end_with_lanes(Arc::downgrade(&context), Arc::clone(&context.lanes)));
        Ok((Self { context }, notices))
    }
}

async fn end_with_lanes(context: Weak<Context>, lanes: Arc<dyn Lanes>) {
    let end = lanes.ended().await;
    if let Some(context) = context.upgrade() {
        tracing::warn!(?end, "the node's lanes have ended: it writes no more");
        context.end();
    }
}
