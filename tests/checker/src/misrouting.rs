//! What can be wrong with a team at rest. Each variant names one rule of routing that was broken.

use std::fmt;

use crate::desk::{State, Verb};
use crate::history::Sender;

/// State, assignee and epoch of the last assignment.
type Standing = (State, Option<Sender>, u64);

/// Which rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misrouting {
    /// An assignment's number is not the next one.
    EpochSkipped {
        /// The event.
        seq: u64,
        /// The number of the assignment before.
        before: u64,
        /// Its number.
        found: u64,
    },
    /// Assigned while another had it, who neither gave it up nor was it taken from.
    TwoOwners {
        /// The event.
        seq: u64,
        /// Who had it.
        one: Sender,
        /// Who got it.
        other: Sender,
    },
    /// Assigned by a transfer that is not the event before, or otherwise although it is.
    NotGiven {
        /// The event.
        seq: u64,
    },
    /// Released from one who did not have it.
    NotTheirs {
        /// The event.
        seq: u64,
        /// Who did not have it.
        agent: Sender,
    },
    /// It went on after its end.
    AfterEnd {
        /// The event.
        seq: u64,
    },
    /// The conversation does not stand where its log ends.
    StateDisagrees {
        /// Where its log ends.
        log: Standing,
        /// What a look at it shows.
        shown: Standing,
    },
    /// Missing from the list of its state, or in it twice, or in the list of another.
    Listed {
        /// Which list.
        list: String,
        /// How often it stands there.
        times: usize,
        /// Its state.
        state: State,
    },
    /// In a list, and nobody started it.
    NeverStarted,
    /// The queue's list is not by time and id.
    QueueOrder {
        /// From 1: who stands there should not come after who stands before.
        place: u64,
    },
    /// Its `queue_position` is not its place in the list.
    Position {
        /// Its place in the list.
        place: u64,
        /// What is shown.
        shown: Option<u64>,
    },
    /// It waits and is offered to nobody, while somebody could have it.
    NotOffered {
        /// Who could.
        free: Sender,
    },
    /// It is offered to one who is not online and present.
    OfferedToNobody {
        /// The agent it is offered to.
        agent: Sender,
    },
    /// An agent holds more than they may.
    OverCapacity {
        /// Who.
        agent: Sender,
        /// How many they hold.
        held: u64,
        /// How many they may hold.
        capacity: u64,
    },
    /// An agent's load is not what they hold and are offered.
    Load {
        /// Who.
        agent: Sender,
        /// Their load, as their status shows it.
        shown: u64,
        /// What they hold.
        held: u64,
        /// What they are offered.
        offered: u64,
    },
    /// Acknowledged, and not in the log between what was known before and what was known with the answer.
    DeedLost {
        /// Whose.
        agent: Sender,
        /// Which.
        verb: Verb,
        /// The last event that the agent knew of before.
        after: u64,
        /// What the answer knew of.
        until: u64,
    },
    /// In the log more often than it was acknowledged: twice, or although it was refused.
    DeedDoubled {
        /// Whose.
        agent: Sender,
        /// Which.
        verb: Verb,
        /// How often it was acknowledged.
        told: u64,
        /// How often it is in the log.
        found: u64,
    },
}

impl fmt::Display for Misrouting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EpochSkipped { seq, before, found } => {
                write!(out, "epoch skipped: assignment {found} at {seq} comes after assignment {before}")
            }
            Self::TwoOwners { seq, one, other } => {
                write!(out, "two owners: {other} got it at {seq} while {one} had it")
            }
            Self::NotGiven { seq } => {
                write!(out, "not given: what is assigned at {seq} does not go with the event before")
            }
            Self::NotTheirs { seq, agent } => {
                write!(out, "not theirs: {agent}, released at {seq}, did not have it")
            }
            Self::AfterEnd { seq } => write!(out, "after its end: {seq}"),
            Self::StateDisagrees { log, shown } => {
                write!(out, "state disagrees: its log ends in {log:?}, it shows {shown:?}")
            }
            Self::Listed { list, times, state } => {
                write!(out, "listed: {times} times in {list}, being {state:?}")
            }
            Self::NeverStarted => write!(out, "never started: it is in a list"),
            Self::QueueOrder { place } => {
                write!(out, "queue order: the visitor at {place} comes before the visitor in front of them")
            }
            Self::Position { place, shown } => {
                write!(out, "position: {shown:?} is shown at place {place} of the queue")
            }
            Self::NotOffered { free } => write!(out, "not offered: it waits while {free} could have it"),
            Self::OfferedToNobody { agent } => {
                write!(out, "offered to nobody: {agent} is not online and present")
            }
            Self::OverCapacity { agent, held, capacity } => {
                write!(out, "over capacity: {agent} holds {held} and may hold {capacity}")
            }
            Self::Load { agent, shown, held, offered } => {
                write!(out, "load: {agent} shows {shown}, holds {held} and is offered {offered}")
            }
            Self::DeedLost { agent, verb, after, until } => {
                write!(out, "deed lost: {verb:?} of {agent}, acknowledged, is not in {after}..={until}")
            }
            Self::DeedDoubled { agent, verb, told, found } => {
                write!(
                    out,
                    "deed doubled: {verb:?} of {agent}, {told} times acknowledged, is there {found} times"
                )
            }
        }
    }
}
