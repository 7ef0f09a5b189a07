//! Which pointers follow from a conversation: pure. A pointer is put before it is needed and removed after it is not,
//! so that there may be one too many and never one too few.

use domain::{AgentId, Event, EventKind, Head, Seq, State, TeamId, Timestamp, VisitorId};

use crate::Epoch;

/// Milliseconds of a week.
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Where a stamp's epoch begins, in bits: a log has at most 10,000 events, and each takes two numbers.
const EPOCH_SHIFT: u32 = 24;

/// The time stamp of a derived row, made of its writer's epoch and of the tail that the writer knows; no clock is in it. A
/// newer owner's row wins over an older owner's, and one owner's later row over its earlier one; of a put and a removal
/// after the same event the put wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(i64);

impl Stamp {
    /// For rows that stand after the event `seq` of a log in its `epoch`.
    pub(super) fn put(epoch: Epoch, seq: Seq) -> Self {
        Self::of(epoch, seq, 1)
    }

    /// For rows that are gone after it.
    pub(super) fn removal(epoch: Epoch, seq: Seq) -> Self {
        Self::of(epoch, seq, 0)
    }

    fn of(epoch: Epoch, seq: Seq, put: u64) -> Self {
        Self(((epoch.0 << EPOCH_SHIFT) | (2 * seq.0 + put)) as i64)
    }

    /// The event that the row stands after.
    pub(super) fn seq(self) -> Seq {
        Seq((self.0 as u64 & ((1 << EPOCH_SHIFT) - 1)) / 2)
    }

    /// From the number in a column.
    pub(super) fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// As statements take it.
    pub(super) fn number(self) -> i64 {
        self.0
    }
}

/// A pointer to the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    /// In the live index.
    Live(LivePointer),
    /// Among what the agent holds.
    Held(AgentId),
    /// Among the visitor's.
    OfVisitor(VisitorId, Timestamp),
    /// Among ended conversations, under a team.
    EndedInTeam(TeamId, Timestamp),
    /// Among ended conversations, under the agent who had it last.
    EndedWith(AgentId, Timestamp),
}

/// What the live index says of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LivePointer {
    pub(super) team: TeamId,
    pub(super) state: State,
    pub(super) assignee: Option<AgentId>,
    pub(super) queued_at: Timestamp,
    pub(super) last_event_at: Timestamp,
}

impl LivePointer {
    fn of(head: &Head) -> Self {
        Self {
            team: head.team,
            state: head.state,
            assignee: head.assignee.as_ref().map(|agent| agent.id),
            queued_at: head.queued_at,
            last_event_at: head.last_event_at,
        }
    }
}

/// A pointer that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// From the live index.
    Live,
    /// From what the agent held.
    Held(AgentId),
}

/// What an append changes beside the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Derived {
    /// Stands before the append.
    pub(super) before: Vec<Pointer>,
    /// Stands before it is answered.
    pub(super) beside: Vec<Pointer>,
    /// Goes after all else stands.
    pub(super) after: Vec<Gone>,
}

impl Derived {
    /// Of events that lead to `head`.
    pub(super) fn of(events: &[Event], head: &Head) -> Self {
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        let holder = assignee.filter(|_| head.state == State::Assigned);
        let mut derived = Self::default();
        let mut opens = false;
        for event in events {
            match &event.kind {
                EventKind::Started(_) => {
                    opens = true;
                    derived.before.push(Pointer::OfVisitor(head.visitor.id, head.created_at));
                }
                EventKind::Reopened => opens = true,
                EventKind::Identified { .. } => {
                    derived.before.push(Pointer::OfVisitor(head.visitor.id, head.created_at));
                }
                EventKind::Assigned { agent, .. } if holder == Some(agent.id) => {
                    derived.before.push(Pointer::Held(agent.id));
                }
                EventKind::Assigned { agent, .. } | EventKind::Released { agent, .. } => {
                    derived.after.push(Gone::Held(agent.id));
                }
                EventKind::Ended { .. } => {
                    if let Some(agent) = assignee {
                        derived.after.push(Gone::Held(agent));
                    }
                    derived.beside.extend(ended(head));
                }
                EventKind::MessagePosted { .. }
                | EventKind::NotePosted { .. }
                | EventKind::Transferred { .. }
                | EventKind::Rated(_)
                | EventKind::Tagged { .. } => {}
            }
        }
        derived.after.retain(|gone| holder.is_none_or(|agent| *gone != Gone::Held(agent)));
        let ends = events.iter().any(|event| matches!(event.kind, EventKind::Ended { .. }));
        if head.state != State::Ended {
            let live = Pointer::Live(LivePointer::of(head));
            if opens { derived.before.push(live) } else { derived.beside.push(live) }
        } else if ends {
            derived.after.push(Gone::Live);
        }
        derived
    }

    /// All pointers of a conversation: its last owner may have left some undone.
    pub(super) fn restored(head: &Head) -> Self {
        let mut derived = Self::default();
        derived.beside.push(Pointer::OfVisitor(head.visitor.id, head.created_at));
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        match head.state {
            State::Queued | State::Bot => derived.beside.push(Pointer::Live(LivePointer::of(head))),
            State::Assigned => {
                derived.beside.push(Pointer::Live(LivePointer::of(head)));
                derived.beside.extend(assignee.map(Pointer::Held));
            }
            State::Ended => {
                derived.beside.extend(ended(head));
                derived.after.extend(assignee.map(Gone::Held));
                derived.after.push(Gone::Live);
            }
        }
        derived
    }
}

fn ended(head: &Head) -> impl Iterator<Item = Pointer> {
    let (team, agent) = (head.team, head.assignee.as_ref().map(|agent| agent.id));
    head.ended_at.into_iter().flat_map(move |at| {
        let with = agent.map(|agent| Pointer::EndedWith(agent, at));
        std::iter::once(Pointer::EndedInTeam(team, at)).chain(with)
    })
}

/// The partition of what ended then.
pub(super) fn week(at: Timestamp) -> i32 {
    i32::try_from(at.as_ms() / WEEK_MS).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use domain::{AgentCard, AssignReason, Author, Line, ReleaseReason, TransferTo};
    use uuid::Uuid;

    use crate::conformance::Play;

    use super::*;

    fn agent(n: u8) -> AgentId {
        AgentId::from_uuid(Uuid::from_bytes([n; 16]))
    }

    fn card(n: u8) -> AgentCard {
        AgentCard { id: agent(n), name: Line::parse("Ann").unwrap() }
    }

    fn assigned(n: u8) -> EventKind {
        let (assignment_epoch, reason) = (1, AssignReason::Accept);
        EventKind::Assigned { agent: card(n), assignment_epoch, reason, why: None }
    }

    fn released(n: u8) -> EventKind {
        EventKind::Released { agent: card(n), reason: ReleaseReason::Released }
    }

    /// What follows from `kinds`, after a start and `first`.
    fn after(first: Vec<EventKind>, kinds: Vec<EventKind>) -> (Play, Derived) {
        let mut play = Play::some();
        for kind in first {
            play.then(2_000, Author::System, kind);
        }
        let events: Vec<Event> =
            kinds.into_iter().map(|kind| play.then(3_000, Author::System, kind)).collect();
        let derived = Derived::of(&events, play.head());
        (play, derived)
    }

    fn live(play: &Play) -> Pointer {
        Pointer::Live(LivePointer::of(play.head()))
    }

    #[test]
    fn a_start_stands_before_its_log_and_a_message_beside_it() {
        let play = Play::some();
        let derived = Derived::of(&play.events, play.head());
        let visitor = Pointer::OfVisitor(play.head().visitor.id, play.head().created_at);
        assert_eq!(derived, Derived { before: vec![visitor, live(&play)], ..Derived::default() });

        let (play, derived) = after(vec![], vec![EventKind::Tagged { added: vec![], removed: vec![] }]);
        assert_eq!(derived, Derived { beside: vec![live(&play)], ..Derived::default() });
    }

    #[test]
    fn who_gets_it_has_it_before_and_who_loses_it_afterwards() {
        let ended = || EventKind::Ended { reason: None };
        let to_team = EventKind::Transferred { to: TransferTo::Team(TeamId::from_uuid(Uuid::nil())) };
        let held = |n| vec![Pointer::Held(agent(n))];
        let gone = |n| vec![Gone::Held(agent(n))];
        type Case = (Vec<EventKind>, Vec<EventKind>, Vec<Pointer>, Vec<Gone>);
        let cases: Vec<Case> = vec![
            (vec![], vec![assigned(1)], held(1), vec![]),
            (vec![assigned(1)], vec![released(1)], vec![], gone(1)),
            (vec![assigned(1)], vec![to_team, released(1)], vec![], gone(1)),
            (vec![assigned(1)], vec![released(1), assigned(2)], held(2), gone(1)),
            // The agent may have had it before this group, so a pointer that goes does no harm.
            (vec![], vec![assigned(1), released(1)], vec![], [gone(1), gone(1)].concat()),
            (vec![], vec![assigned(1), released(1), assigned(1)], [held(1), held(1)].concat(), vec![]),
            (vec![assigned(1)], vec![ended()], vec![], [gone(1), vec![Gone::Live]].concat()),
            (vec![], vec![ended()], vec![], vec![Gone::Live]),
        ];
        for (first, kinds, before, gone) in cases {
            let said = format!("{first:?}, then {kinds:?}");
            let (_, derived) = after(first, kinds);
            assert_eq!((derived.before, derived.after), (before, gone), "{said}");
        }
    }

    #[test]
    fn what_ended_is_among_the_ended_before_it_leaves_the_live() {
        let (play, derived) = after(vec![assigned(1)], vec![EventKind::Ended { reason: None }]);
        let at = play.head().ended_at.unwrap();
        let ended = vec![Pointer::EndedInTeam(play.team, at), Pointer::EndedWith(agent(1), at)];
        assert_eq!(derived.beside, ended);
        let restored = Derived::restored(play.head());
        assert_eq!(restored.beside[1..], ended);
        assert_eq!(restored.after, [Gone::Held(agent(1)), Gone::Live]);
    }

    #[test]
    fn what_is_reopened_is_live_before_its_log_says_so() {
        let (play, derived) =
            after(vec![EventKind::Ended { reason: None }], vec![EventKind::Reopened, assigned(2)]);
        assert_eq!(derived.before, [Pointer::Held(agent(2)), live(&play)]);
        assert_eq!(derived.beside, []);
        // In one group nothing of the end is left.
        let (play, derived) = after(vec![], vec![EventKind::Ended { reason: None }, EventKind::Reopened]);
        assert_eq!(derived, Derived { before: vec![live(&play)], ..Derived::default() });
        // A rating of what has ended moves nothing.
        let rating = EventKind::Tagged { added: vec![], removed: vec![] };
        let (_, derived) = after(vec![EventKind::Ended { reason: None }], vec![rating]);
        assert_eq!(derived, Derived::default());
    }

    #[test]
    fn newer_words_win_over_older_ones() {
        let put = |epoch, seq| Stamp::put(Epoch(epoch), Seq(seq));
        let removal = |epoch, seq| Stamp::removal(Epoch(epoch), Seq(seq));
        let rising = [
            put(1, 2),
            removal(1, 3),
            put(1, 3),
            removal(1, 10_000),
            put(1, 10_000),
            removal(2, 0),
            put(2, 2),
        ];
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
        assert_eq!([put(7, 10_000).seq(), removal(7, 10_000).seq()], [Seq(10_000); 2]);
    }
}
