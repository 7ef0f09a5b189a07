//! Random histories of a server that keeps the contract pass; the same with one entry or event tampered with do not.

use checker::{Digest, Entry, History, Message, Recorder, Seen, check};
use proptest::prelude::*;
use proptest::sample::Index;

const TALK: &str = "cnv_1";
const SENDERS: [&str; 3] = ["vis_ann", "agt_bob", "agt_cid"];
/// The last one is the visitor's, who does not see inner events.
const OBSERVERS: [&str; 3] = ["bob's socket", "cid's socket", "ann's socket"];

/// One step of a random run. The numbers choose a sender or an observer.
#[derive(Clone, Debug)]
enum Step {
    Send { sender: usize, note: bool, fate: Fate },
    Inner(&'static str),
    Look { observer: usize, events: usize },
    Reconnect { observer: usize },
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Acknowledged,
    /// Stored, and the answer is lost.
    AnswerLost,
    /// Never reached the server.
    RequestLost,
    Refused,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = prop_oneof![
        4 => Just(Fate::Acknowledged),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::RequestLost),
        1 => Just(Fate::Refused),
    ];
    let step = prop_oneof![
        4 => (0..SENDERS.len(), any::<bool>(), fate)
            .prop_map(|(sender, note, fate)| Step::Send { sender, note: note && sender > 0, fate }),
        1 => prop_oneof![Just("assigned"), Just("tagged")].prop_map(Step::Inner),
        3 => (0..OBSERVERS.len(), 1..5_usize).prop_map(|(observer, events)| Step::Look { observer, events }),
        1 => (0..OBSERVERS.len()).prop_map(|observer| Step::Reconnect { observer }),
    ];
    prop::collection::vec(step, 1..40)
}

/// A server and its clients that keep the contract.
struct World {
    recorder: Recorder,
    log: Vec<Seen>,
    /// Each sender's message whose outcome they do not know: its client's name, whether a note.
    pending: [Option<(String, bool)>; SENDERS.len()],
    sent: usize,
    positions: [usize; OBSERVERS.len()],
}

impl World {
    fn run(steps: &[Step]) -> History {
        let mut world = Self {
            recorder: Recorder::default(),
            log: vec![Seen { seq: 1, kind: "started".to_owned(), message: None }],
            pending: Default::default(),
            sent: 0,
            positions: [0; OBSERVERS.len()],
        };
        for observer in OBSERVERS {
            world.recorder.resumed(observer, TALK, Some(0));
        }
        for step in steps {
            world.step(step);
        }
        world.finish();
        world.recorder.history()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send { sender, note, fate } => self.send(sender, note, fate),
            Step::Inner(kind) => {
                let seq = self.log.len() as u64 + 1;
                self.log.push(Seen { seq, kind: kind.to_owned(), message: None });
            }
            Step::Look { observer, events } => self.look(observer, events),
            Step::Reconnect { observer } => {
                self.recorder.resumed(OBSERVERS[observer], TALK, Some(self.positions[observer] as u64));
            }
        }
    }

    /// A sender with a message of unknown outcome repeats it, and sends no other before.
    fn send(&mut self, sender: usize, note: bool, fate: Fate) {
        let (client_id, note) = self.pending[sender].take().unwrap_or_else(|| {
            self.sent += 1;
            (format!("m{}", self.sent), note)
        });
        let attempt = self.recorder.send(TALK, SENDERS[sender], &client_id, &client_id);
        match fate {
            Fate::Acknowledged => {
                let stored = self.store(sender, &client_id, note);
                self.recorder.acknowledged(attempt, &format!("msg_{client_id}"), stored);
            }
            Fate::AnswerLost => {
                self.store(sender, &client_id, note);
                self.recorder.unknown(attempt);
                self.pending[sender] = Some((client_id, note));
            }
            Fate::RequestLost => {
                self.recorder.unknown(attempt);
                self.pending[sender] = Some((client_id, note));
            }
            Fate::Refused => self.recorder.refused(attempt, "RATE_LIMITED"),
        }
    }

    /// Where it is, or was already.
    fn store(&mut self, sender: usize, client_id: &str, note: bool) -> u64 {
        let known =
            |event: &&Seen| event.message.as_ref().is_some_and(|message| message.client_id == client_id);
        if let Some(stored) = self.log.iter().find(known) {
            return stored.seq;
        }
        let message = Message {
            sender: SENDERS[sender].to_owned(),
            client_id: client_id.to_owned(),
            message_id: format!("msg_{client_id}"),
            digest: Digest::of(client_id),
        };
        let kind = if note { "note" } else { "message" }.to_owned();
        let seq = self.log.len() as u64 + 1;
        self.log.push(Seen { seq, kind, message: Some(message) });
        seq
    }

    fn look(&mut self, observer: usize, events: usize) {
        let end = self.log.len().min(self.positions[observer] + events);
        for place in self.positions[observer]..end {
            let event = self.face(observer == OBSERVERS.len() - 1, place);
            self.recorder.observed(OBSERVERS[observer], TALK, event);
        }
        self.positions[observer] = end;
    }

    fn face(&self, visitor: bool, place: usize) -> Seen {
        let event = &self.log[place];
        match event.kind.as_str() {
            "note" | "tagged" if visitor => Seen { seq: event.seq, kind: "hidden".to_owned(), message: None },
            _ => event.clone(),
        }
    }

    fn finish(&mut self) {
        for sender in 0..SENDERS.len() {
            if self.pending[sender].is_some() {
                self.send(sender, false, Fate::Acknowledged);
            }
        }
        for (observer, name) in OBSERVERS.into_iter().enumerate() {
            self.look(observer, usize::MAX / 2);
            self.recorder.caught_up(name, TALK, self.log.len() as u64);
        }
        for (reader, visitor) in [("agent", false), ("visitor", true)] {
            self.recorder.read_began(reader, TALK);
            let log = (0..self.log.len()).map(|place| self.face(visitor, place)).collect();
            self.recorder.read(reader, TALK, log);
        }
    }
}

/// What is done to one entry, or to one event of a read.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    Drop,
    Duplicate,
    Swap,
    Alter,
}

fn alter(event: &mut Seen) {
    match &mut event.message {
        Some(message) => message.digest = Digest(!message.digest.0),
        None => event.kind = "altered".to_owned(),
    }
}

/// Whether the tampering could be carried out; not everything can be done to every entry.
fn tamper(history: &mut History, at: usize, inside: Index, how: Tampering) -> bool {
    let entries = &mut history.entries;
    // Only a promise is binding: the text of an attempt of unknown outcome is of no weight beside one that was kept.
    let promised = matches!(entries.get(at + 1), Some(Entry::Acknowledged { .. }));
    let next = (at + 1..entries.len()).find(|&later| same_stream(&entries[at], &entries[later]));
    match (&mut entries[at], how) {
        (Entry::Read { log, .. }, how) => return tamper_with_log(log, inside.index(log.len()), how),
        (Entry::Observed { event, .. }, Tampering::Alter) => alter(event),
        (Entry::Observed { .. }, Tampering::Drop) | (Entry::Send { .. }, Tampering::Drop) => {
            entries.remove(at);
        }
        (Entry::Observed { .. }, Tampering::Duplicate) => {
            let again = entries[at].clone();
            entries.insert(at, again);
        }
        (Entry::Observed { .. }, Tampering::Swap) => match next {
            Some(next) => entries.swap(at, next),
            None => return false,
        },
        (Entry::Send { digest, .. }, Tampering::Alter) if promised => *digest = Digest(!digest.0),
        (Entry::Acknowledged { seq, .. }, Tampering::Alter) => *seq += 1,
        (Entry::Acknowledged { message_id, .. }, Tampering::Swap) => message_id.push('x'),
        _ => return false,
    }
    true
}

fn same_stream(one: &Entry, other: &Entry) -> bool {
    match (one, other) {
        (Entry::Observed { observer, .. }, Entry::Observed { observer: other, .. }) => observer == other,
        _ => false,
    }
}

fn tamper_with_log(log: &mut Vec<Seen>, at: usize, how: Tampering) -> bool {
    match how {
        Tampering::Drop => {
            log.remove(at);
        }
        Tampering::Duplicate => log.insert(at, log[at].clone()),
        Tampering::Swap if at + 1 == log.len() => return false,
        Tampering::Swap => log.swap(at, at + 1),
        Tampering::Alter => alter(&mut log[at]),
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_server_that_keeps_the_contract_passes(steps in steps()) {
        prop_assert_eq!(check(&World::run(&steps)), []);
    }

    #[test]
    fn a_single_tampering_is_found(
        steps in steps(),
        at in any::<Index>(),
        inside in any::<Index>(),
        how in prop::sample::select(&[Tampering::Drop, Tampering::Duplicate, Tampering::Swap, Tampering::Alter][..]),
    ) {
        let mut history = World::run(&steps);
        let entries = history.entries.len();
        let first = at.index(entries);
        let tampered = (first..first + entries).any(|at| tamper(&mut history, at % entries, inside, how));
        prop_assume!(tampered);
        prop_assert_ne!(check(&history), []);
    }
}
