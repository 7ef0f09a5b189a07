//! The records as one node reaches them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use store::{RecordError, RecordKind, StoreError};
use tokio::time::sleep;

use super::control::{Control, UNAVAILABLE_AFTER};
use super::truth::Chance;
use crate::testing::records::{Trouble, TroubledRecords, Write};

pub(super) type NodeRecords = TroubledRecords<NodeTrouble>;

/// The trouble of one node with the store.
pub(super) struct NodeTrouble {
    pub(super) control: Arc<Control>,
    pub(super) chance: Arc<Chance>,
}

impl NodeTrouble {
    async fn arrive(&self, reads_view: bool) -> Result<(), StoreError> {
        if self.control.is_hasty(reads_view) {
            self.chance.broken("after a pause a node did something before it read the view");
        }
        let faults = self.control.store();
        sleep(Duration::from_millis(1 + self.chance.up_to(4 + faults.slow_ms))).await;
        if self.control.store().is_cut {
            sleep(UNAVAILABLE_AFTER).await;
            return Err(StoreError::Unavailable("cut off".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Trouble for NodeTrouble {
    async fn write(&self, call: &'static str, kind: RecordKind, write: Write) -> Result<(), RecordError> {
        let control = Arc::clone(&self.control);
        let write = async move {
            write.await?;
            if kind == RecordKind::Heartbeat && call != "delete" {
                control.beat();
            }
            Ok(())
        };
        self.arrive(false).await?;
        if self.chance.chance(self.control.store().unknown) {
            match self.chance.up_to(2) {
                0 => {}
                1 => drop::<Result<(), RecordError>>(write.await),
                _ => {
                    let late = Duration::from_millis(self.chance.up_to(2_500));
                    drop(tokio::spawn(async move {
                        sleep(late).await;
                        drop::<Result<(), RecordError>>(write.await);
                    }));
                }
            }
            return Err(RecordError::Unknown);
        }
        write.await?;
        self.answers().await.map_err(|_| RecordError::Unknown)
    }

    async fn reads(&self, _: &'static str, kind: RecordKind) -> Result<(), StoreError> {
        self.arrive(kind == RecordKind::View).await
    }

    async fn answers(&self) -> Result<(), StoreError> {
        sleep(Duration::from_millis(self.chance.up_to(3))).await;
        if self.control.store().is_cut {
            return Err(StoreError::Unavailable("cut off before the answer".into()));
        }
        Ok(())
    }
}
