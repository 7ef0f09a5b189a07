//! The conformance suite on what needs no server, and in its modules on the databases.

use std::sync::Arc;

use domain::Timestamp;
use driver::S3Server;
use store::conformance::{blobs, claimants, heads, log, owners, records, rivals, series};
use store::faulty::{Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{Blobs, EventLog, FolderBlobs, Heads, ObjectBlobs, Records, Series};

use crate::s3::blobs_at;

mod cql;
mod sqlite;

/// The time of the cases.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// A log in memory that fails by chance, but not for good.
fn faulty(seed: u64) -> (FaultyLog, Arc<MemoryStore>) {
    let faults = Faults {
        unavailable: 0.05,
        answered_late: 0.15,
        written_late: 0.15,
        late_ms_max: 50,
        answer_lost: 0.2,
        unconfirmed: 0.1,
        delay_ms_max: 10,
    };
    let memory = Arc::new(MemoryStore::default());
    (FaultyLog::new(memory.clone(), seed, faults), memory)
}

#[tokio::test]
async fn the_memory_log_keeps_the_contract() {
    log::check(async || Arc::new(MemoryStore::default()) as Arc<dyn EventLog>).await;
}

#[tokio::test]
async fn a_faulty_log_without_faults_is_transparent() {
    log::check(async || Arc::new(FaultyLog::scripted(Arc::new(MemoryStore::default()))) as Arc<dyn EventLog>)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_log_keeps_the_contract() {
    let late = Faults {
        answered_late: 0.3,
        written_late: 0.3,
        late_ms_max: 50,
        delay_ms_max: 10,
        ..Faults::default()
    };
    for seed in driver::seeds(20) {
        let fresh = || FaultyLog::new(Arc::new(MemoryStore::default()), seed, late);
        log::check(async || Arc::new(fresh()) as Arc<dyn EventLog>).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rivals_on_a_log_that_fails_keep_it_whole() {
    for seed in driver::seeds(200) {
        let (log, _) = faulty(seed);
        rivals::check(Arc::new(log.clone()), seed, async || log.calm()).await;
    }
}

#[tokio::test]
async fn the_memory_heads_keep_the_contract() {
    heads::check(async || {
        let store = Arc::new(MemoryStore::default());
        (store.clone() as Arc<dyn EventLog>, store as Arc<dyn Heads>)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn owners_on_a_log_that_fails_leave_lists_that_are_right() {
    for seed in driver::seeds(100) {
        let (log, memory) = faulty(seed);
        let calm = async || {
            log.calm();
            log.at_rest().await;
        };
        owners::check((Arc::new(log.clone()), memory.clone()), memory, seed, calm).await;
    }
}

#[tokio::test]
async fn the_memory_records_keep_the_contract() {
    records::check(async || Arc::new(MemoryRecords::default()) as Arc<dyn Records>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_in_memory_share_no_key() {
    for seed in driver::seeds(10) {
        claimants::check(Arc::new(MemoryRecords::default()), seed).await;
    }
}

#[tokio::test]
async fn the_memory_series_keep_the_contract() {
    series::check(async || Arc::new(MemoryStore::default()) as Arc<dyn Series>, NOW).await;
}

#[tokio::test]
async fn a_folder_keeps_the_contract_of_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("files");
    blobs::check(async || Arc::new(FolderBlobs::open(&root).unwrap()) as Arc<dyn Blobs>).await;
}

#[tokio::test]
async fn an_object_store_in_memory_keeps_the_contract_of_blobs() {
    let dir = tempfile::tempdir().unwrap();
    for prefix in ["", "switchboard/files"] {
        let fresh = || ObjectBlobs::in_memory(prefix, dir.path().to_owned());
        blobs::check(async || Arc::new(fresh()) as Arc<dyn Blobs>).await;
    }
}

#[tokio::test]
async fn a_bucket_keeps_the_contract_of_blobs() {
    let (server, dir) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    server.put("/uploads").await.unwrap();
    let fresh = || blobs_at(server.address(), "uploads", dir.path());
    blobs::check(async || Arc::new(fresh()) as Arc<dyn Blobs>).await;
}
