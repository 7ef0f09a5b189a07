use store::golden::Golden;

use super::*;
use crate::testing::Fixture;

const LIMITS: QuotaLimits = QuotaLimits { visitor_bytes: 100, site_bytes: 250, workspace_bytes: 400 };

fn quotas(fixture: &Fixture, limits: QuotaLimits) -> UploadQuotas {
    UploadQuotas::new(limits, fixture.store.records.clone(), fixture.clock.clone())
}

fn visitor(n: u8) -> VisitorId {
    VisitorId::from_hash([n; 16])
}

fn site(n: u8) -> SiteId {
    SiteId::from_hash([n; 16])
}

/// Uploads so many bytes; says whose quota was in the way.
async fn upload(
    quotas: &UploadQuotas,
    fixture: &Fixture,
    by: Option<(u8, u8)>,
    bytes: u64,
) -> Result<(), &'static str> {
    let by = by.map(|(n, of)| (visitor(n), site(of)));
    let mut charge = quotas.begin(fixture.workspace, by).await.unwrap();
    charge.add(bytes).map_err(|passed| passed.whose)?;
    charge.keep();
    Ok(())
}

#[tokio::test]
async fn a_day_brings_so_many_bytes_of_a_visitor_to_a_site_and_to_a_workspace() {
    let fixture = Fixture::start();
    let quotas = quotas(&fixture, LIMITS);
    for (by, bytes, expected) in [
        (Some((1, 1)), 60, Ok(())),
        (Some((1, 1)), 41, Err("a visitor")),
        (Some((1, 1)), 40, Ok(())),
        (Some((1, 1)), 1, Err("a visitor")),
        (Some((2, 1)), 100, Ok(())),
        (Some((3, 1)), 51, Err("a site's visitors together")),
        (Some((3, 1)), 50, Ok(())),
        (Some((4, 1)), 1, Err("a site's visitors together")),
        (Some((5, 2)), 100, Ok(())),
        (None, 51, Err("a workspace")),
        (None, 50, Ok(())),
        (Some((6, 2)), 1, Err("a workspace")),
    ] {
        assert_eq!(upload(&quotas, &fixture, by, bytes).await, expected, "{by:?} {bytes}");
    }
    // Another workspace has its own, and another day too.
    let mut elsewhere = quotas.begin(WorkspaceId::from_hash([9; 16]), None).await.unwrap();
    elsewhere.add(400).unwrap();
    fixture.clock.advance_ms(DAY_MS);
    assert_eq!(upload(&quotas, &fixture, Some((1, 1)), 100).await, Ok(()));
}

#[tokio::test]
async fn what_is_refused_or_breaks_off_is_given_back_and_what_is_under_way_counts() {
    let fixture = Fixture::start();
    let quotas = quotas(&fixture, LIMITS);
    let by = Some((visitor(1), site(1)));
    let mut under_way = quotas.begin(fixture.workspace, by).await.unwrap();
    under_way.add(30).unwrap();
    under_way.add(30).unwrap();
    assert_eq!(upload(&quotas, &fixture, Some((1, 1)), 41).await, Err("a visitor"));
    let passed = under_way.add(41).unwrap_err();
    assert!((1..=DAY_MS).contains(&passed.retry_after_ms), "{passed:?}");
    drop(under_way);
    assert_eq!(upload(&quotas, &fixture, Some((1, 1)), 100).await, Ok(()));
}

#[tokio::test]
async fn a_quota_of_zero_is_none() {
    let fixture = Fixture::start();
    let limits = QuotaLimits { visitor_bytes: 0, site_bytes: 0, workspace_bytes: 50 };
    let quotas = quotas(&fixture, limits);
    assert_eq!(upload(&quotas, &fixture, Some((1, 1)), 50).await, Ok(()));
    assert_eq!(upload(&quotas, &fixture, Some((1, 1)), 1).await, Err("a workspace"));
    let off = super::UploadQuotas::new(
        QuotaLimits::default(),
        fixture.store.records.clone(),
        fixture.clock.clone(),
    );
    assert_eq!(upload(&off, &fixture, Some((1, 1)), u64::MAX).await, Ok(()));
}

#[tokio::test]
async fn a_restart_and_a_second_server_know_what_was_saved() {
    let fixture = Fixture::start();
    let (first, second) = (quotas(&fixture, LIMITS), quotas(&fixture, LIMITS));
    assert_eq!(upload(&first, &fixture, Some((1, 1)), 40).await, Ok(()));
    assert_eq!(upload(&second, &fixture, Some((1, 1)), 40).await, Ok(()));
    for quotas in [&first, &second, &first, &first] {
        quotas.save().await.unwrap();
    }
    // One of the two has read what the other wrote by now, and a server that starts now reads both.
    for quotas in [&second, &quotas(&fixture, LIMITS)] {
        assert_eq!(upload(quotas, &fixture, Some((1, 1)), 21).await, Err("a visitor"));
        assert_eq!(upload(quotas, &fixture, Some((1, 1)), 20).await, Ok(()));
    }
    // What was saved and then given back is taken out of the record again.
    let third = quotas(&fixture, LIMITS);
    let mut charge = third.begin(fixture.workspace, Some((visitor(2), site(2)))).await.unwrap();
    charge.add(90).unwrap();
    third.save().await.unwrap();
    drop(charge);
    third.save().await.unwrap();
    assert_eq!(upload(&quotas(&fixture, LIMITS), &fixture, Some((2, 2)), 100).await, Ok(()));
    // Of another day nothing is kept in memory.
    fixture.clock.advance_ms(DAY_MS);
    third.save().await.unwrap();
    assert!(third.counts().is_empty());
}

#[test]
fn what_is_stored_of_a_day_is_read_for_ever() {
    let day = 19_675;
    let ids = [Counted::Visitor(visitor(1)), Counted::Site(site(2)), Counted::Workspace];
    let mut golden = Golden::new(include_str!("golden.txt"));
    for (name, counted) in ["visitor", "site", "workspace"].into_iter().zip(ids) {
        let expires_at = Timestamp::from_ms((day + 2) * DAY_MS);
        golden.check(name, &UploadedBytes { id: id_of(counted, day), bytes: 1234, expires_at });
    }
    golden.finish();
}
