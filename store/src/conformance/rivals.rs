//! Owners who fight for one log, by seed: however their calls interleave and fail, the log stays dense and has every
//! applied event once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::{Author, Event, EventKind, Head, MessageId, Seq, Timestamp};

use crate::faulty::Dice;
use crate::{Append, Claim, ClaimError, ConversationKey, Created, EventLog, PAGE_MAX};

use super::{Play, message, owner};

const OWNERS: u64 = 4;
const CLAIMS_EACH: usize = 12;

/// What the store said of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Applied,
    Refused,
    Unknown,
}

type Ledger = Arc<Mutex<HashMap<MessageId, Said>>>;

/// Lets them fight once; `seed` is what a failure must be repeated with. The log may answer "unknown" and
/// "unavailable" at any call, and write late.
pub async fn check(log: Arc<dyn EventLog>, seed: u64) {
    let play = Play::some();
    loop {
        match log.create(play.key, &owner("first"), &play.events, play.head()).await {
            Ok(Created::New(_) | Created::Exists) => break,
            Ok(Created::Unknown) | Err(_) => tokio::task::yield_now().await,
        }
    }
    let ledger = Ledger::default();
    let rivals: Vec<_> = (0..OWNERS)
        .map(|n| {
            let dice = Dice::new(seed.wrapping_mul(OWNERS).wrapping_add(n));
            let rival =
                Rival { log: log.clone(), key: play.key, head: play.head().clone(), ledger: ledger.clone() };
            tokio::spawn(rival.fight(format!("rival {n}"), dice))
        })
        .collect();
    for rival in rivals {
        rival.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }

    // What is unknown, or still on its way, is settled by a claim and the read after it, and by nothing less.
    let last = Rival { log: log.clone(), key: play.key, head: play.head().clone(), ledger: ledger.clone() };
    let claim = last.claim("last").await;
    let events = last.read_to_the_end().await;
    assert_eq!(
        events.last().map(|event| event.seq),
        Some(claim.last_seq),
        "seed {seed}: nothing after the claim"
    );
    let dense = events.iter().zip(1..).all(|(event, place)| event.seq == Seq(place));
    assert!(dense, "seed {seed}: the log has a hole");
    let mut times: HashMap<MessageId, u32> = HashMap::new();
    for event in &events {
        if let EventKind::MessagePosted { message_id, .. } = event.kind {
            *times.entry(message_id).or_default() += 1;
        }
    }
    let ledger = ledger.lock().expect("the rivals are gone");
    for (message_id, said) in ledger.iter() {
        let found = times.get(message_id).copied().unwrap_or(0);
        let kept = match said {
            Said::Applied => found == 1,
            Said::Refused => found == 0,
            Said::Unknown => found <= 1,
        };
        assert!(kept, "seed {seed}: {message_id} was {said:?} and is there {found} times");
    }
}

struct Rival {
    log: Arc<dyn EventLog>,
    key: ConversationKey,
    /// Any head; only its `last_seq` matters here.
    head: Head,
    ledger: Ledger,
}

impl Rival {
    async fn fight(self, name: String, mut dice: Dice) {
        for _ in 0..CLAIMS_EACH {
            let claim = self.claim(&name).await;
            pause(&mut dice).await;
            let mut tail = claim.last_seq;
            for _ in 0..dice.up_to(4) {
                let group = 1 + dice.up_to(4);
                match self.append(&claim, tail, group).await {
                    Said::Applied => tail = Seq(tail.0 + group),
                    Said::Refused => {}
                    Said::Unknown => break,
                }
                pause(&mut dice).await;
            }
        }
    }

    /// Claims until it is told that it has the log.
    async fn claim(&self, name: &str) -> Claim {
        loop {
            match self.log.claim(self.key, &owner(name), None).await {
                Ok(claim) => return claim,
                Err(ClaimError::Lost | ClaimError::Store(_)) => tokio::task::yield_now().await,
                Err(ClaimError::Missing) => panic!("the log was made and does not go"),
            }
        }
    }

    async fn append(&self, claim: &Claim, tail: Seq, group: u64) -> Said {
        let events: Vec<Event> = (1..=group)
            .map(|n| Event {
                seq: Seq(tail.0 + n),
                at: Timestamp::from_ms(1),
                by: Author::System,
                request: None,
                kind: message("a rival's"),
            })
            .collect();
        let head = Head { last_seq: Seq(tail.0 + group), ..self.head.clone() };
        let said = match self.log.append(claim, tail, &events, &head).await {
            Ok(Append::Applied) => Said::Applied,
            Ok(Append::Fenced { .. }) | Err(_) => Said::Refused,
            Ok(Append::Unknown) => Said::Unknown,
        };
        let mut ledger = self.ledger.lock().expect("no rival panics while holding it");
        for event in &events {
            if let EventKind::MessagePosted { message_id, .. } = event.kind {
                ledger.insert(message_id, said);
            }
        }
        said
    }

    async fn read_to_the_end(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(Seq::ZERO, |event| event.seq);
            match self.log.read(self.key, after, PAGE_MAX).await {
                Ok(page) if page.is_empty() => return events,
                Ok(page) => events.extend(page),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

/// Lets the others come in between, sometimes.
async fn pause(dice: &mut Dice) {
    for _ in 0..dice.up_to(3) {
        tokio::task::yield_now().await;
    }
}
