//! Sites' public keys: which are taken, and until when.

use super::*;

#[tokio::test]
async fn a_site_is_found_by_its_key_and_by_no_other() {
    let fixture = Fixture::start().await;
    let caller = fixture.identity.site("site-key").await.unwrap();
    assert!(matches!(&caller, Caller::Site { workspace, site }
        if *workspace == fixture.workspace && site.id == fixture.site.id));
    assert!(caller.principal().is_none());
    for key in ["", "site-kez", "Site-key", " ", &"x".repeat(10_000), "\0"] {
        assert_eq!(word(fixture.identity.site(key).await), "invalid", "{key:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_replaced_ends_in_its_time_on_every_node() {
    let fixture = Fixture::start().await;
    let (here, there) = (&fixture.identity, fixture.other_node());
    let records = fixture.store.records.as_ref();
    let id = fixture.site.id.to_string();
    let find = || store::get::<Site>(records, fixture.workspace, &id);
    let words = async |key: &str| [word(here.site(key).await), word(there.site(key).await)];
    assert_eq!(words("site-key").await, ["site", "site"]);

    let (mut kept, now) = (find().await.unwrap().unwrap(), fixture.clock.now());
    kept.document.rotate_key(Line::parse("second").unwrap(), now.plus_ms(HOUR_MS), now);
    store::update(records, kept, now).await.unwrap();
    here.site_changed(fixture.workspace, &fixture.site);
    assert_eq!(words("second").await, ["site", "site"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    fixture.clock.advance_ms(HOUR_MS - 1);
    assert_eq!(words("site-key").await, ["site", "site"]);
    fixture.clock.advance_ms(1);
    assert_eq!(words("site-key").await, ["invalid", "invalid"], "also where it was read a moment ago");

    // Without an overlap it ends here at once, and elsewhere when it is read again.
    assert_eq!(words("second").await, ["site", "site"]);
    let kept = find().await.unwrap().unwrap();
    let (before, mut changed, now) = (kept.document.clone(), kept, fixture.clock.now());
    changed.document.rotate_key(Line::parse("third").unwrap(), now, now);
    store::update(records, changed, now).await.unwrap();
    here.site_changed(fixture.workspace, &before);
    assert_eq!(words("second").await, ["invalid", "site"]);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(words("second").await, ["invalid", "invalid"]);
    assert_eq!(words("third").await, ["site", "site"]);
}
