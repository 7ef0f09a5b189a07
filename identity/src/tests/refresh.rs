//! Refresh tokens: exchanged, used again in time, replayed.

use super::*;

#[tokio::test]
async fn a_refresh_token_may_be_used_again_for_thirty_seconds_and_then_ends_the_whole_log_in() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let (login, other) = (fixture.login().await, fixture.login().await);
    let first = fixture.identity.refresh(&login.refresh_token).await.unwrap();
    let mut pairs = vec![first];
    for passed_ms in [0, 60, 20_000, 9_939] {
        fixture.clock.advance_ms(passed_ms);
        let pair = fixture.identity.refresh(&login.refresh_token).await.unwrap();
        assert_eq!(pair.session, login.session);
        pairs.push(pair);
    }
    // Each of them goes on.
    for pair in &pairs {
        assert_eq!(outcome(&fixture.identity, &pair.access_token).await, "agent");
        let next = fixture.identity.refresh(&pair.refresh_token).await.unwrap();
        assert_eq!(outcome(&fixture.identity, &next.access_token).await, "agent");
        assert_eq!(outcome(&fixture.identity, &pair.access_token).await, "agent");
    }

    let mut revocations = fixture.identity.revocations();
    fixture.clock.advance_ms(1);
    assert!(matches!(fixture.identity.refresh(&login.refresh_token).await, Err(AuthError::Revoked)));
    assert_eq!(revocations.recv().await, Ok(Revoked::Session(login.session)));
    for pair in pairs.iter().chain([&login]) {
        assert_eq!(outcome(&fixture.identity, &pair.access_token).await, "revoked");
        assert!(matches!(fixture.identity.refresh(&pair.refresh_token).await, Err(AuthError::Revoked)));
    }
    assert_eq!(outcome(&fixture.identity, &other.access_token).await, "agent");
}

#[tokio::test]
async fn a_replay_ends_the_log_in_wherever_the_clock_stands() {
    for by_ms in [0, -3_600_000, -400 * DAY_MS as i64, 3_000_000, 400 * DAY_MS as i64] {
        let fixture = Fixture::start().await;
        fixture.ann().await;
        let login = fixture.login().await;
        fixture.identity.refresh(&login.refresh_token).await.unwrap();
        fixture.clock.jump_ms(by_ms);
        fixture.clock.advance_ms(29_999);
        assert!(fixture.identity.refresh(&login.refresh_token).await.is_ok(), "{by_ms}");
        fixture.clock.advance_ms(1);
        let replayed = fixture.identity.refresh(&login.refresh_token).await;
        assert!(matches!(replayed, Err(AuthError::Revoked)), "{by_ms}");
        assert_eq!(outcome(&fixture.identity, &login.access_token).await, "revoked", "{by_ms}");
    }
}

#[tokio::test]
async fn after_a_restart_the_time_is_up_thirty_seconds_later_at_the_latest() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    fixture.identity.refresh(&login.refresh_token).await.unwrap();
    let restarted = fixture.other_node();
    fixture.clock.advance_ms(29_999);
    assert!(restarted.refresh(&login.refresh_token).await.is_ok());
    fixture.clock.advance_ms(1);
    assert!(matches!(restarted.refresh(&login.refresh_token).await, Err(AuthError::Revoked)));
}

#[tokio::test]
async fn many_parallel_refreshes_with_one_token_all_go_on() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let node = fixture.other_node();
    let race = futures_util::future::join_all(
        (0..24).map(|n| if n % 2 == 0 { &fixture.identity } else { &node }.refresh(&login.refresh_token)),
    );
    let pairs: Vec<LoggedIn> = race.await.into_iter().map(Result::unwrap).collect();
    for pair in &pairs {
        assert_eq!((pair.session, outcome(&node, &pair.access_token).await), (login.session, "agent"));
        let next = fixture.identity.refresh(&pair.refresh_token).await.unwrap();
        assert_eq!(outcome(&fixture.identity, &next.access_token).await, "agent");
    }
}

#[tokio::test]
async fn an_exchange_that_failed_half_way_is_no_use_of_the_token() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let Some(Token::Refresh(_, secret)) = Token::parse(&login.refresh_token) else { panic!("it is one") };
    fixture.identity.begin_grace(&secret).await.unwrap();
    fixture.clock.advance_ms(60_000);
    fixture.identity.refresh(&login.refresh_token).await.unwrap();
    fixture.clock.advance_ms(20_000);
    assert!(fixture.identity.refresh(&login.refresh_token).await.is_ok());
}

#[tokio::test]
async fn each_token_of_a_log_in_ends_thirty_days_after_it_was_given() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let early = fixture.identity.refresh(&login.refresh_token).await.unwrap();
    let mut going_on = fixture.identity.refresh(&login.refresh_token).await.unwrap();
    for _ in 0..30 {
        fixture.clock.advance_ms(DAY_MS);
        going_on = fixture.identity.refresh(&going_on.refresh_token).await.unwrap();
    }
    assert!(matches!(fixture.identity.refresh(&early.refresh_token).await, Err(AuthError::Expired)));
    assert!(fixture.identity.refresh(&going_on.refresh_token).await.is_ok());
}
