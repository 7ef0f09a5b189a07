//! What can be asked of a conversation.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    AgentCard, Attribute, ClientId, Explanation, FileCard, MessageId, MessageText, Paragraph, Principal,
    Reason, Seq, Tag, TeamId, Timestamp, VisitorCard,
};

use super::digest::{Digest, RequestMark};
use super::event::{AssignReason, Rating, ReleaseReason, Start};

/// A command, who gives it, and their name for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub by: Principal,
    /// The asker's own name for this request; a repeat with the same name and content gets the same answer.
    pub client_id: Option<ClientId>,
    /// What is asked.
    pub command: Command,
}

impl Request {
    /// What the log keeps of it, so that a repeat is known.
    pub fn mark(&self) -> Option<RequestMark> {
        let client_id = self.client_id.clone()?;
        Some(RequestMark { client_id, digest: self.digest() })
    }

    /// The hash of what the request asks for. It is the same for every asker.
    pub fn digest(&self) -> Digest {
        self.command.digest()
    }
}

/// What can be asked of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Start it, with its first message if there is one. Of one that exists: a repeat, or a conflict.
    Start {
        /// How it starts.
        start: Start,
        /// Its first message.
        first: Option<(MessageId, MessageText)>,
    },
    /// Say something to the other side, or with `note` to the agents alone.
    PostMessage {
        /// The name that it gets if it is not a repeat.
        message_id: MessageId,
        /// None when it is files alone.
        text: Option<MessageText>,
        /// Up to ten.
        files: Vec<FileCard>,
        /// Nothing that a visitor sees.
        note: bool,
    },
    /// Give it to the agent who asks. Their own actor has approved.
    Accept {
        /// Also when another has it.
        take_over: bool,
        /// Why this agent, when the router offered it to them.
        why: Option<Box<Explanation>>,
    },
    /// Give it to an agent whose own actor has approved.
    Assign {
        /// The agent who gets it.
        agent: AgentCard,
        /// As the giver saw it; refused when it has moved.
        assignment_epoch: u64,
        /// Why.
        reason: AssignReason,
        /// Why this agent.
        why: Option<Box<Explanation>>,
    },
    /// Give it to another agent whose own actor has approved.
    TransferToAgent {
        /// The agent who gets it.
        agent: AgentCard,
        /// As the giver saw it; refused when it has moved.
        assignment_epoch: u64,
        /// For the agent who gets it.
        note: Option<(MessageId, MessageText)>,
    },
    /// Give it to a team's queue.
    TransferToTeam {
        /// To which.
        team: TeamId,
        /// For the agents of that team.
        note: Option<(MessageId, MessageText)>,
    },
    /// Give it back to the queue.
    Release {
        /// As the giver saw it; refused when it has moved.
        assignment_epoch: u64,
        /// Why.
        reason: ReleaseReason,
    },
    /// Change its tags.
    Tag {
        /// Those that it gets.
        add: BTreeSet<Tag>,
        /// Those that it loses; what is in both it gets.
        remove: BTreeSet<Tag>,
    },
    /// End it.
    End {
        /// Why.
        reason: Option<Reason>,
    },
    /// End it because nothing happens in it. Only Switchboard itself gives this.
    EndIdle {
        /// The last event that the sweep saw; refused when there is a later one.
        last_seq: Seq,
        /// Why, as its log says.
        reason: Reason,
    },
    /// Open it again: assigned to its last agent if they ask and their own actor has approved, else queued.
    Reopen,
    /// Say how it was.
    Rate(Rating),
    /// Its visitor proved their identity. Only Switchboard itself gives this.
    Identify {
        /// Who the visitor is.
        visitor: VisitorCard,
    },
}

impl Command {
    /// Of what the client asked for; ids that the server made and epochs that it saw are not part of it.
    fn digest(&self) -> Digest {
        fn text(text: Option<&MessageText>) -> &[u8] {
            text.map_or(&[], |text| text.as_str().as_bytes())
        }
        match self {
            Command::Start { start, first } => start_digest(start, first.as_ref().map(|(_, text)| text)),
            Command::PostMessage { text: words, files, note, .. } => {
                let ids: Vec<u8> = files.iter().flat_map(|file| *file.id.uuid().as_bytes()).collect();
                message_digest(text(words.as_ref()), &ids, *note)
            }
            Command::Accept { take_over, .. } => Digest::of([b"accept".as_slice(), &[u8::from(*take_over)]]),
            Command::Assign { agent, .. } => Digest::of([b"assign".as_slice(), agent.id.uuid().as_bytes()]),
            Command::TransferToAgent { agent, note, .. } => {
                let note = text(note.as_ref().map(|(_, text)| text));
                Digest::of([b"transfer agent".as_slice(), agent.id.uuid().as_bytes(), note])
            }
            Command::TransferToTeam { team, note } => {
                let note = text(note.as_ref().map(|(_, text)| text));
                Digest::of([b"transfer team".as_slice(), team.uuid().as_bytes(), note])
            }
            Command::Release { .. } => Digest::of([b"release".as_slice()]),
            Command::Identify { visitor } => {
                Digest::of([b"identify".as_slice(), visitor.id.uuid().as_bytes()])
            }
            Command::End { reason } => {
                let reason = reason.as_ref().map_or("", Paragraph::as_str);
                Digest::of([b"end".as_slice(), reason.as_bytes()])
            }
            Command::Tag { add, remove } => {
                let names = |tags: &BTreeSet<Tag>| {
                    // No tag holds a line end.
                    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join("\n")
                };
                Digest::of([b"tag".as_slice(), names(add).as_bytes(), names(remove).as_bytes()])
            }
            Command::EndIdle { .. } => Digest::of([b"end idle".as_slice()]),
            Command::Reopen => Digest::of([b"reopen".as_slice()]),
            Command::Rate(rating) => {
                let comment = rating.comment.as_ref().map_or("", Paragraph::as_str);
                Digest::of([b"rate".as_slice(), &[rating.score], comment.as_bytes()])
            }
        }
    }
}

/// The same for a posted message and for the first one of a conversation: they share their `client_id`.
pub(super) fn message_digest(text: &[u8], file_ids: &[u8], note: bool) -> Digest {
    Digest::of([b"message".as_slice(), text, file_ids, &[u8::from(note)]])
}

fn start_digest(start: &Start, first: Option<&MessageText>) -> Digest {
    let mut parts: Vec<Vec<u8>> = vec![b"start".to_vec(), start.team.uuid().as_bytes().to_vec()];
    parts.push(start.subject.as_ref().map_or(Vec::new(), |subject| subject.as_str().into()));
    parts.push(first.map_or(Vec::new(), |text| text.as_str().into()));
    for (key, value) in start.attributes.iter() {
        parts.push(key.into());
        parts.push(match value {
            Attribute::Text(text) => [b"t", text.as_bytes()].concat(),
            Attribute::Number(number) => [b"n".as_slice(), &number.to_bits().to_le_bytes()].concat(),
            Attribute::Flag(flag) => vec![b'f', u8::from(*flag)],
            // No word holds a line end.
            Attribute::List(words) => {
                words.iter().flat_map(|word| [b"\n", word.as_str().as_bytes()].concat()).collect()
            }
        });
    }
    Digest::of(parts.iter().map(Vec::as_slice))
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To be appended, all or none; empty when there is nothing to change.
    pub events: Vec<crate::Event>,
    /// For the principal who asked, once the events are durable.
    pub answer: Answer,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The message has its place.
    Posted {
        /// Names it.
        message_id: MessageId,
        /// Its place.
        seq: Seq,
        /// When it got its place.
        at: Timestamp,
        /// The message had its place already: this request was a repeat.
        repeated: bool,
    },
    /// The conversation is as was asked.
    Done {
        /// The conversation was so already: this request was a repeat, or asked for what is.
        repeated: bool,
    },
}

impl Answer {
    /// The same, as a repeat of the request gets it.
    #[must_use]
    pub fn again(self) -> Self {
        match self {
            Answer::Posted { message_id, seq, at, .. } => {
                Answer::Posted { message_id, seq, at, repeated: true }
            }
            Answer::Done { .. } => Answer::Done { repeated: true },
        }
    }

    /// Whether this answers a repeat, or changed nothing.
    pub fn is_repeated(self) -> bool {
        match self {
            Answer::Posted { repeated, .. } | Answer::Done { repeated } => repeated,
        }
    }
}
