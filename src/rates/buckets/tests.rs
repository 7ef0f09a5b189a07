use super::*;

fn rates(change: impl FnOnce(&mut Limits)) -> Rates {
    let mut limits = Limits::default();
    change(&mut limits);
    Rates::new(&limits)
}

fn address(last: u8) -> Key {
    Key::of_address(IpAddr::from([192, 0, 2, last]))
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_then_the_rate_holds_and_each_key_has_its_own() {
    let rates = rates(|limits| (limits.visitor_send_burst, limits.visitor_send_per_s) = (3, 2));
    for left in [2, 1, 0] {
        let verdict = rates.take(Limit::VisitorSend, address(1)).unwrap();
        assert_eq!((verdict.retry_after, verdict.state.left), (None, left));
    }
    let refused = rates.take(Limit::VisitorSend, address(1)).unwrap();
    assert_eq!(refused.retry_after, Some(Duration::from_millis(500)));
    assert_eq!(rates.take(Limit::VisitorSend, address(2)).unwrap().retry_after, None);

    tokio::time::advance(Duration::from_millis(499)).await;
    assert!(rates.take(Limit::VisitorSend, address(1)).unwrap().retry_after.is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(rates.take(Limit::VisitorSend, address(1)).unwrap().retry_after.is_none());
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(rates.peek(Limit::VisitorSend, address(1)).unwrap().state.left, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_charged_beyond_the_burst_is_owed_until_it_is_back() {
    let rates = rates(|limits| (limits.read_bytes_burst, limits.read_bytes_per_s) = (1_000_000, 1_000_000));
    rates.charge(Limit::ReadsOfPerson, address(1), 400_000);
    assert_eq!(rates.peek(Limit::ReadsOfPerson, address(1)).unwrap().retry_after, None);
    rates.charge(Limit::ReadsOfPerson, address(1), 2_600_000);
    let refused = rates.peek(Limit::ReadsOfPerson, address(1)).unwrap();
    assert_eq!(refused.retry_after, Some(Duration::from_micros(2_000_001)));
    assert_eq!(refused.remaining(), "\"reads\";r=0;t=3");
    assert_eq!(rates.peek(Limit::ReadsOfPerson, address(2)).unwrap().retry_after, None);
    tokio::time::advance(Duration::from_millis(2_001)).await;
    assert_eq!(rates.peek(Limit::ReadsOfPerson, address(1)).unwrap().retry_after, None);
}

#[tokio::test(start_paused = true)]
async fn zero_is_off_and_headers_say_what_is_left() {
    let rates = rates(|limits| limits.conversations_per_minute_per_address = 0);
    assert_eq!(rates.take(Limit::ConversationsOfAddress, address(1)), None);
    let verdict = rates.take(Limit::VisitorsOfAddress, address(1)).unwrap();
    assert_eq!(verdict.policy, "\"visitors\";q=30;w=60");
    assert_eq!(verdict.remaining(), "\"visitors\";r=29;t=2");
}

#[tokio::test(start_paused = true)]
async fn looking_takes_nothing_and_what_is_given_back_is_there_again() {
    let rates = rates(|limits| limits.logins_per_15min_per_account = 2);
    let account = Key::of_account(&Email::parse("ann@example.org").unwrap());
    for _ in 0..5 {
        assert_eq!(rates.peek(Limit::LoginsOfAccount, account).unwrap().retry_after, None);
    }
    rates.take(Limit::LoginsOfAccount, account);
    rates.take(Limit::LoginsOfAccount, account);
    let refused = rates.peek(Limit::LoginsOfAccount, account).unwrap();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(450)));
    rates.give_back(Limit::LoginsOfAccount, account);
    assert_eq!(rates.peek(Limit::LoginsOfAccount, account).unwrap().retry_after, None);
}

#[tokio::test(start_paused = true)]
async fn the_table_stays_bounded_and_keeps_those_who_owe_most() {
    let rates = rates(|limits| limits.conversations_per_minute_per_address = 2);
    for _ in 0..2 {
        rates.take(Limit::ConversationsOfAddress, address(1));
    }
    for n in 0..150_000u32 {
        rates.take(Limit::ConversationsOfAddress, Key(u128::from(n).to_be_bytes()));
    }
    assert!(rates.buckets.len() <= BUCKETS_MAX);
    assert!(rates.peek(Limit::ConversationsOfAddress, address(1)).unwrap().retry_after.is_some());
}

#[test]
fn an_ipv6_household_is_one_and_a_mapped_address_is_its_ipv4() {
    let of = |text: &str| Key::of_address(text.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
}
