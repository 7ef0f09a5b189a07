//! Listeners, and what is kept in memory alone: who has the conversation open, and who types.

use std::sync::Arc;

use domain::{Action, Audience, Rejection, State, may};
use ractor::ActorRef;

use super::confirm;
use super::live::LiveConversation;
use crate::mail::{Asked, ConversationMessage, Refusal};
use crate::words::{PresenceState, Subscribe, Typing, Viewing};

impl LiveConversation {
    pub(super) fn subscribe(&mut self, myself: &ActorRef<ConversationMessage>, asked: Asked<Subscribe>) {
        self.touch();
        if !self.closing && asked.ask.after > self.durable() {
            // Only another node can have pushed those events.
            return confirm::subscribe_if_open(&self.node, asked, myself.clone());
        }
        let listener = asked.ask.listener;
        let answer = if self.closing {
            Err(Refusal::Moved)
        } else if let Err(rejection) = may(self.draft.conversation().standing(&asked.ask.who), Action::Read) {
            Err(rejection.into())
        } else {
            self.listeners.add(listener, Arc::clone(&asked.ask.who), &self.attendance);
            Ok(self.durable())
        };
        if !asked.answer(answer) {
            self.listeners.remove(listener);
        }
    }

    /// A subscription that is not known here was made with another owner.
    pub(super) fn view(&mut self, Viewing { listener, viewing }: Viewing) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Moved);
        }
        self.listeners.view(listener, viewing);
        Ok(())
    }

    pub(super) fn set_typing(
        &mut self,
        myself: &ActorRef<ConversationMessage>,
        Typing { who, typing, preview }: Typing,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Moved);
        }
        self.touch();
        let conversation = self.draft.conversation();
        may(conversation.standing(&who), Action::Write)?;
        if conversation.head().state == State::Ended {
            return Err(Rejection::ConversationEnded.into());
        }
        let author = who.author();
        // What an agent is typing is shown to nobody.
        let preview = preview.filter(|_| who.audience() == Audience::Visitor);
        self.typists.set(author.clone(), typing, myself);
        self.listeners.typing(author, typing, preview);
        Ok(())
    }

    pub(super) fn typing_due(&mut self, myself: &ActorRef<ConversationMessage>) {
        for author in self.typists.take_due(myself) {
            self.listeners.typing(author, false, None);
        }
    }

    /// Pushes to the agents who listen who came, does something else, or went.
    pub(super) fn publish_presence(&mut self) {
        if !(self.listeners.take_moved() | self.typists.take_moved()) || self.closing {
            return;
        }
        let now = self.listeners.there().chain(self.typists.replying());
        for (by, state) in self.attendance.change(now) {
            self.listeners.presence(by, state);
        }
    }

    /// For these listeners all are gone; the next owner greets those who come to it.
    pub(super) fn publish_departures(&mut self) {
        for (by, _) in self.attendance.change(std::iter::empty()) {
            self.listeners.presence(by, PresenceState::Gone);
        }
    }
}
