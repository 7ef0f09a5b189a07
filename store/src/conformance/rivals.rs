//! Boots that follow each other over the same conversations, by seed: however their calls interleave, fail and are given up,
//! every log stays dense and has every applied event once, and so do the journals.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Author, Conversation, Event, EventKind, MessageId, Seq, Timestamp};

use crate::faulty::Dice;
use crate::{Append, ConversationKey, EventLog, Generation, Group, Lanes, PAGE_MAX, StoreError};

use super::journal::Follower;
use super::{Play, message, open, until_done};

const CONVERSATIONS: u64 = 8;
const BOOTS: u64 = 4;
/// What a writer begins, in appends.
const APPENDS: u64 = 10;
/// How long a boot lives at most before the next one ends it, in milliseconds.
const LIFE_MS_MAX: u64 = 40;

/// What is known of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Applied,
    Refused,
}

type Ledger = Arc<Mutex<HashMap<MessageId, Known>>>;

/// Lets them follow each other once; `seed` is what a failure must be repeated with. The log may answer that it is
/// unavailable at any call, and late; `calm` comes when the last boot is over, and ends that.
pub async fn check(log: Arc<dyn EventLog>, seed: u64, calm: impl AsyncFnOnce()) {
    let (ledger, newest) = (Ledger::default(), Arc::new(AtomicU64::new(0)));
    let plays: Vec<Play> = (0..CONVERSATIONS).map(|_| Play::some()).collect();
    let (mut dice, mut follower) = (Dice::new(seed), Follower::default());
    let mut writers = Vec::new();
    let mut last: Option<Arc<dyn Lanes>> = None;
    for boot in 1..=BOOTS {
        if let Some(before) = last {
            tokio::time::sleep(Duration::from_millis(dice.up_to(LIFE_MS_MAX))).await;
            until_done(async || log.seal(before.incarnation()).await).await;
        }
        let lanes = open(&*log).await;
        follower.add(lanes.incarnation());
        for (n, play) in (0..).zip(&plays) {
            let writer = Writer {
                log: log.clone(),
                lanes: lanes.clone(),
                boot,
                play: play.clone(),
                dice: Dice::new(seed.wrapping_mul(BOOTS * CONVERSATIONS) + boot * CONVERSATIONS + n),
                ledger: ledger.clone(),
                newest: newest.clone(),
            };
            writers.push(tokio::spawn(writer.write()));
        }
        last = Some(lanes);
    }
    for writer in writers {
        writer.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    if let Some(last) = last {
        until_done(async || last.close().await).await;
    }
    calm().await;

    let mut times: HashMap<MessageId, u32> = HashMap::new();
    let mut tails = Vec::new();
    for play in &plays {
        let events = read_to_the_end(&*log, play.key).await;
        let dense = events.iter().zip(1..).all(|(event, place)| event.seq == Seq(place));
        assert!(dense, "seed {seed}: a log has a hole");
        events.iter().filter_map(message_of).for_each(|id| *times.entry(id).or_default() += 1);
        tails.push((play.key, Seq(events.len() as u64)));
    }
    for (id, known) in ledger.lock().expect("the writers are gone").iter() {
        let found = times.get(id).copied().unwrap_or(0);
        let expected = u32::from(*known == Known::Applied);
        assert_eq!(found, expected, "seed {seed}: how often {id} is there, which is {known:?}");
    }
    for limit in [1 + dice.up_to(20) as usize, PAGE_MAX] {
        follower.catch_up(&*log, limit).await;
        tails.iter().for_each(|(key, tail)| follower.assert_knows(*key, *tail));
    }
}

async fn read_to_the_end(log: &dyn EventLog, key: ConversationKey) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |event| event.seq);
        match log.read(key, after, PAGE_MAX).await {
            Ok(page) if page.is_empty() => return events,
            Ok(page) => events.extend(page),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

fn message_of(event: &Event) -> Option<MessageId> {
    match event.kind {
        EventKind::MessagePosted { message_id, .. } => Some(message_id),
        _ => None,
    }
}

/// The one writer of a conversation in one boot.
struct Writer {
    log: Arc<dyn EventLog>,
    lanes: Arc<dyn Lanes>,
    boot: u64,
    /// How its conversation begins.
    play: Play,
    dice: Dice,
    ledger: Ledger,
    /// The newest boot of which an append was acknowledged.
    newest: Arc<AtomicU64>,
}

impl Writer {
    async fn write(mut self) {
        let mut state = self.activate().await;
        for _ in 0..APPENDS {
            let events = self.next(state.as_ref());
            match self.append(state.as_ref(), &events).await {
                Some(Ok(Append::Applied)) => {
                    self.newest.fetch_max(self.boot, Ordering::SeqCst);
                    self.learn(&events, |_| Known::Applied);
                    state = grown(state, &events);
                }
                Some(Ok(Append::Fenced)) => {
                    self.learn(&events, |_| Known::Refused);
                    assert_ne!(self.lanes.confirm().await.ok(), Some(true), "what is fenced is over");
                    return;
                }
                Some(Ok(Append::Unknown)) => panic!("nothing failed for good"),
                Some(Err(_)) => self.learn(&events, |_| Known::Refused),
                None => {
                    state = self.activate().await;
                    // What is there now stays, and what is not there never comes.
                    let there = read_to_the_end(&*self.log, self.play.key).await;
                    let is_there =
                        |event: &Event| there.iter().any(|other| message_of(other) == message_of(event));
                    let known = |event: &Event| if is_there(event) { Known::Applied } else { Known::Refused };
                    self.learn(&events, known);
                }
            }
            self.confirm().await;
        }
    }

    /// The conversation as the log has it; none: it does not begin yet.
    async fn activate(&self) -> Option<Conversation> {
        self.lanes.settled(self.play.key).await;
        Conversation::replay(&read_to_the_end(&*self.log, self.play.key).await)
    }

    /// Appends, or gives up after a while: none.
    async fn append(
        &mut self,
        state: Option<&Conversation>,
        events: &[Event],
    ) -> Option<Result<Append, StoreError>> {
        let head = grown(state.cloned(), events).expect("it begins with a start").head().clone();
        let (key, generation) = (self.play.key, Generation(self.boot));
        let before = state.map(Conversation::head);
        let append = self.lanes.append(Group { key, generation, before, events, head: &head });
        let given_up = async {
            match self.dice.up_to(3) {
                0 => tokio::time::sleep(Duration::from_millis(self.dice.up_to(5))).await,
                1 => {
                    for _ in 0..self.dice.up_to(4) {
                        tokio::task::yield_now().await;
                    }
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            appended = append => Some(appended),
            () = given_up => None,
        }
    }

    /// A confirmation says that no later boot had begun to write.
    async fn confirm(&self) {
        let newest = self.newest.load(Ordering::SeqCst);
        if let Ok(true) = self.lanes.confirm().await {
            assert!(newest <= self.boot, "boot {newest} wrote, and {} is confirmed", self.boot);
        }
    }

    fn learn(&self, events: &[Event], known: impl Fn(&Event) -> Known) {
        let mut ledger = self.ledger.lock().expect("no writer panics while holding it");
        for event in events {
            if let Some(id) = message_of(event) {
                ledger.insert(id, known(event));
            }
        }
    }

    /// What it appends next: new messages, behind the beginning if there is none.
    fn next(&mut self, state: Option<&Conversation>) -> Vec<Event> {
        let mut kinds: Vec<EventKind> = (0..=self.dice.up_to(4)).map(|_| message("a rival's")).collect();
        if state.is_none() {
            kinds.insert(0, self.play.events[0].kind.clone());
        }
        let tail = state.map_or(0, |state| state.head().last_seq.0);
        let event = |(kind, seq)| Event {
            seq: Seq(seq),
            at: Timestamp::from_ms(1000 + seq),
            by: Author::System,
            request: None,
            kind,
        };
        kinds.into_iter().zip(tail + 1..).map(event).collect()
    }
}

fn grown(state: Option<Conversation>, events: &[Event]) -> Option<Conversation> {
    let Some(mut state) = state else { return Conversation::replay(events) };
    events.iter().for_each(|event| state.apply(event));
    Some(state)
}
