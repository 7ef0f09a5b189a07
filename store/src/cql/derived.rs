//! Which rows of lists follow from a conversation's head: pure. They are put before the append that needs them and removed
//! after the one that does not, so that there may be one too many and never one too few.
//!
//! All that a list goes by is in a row's key. A row that were one of its conversation and written over in place could hide
//! it: the row is put for an append which then does not happen, and the list looks for it where it never came to be.

use domain::{AgentId, Head, Seq, State, TeamId, Timestamp, VisitorId};

use crate::Generation;

/// Milliseconds of a week.
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How coarse the list of what is not ended is, in milliseconds. A busy conversation has a message every 20 s, so at five
/// minutes one of fifteen moves its row. A list must ask the heads of all rows of the step in which its page ends: of
/// whatever is alive at all, few more are so within five minutes than within one.
pub(super) const STEP_MS: u64 = 5 * 60 * 1000;
/// Where a stamp's generation begins, in bits: a log has at most 10,000 events, and each takes two numbers.
const GENERATION_SHIFT: u32 = 24;
/// Into how many partitions the live index is cut.
pub(super) const SHARDS: u16 = 256;

/// The time stamp of a row, made of its writer's generation and of a `seq`; no clock is in it. A newer writer's row wins over
/// an older one's, and of one writer the later row over the earlier one; of a put and a removal after the same event the put
/// wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(i64);

impl Stamp {
    /// For rows that stand when a log of this writer has the event `seq`.
    pub(super) fn put(generation: Generation, seq: Seq) -> Self {
        Self::of(generation, seq, 1)
    }

    /// For rows that are gone after it.
    pub(super) fn removal(generation: Generation, seq: Seq) -> Self {
        Self::of(generation, seq, 0)
    }

    fn of(generation: Generation, seq: Seq, put: u64) -> Self {
        Self(((generation.0 << GENERATION_SHIFT) | (2 * seq.0 + put)) as i64)
    }

    /// The event that the row belongs to.
    pub(super) fn seq(self) -> Seq {
        Seq((self.0 as u64 & ((1 << GENERATION_SHIFT) - 1)) / 2)
    }

    /// From the number in a column.
    pub(super) fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// As statements take it.
    pub(super) fn number(self) -> i64 {
        self.0
    }

    /// Whether a row with this stamp, which the head denies, is over: a put that comes after the head's last event has
    /// a higher stamp. A row that was put for an append which is still on its way is not over.
    pub(super) fn is_over(self, head: &Head) -> bool {
        self.seq() <= head.last_seq
    }
}

/// A row of a list, by which the conversation is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Row {
    /// Among what is not ended, in a team; the time is that of a step.
    Open(TeamId, Timestamp),
    /// Among what is queued, in a team.
    Waiting(TeamId, Timestamp),
    /// Among what the agent holds.
    Held(AgentId),
    /// Among the visitor's.
    OfVisitor(VisitorId, Timestamp),
    /// Among ended conversations, under a team.
    EndedInTeam(TeamId, Timestamp),
    /// Among ended conversations, under the agent who had it last.
    EndedWith(AgentId, Timestamp),
}

/// All rows that a conversation with this head has, beside that of the live index.
pub(super) fn rows(head: &Head) -> Vec<Row> {
    let assignee = head.assignee.as_ref().map(|agent| agent.id);
    let mut rows = vec![Row::OfVisitor(head.visitor.id, head.created_at)];
    if head.state == State::Ended {
        let at = head.ended_at.unwrap_or(head.last_event_at);
        rows.push(Row::EndedInTeam(head.team, at));
        rows.extend(assignee.map(|agent| Row::EndedWith(agent, at)));
        return rows;
    }
    rows.push(Row::Open(head.team, moment(head.last_event_at)));
    match head.state {
        State::Queued => rows.push(Row::Waiting(head.team, head.queued_at)),
        State::Assigned => rows.extend(assignee.map(Row::Held)),
        State::Bot | State::Ended => {}
    }
    rows
}

/// What the live index says of a conversation. A sure one's state, team and assignee are those of the head; its time may be
/// older by a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) state: State,
    pub(super) team: TeamId,
    pub(super) assignee: Option<AgentId>,
    pub(super) last_event_at: Timestamp,
}

impl Hint {
    /// None: it has ended, and has no row there.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        let Head { state, team, last_event_at, .. } = *head;
        (state != State::Ended).then_some(Self { state, team, assignee, last_event_at })
    }

    fn standing(self) -> (State, TeamId, Option<AgentId>) {
        (self.state, self.team, self.assignee)
    }
}

/// What an append changes beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The stamp of what is put, and of a hint that is sure.
    pub(super) put: Stamp,
    /// The stamp of what goes, and of a hint that is not sure.
    pub(super) removal: Stamp,
    /// Stand before the append.
    pub(super) puts: Vec<Row>,
    /// Stands in the live index before the append, where there was no row or the hint will be wrong.
    pub(super) unsure: Option<Hint>,
    /// Go after it.
    pub(super) removals: Vec<Row>,
    /// Stands in the live index after it: a sure hint is of what is written, never of what may be.
    pub(super) sure: Option<Hint>,
    /// The conversation leaves the live index after it.
    pub(super) ends: bool,
}

impl Change {
    /// Of an append by the writer of `generation`, from one head to the next.
    pub(super) fn of(generation: Generation, before: Option<&Head>, head: &Head) -> Self {
        let (old, new) = (before.map(rows).unwrap_or_default(), rows(head));
        let without = |rows: &[Row], others: &[Row]| -> Vec<Row> {
            rows.iter().filter(|row| !others.contains(row)).copied().collect()
        };
        let puts = without(&new, &old);
        let (old_hint, hint) = (before.and_then(Hint::of), Hint::of(head));
        // Also before it ends: a row that is left by mistake then says nothing false.
        let changes = old_hint.map(Hint::standing) != hint.map(Hint::standing);
        let moves = puts.iter().any(|row| matches!(row, Row::Open(..)));
        Self {
            put: Stamp::put(generation, head.last_seq),
            removal: Stamp::removal(generation, head.last_seq),
            unsure: hint.or(old_hint).filter(|_| changes),
            removals: without(&old, &new),
            sure: hint.filter(|_| changes || moves),
            ends: old_hint.is_some() && hint.is_none(),
            puts,
        }
    }

    /// Whether something is to be done after the append.
    pub(super) fn has_follow_up(&self) -> bool {
        !self.removals.is_empty() || self.sure.is_some() || self.ends
    }
}

/// The step in which a time is.
pub(super) fn moment(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.as_ms() / STEP_MS * STEP_MS)
}

/// The partition of what ended then.
pub(super) fn week(at: Timestamp) -> i32 {
    i32::try_from(at.as_ms() / WEEK_MS).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
