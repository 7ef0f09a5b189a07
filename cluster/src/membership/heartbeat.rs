//! Heartbeats: each member's own record, overwritten once a second with a counter and with the members that it accuses.
//!
//! Why a record, and not an entry of a series: a record is one row for each name, overwritten, read with all others by one
//! statement (its kind is listed), and its order is nobody's clock. A series would keep 86,400 rows a day and node, in an order
//! by clocks that may be an hour apart, so that each peer's would have to be read by itself. The price is a conditional write
//! instead of a plain one, which is also the better sign of life: appends are conditional writes, and a member that can no
//! longer make them does not serve anybody.

use serde::{Deserialize, Serialize};
use store::{
    Clock, Document, INSTALLATION, Incarnation, RecordError, RecordKind, Records, StoreError, Versioned,
};

use crate::name::NodeName;

/// Why a member is accused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No pong came from it.
    Silent,
    /// Its counter stands.
    Standing,
}

/// That one member takes another for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Accusation {
    /// The accused.
    pub of: Incarnation,
    /// Why.
    pub reason: Reason,
}

/// What a member says of itself and of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The node.
    pub name: NodeName,
    /// This boot of it.
    pub incarnation: Incarnation,
    /// One more with each heartbeat.
    pub counter: u64,
    /// The members that it accuses.
    pub accuses: Vec<Accusation>,
    /// The members that it can ask. Nothing is decided by it.
    #[serde(default)]
    pub linked: Vec<Incarnation>,
}

impl Document for Heartbeat {
    const KIND: RecordKind = RecordKind::Heartbeat;

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}

/// Writes one member's heartbeats.
pub(super) struct Writer {
    name: NodeName,
    incarnation: Incarnation,
    counter: u64,
    /// The record as this boot saw it last; none: it is read before the next write.
    seen: Option<Versioned<Heartbeat>>,
}

impl Writer {
    pub(super) fn new(name: NodeName, incarnation: Incarnation) -> Self {
        Self { name, incarnation, counter: 0, seen: None }
    }

    /// Writes the next heartbeat: one statement, and one more before it after a write whose outcome was not known. Says whether
    /// it did; not when the node may not write, which is asked right before each statement.
    ///
    /// # Errors
    /// [`RecordError`]: it may have been written; the next heartbeat reads the record first.
    pub(super) async fn write(
        &mut self,
        records: &dyn Records,
        clock: &Clock,
        accuses: Vec<Accusation>,
        linked: Vec<Incarnation>,
        may: impl Fn() -> bool,
    ) -> Result<bool, RecordError> {
        if !may() {
            return Ok(false);
        }
        // Until the outcome is known the record is not.
        let seen = match self.seen.take() {
            None => store::get::<Heartbeat>(records, INSTALLATION, self.name.as_str()).await?,
            seen => seen,
        };
        if !may() {
            return Ok(false);
        }
        self.counter += 1;
        let (name, incarnation) = (self.name.clone(), self.incarnation);
        let heartbeat = Heartbeat { name, incarnation, counter: self.counter, accuses, linked };
        let written = match seen {
            None => store::insert(records, INSTALLATION, heartbeat, clock.now()).await?,
            Some(seen) => {
                store::update(records, Versioned { document: heartbeat, ..seen }, clock.now()).await?
            }
        };
        self.seen = Some(written);
        Ok(true)
    }
}

/// The last heartbeat of each name.
///
/// # Errors
/// [`StoreError`]: nothing is known.
pub(crate) async fn read(records: &dyn Records) -> Result<Vec<Heartbeat>, StoreError> {
    let all = store::all::<Heartbeat>(records, INSTALLATION).await?;
    Ok(all.into_iter().map(|versioned| versioned.document).collect())
}

/// Forgets the name of a member that is out. Nothing rests on it but the length of the list.
///
/// # Errors
/// [`RecordError`]: it may be there still.
pub(super) async fn forget(records: &dyn Records, name: &NodeName) -> Result<(), RecordError> {
    records.delete(INSTALLATION, RecordKind::Heartbeat, name.as_str(), None).await
}
