//! Who is at a conversation, as the agents who listen to it are told: other agents who look or type, and its visitor.
//! Kept in memory alone, and told only when it changes.

use std::sync::Arc;

use domain::Author;

use super::{Live, Refusal, SubscriberId};
use crate::Looks;

/// More people at once are not told apart.
const COMPANY_MAX: usize = 64;

/// Somebody, and what he does.
pub(super) type Present = (Arc<Author>, Looks);

/// Those who are there, as others were last told.
#[derive(Default)]
pub(super) struct Company(Vec<Present>);

impl Company {
    pub(super) fn all(&self) -> impl Iterator<Item = &Present> {
        self.0.iter()
    }

    /// Takes who is there `now`, maybe on several devices, and gives what others are to be told: who came, does
    /// something else, or went.
    pub(super) fn change(&mut self, now: impl Iterator<Item = (Author, Looks)>) -> Vec<Present> {
        let mut next: Vec<Present> = Vec::new();
        for (author, looks) in now {
            match next.iter().position(|(other, _)| is_same(other, &author)) {
                // Who types looks as well.
                Some(place) if looks == Looks::Replying => next[place].1 = looks,
                None if next.len() < COMPANY_MAX => next.push((Arc::new(author), looks)),
                Some(_) | None => {}
            }
        }
        let gone = self.0.iter().filter(|(who, _)| looks_of(&next, who).is_none());
        let gone = gone.map(|(who, _)| (Arc::clone(who), Looks::Gone));
        let came = next.iter().filter(|(who, looks)| looks_of(&self.0, who) != Some(*looks)).cloned();
        let told = gone.chain(came).collect();
        self.0 = next;
        told
    }
}

impl Live {
    /// A subscription that is not known here was made with another owner.
    pub(super) fn view(&mut self, id: SubscriberId, viewing: bool) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Moved);
        }
        self.subscribers.view(id, viewing);
        Ok(())
    }

    /// Tells the agents who listen who came, does something else, or went.
    pub(super) fn look_around(&mut self) {
        if !(self.subscribers.take_moved() | self.typing.take_moved()) || self.closing {
            return;
        }
        let now = self.subscribers.there().chain(self.typing.replying());
        for (by, state) in self.company.change(now) {
            self.subscribers.presence(&by, state);
        }
    }

    /// Who comes to the next owner is told of by that one.
    pub(super) fn part(&mut self) {
        for (by, _) in self.company.change(std::iter::empty()) {
            self.subscribers.presence(&by, Looks::Gone);
        }
    }
}

fn looks_of(company: &[Present], who: &Author) -> Option<Looks> {
    company.iter().find(|(other, _)| is_same(other, who)).map(|(_, looks)| *looks)
}

/// Whatever name he goes by.
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
        use Looks::{Gone, Online, Replying, Viewing};
        let mut company = Company::default();
        for (now, told) in [
            (vec![(visitor(), Online)], vec![(visitor(), Online)]),
            (vec![(visitor(), Online)], vec![]),
            // A second device of his is nobody new.
            (vec![(visitor(), Online), (visitor(), Online), (agent(1), Viewing)], vec![(agent(1), Viewing)]),
            (
                vec![(agent(1), Viewing), (agent(2), Viewing), (agent(1), Replying)],
                vec![(visitor(), Gone), (agent(1), Replying), (agent(2), Viewing)],
            ),
            (vec![(agent(1), Viewing)], vec![(agent(2), Gone), (agent(1), Viewing)]),
            (vec![], vec![(agent(1), Gone)]),
        ] {
            let changed = company.change(now.into_iter());
            let changed: Vec<(Author, Looks)> =
                changed.iter().map(|(who, looks)| ((**who).clone(), *looks)).collect();
            assert_eq!(changed, told);
        }
    }

    #[test]
    fn a_crowd_is_not_told_apart() {
        let mut company = Company::default();
        let crowd = |looks| (0..=255).map(move |n| (agent(n), looks));
        assert_eq!(company.change(crowd(Looks::Viewing)).len(), COMPANY_MAX);
        assert_eq!(company.all().count(), COMPANY_MAX);
        assert_eq!(company.change(std::iter::empty()).len(), COMPANY_MAX);
    }
}
