//! A whole installation from SQLite to CQL and back.

use store::copy::Whole;

use crate::copy::{copied, furnish, whole};
use crate::cql;
use crate::sandbox::Sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_cql_and_back_is_the_same() {
    let (from, back) = (Sandbox::open(), Sandbox::open());
    furnish(&whole(&from)).await;
    let Some(cql) = cql::open_empty("switchboard_copy").await else { return };
    let there = Whole { store: cql.store(), dump: cql.dump().await.unwrap() };
    let whole_copy = copied(&whole(&from), &there, 1, |_| ()).await.unwrap();
    assert_eq!(whole_copy, copied(&there, &whole(&back), 1, |_| ()).await.unwrap());
    assert_eq!(whole_copy, copied(&whole(&from), &whole(&back), 2, |_| ()).await.unwrap());
}
