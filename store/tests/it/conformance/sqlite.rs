//! The conformance suite on SQLite.

use store::Store;
use store::conformance::{claimants, heads, log, owners, records, rivals, series};

use crate::sandbox::Sandbox;

use super::NOW;

#[tokio::test]
async fn the_sqlite_log_keeps_the_contract() {
    let sandbox = Sandbox::open();
    log::check(async || sandbox.store().log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rivals_on_sqlite_keep_the_log_whole() {
    let sandbox = Sandbox::open();
    for seed in driver::seeds(10) {
        rivals::check(sandbox.store().log, seed, async || ()).await;
    }
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
async fn owners_on_sqlite_leave_lists_that_are_right() {
    for seed in driver::seeds(10) {
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

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_series_keep_the_contract() {
    let sandbox = Sandbox::open();
    series::check(async || sandbox.store().series, NOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_on_sqlite_share_no_key() {
    let sandbox = Sandbox::open();
    for seed in driver::seeds(10) {
        claimants::check(sandbox.store().records, seed).await;
    }
}
