//! The conformance suite on every backend.

use std::sync::Arc;

use driver::S3Server;
use store::conformance::{blobs, heads, log, records, rivals};
use store::faulty::{Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{Blobs, EventLog, FolderBlobs, Heads, ObjectBlobs, Records, Store};

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
    for seed in 0..10 {
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
    for seed in 0..100 {
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
