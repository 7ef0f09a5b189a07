//! Commands that crash their conversation: after three crashes within a minute on the same command that command is
//! refused, so that one poisoned request cannot keep a conversation down.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Digest, Request};
use store::ConversationKey;
use tokio::time::Instant;

const CRASHES_MAX: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// The crashes of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Mutex<HashMap<ConversationKey, Vec<(Instant, Digest)>>>);

impl Crashes {
    pub(crate) fn record(&self, key: ConversationKey, digest: Digest) {
        let mut crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        crashes.entry(key).or_default().push((Instant::now(), digest));
    }

    /// The commands that this conversation refuses now.
    pub(crate) fn refused(&self, key: &ConversationKey) -> Vec<Digest> {
        let crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_key) = crashes.get(key) else { return Vec::new() };
        let recent: Vec<Digest> =
            of_key.iter().filter(|(at, _)| at.elapsed() < WITHIN).map(|&(_, digest)| digest).collect();
        let mut refused: Vec<Digest> = Vec::new();
        for digest in &recent {
            let count = recent.iter().filter(|other| *other == digest).count();
            if count >= CRASHES_MAX && !refused.contains(digest) {
                refused.push(*digest);
            }
        }
        refused
    }

    /// Forgets what is older than a minute.
    pub(crate) fn sweep(&self) {
        let mut crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        crashes.retain(|_, of_key| of_key.iter().any(|(at, _)| at.elapsed() < WITHIN));
    }
}

/// Stands beside a handler, and records a crash if the handler does not come back.
#[derive(Debug)]
pub(crate) struct Witness<'a> {
    crashes: &'a Crashes,
    key: ConversationKey,
    request: Option<&'a Request>,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(crashes: &'a Crashes, key: ConversationKey, request: &'a Request) -> Self {
        Self { crashes, key, request: Some(request) }
    }

    /// The handler came back.
    pub(crate) fn dismiss(mut self) {
        self.request = None;
    }
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if let Some(request) = self.request {
            self.crashes.record(self.key, request.digest());
        }
    }
}
