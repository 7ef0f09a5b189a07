//! What each audience sees of an event: one function, so that no way out can show more than another.

use super::event::{Event, EventKind, ReleaseReason};

/// The readers of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The visitor whose conversation it is.
    Visitor,
    /// Agents who see it, and programs.
    Agent,
}

/// What of an event is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Face<'a> {
    /// All of it.
    Whole(&'a Event),
    /// That the agent no longer has it, but not why.
    WithoutReason(&'a Event),
    /// Its place alone, so that `seq` stays dense.
    Hidden(&'a Event),
}

/// What `audience` sees of `event`.
pub fn face(event: &Event, audience: Audience) -> Face<'_> {
    match (audience, &event.kind) {
        (Audience::Agent, _) => Face::Whole(event),
        (
            Audience::Visitor,
            EventKind::Started(_)
            | EventKind::MessagePosted { .. }
            | EventKind::Assigned { .. }
            | EventKind::Rated(_)
            | EventKind::Ended { .. }
            | EventKind::Reopened
            | EventKind::Released { reason: ReleaseReason::Released | ReleaseReason::Transfer, .. },
        ) => Face::Whole(event),
        (Audience::Visitor, EventKind::Released { .. }) => Face::WithoutReason(event),
        (
            Audience::Visitor,
            EventKind::NotePosted { .. }
            | EventKind::Transferred { .. }
            | EventKind::Identified { .. }
            | EventKind::Tagged { .. },
        ) => Face::Hidden(event),
    }
}
