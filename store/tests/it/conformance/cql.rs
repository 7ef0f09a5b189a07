//! The conformance suite on CQL.

use store::Store;
use store::conformance::{claimants, heads, log, records, rivals, series};

use crate::cql;

use super::NOW;

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_log_keeps_the_contract() {
    let Some(cql) = cql::open().await else { return };
    log::check(async || cql.store().log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rivals_on_cql_keep_the_log_whole() {
    let Some(cql) = cql::open().await else { return };
    for seed in driver::seeds(4) {
        rivals::check(cql.store().log, seed, async || ()).await;
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
async fn the_cql_records_keep_the_contract() {
    let Some(cql) = cql::open().await else { return };
    records::check(async || cql.store().records).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_on_cql_share_no_key() {
    let Some(cql) = cql::open().await else { return };
    let rounds = (0..8).map(|seed| claimants::check(cql.store().records, seed));
    futures_util::future::join_all(rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_series_keep_the_contract() {
    let Some(cql) = cql::open().await else { return };
    series::check(async || cql.store().series, NOW).await;
}
