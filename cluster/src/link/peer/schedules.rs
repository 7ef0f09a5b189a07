//! Three nodes in memory whose links are real peers, by seed: bytes come late and in pieces, a link is slower than
//! another, a side stands still, links are reset in the middle of a frame. At any time and at the end: every ask ends
//! once, in a way that is true of what was done; nothing is done twice or too late; publications come in their exact
//! order, or their reader hears that some are missing.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use store::faulty::Dice;

use super::super::mutant::{self, Mutant};
use super::*;

const STEPS: usize = 250;
/// An ask is done this long after it came, at most; some budgets are shorter.
const WAIT_MS_MAX: u64 = 400;
const KEYS: u8 = 4;

/// One ask, from the side of all who see it.
#[derive(Debug, Default)]
struct Asked {
    budget_ms: u64,
    done: u32,
    end: Option<Result<(), AskError>>,
    forgotten: bool,
}

/// An ask that came and waits to be done, then to be answered.
#[derive(Debug)]
struct Doing {
    id: u64,
    number: usize,
    came_ms: u64,
    at_ms: u64,
    begun: bool,
}

/// What goes one way over a link, and what its reader knows.
struct Way {
    peer: Peer<usize>,
    /// Bytes on the wire, and when they arrive.
    wire: VecDeque<(u64, Vec<u8>)>,
    frozen_until_ms: u64,
    doing: Vec<Doing>,
    /// By key: how many this side has published, and the number up to which the other has read.
    published: [u64; KEYS as usize],
    read: [u64; KEYS as usize],
    /// The last that came over this link.
    came: [u64; KEYS as usize],
    /// Up to which it has read from the store: what still comes of that is known, and skipped.
    stored: [u64; KEYS as usize],
    told: u64,
    heard: u64,
}

/// Counts that prove that the schedules are not empty.
#[derive(Debug, Default)]
struct Tally {
    ends: BTreeMap<String, u64>,
    gone: u64,
    torn: u64,
}

struct World {
    dice: Dice,
    now_ms: u64,
    /// Of each pair of nodes both sides.
    pairs: Vec<[Way; 2]>,
    asks: Vec<Asked>,
    tally: Tally,
}

fn way() -> Way {
    Way {
        peer: Peer::new(Decoder::new(FRAME_BYTES_MAX)),
        wire: VecDeque::new(),
        frozen_until_ms: 0,
        doing: Vec::new(),
        published: [0; KEYS as usize],
        read: [0; KEYS as usize],
        came: [0; KEYS as usize],
        stored: [0; KEYS as usize],
        told: 0,
        heard: 0,
    }
}

impl Way {
    fn publication(&mut self, key: usize, number: u64) {
        assert!(number > self.came[key], "a publication is doubled or out of its order");
        self.came[key] = number;
        if number > self.stored[key] {
            self.read[key] += 1;
            assert_eq!(number, self.read[key], "a publication is missing");
        }
    }

    /// Of these keys some are missing: the reader reads all that was published by now.
    fn read_from_store(&mut self, keys: impl Iterator<Item = usize>) {
        for key in keys {
            self.read[key] = self.published[key];
            self.stored[key] = self.published[key];
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let pairs = (0..3).map(|_| [way(), way()]).collect();
        Self { dice: Dice::new(seed), now_ms: 0, pairs, asks: Vec::new(), tally: Tally::default() }
    }

    fn pick(&mut self, count: usize) -> usize {
        self.dice.up_to(count as u64 - 1) as usize
    }

    fn step(&mut self) {
        self.now_ms += self.dice.up_to(40);
        let (pair, side) = (self.pick(3), self.pick(2));
        match self.dice.up_to(99) {
            0..=39 => {
                for _ in 0..self.dice.up_to(6) {
                    self.ask(pair, side);
                }
            }
            40..=54 => {
                let way = &mut self.pairs[pair][side];
                if way.peer.tell(Bytes::copy_from_slice(&(way.told + 1).to_be_bytes())) {
                    way.told += 1;
                }
            }
            55..=84 => {
                for _ in 0..self.dice.up_to(8) {
                    let long = self.dice.chance(0.1);
                    self.publish(pair, side, if long { 240_000 } else { 100 });
                }
            }
            85..=91 => {
                let until_ms = self.now_ms + self.dice.up_to(1_500);
                self.pairs[pair][side].frozen_until_ms = until_ms;
                if self.dice.chance(0.3) {
                    (0..14).for_each(|_| self.publish(pair, side, 240_000));
                }
            }
            92..=95 => self.reset(pair),
            _ => {
                let peer = &mut self.pairs[pair][side].peer;
                if let Some((id, &number)) = peer.asks.first() {
                    peer.forget(id);
                    self.asks[number].forgotten = true;
                }
            }
        }
        self.carry_all();
    }

    fn publish(&mut self, pair: usize, side: usize, bytes_max: u64) {
        let key = self.pick(KEYS.into());
        let length = 8 + self.dice.up_to(bytes_max) as usize;
        let way = &mut self.pairs[pair][side];
        way.published[key] += 1;
        let mut body = way.published[key].to_be_bytes().to_vec();
        body.resize(length, 0);
        way.peer.publish(Bytes::from(vec![key as u8]), body.into());
    }

    fn ask(&mut self, pair: usize, side: usize) {
        let number = self.asks.len();
        let short = self.dice.chance(0.5);
        let budget_ms = 1 + self.dice.up_to(if short { 300 } else { 5_000 });
        let long = self.dice.chance(0.1);
        let mut payload = (number as u64).to_be_bytes().to_vec();
        payload.resize(8 + self.dice.up_to(if long { 60_000 } else { 50 }) as usize, 0);
        self.asks.push(Asked { budget_ms, ..Asked::default() });
        let peer = &mut self.pairs[pair][side].peer;
        if let Err((number, error)) = peer.ask(self.now_ms, number, payload.into(), budget_ms as u32) {
            self.end(number, Err(error));
        }
    }

    fn end(&mut self, number: usize, end: Result<(), AskError>) {
        *self.tally.ends.entry(format!("{end:?}")).or_default() += 1;
        let ask = &mut self.asks[number];
        assert!(!ask.forgotten, "ask {number} ended although nobody waits");
        assert_eq!(ask.end.replace(end), None, "ask {number} ended twice");
    }

    fn end_all(&mut self, ended: Vec<Ended<usize>>) {
        for (number, end) in ended {
            self.end(number, end.map(drop));
        }
    }

    /// The connection breaks, wherever its bytes are: some of them still arrive.
    fn reset(&mut self, pair: usize) {
        for side in 0..2 {
            if self.dice.chance(0.5)
                && let Some((_, bytes)) = self.pairs[pair][side].wire.pop_front()
            {
                let cut = self.dice.up_to(bytes.len() as u64 - 1) as usize;
                self.receive(pair, 1 - side, &bytes[..cut]);
                self.tally.torn += 1;
            }
        }
        for side in 0..2 {
            let way = &mut self.pairs[pair][side];
            let peer = std::mem::replace(&mut way.peer, Peer::new(Decoder::new(FRAME_BYTES_MAX)));
            way.wire.clear();
            way.doing.clear();
            // The reader hears of the loss, and reads from the store.
            way.read_from_store(0..KEYS.into());
            way.came = way.published;
            way.heard = way.told;
            let (ended, _) = peer.lose();
            self.end_all(ended);
        }
    }

    fn carry_all(&mut self) {
        for pair in 0..self.pairs.len() {
            for side in 0..2 {
                if self.pairs[pair][side].frozen_until_ms <= self.now_ms {
                    self.write(pair, side);
                    self.arrive(pair, side);
                    self.work(pair, side);
                }
                let ended = self.pairs[pair][side].peer.expire(self.now_ms);
                self.end_all(ended);
                let bytes = self.pairs[pair][side].peer.bytes();
                assert!(bytes <= 5 * 1024 * 1024, "{bytes} bytes are kept for one peer");
            }
        }
    }

    fn write(&mut self, pair: usize, side: usize) {
        for _ in 0..1 + self.dice.up_to(3) {
            let mut out = Vec::new();
            let ended = self.pairs[pair][side].peer.fill(self.now_ms, 0, &mut out);
            self.end_all(ended);
            if out.is_empty() {
                return;
            }
            assert!(out.len() <= WRITE_BYTES_MAX);
            let slow = self.dice.chance(0.1);
            let delay_ms = self.dice.up_to(if slow { 300 } else { 5 });
            let wire = &mut self.pairs[pair][side].wire;
            let last_ms = wire.back().map_or(0, |(at_ms, _)| *at_ms);
            wire.push_back((last_ms.max(self.now_ms + delay_ms), out));
        }
    }

    /// What has arrived at this side.
    fn arrive(&mut self, pair: usize, side: usize) {
        while let Some((_, bytes)) =
            self.pairs[pair][1 - side].wire.pop_front_if(|(at_ms, _)| *at_ms <= self.now_ms)
        {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + self.dice.up_to(rest.len() as u64 - 1) as usize);
                self.receive(pair, side, piece);
                rest = after;
            }
        }
    }

    fn receive(&mut self, pair: usize, side: usize, bytes: &[u8]) {
        let mut events = Vec::new();
        let received = self.pairs[pair][side].peer.receive(self.now_ms, bytes, &mut events);
        received.expect("both speak the protocol");
        for event in events {
            let number = |bytes: &Bytes| u64::from_be_bytes(bytes[..8].try_into().unwrap());
            match event {
                LinkEvent::Ended(ended) => self.end_all(vec![ended]),
                LinkEvent::Asked { id, payload, .. } => {
                    let at_ms = self.now_ms + self.dice.up_to(WAIT_MS_MAX);
                    let number = number(&payload) as usize;
                    let doing = Doing { id, number, came_ms: self.now_ms, at_ms, begun: false };
                    self.pairs[pair][side].doing.push(doing);
                }
                LinkEvent::Told { payload, .. } => {
                    let from = &mut self.pairs[pair][1 - side];
                    from.heard += 1;
                    assert_eq!(number(&payload), from.heard, "a tell is out of its order");
                }
                LinkEvent::Published { publication, .. } => {
                    let from = &mut self.pairs[pair][1 - side];
                    match publication {
                        Delivery::Body { key, body } => from.publication(key[0].into(), number(&body)),
                        Delivery::Gone { key } => {
                            self.tally.gone += 1;
                            from.read_from_store(std::iter::once(key[0].into()));
                        }
                        Delivery::GoneAll => from.read_from_store(0..KEYS.into()),
                    }
                }
            }
        }
    }

    /// Does and answers what waited long enough.
    fn work(&mut self, pair: usize, side: usize) {
        let way = &mut self.pairs[pair][side];
        for mut doing in std::mem::take(&mut way.doing) {
            if doing.at_ms > self.now_ms {
                way.doing.push(doing);
            } else if !doing.begun {
                if way.peer.begin(self.now_ms, doing.id).is_none() {
                    continue;
                }
                let ask = &mut self.asks[doing.number];
                assert!(self.now_ms < doing.came_ms + ask.budget_ms, "an ask was done after its budget");
                ask.done += 1;
                doing.begun = true;
                doing.at_ms = self.now_ms + self.dice.up_to(50);
                way.doing.push(doing);
            } else if !self.dice.chance(0.02) {
                way.peer.answer(doing.id, AskReply::Done(Opaque(Bytes::new())));
            } else {
                way.peer.answer(doing.id, AskReply::Unanswered);
            }
        }
    }

    /// Time passes, and nothing disturbs.
    fn calm(&mut self) {
        for _ in 0..300 {
            self.now_ms += 50;
            self.carry_all();
        }
        for (number, ask) in self.asks.iter().enumerate() {
            let is_true = match ask.end {
                None => ask.forgotten && ask.done <= 1,
                Some(Ok(())) => ask.done == 1,
                Some(Err(AskError::Lost)) => ask.done <= 1,
                Some(Err(_)) => ask.done == 0,
            };
            assert!(is_true, "ask {number}: {ask:?}");
        }
        for (pair, ways) in self.pairs.iter().enumerate() {
            for way in ways {
                assert_eq!(way.read, way.published, "a reader of pair {pair} does not know what it missed");
                assert_eq!((way.heard, way.peer.bytes(), way.peer.asks_open()), (way.told, 0, 0));
            }
        }
    }
}

fn run(seed: u64) -> Tally {
    let mut world = World::new(seed);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            world.step();
        }
        world.calm();
    }));
    if let Err(panic) = ran {
        eprintln!("TEST_SEED={seed} gives it back, after {} ms", world.now_ms);
        std::panic::resume_unwind(panic);
    }
    world.tally
}

/// As the program is built: `TEST_SEED=7` runs one schedule, `SIMULATIONS=100000` as many times more.
const SIMULATIONS: Option<&str> = option_env!("SIMULATIONS");
const SEED: Option<&str> = option_env!("TEST_SEED");

#[test]
fn whatever_becomes_of_links_every_ask_ends_once_and_truly_and_no_publication_is_missed_unseen() {
    let number = |text: Option<&str>| text.map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number(SEED) {
        run(seed);
        return;
    }
    let mut sum = Tally::default();
    for seed in 0..number(SIMULATIONS).unwrap_or(40) {
        let tally = run(seed);
        for (end, count) in tally.ends {
            *sum.ends.entry(end).or_default() += count;
        }
        sum.gone += tally.gone;
        sum.torn += tally.torn;
    }
    println!("{sum:?}");
    for end in ["Ok(())", "Err(NotSent)", "Err(Expired)", "Err(Lost)"] {
        assert!(sum.ends.get(end).is_some_and(|count| *count >= 100), "too few end as {end}: {sum:?}");
    }
    assert!(sum.gone >= 100 && sum.torn >= 100, "{sum:?}");
}

#[test]
fn a_broken_rule_is_noticed() {
    let rules = [
        Mutant::SentCountsAsNotSent,
        Mutant::InFlightExpires,
        Mutant::ExpiredIsDone,
        Mutant::OverflowIsSilent,
    ];
    for broken in rules {
        mutant::set(Some(broken));
        let noticed = (0..50).find(|seed| catch_unwind(|| run(*seed)).is_err());
        mutant::set(None);
        println!("{broken:?} is noticed by seed {noticed:?}");
        assert!(noticed.is_some(), "{broken:?} is not noticed");
    }
}
