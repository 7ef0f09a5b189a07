//! How many bytes may be uploaded in a day: by one visitor, to one site, to one workspace. Without this bound one client
//! fills the disk, however slowly it sends.
//!
//! Bytes are counted in memory as they come, before they are written, so uploads at the same time cannot pass a quota
//! together; the bytes of a file that is refused or breaks off are given back. Every few seconds the bytes that were added
//! are written into one record for each count and day ([`UploadQuotas::save`]), and a count that is not in memory begins with
//! its record. So a server that is killed forgets the last seconds, and servers count each other's bytes some seconds late.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::{SiteId, Timestamp, VisitorId, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::Clock;
use store::{Document, RecordError, RecordKind, Records, StoreError};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How many bytes may be uploaded in a day of UTC; 0: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// By one visitor.
    pub visitor_bytes: u64,
    /// By all visitors of a site together.
    pub site_bytes: u64,
    /// By all visitors and agents of a workspace together.
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
    /// How long until the day ends.
    pub retry_after_ms: u64,
}

/// The bytes of one day, as they are stored.
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

/// The bytes of a day so far.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    day: u64,
    bytes: u64,
    /// The part of `bytes` that the record does not have yet. Below zero when bytes were given back after they were saved.
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
    /// The store does not say what was counted before.
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
        // Two uploads may have read the record at once: the second one keeps what the first has counted meanwhile. A count of
        // another day that is not saved yet is given up: nothing reads it any more.
        let count = counts.entry(key).or_default();
        if count.day != day {
            *count = Count { day, bytes, unsaved: 0 };
        }
        Ok(())
    }

    /// Writes the bytes that were added since the last call, and forgets counts of other days. One task calls this.
    ///
    /// # Errors
    /// The store did not answer; the next call writes what this one did not.
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

    /// Adds to the record the bytes that it does not have, and returns how many it has then.
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

/// The bytes that an upload has counted so far. They are given back when this is dropped without [`Charge::keep`].
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
    /// A quota would be passed. None of the bytes is counted then.
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

    /// Keeps what was counted, because the file is kept.
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

/// Changes the count, unless it is of another day: then the upload has no bytes in it.
fn change(counts: &mut HashMap<Key, Count>, key: &Key, day: u64, bytes: i64) {
    if let Some(count) = counts.get_mut(key).filter(|count| count.day == day) {
        count.bytes = count.bytes.saturating_add_signed(bytes);
        count.unsaved += bytes;
    }
}

#[cfg(test)]
mod tests;
