//! How long a refresh token may be used again after its first use, because the answer may have been lost, or two tabs may
//! have sent the token. A later use is a replay. Called by the log-ins (`sessions.rs`) alone.
//!
//! The first use leaves a record beside the log-in, written before the log-in itself, with the boot that wrote it and that
//! boot's own monotonic time. No clock of two machines is compared, nor any wall clock:
//!
//! - on the boot that wrote it, the time since then is exact;
//! - on another boot, with a store that expires records by itself, the time is up when the record is gone: the store counts
//!   its life, [`GRACE_MS`] rounded up to the next whole second and one more;
//! - on another boot, with a store that only one server uses, the boot that wrote the record ended before this one began. The
//!   time is up [`GRACE_MS`] after this boot began, at the latest.

use serde::{Deserialize, Serialize};
use store::{Document, INSTALLATION, RecordError, RecordKind, StoreError};
use uuid::Uuid;

use crate::boot::Boot;
use crate::identity::Identity;
use crate::token::{Secret, SecretHash};

/// How long after its first use a refresh token may be used again.
pub(super) const GRACE_MS: u64 = 30_000;

/// The first use of a refresh token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Spent {
    token: SecretHash,
    boot: Uuid,
    monotonic_ms: u64,
    expires_at: domain::Timestamp,
}

impl Document for Spent {
    const KIND: RecordKind = RecordKind::SpentRefresh;
    fn id(&self) -> String {
        self.token.to_text()
    }
    fn expires_at(&self) -> Option<domain::Timestamp> {
        Some(self.expires_at)
    }
}

impl Spent {
    /// Whether the token may still be used again, as `boot` judges it at `monotonic_ms`.
    fn in_grace(&self, boot: Boot, monotonic_ms: u64, expires_by_itself: bool) -> bool {
        if self.boot == boot.id {
            monotonic_ms.saturating_sub(self.monotonic_ms) < GRACE_MS
        } else {
            expires_by_itself || monotonic_ms.saturating_sub(boot.began_ms) < GRACE_MS
        }
    }
}

impl Identity {
    /// Writes that a token is about to be exchanged for the first time. To be called before the exchange, so that no request
    /// finds the token spent without this record.
    ///
    /// # Errors
    /// The store did not say that the record was written.
    pub(super) async fn begin_grace(&self, secret: &Secret) -> Result<(), StoreError> {
        let now = self.clock.now();
        let spent = Spent {
            token: SecretHash::of(secret),
            boot: self.boot.id,
            monotonic_ms: self.clock.monotonic_ms(),
            expires_at: now.plus_ms(GRACE_MS),
        };
        let records = self.records.as_ref();
        match store::insert(records, INSTALLATION, spent.clone(), now).await {
            Ok(_) => Ok(()),
            // An exchange that failed, or another one that runs now, wrote the record: this is the first use all the same.
            Err(RecordError::Taken(_)) => {
                let again = |kept: &mut Spent| {
                    *kept = spent.clone();
                    true
                };
                store::change(records, INSTALLATION, &spent.id(), now, again)
                    .await
                    .map_err(RecordError::or_unavailable)?;
                Ok(())
            }
            Err(error) => Err(error.or_unavailable()),
        }
    }

    /// Whether a token that was exchanged may be exchanged once more.
    ///
    /// # Errors
    /// The store did not answer.
    pub(super) async fn in_grace(&self, secret: &Secret) -> Result<bool, StoreError> {
        let records = self.records.as_ref();
        let id = SecretHash::of(secret).to_text();
        let spent = store::get::<Spent>(records, INSTALLATION, &id).await?;
        let (now_ms, by_itself) = (self.clock.monotonic_ms(), records.expires_by_itself());
        Ok(spent.is_some_and(|spent| spent.document.in_grace(self.boot, now_ms, by_itself)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_boot_s_own_and_no_clock_of_another_is_asked() {
        let (ours, other) = (Boot::begin(5_000), Boot::begin(0));
        let spent = |boot: Boot, monotonic_ms| Spent {
            token: SecretHash::of(b"token"),
            boot: boot.id,
            monotonic_ms,
            expires_at: domain::Timestamp::from_ms(0),
        };
        for (by, at_ms, now_ms, by_itself, in_grace) in [
            (ours, 10_000, 10_000, false, true),
            (ours, 10_000, 39_999, false, true),
            (ours, 10_000, 40_000, false, false),
            (ours, 10_000, 39_999, true, true),
            (ours, 10_000, 40_000, true, false),
            // One of this server's earlier boots, which ended before this one began.
            (other, 999_999, 5_000, false, true),
            (other, 0, 34_999, false, true),
            (other, 999_999, 35_000, false, false),
            // Another node: its record would be gone.
            (other, 0, 999_999, true, true),
        ] {
            let said = spent(by, at_ms).in_grace(ours, now_ms, by_itself);
            assert_eq!(said, in_grace, "{at_ms} {now_ms} {by_itself}");
        }
    }

    #[test]
    fn what_is_stored_of_a_first_use_is_read_for_ever() {
        let spent = Spent {
            token: SecretHash::of(b"token"),
            boot: Uuid::from_bytes([7; 16]),
            monotonic_ms: 12,
            expires_at: domain::Timestamp::from_ms(1_700_000_000_000),
        };
        let mut golden = store::golden::Golden::new(include_str!("grace/golden.txt"));
        golden.check("spent_refresh", &spent);
        golden.finish();
    }
}
