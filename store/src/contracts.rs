//! The contracts together.

use std::sync::Arc;

use crate::{EventLog, Heads, Records, Series};

/// The contracts together, as the layers above take them.
#[derive(Clone)]
pub struct Store {
    /// Conversations' logs.
    pub log: Arc<dyn EventLog>,
    /// Rows derived from the logs.
    pub heads: Arc<dyn Heads>,
    /// Versioned documents.
    pub records: Arc<dyn Records>,
    /// Entries by time.
    pub series: Arc<dyn Series>,
}
