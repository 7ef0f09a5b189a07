//! Where actors put notices without waiting; a task of the cluster carries them.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::stats::Stats;
use crate::words::Notice;

/// How many notices may wait to be carried.
const NOTICES_MAX: usize = 4096;

/// The way out of an actor. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Notice>,
    stats: Arc<Stats>,
}

impl Outbox {
    pub(crate) fn new(stats: Arc<Stats>) -> (Self, mpsc::Receiver<Notice>) {
        let (queue, notices) = mpsc::channel(NOTICES_MAX);
        (Self { queue, stats }, notices)
    }

    /// Puts it in, or counts it as dropped when the outbox is full.
    pub(crate) fn put(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            Stats::add(&self.stats.notices_dropped, 1);
        }
    }
}
