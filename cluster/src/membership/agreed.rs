//! The record of the view: read, and changed by compare-and-set until the change is in it.

use domain::Timestamp;
use store::{INSTALLATION, Record, RecordError, RecordKind, Records, StoreError, envelope};

use super::document::{ID, View};

/// How often others may change the view between a reading and the write that rests on it.
const CHANGES_MAX: usize = 32;

/// Changes the view, however often others change it meanwhile, and returns it as it is then. `change` says whether it changed
/// anything; what it did already it does not do again. It is called right before the write that rests on it.
///
/// # Errors
/// [`StoreError`]: the change may have been made, and the caller may ask for it again.
pub(crate) async fn change(
    records: &dyn Records,
    now: Timestamp,
    change: impl Fn(&mut View) -> bool,
) -> Result<View, StoreError> {
    for _ in 0..CHANGES_MAX {
        let written = match store::get::<View>(records, INSTALLATION, ID).await? {
            None => {
                let empty = View::default();
                let Some(next) = empty.after(&change) else { return Ok(empty) };
                store::insert(records, INSTALLATION, next, now).await
            }
            Some(mut found) => {
                let Some(next) = found.document.after(&change) else { return Ok(found.document) };
                found.document = next;
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

/// Reads the view again and again, and decodes it only when it changed.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Of the record, not of the view.
    seen: u64,
}

impl Reader {
    /// The view, unless it is the one that was read before.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known.
    pub(super) async fn read(&mut self, records: &dyn Records) -> Result<Option<View>, StoreError> {
        let found: Option<Record> = records.get(INSTALLATION, RecordKind::View, ID).await?;
        let Some(record) = found.filter(|record| record.version != self.seen) else { return Ok(None) };
        let view = envelope::open(&record.body)?;
        self.seen = record.version;
        Ok(Some(view))
    }
}
