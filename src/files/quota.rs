//! How many bytes a day may bring: of one visitor, to one site, to one workspace. Without it one client fills the disk,
//! however slowly it sends.
//!
//! Bytes are counted in memory as they come, before they are written, so uploads at the same time cannot pass a quota
//! together; those of a file that is refused or breaks off are given back. Every few seconds what was added goes into
//! one record for each count and day ([`UploadQuotas::save`]), and a count that is not in memory begins with its
//! record: a server that is killed forgets the last seconds, and several servers know of each other's as late.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::{SiteId, Timestamp, VisitorId, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::Clock;
use store::{Document, RecordError, RecordKind, Records, StoreError};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes that a day (of UTC) may bring; 0: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Of one visitor.
    pub visitor_bytes: u64,
    /// Of all visitors of a site.
    pub site_bytes: u64,
    /// Of all visitors and agents of a workspace.
    pub workspace_bytes: u64,
}

/// Whose bytes are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    Visitor(VisitorId),
    Site(SiteId),
    Workspace,
}

/// A quota was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{whose} may upload {max_bytes} bytes a day")]
pub struct QuotaPassed {
    whose: &'static str,
    max_bytes: u64,
    /// Until the day ends.
    pub retry_after_ms: u64,
}

/// What one day brought, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UploadedBytes {
    /// `<day>-visitor-<id>`, `<day>-site-<id>` or `<day>-workspace`.
    id: String,
    bytes: u64,
    expires_at: Timestamp,
}

impl Document for UploadedBytes {
    const KIND: RecordKind = RecordKind::UploadedBytes;
    fn id(&self) -> String {
        self.id.clone()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

type Key = (WorkspaceId, Counted);

/// What a day brought so far.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    day: u64,
    bytes: u64,
    /// Of these, what its record does not know yet. Below zero when what was given back had been saved.
    unsaved: i64,
}

/// The counts of this server.
pub(super) struct UploadQuotas {
    limits: QuotaLimits,
    records: Arc<dyn Records>,
    clock: Clock,
    counts: Mutex<HashMap<Key, Count>>,
}

impl UploadQuotas {
    pub(super) fn new(limits: QuotaLimits, records: Arc<dyn Records>, clock: Clock) -> Self {
        Self { limits, records, clock, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        self.counts.lock().expect("nobody panics while holding it")
    }

    fn today(&self) -> u64 {
        self.clock.now().as_ms() / DAY_MS
    }

    fn limit(&self, counted: Counted) -> u64 {
        match counted {
            Counted::Visitor(_) => self.limits.visitor_bytes,
            Counted::Site(_) => self.limits.site_bytes,
            Counted::Workspace => self.limits.workspace_bytes,
        }
    }

    /// Begins an upload, of no bytes yet. `visitor` and its site: none when an agent uploads.
    ///
    /// # Errors
    ///
    /// When the store does not say what was counted before.
    pub(super) async fn begin(
        &self,
        workspace: WorkspaceId,
        visitor: Option<(VisitorId, SiteId)>,
    ) -> Result<Charge<'_>, StoreError> {
        let of_visitor = visitor.map(|(visitor, site)| [Counted::Visitor(visitor), Counted::Site(site)]);
        let counted = of_visitor.into_iter().flatten().chain([Counted::Workspace]);
        let keys: Vec<Key> =
            counted.filter(|counted| self.limit(*counted) > 0).map(|counted| (workspace, counted)).collect();
        let day = self.today();
        for key in &keys {
            self.load(*key, day).await?;
        }
        Ok(Charge { quotas: self, day, keys, bytes: 0 })
    }

    async fn load(&self, key: Key, day: u64) -> Result<(), StoreError> {
        if self.counts().get(&key).is_some_and(|count| count.day == day) {
            return Ok(());
        }
        let found = store::get::<UploadedBytes>(&*self.records, key.0, &id_of(key.1, day)).await?;
        let bytes = found.map_or(0, |found| found.document.bytes);
        let mut counts = self.counts();
        // Of two who asked, the second finds what the first has counted meanwhile. A count of another day that is not
        // saved yet is given up: nobody asks for it any more.
        let count = counts.entry(key).or_default();
        if count.day != day {
            *count = Count { day, bytes, unsaved: 0 };
        }
        Ok(())
    }

    /// Writes what was added since the last time, and forgets what is of another day. One task calls it.
    ///
    /// # Errors
    ///
    /// When the store could not do it; what was not written is tried the next time.
    pub(super) async fn save(&self) -> Result<(), StoreError> {
        let today = self.today();
        let unsaved: Vec<(Key, Count)> = {
            let mut counts = self.counts();
            counts.retain(|_, count| count.day == today);
            counts.iter().filter(|(_, count)| count.unsaved != 0).map(|(key, count)| (*key, *count)).collect()
        };
        for (key, count) in unsaved {
            let total = self.add(key, count).await?;
            if let Some(now) = self.counts().get_mut(&key).filter(|now| now.day == count.day) {
                now.unsaved -= count.unsaved;
                now.bytes = total.saturating_add_signed(now.unsaved);
            }
        }
        Ok(())
    }

    /// Adds to the record what it does not know; says what it holds then.
    async fn add(&self, key: Key, count: Count) -> Result<u64, StoreError> {
        let (records, id) = (&*self.records, id_of(key.1, count.day));
        loop {
            let now = self.clock.now();
            let found = store::get::<UploadedBytes>(records, key.0, &id).await?;
            let written = match found {
                Some(mut found) => {
                    found.document.bytes = found.document.bytes.saturating_add_signed(count.unsaved);
                    store::update(records, found, now).await
                }
                None => {
                    let expires_at = Timestamp::from_ms((count.day + 2) * DAY_MS);
                    let bytes = 0_u64.saturating_add_signed(count.unsaved);
                    store::insert(records, key.0, UploadedBytes { id: id.clone(), bytes, expires_at }, now)
                        .await
                }
            };
            match written {
                Ok(written) => return Ok(written.document.bytes),
                // Another server was quicker.
                Err(RecordError::Changed | RecordError::Taken(_)) => {}
                Err(RecordError::Store(error)) => return Err(error),
                Err(error @ RecordError::Unknown) => return Err(StoreError::Unavailable(error.to_string())),
            }
        }
    }
}

fn id_of(counted: Counted, day: u64) -> String {
    match counted {
        Counted::Visitor(id) => format!("{day}-visitor-{id}"),
        Counted::Site(id) => format!("{day}-site-{id}"),
        Counted::Workspace => format!("{day}-workspace"),
    }
}

/// What an upload has counted so far. Dropped without [`Charge::keep`] it is given back.
pub(super) struct Charge<'q> {
    quotas: &'q UploadQuotas,
    day: u64,
    keys: Vec<Key>,
    bytes: u64,
}

impl Charge<'_> {
    /// Counts so many bytes more, before they are written.
    ///
    /// # Errors
    ///
    /// When a quota does not have them any more; none of them is counted then.
    pub(super) fn add(&mut self, bytes: u64) -> Result<(), QuotaPassed> {
        let mut counts = self.quotas.counts();
        for key in &self.keys {
            let (limit, used) = (self.quotas.limit(key.1), counts.get(key).map_or(0, |count| count.bytes));
            if used.saturating_add(bytes) > limit {
                let now = self.quotas.clock.now().as_ms();
                return Err(QuotaPassed {
                    whose: match key.1 {
                        Counted::Visitor(_) => "a visitor",
                        Counted::Site(_) => "a site's visitors together",
                        Counted::Workspace => "a workspace",
                    },
                    max_bytes: limit,
                    retry_after_ms: DAY_MS - now % DAY_MS,
                });
            }
        }
        for key in &self.keys {
            change(&mut counts, key, self.day, bytes as i64);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// The file stays, and so does what was counted.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut counts = self.quotas.counts();
        for key in &self.keys {
            change(&mut counts, key, self.day, -(self.bytes as i64));
        }
    }
}

/// A count of another day is none of this upload's any more.
fn change(counts: &mut HashMap<Key, Count>, key: &Key, day: u64, bytes: i64) {
    if let Some(count) = counts.get_mut(key).filter(|count| count.day == day) {
        count.bytes = count.bytes.saturating_add_signed(bytes);
        count.unsaved += bytes;
    }
}

#[cfg(test)]
mod tests;
