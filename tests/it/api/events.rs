//! The events of a conversation: paged both ways, and awaited.

use std::time::{Duration, Instant};

use driver::{Answer, Options};
use serde_json::Value;

use super::{NOBODYS, Stage, invalid, refused, said};

/// The `seq` of each event of a page, and whether there are more.
fn seqs(page: &Value) -> (Vec<u64>, bool) {
    let seqs = page["data"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap());
    (seqs.collect(), page["has_more"].as_bool().unwrap())
}

#[tokio::test]
async fn events_are_paged_both_ways_and_end_where_the_log_ends() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    for n in 3..=10 {
        stage.say(&visitor.token, &conversation, &format!("m{n}")).await;
    }
    let cases: &[(&str, std::ops::RangeInclusive<u64>, bool)] = &[
        ("", 1..=10, false),
        ("after=0&limit=3", 1..=3, true),
        ("after=3&limit=3", 4..=6, true),
        ("after=7&limit=3", 8..=10, false),
        ("after=9", 10..=10, false),
        ("before=4", 1..=3, false),
        ("before=4&limit=2", 2..=3, true),
        ("before=11&limit=4", 7..=10, true),
        ("before=18446744073709551615&limit=1", 10..=10, true),
        ("before=2", 1..=1, false),
    ];
    for (query, expected, more) in cases {
        let page = stage.api.events(&visitor.token, &conversation, query).await.unwrap().expect(200).unwrap();
        assert_eq!(seqs(&page), (expected.clone().collect(), *more), "{query}");
        assert_eq!(page["last_seq"], 10, "{query}");
    }
    for query in ["after=10", "after=11", "after=18446744073709551615", "before=1"] {
        let page = stage.api.events(&visitor.token, &conversation, query).await.unwrap().expect(200).unwrap();
        assert_eq!((seqs(&page), &page["last_seq"]), ((vec![], false), &10.into()), "{query}");
    }
    let wrong = [
        ("after=1&before=3", "before"),
        ("after=-1", "after"),
        ("after=x", "after"),
        ("before=0", "before"),
        ("after=18446744073709551616", "after"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("wait_s=26", "wait_s"),
        ("wait_s=1.5", "wait_s"),
        ("after=1&after=1", "after"),
        ("surprise=1", "surprise"),
    ];
    for (query, field) in wrong {
        invalid(&stage.api.events(&visitor.token, &conversation, query).await.unwrap(), field);
    }

    let stranger = stage.visitor().await;
    let of_nobody = stage.api.events(&stranger.token, NOBODYS, "").await.unwrap();
    refused(&of_nobody, 404, "NOT_FOUND");
    for query in ["", "surprise=1", "after=1&before=3", "wait_s=25"] {
        let foreign = stage.api.events(&stranger.token, &conversation, query).await.unwrap();
        assert_eq!(said(&foreign), said(&of_nobody), "{query}");
    }
}

#[tokio::test]
async fn who_waits_is_answered_as_soon_as_there_is_an_event() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let wait = |query: &str| {
        let (api, token, conversation) = (stage.api.clone(), visitor.token.clone(), conversation.clone());
        let query = query.to_owned();
        tokio::spawn(async move { api.events(&token, &conversation, &query).await.unwrap() })
    };
    let begun = Instant::now();
    // Whichever of the two the server takes first, the answer is the same.
    let waiting = wait("after=2&wait_s=25");
    stage.say(&visitor.token, &conversation, "m3").await;
    let page = Answer::expect(waiting.await.unwrap(), 200).unwrap();
    assert_eq!(seqs(&page), (vec![3], false));
    // What is there already is not waited for.
    let page = wait("after=1&wait_s=25").await.unwrap().expect(200).unwrap();
    assert_eq!(seqs(&page), (vec![2, 3], false));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let page = wait("after=3&wait_s=1").await.unwrap().expect(200).unwrap();
    assert_eq!((seqs(&page), &page["last_seq"]), ((vec![], false), &3.into()));
    let page = wait("after=3&wait_s=0").await.unwrap().expect(200).unwrap();
    assert_eq!(seqs(&page), (vec![], false));
}
