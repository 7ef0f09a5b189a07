//! The judgement: one pass over the entries in their order, then a look at what each message came to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::history::{
    Attempt, ClientId, ConversationId, Digest, Entry, HIDDEN, History, Message, MessageId, Observer, Seen,
    Sender,
};
use crate::violation::{Fault, Phantom, Violation};

/// Every broken promise in `history`, by conversation. Empty: the contract was kept in all that was seen.
pub fn check(history: &History) -> Vec<Violation> {
    let mut judge = Judge::default();
    for (place, entry) in history.entries.iter().enumerate() {
        judge.take(place, entry);
    }
    judge.verdict()
}

/// A message as its sender names it; unique in a conversation.
type Name = (Sender, ClientId);

#[derive(Default)]
struct Judge {
    logs: BTreeMap<ConversationId, Log>,
    /// Which message an attempt belongs to, until its outcome is known.
    open: HashMap<Attempt, (ConversationId, Name, Digest)>,
    strays: Vec<usize>,
}

impl Judge {
    fn take(&mut self, place: usize, entry: &Entry) {
        match entry {
            Entry::Send { attempt, conversation, sender, client_id, digest } => {
                let name = (sender.clone(), client_id.clone());
                self.log(conversation).sending(&name, *digest);
                self.open.insert(*attempt, (conversation.clone(), name, *digest));
            }
            Entry::Acknowledged { attempt, message_id, seq } => match self.open.remove(attempt) {
                Some((conversation, name, digest)) => {
                    self.log(&conversation).acknowledged(name, digest, message_id, *seq);
                }
                None => self.strays.push(place),
            },
            Entry::Refused { attempt, code: _ } => match self.open.remove(attempt) {
                Some((conversation, name, digest)) => self.log(&conversation).refused(&name, digest),
                None => self.strays.push(place),
            },
            Entry::Unknown { attempt } => {
                if self.open.remove(attempt).is_none() {
                    self.strays.push(place);
                }
            }
            Entry::Resumed { observer, conversation, after } => {
                self.log(conversation).resumed(observer, *after);
            }
            Entry::Observed { observer, conversation, event } => {
                self.log(conversation).observed(observer, event)
            }
            Entry::Gap { observer, conversation, from, to } => {
                self.log(conversation).gap(observer, *from, *to)
            }
            Entry::CaughtUp { observer, conversation, seq } => {
                self.log(conversation).caught_up(observer, *seq)
            }
            Entry::ReadBegan { reader, conversation } => self.log(conversation).read_began(reader),
            Entry::Read { reader, conversation, log } => {
                if !self.log(conversation).read(reader, log) {
                    self.strays.push(place);
                }
            }
        }
    }

    fn log(&mut self, conversation: &str) -> &mut Log {
        self.logs.entry(conversation.to_owned()).or_default()
    }

    fn verdict(self) -> Vec<Violation> {
        let strays = self
            .strays
            .into_iter()
            .map(|entry| Violation { conversation: ConversationId::new(), fault: Fault::Stray { entry } });
        let broken = self.logs.into_iter().flat_map(|(conversation, log)| {
            let faults = log.verdict();
            faults.into_iter().map(move |fault| Violation { conversation: conversation.clone(), fault })
        });
        strays.chain(broken).collect()
    }
}

/// What is known of one conversation's log.
#[derive(Default)]
struct Log {
    /// The last place that was acknowledged to anybody or seen by anybody.
    known: u64,
    sends: BTreeMap<Name, Send>,
    /// In the order in which they were first acknowledged.
    acknowledged: Vec<Name>,
    /// How many of `acknowledged` stood when the last read began that was also finished.
    proven: usize,
    /// What stands at each place, and who saw it there first.
    truth: BTreeMap<u64, (Seen, Observer)>,
    /// The last event each observer has; none: it asked for live ones and has none yet.
    positions: HashMap<Observer, Option<u64>>,
    /// What each reader must find, as of the moment it began.
    reads: HashMap<Observer, Expected>,
    faults: Vec<Fault>,
}

/// What one message came to.
struct Send {
    /// [`Log::known`] when it was first sent.
    known: u64,
    /// Of attempts whose outcome was not a refusal, acknowledged or not; one entry an attempt.
    possible: Vec<Digest>,
    /// Of attempts that were acknowledged.
    promised: Vec<Digest>,
    /// The first acknowledgement.
    answer: Option<(MessageId, u64)>,
    /// Where it was seen, and as what.
    places: BTreeMap<u64, (MessageId, Digest)>,
}

#[derive(Clone, Copy)]
struct Expected {
    known: u64,
    acknowledged: usize,
}

impl Log {
    fn sending(&mut self, name: &Name, digest: Digest) {
        let known = self.known;
        let send = self.sends.entry(name.clone()).or_insert_with(|| Send {
            known,
            possible: Vec::new(),
            promised: Vec::new(),
            answer: None,
            places: BTreeMap::new(),
        });
        send.possible.push(digest);
    }

    fn acknowledged(&mut self, name: Name, digest: Digest, message_id: &MessageId, seq: u64) {
        self.known = self.known.max(seq);
        let send = self.sends.get_mut(&name).expect("an attempt is entered before its outcome");
        send.promised.push(digest);
        let answer = (message_id.clone(), seq);
        match &send.answer {
            None => {
                send.answer = Some(answer);
                self.acknowledged.push(name);
            }
            Some(first) if *first != answer => {
                let first = first.clone();
                self.faults.push(Fault::Changed { sender: name.0, client_id: name.1, first, later: answer });
            }
            Some(_) => {}
        }
    }

    fn refused(&mut self, name: &Name, digest: Digest) {
        let send = self.sends.get_mut(name).expect("an attempt is entered before its outcome");
        let attempt = send.possible.iter().position(|possible| *possible == digest);
        send.possible.swap_remove(attempt.expect("each attempt has one outcome"));
    }

    fn resumed(&mut self, observer: &Observer, after: Option<u64>) {
        let had = self.positions.insert(observer.clone(), after);
        // Going back is allowed, claiming to have what never came is not.
        if let (Some(Some(had)), Some(claimed)) = (had, after)
            && claimed > had
        {
            self.faults.push(Fault::Skipped { observer: observer.clone(), after: had, found: claimed });
        }
    }

    fn observed(&mut self, observer: &Observer, event: &Seen) {
        if let Some(Some(after)) = self.positions.insert(observer.clone(), Some(event.seq)) {
            self.step(observer, after, after + 1, event.seq);
        }
        self.saw(observer, event);
    }

    fn gap(&mut self, observer: &Observer, from: u64, to: u64) {
        if let Some(Some(after)) = self.positions.insert(observer.clone(), Some(to)) {
            self.step(observer, after, after + 1, from);
        }
    }

    fn caught_up(&mut self, observer: &Observer, seq: u64) {
        if let Some(Some(after)) = self.positions.insert(observer.clone(), Some(seq)) {
            self.step(observer, after, after, seq);
        }
    }

    /// Notes when an observer that has everything up to `after` is given `found` and not `expected`.
    fn step(&mut self, observer: &Observer, after: u64, expected: u64, found: u64) {
        let observer = observer.clone();
        if found < expected {
            self.faults.push(Fault::Repeated { observer, after, found });
        } else if found > expected {
            self.faults.push(Fault::Skipped { observer, after, found });
        }
    }

    fn read_began(&mut self, reader: &Observer) {
        let expected = Expected { known: self.known, acknowledged: self.acknowledged.len() };
        self.reads.insert(reader.clone(), expected);
    }

    /// Says whether the read had begun.
    fn read(&mut self, reader: &Observer, log: &[Seen]) -> bool {
        let Some(expected) = self.reads.remove(reader) else {
            return false;
        };
        let last = log.last().map_or(0, |event| event.seq);
        if last < expected.known {
            self.faults.push(Fault::Short { reader: reader.clone(), last, known: expected.known });
        }
        let mut after = 0;
        for event in log {
            if event.seq != after + 1 {
                self.faults.push(Fault::Hole {
                    reader: reader.clone(),
                    expected: after + 1,
                    found: event.seq,
                });
            }
            after = event.seq;
            self.saw(reader, event);
        }
        let hidden: BTreeSet<u64> =
            log.iter().filter(|event| event.kind == HIDDEN).map(|event| event.seq).collect();
        let there: BTreeSet<(&str, &str)> = log
            .iter()
            .filter_map(|event| event.message.as_ref())
            .map(|message| (message.sender.as_str(), message.client_id.as_str()))
            .collect();
        for (sender, client_id) in &self.acknowledged[..expected.acknowledged] {
            if there.contains(&(sender.as_str(), client_id.as_str())) {
                continue; // Whether it is at its place is judged once, in the verdict.
            }
            let send = &self.sends[&(sender.clone(), client_id.clone())];
            let (_, seq) = send.answer.as_ref().expect("it was acknowledged");
            if !hidden.contains(seq) {
                self.faults.push(Fault::Lost {
                    sender: sender.clone(),
                    client_id: client_id.clone(),
                    seq: *seq,
                    reader: reader.clone(),
                });
            }
        }
        self.proven = self.proven.max(expected.acknowledged);
        true
    }

    fn saw(&mut self, by: &Observer, event: &Seen) {
        self.known = self.known.max(event.seq);
        match self.truth.get_mut(&event.seq) {
            Some((stands, one)) if !stands.agrees_with(event) => {
                self.faults.push(Fault::Disagree { seq: event.seq, one: one.clone(), other: by.clone() });
            }
            // An observer that sees the content knows more than one that sees it hidden.
            Some((stands, one)) if stands.kind == HIDDEN => {
                (*stands, *one) = (event.clone(), by.clone());
            }
            Some(_) => {}
            None => {
                self.truth.insert(event.seq, (event.clone(), by.clone()));
            }
        }
        let Some(Message { sender, client_id, message_id, digest }) = &event.message else {
            return;
        };
        match self.sends.get_mut(&(sender.clone(), client_id.clone())) {
            Some(send) => {
                send.places.entry(event.seq).or_insert_with(|| (message_id.clone(), *digest));
            }
            None => self.faults.push(Fault::Phantom {
                sender: sender.clone(),
                client_id: client_id.clone(),
                seq: event.seq,
                why: Phantom::NeverSent,
            }),
        }
    }

    fn verdict(mut self) -> Vec<Fault> {
        for ((sender, client_id), send) in std::mem::take(&mut self.sends) {
            self.faults.extend(send.verdict(&sender, &client_id));
        }
        if self.proven < self.acknowledged.len() {
            self.faults.push(Fault::Unread);
        }
        self.faults
    }
}

impl Send {
    fn verdict(self, sender: &Sender, client_id: &ClientId) -> Vec<Fault> {
        let (sender, client_id) = (|| sender.clone(), || client_id.clone());
        let mut faults = Vec::new();
        if self.places.len() > 1 {
            let seqs = self.places.keys().copied().collect();
            faults.push(Fault::Doubled { sender: sender(), client_id: client_id(), seqs });
        }
        for (seq, (message_id, digest)) in &self.places {
            let known = self.known;
            if *seq <= known {
                faults.push(Fault::Reordered { sender: sender(), client_id: client_id(), seq: *seq, known });
            }
            if let Some(why) = self.phantom(*digest) {
                faults.push(Fault::Phantom { sender: sender(), client_id: client_id(), seq: *seq, why });
            }
            if let Some(first) = self.answer.as_ref().filter(|(named, at)| at == seq && named != message_id) {
                let (first, later) = (first.clone(), (message_id.clone(), *seq));
                faults.push(Fault::Changed { sender: sender(), client_id: client_id(), first, later });
            }
        }
        if let (Some((_, acknowledged)), Some(found)) = (&self.answer, self.places.keys().next())
            && !self.places.contains_key(acknowledged)
        {
            let (acknowledged, found) = (*acknowledged, *found);
            faults.push(Fault::Moved { sender: sender(), client_id: client_id(), acknowledged, found });
        }
        faults
    }

    /// Why it may not stand in the log with such a text, if it may not.
    fn phantom(&self, digest: Digest) -> Option<Phantom> {
        if self.possible.is_empty() {
            return Some(Phantom::Refused);
        }
        let kept = self.promised.iter().all(|promised| *promised == digest);
        (!kept || !self.possible.contains(&digest)).then_some(Phantom::Altered)
    }
}
