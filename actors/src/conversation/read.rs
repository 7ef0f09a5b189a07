//! Read marks.

use domain::{Action, Principal, Seq, Side, Standing, may};
use ractor::ActorRef;

use super::live::LiveConversation;
use crate::mail::{Asked, ConversationMessage, Refusal};
use crate::words::Read;

impl LiveConversation {
    /// A mark that moved is answered when it is kept: a reader who asks then is shown no older one.
    pub(super) fn read(&mut self, myself: &ActorRef<ConversationMessage>, asked: Asked<Read>) {
        match self.move_mark(&asked.ask.who, asked.ask.seq) {
            // What moves nothing may repeat what is not kept yet.
            Ok(moved) if moved || !self.marks.is_settled() => {
                self.marks.wait(asked.reply, asked.permit);
                self.write_marks(myself);
            }
            // The reader may be gone; the answer is for nobody else.
            answer => drop(asked.answer(answer.map(|_| ()))),
        }
    }

    /// Says whether it moved.
    fn move_mark(&mut self, who: &Principal, seq: Seq) -> Result<bool, Refusal> {
        if self.closing {
            return Err(Refusal::Moved);
        }
        self.touch();
        let standing = self.draft.conversation().standing(who);
        may(standing, Action::Read)?;
        let side = match standing {
            Standing::ItsVisitor => Side::Visitor,
            Standing::ItsAgent => Side::Agent,
            // A look by others moves nothing.
            Standing::FormerAgent(_)
            | Standing::Supervisor
            | Standing::Onlooker
            | Standing::System
            | Standing::Stranger => return Ok(false),
        };
        // What is staged has been shown to nobody.
        let seq = seq.min(self.durable());
        let moved = self.draft.mark(side, seq);
        if moved {
            self.listeners.read(who.author(), seq);
        }
        Ok(moved)
    }

    fn write_marks(&mut self, myself: &ActorRef<ConversationMessage>) {
        let Some(readers) = self.marks.begin() else { return };
        let head = self.draft.conversation().head();
        let (key, read, unread, as_of) = (self.key, head.read, head.unread, head.last_seq);
        let (store, myself) = (self.node.store.clone(), myself.clone());
        tokio::spawn(async move {
            let kept = store.heads.mark(key, read, unread, as_of).await;
            if let Err(error) = &kept {
                tracing::warn!(conversation = %key.conversation, %error, "read marks were not kept");
            }
            for reader in readers {
                reader.answer(kept.is_ok());
            }
            // An actor that ended writes no more.
            let _ = myself.cast(ConversationMessage::MarksWritten);
        });
    }

    pub(super) fn marks_written(&mut self, myself: &ActorRef<ConversationMessage>) {
        self.marks.written();
        self.node.hub.lists.touch(self.key, self.standing.team, self.standing.assignee);
        self.write_marks(myself);
    }
}
