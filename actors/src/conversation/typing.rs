//! Who types: kept in memory alone, and over by itself after six seconds.

use std::time::Duration;

use domain::Author;
use ractor::ActorRef;
use tokio::time::Instant;

use crate::mail::ConversationMessage;
use crate::words::PresenceState;

/// How long "is typing" holds without a further word.
const TYPING_FOR: Duration = Duration::from_secs(6);
/// More people at once are not told apart.
const TYPISTS_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Typists {
    until: Vec<(Author, Instant)>,
    /// A message to look again is on its way.
    due: bool,
    /// Somebody began or stopped, and that is not published yet.
    moved: bool,
}

impl Typists {
    pub(super) fn set(&mut self, author: Author, typing: bool, myself: &ActorRef<ConversationMessage>) {
        self.moved = true;
        self.until.retain(|(who, _)| *who != author);
        if typing && self.until.len() < TYPISTS_MAX {
            self.until.push((author, Instant::now() + TYPING_FOR));
            self.look_again(myself);
        }
    }

    /// A sender has stopped typing; returns them if they typed.
    pub(super) fn stop_of(&mut self, author: &Author) -> Option<Author> {
        let place = self.until.iter().position(|(who, _)| who == author)?;
        self.moved = true;
        Some(self.until.swap_remove(place).0)
    }

    /// Takes out the typists whose time is over.
    pub(super) fn take_due(&mut self, myself: &ActorRef<ConversationMessage>) -> Vec<Author> {
        self.due = false;
        let now = Instant::now();
        let over = self.until.extract_if(.., |(_, until)| *until <= now).map(|(who, _)| who).collect();
        self.moved = true;
        self.look_again(myself);
        over
    }

    /// Whether somebody began or stopped since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// The agents who type.
    pub(super) fn replying(&self) -> impl Iterator<Item = (Author, PresenceState)> + '_ {
        let agents = self.until.iter().filter(|(who, _)| matches!(who, Author::Agent(_)));
        agents.map(|(who, _)| (who.clone(), PresenceState::Replying))
    }

    fn look_again(&mut self, myself: &ActorRef<ConversationMessage>) {
        let Some(next) = self.until.iter().map(|(_, until)| *until).min() else { return };
        if self.due {
            return;
        }
        self.due = true;
        let myself = myself.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(next).await;
            // An actor that ended has no listeners.
            let _ = myself.cast(ConversationMessage::TypingDue);
        });
    }
}
