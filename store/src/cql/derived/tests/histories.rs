//! Random histories of one conversation: appends that fail, writers that follow each other, writes of rows that come late,
//! twice or never, readers that sweep. Whatever happens, no list misses the conversation, and no hint lies.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Append {
        /// What is appended, by [`kind`].
        kinds: Vec<u8>,
        /// Since the event before, in quarters of a step.
        quarters: u64,
        /// None of it is written, and so many of the rows are put.
        fails: Option<u8>,
    },
    /// A write that is on its way comes, or one that came comes again.
    Write(u8),
    /// A reader meets a row, and removes it if it is over.
    Meet(u8),
    /// A reader meets the row of the live index.
    MeetLive,
    /// Another writer has it from now on, and nothing of the one before is written any more.
    NextWriter,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (vec(any::<u8>(), 1..4), 0..6_u64, proptest::option::weighted(0.3, any::<u8>()))
        .prop_map(|(kinds, quarters, fails)| Step::Append { kinds, quarters, fails });
    let step = prop_oneof![
        4 => append,
        6 => any::<u8>().prop_map(Step::Write),
        2 => any::<u8>().prop_map(Step::Meet),
        1 => Just(Step::MeetLive),
        1 => Just(Step::NextWriter),
    ];
    vec(step, 1..60)
}

/// A write that was sent.
#[derive(Clone, Copy, Debug)]
enum Write {
    Put(Row, Stamp),
    Remove(Row, Stamp),
    PutLive { is_sure: bool, hint: Hint, stamp: Stamp },
    RemoveLive(Stamp),
}

#[derive(Clone, Copy, Debug)]
struct Live {
    is_sure: bool,
    hint: Hint,
    stamp: Stamp,
}

/// The tables, as servers keep them: the highest stamp wins, and of the same stamp the removal.
#[derive(Debug, Default)]
struct Tables {
    put: BTreeMap<Row, Stamp>,
    removed: BTreeMap<Row, Stamp>,
    live: Option<Live>,
    live_removed: Option<Stamp>,
}

impl Tables {
    fn write(&mut self, write: Write) {
        let raise = |stamps: &mut BTreeMap<Row, Stamp>, row, stamp| {
            let known = stamps.entry(row).or_insert(stamp);
            *known = stamp.max(*known);
        };
        match write {
            Write::Put(row, stamp) => raise(&mut self.put, row, stamp),
            Write::Remove(row, stamp) => raise(&mut self.removed, row, stamp),
            Write::PutLive { is_sure, hint, stamp } => {
                if self.live.is_none_or(|live| live.stamp <= stamp) {
                    self.live = Some(Live { is_sure, hint, stamp });
                }
            }
            Write::RemoveLive(stamp) => self.live_removed = self.live_removed.max(Some(stamp)),
        }
    }

    /// The rows that are read.
    fn rows(&self) -> BTreeMap<Row, Stamp> {
        let stands = |(row, stamp): (&Row, &Stamp)| {
            self.removed.get(row).is_none_or(|removed| removed < stamp).then_some((*row, *stamp))
        };
        self.put.iter().filter_map(stands).collect()
    }

    fn live(&self) -> Option<Live> {
        self.live.filter(|live| self.live_removed.is_none_or(|removed| removed < live.stamp))
    }
}

/// Something that may come next.
fn kind(head: &Head, choice: u8) -> EventKind {
    let n = choice / 8 % 3 + 1;
    match (head.state, choice % 8) {
        (State::Ended, 0..=4) => EventKind::Reopened,
        (State::Ended, _) => tagged(),
        (State::Queued | State::Bot, 0..=2) => assigned(n),
        (State::Assigned, 0..=1) => match &head.assignee {
            Some(agent) => EventKind::Released { agent: agent.clone(), reason: ReleaseReason::Released },
            None => tagged(),
        },
        (State::Assigned, 2) => assigned(n),
        (_, 3) => to_team(n),
        (_, 4 | 5) => ended(),
        (_, 6) => {
            let id = VisitorId::from_uuid(Uuid::from_bytes([n; 16]));
            EventKind::Identified { visitor: domain::VisitorCard { id, ..head.visitor.clone() } }
        }
        (_, _) => tagged(),
    }
}

/// A conversation and what is on its way.
struct Scene {
    play: Play,
    stored: Option<Head>,
    generation: u64,
    tables: Tables,
    /// Those that may come at any time, or not.
    sent: Vec<Write>,
    at_ms: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            play: Play::some(),
            stored: None,
            generation: 1,
            tables: Tables::default(),
            sent: Vec::new(),
            at_ms: 1_000,
        }
    }

    /// Written at a quorum, and once more at any later time.
    fn write_now(&mut self, write: Write) {
        self.tables.write(write);
        self.sent.push(write);
    }

    /// The writer's next append, of what the play has beyond what is stored.
    fn append(&mut self, fails: Option<u8>) {
        let head = self.play.head().clone();
        let change = Change::of(Generation(self.generation), self.stored.as_ref(), &head);
        let unsure = change.unsure.map(|hint| Write::PutLive { is_sure: false, hint, stamp: change.removal });
        let puts = change.puts.iter().map(|row| Write::Put(*row, change.put)).chain(unsure);
        let puts: Vec<Write> = puts.collect();
        if let Some(choice) = fails {
            let done = usize::from(choice) % (puts.len() + 1);
            puts[..done].iter().for_each(|write| self.write_now(*write));
            self.sent.extend(&puts[done..]);
            return;
        }
        puts.iter().for_each(|write| self.write_now(*write));
        self.sent.extend(change.removals.iter().map(|row| Write::Remove(*row, change.removal)));
        self.sent.extend(change.sure.map(|hint| Write::PutLive { is_sure: true, hint, stamp: change.put }));
        self.sent.extend(change.ends.then_some(Write::RemoveLive(change.removal)));
        self.stored = Some(head);
    }

    fn meet(&mut self, choice: u8) {
        let Some(head) = &self.stored else { return };
        let found: Vec<(Row, Stamp)> = self.tables.rows().into_iter().collect();
        if found.is_empty() {
            return;
        }
        let (row, stamp) = found[usize::from(choice) % found.len()];
        if !rows(head).contains(&row) && stamp.is_over(head) {
            self.write_now(Write::Remove(row, stamp));
        }
    }

    fn meet_live(&mut self) {
        let (Some(head), Some(live)) = (&self.stored, self.tables.live()) else { return };
        if !live.is_sure && head.state == State::Ended && live.stamp.is_over(head) {
            self.write_now(Write::RemoveLive(live.stamp));
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append { kinds, quarters, fails } => {
                let before = self.play.clone();
                self.at_ms += quarters * (STEP_MS / 4);
                if self.stored.is_some() {
                    for choice in kinds {
                        let kind = kind(self.play.head(), *choice);
                        self.play.then(self.at_ms, Author::System, kind);
                    }
                }
                self.append(*fails);
                if fails.is_some() {
                    self.play = before;
                }
            }
            Step::Write(choice) if !self.sent.is_empty() => {
                let write = self.sent[usize::from(*choice) % self.sent.len()];
                self.tables.write(write);
            }
            Step::Write(_) => {}
            Step::Meet(choice) => self.meet(*choice),
            Step::MeetLive => self.meet_live(),
            Step::NextWriter => self.generation += 1,
        }
    }

    fn check(&self) {
        let Some(head) = &self.stored else { return };
        let found = self.tables.rows();
        for row in rows(head) {
            assert!(found.contains_key(&row), "{row:?} is missing, there is {found:?}");
        }
        let (live, hint) = (self.tables.live(), Hint::of(head));
        assert!(live.is_some() || hint.is_none(), "it is not live");
        if let Some(live) = live.filter(|live| live.is_sure) {
            let standing = hint.map(Hint::standing);
            assert_eq!(Some(live.hint.standing()), standing, "a sure hint is the head's");
            let is_behind = hint.is_some_and(|hint| live.hint.last_event_at <= hint.last_event_at);
            assert!(is_behind, "no hint is of what was never written");
        }
    }

    /// Everything has come, and readers have met every row.
    fn settle(&mut self) {
        for write in std::mem::take(&mut self.sent) {
            self.tables.write(write);
        }
        for choice in 0..=u8::MAX {
            self.meet(choice);
        }
        self.meet_live();
        let Some(head) = &self.stored else { return };
        let ghosts: Vec<(Row, Stamp)> =
            self.tables.rows().into_iter().filter(|(row, _)| !rows(head).contains(row)).collect();
        // What is left was put for an append that never was, of an event that may yet come.
        assert!(ghosts.iter().all(|(_, stamp)| !stamp.is_over(head)), "{ghosts:?} at {:?}", head.last_seq);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_list_ever_misses_it_and_no_hint_lies(steps in steps()) {
        let mut scene = Scene::new();
        for step in &steps {
            scene.step(step);
            scene.check();
        }
        scene.settle();
        scene.check();
    }
}
