//! A node's beginning.

use std::sync::Arc;

use store::{Clock, Owner, Store, StoreError};
use tokio::sync::mpsc;

use super::local::Node;
use super::tick;
use crate::runtime::{self, Settings};
use crate::words::Notice;

impl Node {
    /// Starts a node. The receiver yields what its actors tell one another; deliver each by [`Node::deliver`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no actor could be started.
    pub async fn start(
        store: Store,
        clock: Clock,
        owner: Owner,
        settings: Settings,
    ) -> Result<(Self, mpsc::Receiver<Notice>), StoreError> {
        let (context, notices) = runtime::start(store, clock, owner, settings).await?;
        tokio::spawn(tick::run(Arc::downgrade(&context)));
        tokio::spawn(tick::settle(Arc::downgrade(&context)));
        Ok((Self { context }, notices))
    }
}
