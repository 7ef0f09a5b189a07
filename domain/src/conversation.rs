//! A conversation: its log folded into a state, and the rules that decide what the log takes next.
//!
//! `apply` is the only way that the state changes, so replaying the log gives the live state. Read marks alone stand
//! beside the log ([`Conversation::mark`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Action, AgentCard, AgentId, Explanation, MessageId, MessageText, Principal, Reason, Rejection, Role, Seq,
    SiteId, Stale, Standing, Subject, Tag, TeamId, Timestamp, VisitorCard, VisitorId, may,
};

mod attributes;
mod command;
mod dedupe;
mod digest;
mod event;
mod face;

pub use attributes::{Attribute, Attributes, WrongAttribute};
pub use command::{Answer, Command, Decision, Request};
pub use dedupe::Sender;
pub use digest::{Digest, RequestMark};
pub use event::{
    AssignReason, Author, EVENT_WEIGHT_BASE, Event, EventKind, Rating, ReleaseReason, Side, Start, TransferTo,
};
pub use face::{Audience, Face, face};

use command::message_digest;
use dedupe::{Answered, Dedupe};

/// How many events a log takes; only its end still fits after that.
pub const EVENTS_MAX: u64 = 10_000;
/// How many bytes a log takes, by [`Event::weight`]; only its end still fits after that.
pub const WEIGHT_MAX: u64 = 32 * 1024 * 1024;
/// How long after its end a conversation can be rated, in milliseconds.
const RATING_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for an agent.
    Queued,
    /// An agent has it.
    Assigned,
    /// A program has it.
    Bot,
    /// It is over.
    Ended,
}

/// How far each side has read. Each only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The visitor's.
    pub visitor: Seq,
    /// The assigned agent's.
    pub agent: Seq,
}

/// How many messages of the other side come after a side's mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// For the visitor.
    pub visitor: u32,
    /// For the agents.
    pub agent: u32,
}

/// What lists and readers see of a conversation without its log; a derived row in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Where it came from.
    pub site: SiteId,
    /// Whose queue it is in, or came from.
    pub team: TeamId,
    /// Who asks, as they were when it started.
    pub visitor: VisitorCard,
    /// Where it stands.
    pub state: State,
    /// The agent who has it; after its end the last one who had it. None while it is queued.
    pub assignee: Option<AgentCard>,
    /// How often it was assigned; 0 = never.
    pub assignment_epoch: u64,
    /// What it is about.
    pub subject: Option<Subject>,
    /// Lower case, in alphabetical order.
    pub tags: BTreeSet<Tag>,
    /// What the page told.
    pub attributes: Attributes,
    /// When it started.
    pub created_at: Timestamp,
    /// When it first joined this team's queue; kept through release, new with a transfer to a team.
    pub queued_at: Timestamp,
    /// When it got its present agent.
    pub assigned_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<Author>,
    /// Why it ended.
    pub end_reason: Option<Reason>,
    /// Its last event.
    pub last_seq: Seq,
    /// When that was.
    pub last_event_at: Timestamp,
    /// What the visitor thinks of it.
    pub rating: Option<Rating>,
    /// How far each side has read.
    pub read: Marks,
    /// What each side has not read.
    pub unread: Unread,
}

/// A conversation's log, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    head: Head,
    /// The ids that its visitor has had, first to last; all of them are one person.
    visitors: Vec<VisitorId>,
    /// The agents who ever had it, and why each has it no more: these agents are told that it moved, others that they may
    /// not.
    held_by: BTreeMap<AgentId, Stale>,
    /// What started it, to know a repeat of the start.
    started: Option<RequestMark>,
    first_message: Option<(MessageId, Seq, Timestamp)>,
    dedupe: Dedupe,
    weight: u64,
    /// Where each side's messages are; a log has at most [`EVENTS_MAX`], so 32 bits hold a position.
    visitor_messages: Vec<u32>,
    agent_messages: Vec<u32>,
}

impl Conversation {
    /// The events that start a conversation: the start, and its first message in the same append.
    ///
    /// `client_id` names both, for their sender is the same.
    pub fn start(request: &Request, at: Timestamp) -> Option<Vec<Event>> {
        let Command::Start { start, first } = &request.command else {
            return None;
        };
        let by = Author::Visitor { id: start.visitor.id, name: start.visitor.name.clone() };
        let started = Event {
            seq: Seq(1),
            at,
            by: by.clone(),
            request: request.mark(),
            kind: EventKind::Started(start.clone()),
        };
        let message = first.as_ref().map(|(message_id, text)| Event {
            seq: Seq(2),
            at,
            by,
            request: request.client_id.clone().map(|client_id| RequestMark {
                client_id,
                digest: message_digest(text.as_str().as_bytes(), &[], false),
            }),
            kind: EventKind::MessagePosted {
                message_id: *message_id,
                text: Some(text.clone()),
                files: Vec::new(),
            },
        });
        Some(std::iter::once(started).chain(message).collect())
    }

    /// The state after a log's first event; none when that is no start.
    pub fn begin(first: &Event) -> Option<Self> {
        let EventKind::Started(start) = &first.kind else {
            return None;
        };
        Some(Self {
            head: Head {
                site: start.site,
                team: start.team,
                visitor: start.visitor.clone(),
                state: State::Queued,
                assignee: None,
                assignment_epoch: 0,
                subject: start.subject.clone(),
                tags: BTreeSet::new(),
                attributes: start.attributes.clone(),
                created_at: first.at,
                queued_at: first.at,
                assigned_at: None,
                ended_at: None,
                ended_by: None,
                end_reason: None,
                last_seq: first.seq,
                last_event_at: first.at,
                rating: None,
                read: Marks::default(),
                unread: Unread::default(),
            },
            visitors: vec![start.visitor.id],
            held_by: BTreeMap::new(),
            started: first.request.clone(),
            first_message: None,
            dedupe: Dedupe::default(),
            weight: first.weight(),
            visitor_messages: Vec::new(),
            agent_messages: Vec::new(),
        })
    }

    /// The state after these events, which are a log from its start; none when they are not.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut events = events.into_iter();
        let mut conversation = Self::begin(events.next()?)?;
        for event in events {
            conversation.apply(event);
        }
        Some(conversation)
    }

    /// What is seen of it without its log.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How `who` stands to the conversation.
    pub fn standing(&self, who: &Principal) -> Standing {
        self.head.standing(who, |agent| self.held_by.get(&agent).copied())
    }

    /// Takes the next event of the log.
    pub fn apply(&mut self, event: &Event) {
        debug_assert_eq!(event.seq, self.head.last_seq.next(), "a log has no holes");
        self.head.last_seq = event.seq;
        self.head.last_event_at = event.at;
        self.weight += event.weight();
        let mut answered = Answered::Done;
        match &event.kind {
            EventKind::Started(_) => {}
            EventKind::MessagePosted { message_id, .. } => {
                answered = Answered::Posted { message_id: *message_id, seq: event.seq, at: event.at };
                if event.seq == Seq(2) && event.request.as_ref().map(|r| &r.client_id) == self.start_id() {
                    self.first_message = Some((*message_id, event.seq, event.at));
                }
                self.count_message(event);
            }
            EventKind::NotePosted { message_id, .. } => {
                answered = Answered::Posted { message_id: *message_id, seq: event.seq, at: event.at };
            }
            EventKind::Assigned { agent, assignment_epoch, reason, .. } => {
                self.lost_by_assignee(match reason {
                    AssignReason::Transfer => Stale::Transfer,
                    AssignReason::TakeOver => Stale::TakenOver,
                    AssignReason::Accept | AssignReason::Auto | AssignReason::Reopen => Stale::Moved,
                });
                self.head.state = State::Assigned;
                self.head.assignment_epoch = *assignment_epoch;
                self.head.assigned_at = Some(event.at);
                self.held_by.insert(agent.id, Stale::Moved);
                self.head.assignee = Some(agent.clone());
            }
            EventKind::Released { reason, .. } => {
                self.lost_by_assignee(match reason {
                    ReleaseReason::Released => Stale::Released,
                    ReleaseReason::Transfer => Stale::Transfer,
                    ReleaseReason::AgentGone => Stale::AgentGone,
                    ReleaseReason::Offline => Stale::Offline,
                    ReleaseReason::OverCapacity => Stale::OverCapacity,
                    ReleaseReason::Disabled => Stale::Disabled,
                });
                self.head.state = State::Queued;
                self.head.assignee = None;
                self.head.assigned_at = None;
            }
            EventKind::Transferred { to: TransferTo::Team(team) } => {
                self.head.team = *team;
                self.head.queued_at = event.at;
            }
            EventKind::Transferred { to: TransferTo::Agent(_) } => {}
            EventKind::Identified { visitor } => {
                self.head.visitor = visitor.clone();
                if !self.visitors.contains(&visitor.id) {
                    self.visitors.push(visitor.id);
                }
            }
            EventKind::Rated(rating) => self.head.rating = Some(rating.clone()),
            EventKind::Tagged { added, removed } => {
                self.head.tags.extend(added.iter().cloned());
                removed.iter().for_each(|tag| {
                    self.head.tags.remove(tag);
                });
            }
            EventKind::Ended { reason } => {
                self.head.state = State::Ended;
                self.head.ended_at = Some(event.at);
                self.head.ended_by = Some(event.by.clone());
                self.head.end_reason = reason.clone();
            }
            EventKind::Reopened => {
                self.lost_by_assignee(Stale::Reopened);
                self.head.state = State::Queued;
                self.head.assignee = None;
                self.head.assigned_at = None;
                self.head.queued_at = event.at;
                self.head.ended_at = None;
                self.head.ended_by = None;
                self.head.end_reason = None;
            }
        }
        if let (Some(mark), Some(sender)) = (&event.request, self.sender(&event.by)) {
            self.dedupe.remember(sender, mark, answered);
        }
    }

    /// Remembers why the agent who has it now is about to lose it.
    fn lost_by_assignee(&mut self, why: Stale) {
        if let Some(assignee) = &self.head.assignee {
            self.held_by.insert(assignee.id, why);
        }
    }

    /// Whose `client_id` it is. A visitor who proved their identity keeps the names that they gave to requests before.
    fn sender(&self, author: &Author) -> Option<Sender> {
        match Sender::of(author)? {
            Sender::Visitor(id) if self.visitors.contains(&id) => {
                self.visitors.first().copied().map(Sender::Visitor)
            }
            sender => Some(sender),
        }
    }

    fn start_id(&self) -> Option<&crate::ClientId> {
        self.started.as_ref().map(|mark| &mark.client_id)
    }

    /// Counts a message. It moves its author's own mark: a person who answers has read.
    fn count_message(&mut self, event: &Event) {
        let Some(side) = event.by.side() else { return };
        let place = u32::try_from(event.seq.0).unwrap_or(u32::MAX);
        match side {
            Side::Visitor => self.visitor_messages.push(place),
            Side::Agent => self.agent_messages.push(place),
        }
        self.mark(side, event.seq);
    }

    /// `side` has read up to `seq` (beyond the last: the last). Says whether its mark moved.
    pub fn mark(&mut self, side: Side, seq: Seq) -> bool {
        let seq = seq.min(self.head.last_seq);
        let mark = match side {
            Side::Visitor => &mut self.head.read.visitor,
            Side::Agent => &mut self.head.read.agent,
        };
        let moved = seq > *mark;
        *mark = seq.max(*mark);
        let after = |messages: &[u32], mark: Seq| {
            messages[messages.partition_point(|&place| u64::from(place) <= mark.0)..].len() as u32
        };
        self.head.unread = Unread {
            visitor: after(&self.agent_messages, self.head.read.visitor),
            agent: after(&self.visitor_messages, self.head.read.agent),
        };
        moved
    }

    /// What a request comes to, as if all that was applied were durable. `now` is the owner's clock; `at` of the
    /// events is never before the last event's.
    ///
    /// In the contract's order: a repeat, then sight and right, then the state.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] when the rules refuse the request: nothing is to be written. The caller answers with it once all that
    /// was applied is durable, since the refusal may rest on that.
    pub fn decide(&self, request: &Request, now: Timestamp) -> Result<Decision, Rejection> {
        let mark = request.mark();
        if let Some(answer) = self.repeated(&request.by, &request.command, mark.as_ref())? {
            return Ok(Decision { events: Vec::new(), answer });
        }
        let standing = self.standing(&request.by);
        let kinds = self.kinds(standing, request, now)?;
        if kinds.is_empty() {
            return Ok(Decision { events: Vec::new(), answer: Answer::Done { repeated: true } });
        }
        let events = self.stamp(kinds, &request.by, mark, now);
        if !matches!(request.command, Command::End { .. } | Command::EndIdle { .. }) {
            let weight: u64 = events.iter().map(Event::weight).sum();
            let count = self.head.last_seq.0 + events.len() as u64;
            if count > EVENTS_MAX || self.weight + weight > WEIGHT_MAX {
                return Err(Rejection::ConversationFull);
            }
        }
        let answer = match (&request.command, events.last()) {
            (Command::PostMessage { message_id, .. }, Some(event)) => {
                Answer::Posted { message_id: *message_id, seq: event.seq, at: event.at, repeated: false }
            }
            _ => Answer::Done { repeated: false },
        };
        Ok(Decision { events, answer })
    }

    /// The answer to the request that started it.
    pub fn start_answer(&self) -> Answer {
        match self.first_message {
            Some((message_id, seq, at)) => Answer::Posted { message_id, seq, at, repeated: false },
            None => Answer::Done { repeated: false },
        }
    }

    fn repeated(
        &self,
        by: &Principal,
        command: &Command,
        mark: Option<&RequestMark>,
    ) -> Result<Option<Answer>, Rejection> {
        if let Command::Start { .. } = command {
            if self.standing(by) != Standing::ItsVisitor {
                return Err(Rejection::NotFound);
            }
            if self.started.as_ref() != mark {
                return Err(Rejection::IdempotencyConflict);
            }
            return Ok(Some(match self.first_message {
                Some((message_id, seq, at)) => Answer::Posted { message_id, seq, at, repeated: true },
                None => Answer::Done { repeated: true },
            }));
        }
        let (Some(mark), Some(sender)) = (mark, self.sender(&by.author())) else {
            return Ok(None);
        };
        Ok(self.dedupe.find(sender, mark)?.map(|answered| match answered {
            Answered::Posted { message_id, seq, at } => {
                Answer::Posted { message_id, seq, at, repeated: true }
            }
            Answered::Done => Answer::Done { repeated: true },
        }))
    }

    /// What is to be written; nothing when all is as asked for already.
    fn kinds(
        &self,
        standing: Standing,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<EventKind>, Rejection> {
        let head = &self.head;
        let ended = head.state == State::Ended;
        let open = || {
            if ended { Err(Rejection::ConversationEnded) } else { Ok(()) }
        };
        Ok(match &request.command {
            // Answered as a repeat, or refused, before this.
            Command::Start { .. } => Vec::new(),
            Command::PostMessage { message_id, text, files, note } => {
                let (message_id, text, files) = (*message_id, text.clone(), files.clone());
                if *note {
                    may(standing, Action::Note)?;
                    vec![EventKind::NotePosted { message_id, text, files }]
                } else {
                    may(standing, Action::Write)?;
                    open()?;
                    vec![EventKind::MessagePosted { message_id, text, files }]
                }
            }
            Command::Accept { take_over, why } => {
                may(standing, Action::Accept)?;
                let Principal::Agent { card, .. } = &request.by else {
                    return Err(Rejection::Forbidden);
                };
                let another_has_it = head.state == State::Assigned && standing != Standing::ItsAgent;
                if *take_over && another_has_it {
                    may(standing, Action::TakeOver)?;
                }
                open()?;
                if head.state == State::Assigned && standing == Standing::ItsAgent {
                    return Ok(Vec::new());
                }
                match (another_has_it, take_over) {
                    (true, false) => return Err(Rejection::AlreadyAssigned),
                    (true, true) => vec![self.assigned(card, AssignReason::TakeOver, None)],
                    (false, _) => vec![self.assigned(card, AssignReason::Accept, why.clone())],
                }
            }
            Command::Assign { agent, assignment_epoch, reason, why } => {
                if standing != Standing::System {
                    return Err(Rejection::Forbidden);
                }
                open()?;
                if head.assignment_epoch != *assignment_epoch || head.state != State::Queued {
                    return Err(Rejection::StaleAssignment(Stale::Moved));
                }
                vec![self.assigned(agent, *reason, why.clone())]
            }
            Command::TransferToAgent { agent, assignment_epoch, note } => {
                may(standing, Action::Transfer)?;
                open()?;
                if head.assignment_epoch != *assignment_epoch {
                    return Err(Rejection::StaleAssignment(Stale::Moved));
                }
                if head.state == State::Assigned
                    && head.assignee.as_ref().is_some_and(|now| now.id == agent.id)
                {
                    return Err(Rejection::Conflict("the agent has this conversation already"));
                }
                let given = EventKind::Transferred { to: TransferTo::Agent(agent.clone()) };
                let mut kinds: Vec<EventKind> = note.as_ref().map(note_posted).into_iter().collect();
                kinds.extend([given, self.assigned(agent, AssignReason::Transfer, None)]);
                kinds
            }
            Command::TransferToTeam { team, note } => {
                may(standing, Action::Transfer)?;
                open()?;
                if head.state != State::Assigned && head.team == *team {
                    return Err(Rejection::Conflict("the conversation waits in this team already"));
                }
                let mut kinds: Vec<EventKind> = note.as_ref().map(note_posted).into_iter().collect();
                kinds.push(EventKind::Transferred { to: TransferTo::Team(*team) });
                kinds.extend(self.released(ReleaseReason::Transfer));
                kinds
            }
            Command::Release { assignment_epoch, reason } => {
                may(standing, Action::Release)?;
                open()?;
                let released = self.released(*reason);
                if released.is_none() {
                    return Err(Rejection::Conflict("the conversation is not assigned"));
                }
                if head.assignment_epoch != *assignment_epoch {
                    return Err(Rejection::StaleAssignment(Stale::Moved));
                }
                released.into_iter().collect()
            }
            Command::End { reason } => {
                may(standing, Action::End)?;
                if ended {
                    return Ok(Vec::new());
                }
                vec![EventKind::Ended { reason: reason.clone() }]
            }
            Command::Tag { add, remove } => {
                may(standing, Action::Tag)?;
                open()?;
                let added: Vec<Tag> = add.difference(&head.tags).cloned().collect();
                let removed: Vec<Tag> =
                    remove.intersection(&head.tags).filter(|tag| !add.contains(tag)).cloned().collect();
                if added.is_empty() && removed.is_empty() {
                    return Ok(Vec::new());
                }
                if head.tags.len() + added.len() - removed.len() > TAGS_MAX {
                    return Err(Rejection::TooManyTags);
                }
                vec![EventKind::Tagged { added, removed }]
            }
            Command::Reopen => {
                may(standing, Action::Reopen)?;
                if !ended {
                    return Err(Rejection::Conflict("the conversation is open"));
                }
                let his = match &request.by {
                    Principal::Agent { card, .. } if standing == Standing::ItsAgent => Some(card),
                    Principal::Agent { .. } | Principal::Visitor { .. } | Principal::System => None,
                };
                let assigned = his.map(|card| self.assigned(card, AssignReason::Reopen, None));
                std::iter::once(EventKind::Reopened).chain(assigned).collect()
            }
            Command::EndIdle { last_seq, reason } => {
                if standing != Standing::System {
                    return Err(Rejection::Forbidden);
                }
                open()?;
                if head.last_seq != *last_seq {
                    return Err(Rejection::Conflict("something happened since"));
                }
                vec![EventKind::Ended { reason: Some(reason.clone()) }]
            }
            Command::Identify { visitor } => {
                if standing != Standing::System {
                    return Err(Rejection::Forbidden);
                }
                open()?;
                if head.visitor == *visitor {
                    return Ok(Vec::new());
                }
                vec![EventKind::Identified { visitor: visitor.clone() }]
            }
            Command::Rate(rating) => {
                may(standing, Action::Rate)?;
                let Some(ended_at) = head.ended_at else {
                    return Err(Rejection::Conflict("a conversation is rated after its end"));
                };
                if now.ms_since(ended_at) > RATING_MS_MAX {
                    return Err(Rejection::Conflict(RATED_TOO_LATE));
                }
                vec![EventKind::Rated(rating.clone())]
            }
        })
    }

    fn assigned(&self, agent: &AgentCard, reason: AssignReason, why: Option<Box<Explanation>>) -> EventKind {
        let assignment_epoch = self.head.assignment_epoch + 1;
        let why = why.or_else(|| Some(Box::new(Explanation::by_hand())));
        EventKind::Assigned { agent: agent.clone(), assignment_epoch, reason, why }
    }

    fn released(&self, reason: ReleaseReason) -> Option<EventKind> {
        let agent = self.head.assignee.clone().filter(|_| self.head.state == State::Assigned)?;
        Some(EventKind::Released { agent, reason })
    }

    fn stamp(
        &self,
        kinds: Vec<EventKind>,
        by: &Principal,
        mark: Option<RequestMark>,
        now: Timestamp,
    ) -> Vec<Event> {
        let at = now.max(self.head.last_event_at);
        let by = by.author();
        let mut seq = self.head.last_seq;
        let mut events: Vec<Event> = kinds
            .into_iter()
            .map(|kind| {
                seq = seq.next();
                Event { seq, at, by: by.clone(), request: None, kind }
            })
            .collect();
        // One mark a request, on its last event: a transfer with a note is answered as a transfer.
        if let Some(last) = events.last_mut() {
            last.request = mark;
        }
        events
    }
}

/// How many tags a conversation has at most.
const TAGS_MAX: usize = 20;
const RATED_TOO_LATE: &str = "a conversation is rated at most 24 hours after its end";

fn note_posted((message_id, text): &(MessageId, MessageText)) -> EventKind {
    EventKind::NotePosted { message_id: *message_id, text: Some(text.clone()), files: Vec::new() }
}

impl Head {
    /// How `who` stands to the conversation. A head alone does not know which agents had it before: `had_it` does.
    pub fn standing(&self, who: &Principal, had_it: impl Fn(AgentId) -> Option<Stale>) -> Standing {
        match who {
            Principal::System => Standing::System,
            Principal::Visitor { id, .. } if *id == self.visitor.id => Standing::ItsVisitor,
            Principal::Visitor { .. } => Standing::Stranger,
            Principal::Agent { card, role, teams } => {
                if self.assignee.as_ref().is_some_and(|assignee| assignee.id == card.id) {
                    Standing::ItsAgent
                } else if *role >= Role::Supervisor {
                    Standing::Supervisor
                } else if !teams.contains(&self.team) {
                    Standing::Stranger
                } else if let Some(why) = had_it(card.id) {
                    Standing::FormerAgent(why)
                } else {
                    Standing::Onlooker
                }
            }
        }
    }

    /// Whether `who` sees the conversation at all.
    pub fn seen_by(&self, who: &Principal) -> bool {
        self.standing(who, |_| None) != Standing::Stranger
    }
}

impl Principal {
    /// The principal as logs name them.
    pub fn author(&self) -> Author {
        match self {
            Principal::Visitor { id, name, .. } => Author::Visitor { id: *id, name: name.clone() },
            Principal::Agent { card, .. } => Author::Agent(card.clone()),
            Principal::System => Author::System,
        }
    }

    /// Which events the principal sees.
    pub fn audience(&self) -> Audience {
        match self {
            Principal::Visitor { .. } => Audience::Visitor,
            Principal::Agent { .. } | Principal::System => Audience::Agent,
        }
    }
}

#[cfg(test)]
mod tests;
