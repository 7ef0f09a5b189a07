//! Visitors: made, renewed, proven, logged out.

use domain::{Attribute, Attributes};

use super::*;

#[tokio::test]
async fn a_visitor_s_token_is_renewed_for_thirty_days_after_its_end_and_then_says_expired() {
    let fixture = Fixture::start().await;
    let first = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    assert!(first.created && !first.visitor.verified());
    assert_eq!(first.expires_at, fixture.clock.now().plus_ms(DAY_MS));
    fixture.clock.advance_ms(DAY_MS);
    assert_eq!(outcome(&fixture.identity, &first.token).await, "expired");
    let renewed = fixture.visitor(Some(&first.token), VisitorRequest::default()).await.unwrap();
    assert!(!renewed.created);
    assert_eq!(renewed.visitor.id, first.visitor.id);
    assert_eq!(outcome(&fixture.identity, &renewed.token).await, "visitor");
    fixture.clock.advance_ms(30 * DAY_MS);
    assert!(fixture.visitor(Some(&first.token), VisitorRequest::default()).await.is_ok());
    fixture.clock.advance_ms(1);
    let late = fixture.visitor(Some(&first.token), VisitorRequest::default()).await;
    assert!(matches!(late, Err(VisitorError::Token(AuthError::Expired))));
}

#[tokio::test]
async fn an_old_token_of_another_site_or_a_forged_one_makes_no_visitor() {
    let fixture = Fixture::start().await;
    let visitor = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let elsewhere = Site { id: SiteId::from_hash([8; 16]), ..fixture.site.clone() };
    let foreign = fixture
        .identity
        .visitor_for(fixture.workspace, &elsewhere, Some(&visitor.token), &VisitorRequest::default())
        .await;
    assert!(matches!(foreign, Err(VisitorError::Token(AuthError::Invalid))));
    let mut forged = visitor.token.clone().into_bytes();
    forged[50] = if forged[50] == b'A' { b'B' } else { b'A' };
    for token in ["", "sbv_", std::str::from_utf8(&forged).unwrap()] {
        let refused = fixture.visitor(Some(token), VisitorRequest::default()).await;
        assert!(matches!(refused, Err(VisitorError::Token(AuthError::Invalid))), "{token}");
    }
}

#[tokio::test]
async fn the_same_subject_is_the_same_visitor_on_all_sites_of_a_workspace_and_in_no_other() {
    let fixture = Fixture::start().await;
    let ann = fixture.visitor(None, fixture.signed(r#""sub":"u1","name":"Ann""#)).await.unwrap();
    assert!(ann.created && ann.visitor.verified());
    let again = fixture.visitor(None, fixture.signed(r#""sub":"u1","email":"ann@x.org""#)).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.visitor.id, ann.visitor.id);
    assert_eq!(again.visitor.name.as_ref().unwrap().as_str(), "Ann");
    assert_eq!(again.visitor.email.as_ref().unwrap().as_str(), "ann@x.org");

    let elsewhere = Site { id: SiteId::from_hash([8; 16]), ..fixture.site.clone() };
    let request = fixture.signed(r#""sub":"u1""#);
    let there = fixture.identity.visitor_for(fixture.workspace, &elsewhere, None, &request).await.unwrap();
    assert_eq!((there.visitor.id, there.created), (ann.visitor.id, false));
    // The token stays bound to its site.
    let here = fixture.visitor(Some(&there.token), VisitorRequest::default()).await;
    assert!(matches!(here, Err(VisitorError::Token(AuthError::Invalid))));

    let workspace = WorkspaceId::from_hash([9; 16]);
    let request = fixture.signed(r#""sub":"u1""#);
    let other = fixture.identity.visitor_for(workspace, &elsewhere, None, &request).await.unwrap();
    assert_ne!(other.visitor.id, ann.visitor.id);
}

#[tokio::test]
async fn an_anonymous_visitor_who_proves_an_identity_keeps_the_id_when_the_identity_is_new() {
    let fixture = Fixture::start().await;
    let told = VisitorRequest {
        name: Some(Name::parse("The CEO").unwrap()),
        email: Some(Email::parse("ceo@x.org").unwrap()),
        ..VisitorRequest::default()
    };
    let anonymous = fixture.visitor(None, told.clone()).await.unwrap();
    assert_eq!(anonymous.visitor.name, told.name);
    let request = VisitorRequest { ..fixture.signed(r#""sub":"u1""#) };
    let proven = fixture.visitor(Some(&anonymous.token), request).await.unwrap();
    assert_eq!((proven.visitor.id, proven.created, proven.was), (anonymous.visitor.id, false, None));
    assert_eq!(
        (&proven.visitor.name, &proven.visitor.email),
        (&None, &None),
        "unsigned words do not look signed"
    );

    // Neither later.
    let later = fixture.visitor(Some(&proven.token), told).await.unwrap();
    assert_eq!(later.visitor.email, None);
    assert!(later.visitor.verified());
}

#[tokio::test]
async fn an_anonymous_visitor_becomes_the_one_who_has_his_identity_already() {
    let fixture = Fixture::start().await;
    let ann = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let proven = fixture.visitor(Some(&anonymous.token), fixture.signed(r#""sub":"u1""#)).await.unwrap();
    assert_eq!(proven.visitor.id, ann.visitor.id);
    assert_eq!((proven.created, proven.was), (false, Some(anonymous.visitor.id)));
}

#[tokio::test]
async fn two_verified_visitors_never_merge() {
    let fixture = Fixture::start().await;
    let ann = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    let bob = fixture.visitor(Some(&ann.token), fixture.signed(r#""sub":"u2""#)).await.unwrap();
    assert_ne!(bob.visitor.id, ann.visitor.id);
    assert_eq!((bob.created, bob.was), (true, None));
    let again = fixture.visitor(Some(&bob.token), fixture.signed(r#""sub":"u1""#)).await.unwrap();
    assert_eq!((again.visitor.id, again.was), (ann.visitor.id, None));
}

#[tokio::test]
async fn of_many_who_bring_a_new_identity_at_once_all_are_one_visitor() {
    let fixture = Fixture::start().await;
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let all = (0..8).map(|n| {
        let old_token = (n % 2 == 0).then_some(anonymous.token.as_str());
        fixture.visitor(old_token, fixture.signed(r#""sub":"u1""#))
    });
    let all = futures_util::future::join_all(all).await;
    let ids: Vec<VisitorId> = all.into_iter().map(|one| one.unwrap().visitor.id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_site_that_requires_identities_takes_no_anonymous_visitor() {
    let mut fixture = Fixture::start().await;
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    fixture.site.identity_required = true;
    for old_token in [None, Some(anonymous.token.as_str())] {
        let refused = fixture.visitor(old_token, VisitorRequest::default()).await;
        assert!(matches!(refused, Err(VisitorError::IdentityRequired)));
    }
    let proven = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    assert!(fixture.visitor(Some(&proven.token), VisitorRequest::default()).await.is_ok());
    fixture.site.identity_secret = None;
    let unprovable = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await;
    assert!(matches!(unprovable, Err(VisitorError::Identity(JwtError::NoSecret))));
}

#[tokio::test]
async fn attributes_are_set_key_by_key_and_stay_within_their_bounds() {
    let fixture = Fixture::start().await;
    let attributes = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), Attribute::Text((*value).into())));
        VisitorRequest { attributes: Attributes::parse(pairs).unwrap(), ..VisitorRequest::default() }
    };
    let first = fixture.visitor(None, attributes(&[("plan", "free"), ("page", "a")])).await.unwrap();
    let second = fixture.visitor(Some(&first.token), attributes(&[("plan", "pro")])).await.unwrap();
    assert_eq!(second.visitor.attributes, attributes(&[("page", "a"), ("plan", "pro")]).attributes);
    let many: Vec<(String, &str)> = (0..32).map(|n| (format!("k{n}"), "v")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let refused = fixture.visitor(Some(&first.token), attributes(&many)).await;
    assert!(matches!(refused, Err(VisitorError::Attributes(_))));
}

#[tokio::test]
async fn a_visitor_who_was_removed_is_revoked() {
    let fixture = Fixture::start().await;
    let visitor = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let caller = fixture.identity.bearer(&visitor.token).await.unwrap();
    let id = visitor.visitor.id;
    let records = fixture.store.records.as_ref();
    records.delete(fixture.workspace, store::RecordKind::Visitor, &id.to_string(), None).await.unwrap();
    fixture.identity.visitor_changed(fixture.workspace, id);
    assert_eq!(outcome(&fixture.identity, &visitor.token).await, "revoked");
    assert_eq!(word(fixture.identity.still_valid(&caller).await), "revoked");
}

/// Nothing that this token was good for is it good for now.
async fn assert_ended(fixture: &Fixture, token: &str) {
    for node in [&fixture.identity, &fixture.other_node()] {
        assert_eq!(outcome(node, token).await, "revoked");
        for request in [VisitorRequest::default(), fixture.signed(r#""sub":"mallory""#)] {
            let refused = node.visitor_for(fixture.workspace, &fixture.site, Some(token), &request).await;
            assert!(matches!(refused, Err(VisitorError::Token(AuthError::Revoked))));
        }
    }
}

#[tokio::test]
async fn proving_an_identity_ends_all_tokens_from_before_it() {
    let fixture = Fixture::start().await;
    let (ann, bare) = (r#""sub":"u1","name":"Ann""#, VisitorRequest::default);
    // Nobody had the identity; then another anonymous visitor becomes the one who has it; then it is proven alone.
    let first = fixture.visitor(None, bare()).await.unwrap();
    let renewed = fixture.visitor(Some(&first.token), bare()).await.unwrap();
    let caller = fixture.identity.bearer(&first.token).await.unwrap();
    assert_eq!(outcome(&fixture.identity, &renewed.token).await, "visitor");
    let mut revocations = fixture.identity.revocations();
    let proven = fixture.visitor(Some(&renewed.token), fixture.signed(ann)).await.unwrap();
    assert_eq!(revocations.recv().await, Ok(Revoked::Visitor(first.visitor.id)));
    assert_eq!(word(fixture.identity.still_valid(&caller).await), "revoked");
    for old in [&first.token, &renewed.token] {
        assert_ended(&fixture, old).await;
    }

    let anonymous = fixture.visitor(None, bare()).await.unwrap();
    let caller = fixture.identity.bearer(&anonymous.token).await.unwrap();
    let merged = fixture.visitor(Some(&anonymous.token), fixture.signed(ann)).await.unwrap();
    assert_eq!(merged.was, Some(anonymous.visitor.id));
    assert_eq!(word(fixture.identity.still_valid(&caller).await), "revoked");
    for old in [&proven.token, &anonymous.token] {
        assert_ended(&fixture, old).await;
    }

    let again = fixture.visitor(None, fixture.signed(ann)).await.unwrap();
    assert_ended(&fixture, &merged.token).await;
    // Without an identity nothing ends: other tabs keep their tokens.
    let tab = fixture.visitor(Some(&again.token), bare()).await.unwrap();
    for token in [&again.token, &tab.token] {
        assert_eq!(outcome(&fixture.identity, token).await, "visitor");
    }
    // Somebody else's proof does not concern this visitor.
    fixture.visitor(Some(&tab.token), fixture.signed(r#""sub":"u2""#)).await.unwrap();
    assert_eq!(outcome(&fixture.identity, &again.token).await, "visitor");
}

#[tokio::test]
async fn a_proof_whose_answer_was_lost_can_be_repeated_with_the_token_that_it_ended() {
    let fixture = Fixture::start().await;
    let ann = r#""sub":"u1""#;
    let first = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    fixture.visitor(Some(&first.token), fixture.signed(ann)).await.unwrap();
    let again = fixture.visitor(Some(&first.token), fixture.signed(ann)).await.unwrap();
    assert_eq!((again.visitor.id, again.was), (first.visitor.id, None));
    assert_eq!(outcome(&fixture.identity, &again.token).await, "visitor");

    // Of one who became another, so that what was left of the conversations follows.
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    for _ in 0..2 {
        let proven = fixture.visitor(Some(&anonymous.token), fixture.signed(ann)).await.unwrap();
        assert_eq!((proven.visitor.id, proven.was), (first.visitor.id, Some(anonymous.visitor.id)));
    }
}

#[tokio::test]
async fn of_two_identities_that_one_anonymous_visitor_proves_at_once_one_gets_the_conversations() {
    for known in [[true, true], [true, false], [false, false]] {
        let fixture = Fixture::start().await;
        for (subject, known) in ["u0", "u1"].into_iter().zip(known) {
            if known {
                fixture.visitor(None, fixture.signed(&format!(r#""sub":"{subject}""#))).await.unwrap();
            }
        }
        let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
        let prove = |subject: &str| {
            fixture.visitor(Some(&anonymous.token), fixture.signed(&format!(r#""sub":"{subject}""#)))
        };
        let (a, b) = tokio::join!(prove("u0"), prove("u1"));
        // The later one may find the token ended.
        let proven: Vec<KnownVisitor> = [a, b].into_iter().flatten().collect();
        let heirs = proven.iter().filter(|proven| {
            proven.was == Some(anonymous.visitor.id) || proven.visitor.id == anonymous.visitor.id
        });
        assert_eq!(heirs.count(), 1, "{known:?}");
        assert!(proven.len() < 2 || proven[0].visitor.id != proven[1].visitor.id);
    }
}

#[tokio::test]
async fn a_log_out_ends_all_tokens_of_the_visitor_here_at_once_and_elsewhere_within_five_seconds() {
    let fixture = Fixture::start().await;
    for request in [VisitorRequest::default(), fixture.signed(r#""sub":"u1""#)] {
        let first = fixture.visitor(None, request).await.unwrap();
        let tab = fixture.visitor(Some(&first.token), VisitorRequest::default()).await.unwrap();
        let other = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
        let node = fixture.other_node();
        let caller = node.bearer(&tab.token).await.unwrap();
        let mut revocations = fixture.identity.revocations();
        fixture.identity.log_out_visitor(fixture.workspace, first.visitor.id).await.unwrap();
        assert_eq!(revocations.recv().await, Ok(Revoked::Visitor(first.visitor.id)));
        for token in [&first.token, &tab.token] {
            assert_ended(&fixture, token).await;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(5)).await;
        tokio::time::resume();
        assert_eq!(outcome(&node, &tab.token).await, "revoked");
        assert_eq!(word(node.still_valid(&caller).await), "revoked");
        assert_eq!(outcome(&fixture.identity, &other.token).await, "visitor");
    }
}

#[tokio::test]
async fn an_unproven_visitor_of_a_site_that_requires_identities_is_known_as_one() {
    let fixture = Fixture::start().await;
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let proven = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    let mut unproven = Vec::new();
    for required in [false, true] {
        let id = fixture.site.id.to_string();
        let change = |site: &mut Site| {
            site.identity_required = required;
            true
        };
        let records = fixture.store.records.as_ref();
        let now = fixture.clock.now();
        store::change::<Site>(records, fixture.workspace, &id, now, change).await.unwrap();
        fixture.identity.site_changed(fixture.workspace, &fixture.site);
        for token in [&anonymous.token, &proven.token] {
            match fixture.identity.bearer(token).await.unwrap() {
                Caller::Visitor { unproven: is_unproven, .. } => unproven.push(is_unproven),
                caller => panic!("{caller:?}"),
            }
        }
    }
    assert_eq!(unproven, [false, false, true, false]);
}
