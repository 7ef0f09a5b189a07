//! What every [`EventLog`] promises of its journals.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Seq;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    Append, ConversationKey, EventLog, Incarnation, JournalError, JournalPosition, JournalRest, LaneId,
    PAGE_MAX,
};

use super::{Boot, Play, until_done};

/// Checks it; `fresh` gives a store.
pub(super) async fn check(fresh: impl AsyncFn() -> Arc<dyn EventLog>) {
    a_journal_has_what_is_acknowledged(&*fresh().await).await;
    a_journal_is_taken_up_where_it_was_left(&*fresh().await).await;
    a_sealed_journal_ends_behind_all_that_passed(&*fresh().await).await;
    a_lane_that_is_not_there_has_no_journal(&*fresh().await).await;
}

/// Reads the journals of some boots, and holds them to their order.
#[derive(Default)]
pub(super) struct Follower {
    boots: Vec<Incarnation>,
    /// The lanes in their order, each with the position behind what was read, kept as a text, and whether there was an end.
    lanes: Vec<(LaneId, String, bool)>,
    /// How far each conversation is known in each lane.
    in_lane: BTreeMap<(LaneId, ConversationKey), Seq>,
    /// Which events are known, and in which lane they were found.
    known: BTreeMap<(ConversationKey, Seq), LaneId>,
}

impl Follower {
    /// From the beginning of these boots.
    pub(super) fn of(boots: &[&Boot]) -> Self {
        Self { boots: boots.iter().map(|boot| boot.incarnation()).collect(), ..Self::default() }
    }

    /// Follows another boot as well.
    pub(super) fn add(&mut self, boot: Incarnation) {
        self.boots.push(boot);
    }

    /// Reads, in pages of at most `limit`, until there is nothing more for now.
    pub(super) async fn catch_up(&mut self, log: &dyn EventLog, limit: usize) {
        self.find_lanes(log).await;
        for place in 0..self.lanes.len() {
            while self.read(log, place, limit).await {}
        }
    }

    async fn find_lanes(&mut self, log: &dyn EventLog) {
        let ours =
            |lane: &LaneId| lane.incarnation == Incarnation::NONE || self.boots.contains(&lane.incarnation);
        let all = until_done(async || log.lanes().await).await;
        let found: Vec<LaneId> = all.into_iter().filter(ours).collect();
        let mut known = self.lanes.iter().map(|(lane, ..)| *lane).peekable();
        let mut lanes = Vec::new();
        for lane in found {
            if known.next_if_eq(&lane).is_some() {
                let place = self.lanes.iter().position(|(of, ..)| *of == lane).expect("it is known");
                lanes.push(self.lanes[place].clone());
            } else {
                lanes.push((lane, JournalPosition::default().to_string(), false));
            }
        }
        assert_eq!(known.next(), None, "lanes keep their order, and do not go so soon");
        self.lanes = lanes;
    }

    /// Reads one page; false: there is nothing more for now.
    async fn read(&mut self, log: &dyn EventLog, place: usize, limit: usize) -> bool {
        let (lane, position, ended) = &mut self.lanes[place];
        let after = position.parse().expect("it is a position");
        let read = async || match log.journal(*lane, after, limit).await {
            Ok(page) => Ok(page),
            Err(JournalError::Trimmed) => panic!("it reaches back so far"),
            Err(JournalError::Store(error)) => Err(error),
        };
        let page = until_done(read).await;
        assert!(page.entries.len() <= limit.min(PAGE_MAX), "at most so many as asked for");
        for entry in &page.entries {
            assert!(!*ended, "nothing comes after the end: {entry:?}");
            assert!(entry.first <= entry.last, "an entry has an event: {entry:?}");
            let last = self.in_lane.insert((*lane, entry.key), entry.last);
            assert!(last.is_none_or(|last| last < entry.first), "in the order of its log: {entry:?}");
            for seq in entry.first.0..=entry.last.0 {
                let twice = self.known.insert((entry.key, Seq(seq)), *lane);
                assert_eq!(twice, None, "it comes once: {entry:?}, {seq}");
            }
        }
        let rest = page.rest;
        assert!(
            rest != JournalRest::More || page.next != after || limit == 0,
            "there is more, and a page gets on"
        );
        *ended = rest == JournalRest::Ended;
        *position = page.next.to_string();
        rest == JournalRest::More
    }

    /// Knows exactly what the log of this conversation has.
    pub(super) fn assert_knows(&self, key: ConversationKey, last: Seq) {
        let known: Vec<u64> = self.known.keys().filter(|(of, _)| *of == key).map(|(_, seq)| seq.0).collect();
        assert_eq!(known, (1..=last.0).collect::<Vec<_>>(), "every event of {key:?}, and nothing else");
    }

    fn assert_knows_all(&self, plays: &[Play]) {
        plays.iter().for_each(|play| self.assert_knows(play.key, play.tail()));
    }
}

async fn a_journal_has_what_is_acknowledged(log: &dyn EventLog) {
    let (one, other) = (Boot::start(log, 1).await, Boot::start(log, 1).await);
    let mut follower = Follower::of(&[&one, &other]);
    follower.catch_up(log, PAGE_MAX).await;
    let mut plays: Vec<Play> = (0..6).map(|_| Play::some()).collect();
    for times in [0, 1, 3, 64, 1] {
        for (place, play) in plays.iter_mut().enumerate() {
            let boot = if place % 2 == 0 { &one } else { &other };
            play.says(2000, times);
            // The first time they begin.
            assert_eq!(boot.append(play).await, Append::Applied, "nobody is in its way");
            follower.catch_up(log, 1 + place).await;
            follower.assert_knows(play.key, play.tail());
        }
    }
    join_all(plays.iter_mut().map(|play| {
        play.says(3000, 2);
        one_of(play.key, &one, &other).append(play)
    }))
    .await;
    follower.catch_up(log, 2).await;
    follower.assert_knows_all(&plays);
    for limit in [1, 2, usize::MAX] {
        let mut anew = Follower::of(&[&one, &other]);
        anew.catch_up(log, limit).await;
        anew.assert_knows_all(&plays);
    }
}

/// Some boot, always the same for one conversation.
fn one_of<'a>(key: ConversationKey, one: &'a Boot, other: &'a Boot) -> &'a Boot {
    if key.conversation.uuid().as_bytes()[0].is_multiple_of(2) { one } else { other }
}

async fn a_journal_is_taken_up_where_it_was_left(log: &dyn EventLog) {
    let boot = Boot::start(log, 1).await;
    let mut plays: Vec<Play> = (0..5).map(|_| Play::some()).collect();
    join_all(plays.iter_mut().map(|play| boot.begin(play))).await;
    let mut follower = Follower::of(&[&boot]);
    follower.catch_up(log, 3).await;
    for limit in [1, 2, 7] {
        join_all(plays.iter_mut().enumerate().map(|(place, play)| {
            play.says(2000, 1 + place % 3);
            boot.append(play)
        }))
        .await;
        follower.catch_up(log, limit).await;
        follower.assert_knows_all(&plays);
    }
    let nothing_new = follower.known.len();
    follower.catch_up(log, 1).await;
    assert_eq!(follower.known.len(), nothing_new, "what was read comes no more");
}

async fn a_sealed_journal_ends_behind_all_that_passed(log: &dyn EventLog) {
    let first = Boot::start(log, 1).await;
    let mut plays: Vec<Play> = (0..3).map(|_| Play::some()).collect();
    join_all(plays.iter_mut().map(|play| first.begin(play))).await;
    let mut follower = Follower::of(&[&first]);
    follower.catch_up(log, 1).await;
    assert!(follower.lanes.iter().all(|(.., ended)| !ended), "an open lane has no end");

    plays[0].says(2000, 2);
    first.append(&mut plays[0]).await;
    log.seal(first.incarnation()).await.expect("the store is there");
    let second = Boot::start(log, 2).await;
    follower.add(second.incarnation());
    for play in &mut plays {
        play.says(3000, 1);
        assert_eq!(second.append(play).await, Append::Applied, "the second boot goes on");
    }
    follower.catch_up(log, 1).await;
    follower.assert_knows_all(&plays);
    for (lane, _, ended) in &follower.lanes {
        // One journal for all boots goes on as long as there are any.
        assert_eq!(
            *ended,
            lane.incarnation == first.incarnation(),
            "a sealed lane alone has an end: {lane:?}"
        );
    }
    follower.catch_up(log, PAGE_MAX).await;
    follower.assert_knows_all(&plays);
}

async fn a_lane_that_is_not_there_has_no_journal(log: &dyn EventLog) {
    let nobody = LaneId { incarnation: Incarnation(Uuid::new_v4()), lane: 0 };
    let read = log.journal(nobody, JournalPosition::default(), 1).await;
    assert!(matches!(read, Err(JournalError::Trimmed)), "what is gone cannot be followed: {read:?}");
}
