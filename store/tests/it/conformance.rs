//! The conformance suite on every backend.

use std::sync::Arc;

use driver::S3Server;
use store::conformance::{blobs, claimants, heads, log, owners, records, rivals, series};
use store::faulty::{Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{Blobs, EventLog, FolderBlobs, Heads, ObjectBlobs, Records, Series, Store};

use crate::cql::{self, NOW};
use crate::s3::blobs_at;
use crate::sandbox::Sandbox;

#[tokio::test]
async fn the_memory_log_keeps_the_contract() {
    log::check(async || Arc::new(MemoryStore::default()) as Arc<dyn EventLog>).await;
}

#[tokio::test]
async fn a_faulty_log_without_faults_is_transparent() {
    log::check(async || Arc::new(FaultyLog::scripted(Arc::new(MemoryStore::default()))) as Arc<dyn EventLog>)
        .await;
}

#[tokio::test]
async fn the_sqlite_log_keeps_the_contract() {
    let sandbox = Sandbox::open();
    log::check(async || sandbox.store().log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rivals_on_sqlite_keep_the_log_whole() {
    let sandbox = Sandbox::open();
    for seed in driver::seeds(10) {
        rivals::check(sandbox.store().log, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rivals_on_a_log_that_fails_keep_it_whole() {
    let faults = Faults {
        unavailable: 0.05,
        unknown_applied: 0.1,
        unknown_lost: 0.1,
        unknown_late: 0.2,
        claim_answer_lost: 0.1,
        delay_ms_max: 30,
    };
    for seed in driver::seeds(100) {
        let log = Arc::new(FaultyLog::new(Arc::new(MemoryStore::default()), seed, faults));
        rivals::check(log, seed).await;
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

#[tokio::test]
async fn the_sqlite_heads_keep_the_contract() {
    let sandbox = Sandbox::open();
    heads::check(async || {
        let Store { log, heads, .. } = sandbox.store();
        (log, heads)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_log_keeps_the_contract() {
    let Some(cql) = cql::open().await else { return };
    log::check(async || cql.store().log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rivals_on_cql_keep_the_log_whole() {
    let Some(cql) = cql::open().await else { return };
    for seed in driver::seeds(4) {
        rivals::check(cql.store().log, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_heads_keep_the_contract() {
    let Some(cql) = cql::open().await else { return };
    heads::check(async || {
        let Store { log, heads, .. } = cql.store();
        (log, heads)
    })
    .await;
}

#[tokio::test]
async fn owners_on_memory_and_sqlite_leave_lists_that_are_right() {
    for seed in driver::seeds(10) {
        let memory = Arc::new(MemoryStore::default());
        owners::check((memory.clone(), memory.clone()), memory, seed, async || ()).await;
        let sandbox = Sandbox::open();
        let Store { log, heads, .. } = sandbox.store();
        owners::check((log, heads.clone()), heads, seed, async || ()).await;
    }
}

#[tokio::test]
async fn the_sqlite_records_keep_the_contract() {
    let sandbox = Sandbox::open();
    records::check(async || sandbox.store().records).await;
}

#[tokio::test]
async fn the_memory_records_keep_the_contract() {
    records::check(async || Arc::new(MemoryRecords::default()) as Arc<dyn Records>).await;
}

#[tokio::test]
async fn the_cql_records_keep_the_contract() {
    let Some(cql) = cql::open().await else { return };
    records::check(async || cql.store().records).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_in_memory_and_on_sqlite_share_no_key() {
    let sandbox = Sandbox::open();
    for seed in driver::seeds(10) {
        claimants::check(Arc::new(MemoryRecords::default()), seed).await;
        claimants::check(sandbox.store().records, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_on_cql_share_no_key() {
    let Some(cql) = cql::open().await else { return };
    let rounds = (0..8).map(|seed| claimants::check(cql.store().records, seed));
    futures_util::future::join_all(rounds).await;
}

#[tokio::test]
async fn the_memory_series_keep_the_contract() {
    let fresh = async || {
        let store = Arc::new(MemoryStore::default());
        (store.clone() as Arc<dyn EventLog>, store as Arc<dyn Series>)
    };
    series::check(fresh, NOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_series_keep_the_contract() {
    let sandbox = Sandbox::open();
    let fresh = async || {
        let Store { log, series, .. } = sandbox.store();
        (log, series)
    };
    series::check(fresh, NOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_series_keep_the_contract() {
    let Some(cql) = cql::open().await else { return };
    let fresh = async || {
        let Store { log, series, .. } = cql.store();
        (log, series)
    };
    series::check(fresh, NOW).await;
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
