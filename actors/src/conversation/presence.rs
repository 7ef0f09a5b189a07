//! Who is at a conversation, as the agents who listen to it are told: other agents who have it open or type, and its visitor.
//! Kept in memory alone, and published only when it changes.

use std::sync::Arc;

use domain::Author;

use crate::words::PresenceState;

/// More people at once are not told apart.
const ATTENDANCE_MAX: usize = 64;

/// Somebody, and what they do.
pub(super) type Present = (Arc<Author>, PresenceState);

/// Those who are there, as others were last told.
#[derive(Default)]
pub(super) struct Attendance(Vec<Present>);

impl Attendance {
    pub(super) fn all(&self) -> impl Iterator<Item = &Present> {
        self.0.iter()
    }

    /// Takes who is there `now`, maybe on several devices, and gives what changed: who came, does something else, or went.
    pub(super) fn change(&mut self, now: impl Iterator<Item = (Author, PresenceState)>) -> Vec<Present> {
        let mut next: Vec<Present> = Vec::new();
        for (author, state) in now {
            match next.iter().position(|(other, _)| is_same(other, &author)) {
                // Who types state as well.
                Some(place) if state == PresenceState::Replying => next[place].1 = state,
                None if next.len() < ATTENDANCE_MAX => next.push((Arc::new(author), state)),
                Some(_) | None => {}
            }
        }
        let gone = self.0.iter().filter(|(who, _)| state_of(&next, who).is_none());
        let gone = gone.map(|(who, _)| (Arc::clone(who), PresenceState::Gone));
        let came = next.iter().filter(|(who, state)| state_of(&self.0, who) != Some(*state)).cloned();
        let told = gone.chain(came).collect();
        self.0 = next;
        told
    }
}

fn state_of(attendance: &[Present], who: &Author) -> Option<PresenceState> {
    attendance.iter().find(|(other, _)| is_same(other, who)).map(|(_, state)| *state)
}

/// The same person, whatever their name is.
fn is_same(one: &Author, other: &Author) -> bool {
    match (one, other) {
        (Author::Visitor { id, .. }, Author::Visitor { id: other, .. }) => id == other,
        (Author::Agent(card), Author::Agent(other)) => card.id == other.id,
        (Author::Bot { id, .. }, Author::Bot { id: other, .. }) => id == other,
        (Author::System, Author::System) => true,
        (Author::Visitor { .. } | Author::Agent(_) | Author::Bot { .. } | Author::System, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use domain::{AgentCard, Name};

    use super::*;

    fn agent(n: u8) -> Author {
        let name = Name::parse("Ann").unwrap();
        Author::Agent(AgentCard { id: domain::Id::from_hash([n; 16]), name })
    }

    fn visitor() -> Author {
        Author::Visitor { id: domain::Id::from_hash([9; 16]), name: None }
    }

    #[test]
    fn only_what_changed_is_told() {
        use PresenceState::{Gone, Online, Replying, Viewing};
        let mut attendance = Attendance::default();
        for (now, told) in [
            (vec![(visitor(), Online)], vec![(visitor(), Online)]),
            (vec![(visitor(), Online)], vec![]),
            // A second device is nobody new.
            (vec![(visitor(), Online), (visitor(), Online), (agent(1), Viewing)], vec![(agent(1), Viewing)]),
            (
                vec![(agent(1), Viewing), (agent(2), Viewing), (agent(1), Replying)],
                vec![(visitor(), Gone), (agent(1), Replying), (agent(2), Viewing)],
            ),
            (vec![(agent(1), Viewing)], vec![(agent(2), Gone), (agent(1), Viewing)]),
            (vec![], vec![(agent(1), Gone)]),
        ] {
            let changed = attendance.change(now.into_iter());
            let changed: Vec<(Author, PresenceState)> =
                changed.iter().map(|(who, state)| ((**who).clone(), *state)).collect();
            assert_eq!(changed, told);
        }
    }

    #[test]
    fn a_crowd_is_not_told_apart() {
        let mut attendance = Attendance::default();
        let crowd = |state| (0..=255).map(move |n| (agent(n), state));
        assert_eq!(attendance.change(crowd(PresenceState::Viewing)).len(), ATTENDANCE_MAX);
        assert_eq!(attendance.all().count(), ATTENDANCE_MAX);
        assert_eq!(attendance.change(std::iter::empty()).len(), ATTENDANCE_MAX);
    }
}
