//! What every [`EventLog`] promises.

use std::sync::Arc;

use domain::{Author, Event, MessageText, Seq, WorkspaceId};
use uuid::Uuid;

use crate::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, Epoch, EventLog, GROUP_MAX, Owner,
    PAGE_MAX, Peek,
};

use super::{Play, message, owner, some_key};

/// Checks the whole contract; `fresh` gives a store.
pub async fn check(fresh: impl AsyncFn() -> Arc<dyn EventLog>) {
    a_log_is_made_once(&*fresh().await).await;
    of_two_creators_one_makes_it(fresh().await).await;
    what_is_not_there_is_not_there(&*fresh().await).await;
    workspaces_are_apart(&*fresh().await).await;
    a_claim_fences_older_ones(&*fresh().await).await;
    an_expected_token_must_be_the_stored_one(&*fresh().await).await;
    an_append_continues_the_tail_or_is_refused(&*fresh().await).await;
    of_two_appends_to_one_tail_one_passes(fresh().await).await;
    a_whole_group_is_kept_as_given(&*fresh().await).await;
    pages_are_dense_and_bounded(&*fresh().await).await;
    a_passivated_log_has_no_owner(&*fresh().await).await;
}

async fn create(log: &dyn EventLog, play: &Play, by: &Owner) -> Claim {
    match log.create(play.key, by, &play.events, play.head()).await {
        Ok(Created::New(claim)) => claim,
        other => panic!("a new log is made, not {other:?}"),
    }
}

/// Lets the visitor say `times` things and appends them.
async fn append(log: &dyn EventLog, claim: &Claim, play: &mut Play, times: usize) -> Append {
    let tail = play.tail();
    let events = play.says(2000, times);
    log.append(claim, tail, &events, play.head()).await.expect("the store is there")
}

async fn read_all(log: &dyn EventLog, key: ConversationKey) -> Vec<Event> {
    log.read(key, Seq::ZERO, PAGE_MAX).await.expect("the store is there")
}

async fn peek(log: &dyn EventLog, key: ConversationKey) -> Option<Peek> {
    log.peek(key).await.expect("the store is there")
}

async fn a_log_is_made_once(log: &dyn EventLog) {
    let play = Play::some();
    let claim = create(log, &play, &owner("a")).await;
    assert_eq!((claim.key, claim.epoch, claim.last_seq), (play.key, Epoch(1), Seq(2)), "the first claim");
    assert_eq!(read_all(log, play.key).await, play.events, "the events are as given");
    let expected = Peek { epoch: Epoch(1), owner: owner("a"), last_seq: Seq(2) };
    assert_eq!(peek(log, play.key).await, Some(expected.clone()), "the creator owns it");

    let other = Play::start(play.key, play.team, play.visitor, 9000);
    let again = log.create(play.key, &owner("b"), &other.events, other.head()).await;
    assert_eq!(again.expect("the store is there"), Created::Exists, "there is one already");
    assert_eq!(read_all(log, play.key).await, play.events, "nothing was written");
    assert_eq!(peek(log, play.key).await, Some(expected), "nor claimed");
}

async fn of_two_creators_one_makes_it(log: Arc<dyn EventLog>) {
    for _ in 0..20 {
        let play = Play::some();
        let (a, b) = (owner("a"), owner("b"));
        let (a, b) = tokio::join!(
            log.create(play.key, &a, &play.events, play.head()),
            log.create(play.key, &b, &play.events, play.head()),
        );
        let new = [a, b].into_iter().filter(|made| matches!(made, Ok(Created::New(_)))).count();
        assert_eq!(new, 1, "one of two creators makes the log");
    }
}

async fn what_is_not_there_is_not_there(log: &dyn EventLog) {
    let key = some_key();
    assert_eq!(peek(log, key).await, None, "nobody owns what is not there");
    assert_eq!(read_all(log, key).await, [], "a log that is not there has no events");
    let claimed = log.claim(key, &owner("a"), None).await;
    assert!(matches!(claimed, Err(ClaimError::Missing)), "what is not there cannot be claimed: {claimed:?}");
}

async fn workspaces_are_apart(log: &dyn EventLog) {
    let play = Play::some();
    create(log, &play, &owner("a")).await;
    let elsewhere = ConversationKey { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..play.key };
    assert_eq!(peek(log, elsewhere).await, None, "another workspace does not see it");
    assert_eq!(read_all(log, elsewhere).await, [], "nor reads it");
    assert!(
        matches!(log.claim(elsewhere, &owner("b"), None).await, Err(ClaimError::Missing)),
        "nor claims it"
    );

    let namesake = Play::start(elsewhere, play.team, play.visitor, 5000);
    create(log, &namesake, &owner("b")).await;
    assert_eq!(read_all(log, play.key).await, play.events, "two workspaces may use one id");
    assert_eq!(read_all(log, elsewhere).await, namesake.events, "two workspaces may use one id");
}

async fn a_claim_fences_older_ones(log: &dyn EventLog) {
    let mut play = Play::some();
    let first = create(log, &play, &owner("a")).await;
    assert_eq!(append(log, &first, &mut play, 1).await, Append::Applied, "the owner appends");
    let second = log.claim(play.key, &owner("b"), None).await.expect("a log can be claimed");
    assert_eq!((second.epoch, second.last_seq), (Epoch(2), Seq(3)), "the next epoch, at the log's end");
    assert_ne!(second.token, first.token, "a fresh token");
    let expected = Peek { epoch: Epoch(2), owner: owner("b"), last_seq: Seq(3) };
    assert_eq!(peek(log, play.key).await, Some(expected), "who claimed owns it");

    let written = play.events.clone();
    let mut late = Play::replayed(&play);
    let fenced = append(log, &first, &mut late, 2).await;
    assert_eq!(fenced, Append::Fenced { epoch: Epoch(2), owner: owner("b") }, "an older token does not pass");
    assert_eq!(read_all(log, play.key).await, written, "nothing of a fenced append is written");
    assert_eq!(append(log, &second, &mut play, 2).await, Append::Applied, "the newer token passes");
    assert_eq!(read_all(log, play.key).await, play.events, "after what was there");

    // The same owner as well: it is the token that counts.
    let third = log.claim(play.key, &owner("b"), None).await.expect("a log can be claimed");
    let fenced = append(log, &second, &mut Play::replayed(&play), 1).await;
    assert_eq!(
        fenced,
        Append::Fenced { epoch: third.epoch, owner: owner("b") },
        "its own older token neither"
    );
}

async fn an_expected_token_must_be_the_stored_one(log: &dyn EventLog) {
    let play = Play::some();
    let first = create(log, &play, &owner("a")).await;
    let wrong = Some(ClaimToken(Uuid::new_v4()));
    let lost = log.claim(play.key, &owner("b"), wrong).await;
    assert!(matches!(lost, Err(ClaimError::Lost)), "another token than expected: {lost:?}");
    let expected = Peek { epoch: Epoch(1), owner: owner("a"), last_seq: Seq(2) };
    assert_eq!(peek(log, play.key).await, Some(expected), "a lost claim changes nothing");
    let second =
        log.claim(play.key, &owner("b"), Some(first.token)).await.expect("the expected token is stored");
    assert_eq!(second.epoch, Epoch(2), "the next epoch");
    let lost = log.claim(play.key, &owner("c"), Some(first.token)).await;
    assert!(matches!(lost, Err(ClaimError::Lost)), "of two with one expectation one claims: {lost:?}");
}

async fn an_append_continues_the_tail_or_is_refused(log: &dyn EventLog) {
    let mut play = Play::some();
    let claim = create(log, &play, &owner("a")).await;
    let refused = Append::Fenced { epoch: Epoch(1), owner: owner("a") };

    let mut ahead = Play::replayed(&play);
    ahead.says(2000, 1);
    assert_eq!(append(log, &claim, &mut ahead, 1).await, refused, "a hole is refused");

    let (tail, events) = (play.tail(), play.says(2000, 2));
    let repeat = || log.append(&claim, tail, &events, play.head());
    assert_eq!(repeat().await.expect("the store is there"), Append::Applied, "right after the tail");
    assert_eq!(repeat().await.expect("the store is there"), refused, "the same again is refused");
    assert_eq!(read_all(log, play.key).await, play.events, "nothing twice, nothing of a refused one");
    let last = peek(log, play.key).await.map(|peek| peek.last_seq);
    assert_eq!(last, Some(Seq(4)), "the stored tail is that of what was applied");
}

async fn of_two_appends_to_one_tail_one_passes(log: Arc<dyn EventLog>) {
    let mut play = Play::some();
    let claim = create(&*log, &play, &owner("a")).await;
    for _ in 0..20 {
        let (mut left, mut right) = (Play::replayed(&play), Play::replayed(&play));
        let (a, b) = tokio::join!(append(&*log, &claim, &mut left, 3), append(&*log, &claim, &mut right, 2));
        assert_ne!(a == Append::Applied, b == Append::Applied, "one of two: {a:?}, {b:?}");
        play = if a == Append::Applied { left } else { right };
    }
    assert_eq!(read_all(&*log, play.key).await, play.events, "whole groups of the one that passed");
}

async fn a_whole_group_is_kept_as_given(log: &dyn EventLog) {
    let mut play = Play::some();
    let claim = create(log, &play, &owner("a")).await;
    assert_eq!(append(log, &claim, &mut play, GROUP_MAX).await, Append::Applied, "the largest group");
    let tail = play.tail();
    let words = "\"\\\n\u{1f469}\u{200d}\u{1f467} ".repeat(MessageText::BYTES_MAX / 16);
    let largest = play.then(3000, Author::System, message(&words));
    let applied = log.append(&claim, tail, &[largest], play.head()).await.expect("the store is there");
    assert_eq!(applied, Append::Applied, "the longest message");
    assert_eq!(read_all(log, play.key).await, play.events, "as given");
}

async fn pages_are_dense_and_bounded(log: &dyn EventLog) {
    let mut play = Play::some();
    let claim = create(log, &play, &owner("a")).await;
    while play.events.len() <= PAGE_MAX + 10 {
        assert_eq!(append(log, &claim, &mut play, GROUP_MAX).await, Append::Applied, "the owner appends");
    }
    let (all, last) = (&play.events, play.tail());
    let count = all.len();
    for (after, limit, expected) in [
        (Seq(0), 1, &all[..1]),
        (Seq(0), 7, &all[..7]),
        (Seq(5), 2, &all[5..7]),
        (Seq(0), usize::MAX, &all[..PAGE_MAX]),
        (Seq(20), PAGE_MAX + 1, &all[20..count.min(20 + PAGE_MAX)]),
        (Seq(last.0 - 1), 5, &all[count - 1..]),
        (last, 5, &[]),
        (Seq(u64::MAX - 1), 5, &[]),
        (Seq(0), 0, &[]),
    ] {
        let page = log.read(play.key, after, limit).await.expect("the store is there");
        assert!(page == expected, "read after {after:?}, at most {limit}: {} events", page.len());
    }
    for (before, limit, expected) in [
        (Seq(u64::MAX), 1, &all[count - 1..]),
        (last.next(), 3, &all[count - 3..]),
        (Seq(4), 2, &all[1..3]),
        (Seq(4), 9, &all[..3]),
        (Seq(1), 9, &[]),
        (Seq(0), 9, &[]),
        (last.next(), usize::MAX, &all[count - PAGE_MAX..]),
        (last.next(), 0, &[]),
    ] {
        let page = log.read_before(play.key, before, limit).await.expect("the store is there");
        assert!(page == expected, "read before {before:?}, at most {limit}: {} events", page.len());
    }
}

async fn a_passivated_log_has_no_owner(log: &dyn EventLog) {
    let mut play = Play::some();
    let first = create(log, &play, &owner("a")).await;
    log.passivate(first.clone()).await.expect("the store is there");
    let nobody = Peek { epoch: Epoch(1), owner: Owner(String::new()), last_seq: Seq(2) };
    assert_eq!(peek(log, play.key).await, Some(nobody), "nobody has it");

    let second = log.claim(play.key, &owner("b"), None).await.expect("it can be claimed");
    assert_eq!(second.epoch, Epoch(2), "the next epoch");
    log.passivate(first).await.expect("the store is there");
    assert_eq!(
        peek(log, play.key).await.map(|peek| peek.owner),
        Some(owner("b")),
        "an older claim ends nothing"
    );
    assert_eq!(append(log, &second, &mut play, 1).await, Append::Applied, "nor fences anybody");
}
