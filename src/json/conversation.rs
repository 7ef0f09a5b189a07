//! A conversation as its audience sees it.

use std::collections::BTreeMap;

use cluster::QueuePosition;
use domain::{Attribute, Attributes, Audience, ConversationId, Head, State, VisitorCard};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{AgentCardJson, ByJson, Rfc3339};
use crate::schema;

/// A conversation without its events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConversationJson<'a> {
    /// Names it.
    #[schema(value_type = schema::ConversationId)]
    pub id: String,
    /// `queued`, `assigned`, `bot` or `ended`.
    #[schema(value_type = schema::State)]
    pub state: &'static str,
    /// Where it came from.
    #[schema(value_type = schema::SiteId)]
    pub site_id: String,
    /// Whose queue it is in, or came from.
    #[schema(value_type = schema::TeamId)]
    pub team_id: String,
    /// Who asks.
    pub visitor: VisitorCardJson<'a>,
    /// Who has it; after its end who had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<AgentCardJson<'a>>,
    /// How often it was assigned; 0 = never.
    #[schema(value_type = schema::Count)]
    pub assignment_epoch: u64,
    /// Who may accept it just now; only agents are shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AgentId>)]
    pub offered_to: Option<String>,
    /// Its place in the queue, from 1, while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Count>)]
    pub queue_position: Option<u64>,
    /// How many seconds it waits, if the queue goes on as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Count>)]
    pub expected_wait_s: Option<u64>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub subject: Option<&'a str>,
    /// Only agents are shown them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Tags>)]
    pub tags: Option<Vec<&'a str>>,
    /// Only agents are shown them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Attributes>)]
    pub attributes: Option<AttributesJson<'a>>,
    /// When it started.
    #[schema(value_type = schema::Time)]
    pub created_at: Rfc3339,
    /// Since when it waits, while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub queued_at: Option<Rfc3339>,
    /// Since when its agent has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub assigned_at: Option<Rfc3339>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub ended_at: Option<Rfc3339>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<ByJson<'a>>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EventReason>)]
    pub end_reason: Option<&'a str>,
    /// Its last event.
    #[schema(value_type = schema::Count)]
    pub last_seq: u64,
    /// When that was.
    #[schema(value_type = schema::Time)]
    pub last_event_at: Rfc3339,
    /// The other side's messages after one's own read mark.
    #[schema(value_type = schema::Count)]
    pub unread: u32,
    /// How far each side has read.
    pub read: ReadJson,
    /// What the visitor thinks of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<RatingJson<'a>>,
}

/// A visitor as they were when the conversation started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VisitorCardJson<'a> {
    /// Names the visitor.
    #[schema(value_type = schema::VisitorId)]
    pub visitor_id: String,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub name: Option<&'a str>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Email>)]
    pub email: Option<&'a str>,
    /// The site's owner signed who the visitor is.
    pub verified: bool,
}

/// How far each side has read, as positions in the log.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ReadJson {
    /// The visitor.
    #[schema(value_type = schema::Count)]
    pub visitor: u64,
    /// The assigned agent.
    #[schema(value_type = schema::Count)]
    pub agent: u64,
}

/// What the visitor thinks of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RatingJson<'a> {
    /// 1 to 5.
    #[schema(value_type = schema::Score)]
    pub score: u8,
    /// In the visitor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Comment>)]
    pub comment: Option<&'a str>,
}

/// What an agent who no longer sees a conversation is told of it when they repeat a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoutedJson {
    /// Names it.
    #[schema(value_type = schema::ConversationId)]
    pub id: String,
    /// Where it stands.
    #[schema(value_type = schema::State)]
    pub state: &'static str,
    /// Whose queue it is in, or came from.
    #[schema(value_type = schema::TeamId)]
    pub team_id: String,
}

/// Texts, numbers, and yes or no.
#[derive(Clone, Copy, Debug)]
pub struct AttributesJson<'a>(pub &'a Attributes);

impl Serialize for AttributesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Value<'a> {
            Text(&'a str),
            Whole(i64),
            Number(f64),
            Flag(bool),
            List(Vec<&'a str>),
        }
        let shown: BTreeMap<&str, Value<'_>> = self
            .0
            .iter()
            .map(|(key, value)| {
                let value = match value {
                    Attribute::Text(text) => Value::Text(text),
                    // A whole number comes back as it came, without a fraction.
                    Attribute::Number(number)
                        if number.fract() == 0.0
                            && number.abs() <= Attributes::NUMBER_MAX
                            && (*number != 0.0 || number.is_sign_positive()) =>
                    {
                        Value::Whole(*number as i64)
                    }
                    Attribute::Number(number) => Value::Number(*number),
                    Attribute::Flag(flag) => Value::Flag(*flag),
                    Attribute::List(words) => Value::List(words.iter().map(|word| word.as_str()).collect()),
                };
                (key, value)
            })
            .collect();
        shown.serialize(serializer)
    }
}

/// As the contract writes it.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Assigned => "assigned",
        State::Bot => "bot",
        State::Ended => "ended",
    }
}

impl<'a> ConversationJson<'a> {
    /// What the audience sees of it.
    pub fn of(id: ConversationId, head: &'a Head, audience: Audience) -> Self {
        let for_agents = audience == Audience::Agent;
        Self {
            id: id.to_string(),
            state: state(head.state),
            site_id: head.site.to_string(),
            team_id: head.team.to_string(),
            visitor: VisitorCardJson::from(&head.visitor),
            assignee: head.assignee.as_ref().map(AgentCardJson::from),
            assignment_epoch: head.assignment_epoch,
            offered_to: None,
            queue_position: None,
            expected_wait_s: None,
            subject: head.subject.as_ref().map(|subject| subject.as_str()),
            tags: for_agents.then(|| head.tags.iter().map(|tag| tag.as_str()).collect()),
            attributes: for_agents.then_some(AttributesJson(&head.attributes)),
            created_at: Rfc3339(head.created_at),
            queued_at: (head.state == State::Queued).then_some(Rfc3339(head.queued_at)),
            assigned_at: head.assigned_at.map(Rfc3339),
            ended_at: head.ended_at.map(Rfc3339),
            ended_by: head.ended_by.as_ref().map(ByJson::of),
            end_reason: head.end_reason.as_ref().map(|reason| reason.as_str()),
            last_seq: head.last_seq.0,
            last_event_at: Rfc3339(head.last_event_at),
            unread: match audience {
                Audience::Visitor => head.unread.visitor,
                Audience::Agent => head.unread.agent,
            },
            read: ReadJson { visitor: head.read.visitor.0, agent: head.read.agent.0 },
            rating: head.rating.as_ref().map(|rating| RatingJson {
                score: rating.score,
                comment: rating.comment.as_ref().map(|comment| comment.as_str()),
            }),
        }
    }

    /// The same, with its place in the queue; none: it does not wait, or its router is silent.
    #[must_use]
    pub fn placed(self, place: Option<QueuePosition>, audience: Audience) -> Self {
        let Some(place) = place else { return self };
        let offered_to = place.offered_to.filter(|_| audience == Audience::Agent);
        Self {
            offered_to: offered_to.map(|agent| agent.to_string()),
            queue_position: Some(place.position),
            expected_wait_s: place.expected_wait_s,
            ..self
        }
    }
}

impl<'a> From<&'a VisitorCard> for VisitorCardJson<'a> {
    fn from(card: &'a VisitorCard) -> Self {
        Self {
            visitor_id: card.id.to_string(),
            name: card.name.as_ref().map(|name| name.as_str()),
            email: card.email.as_ref().map(|email| email.as_str()),
            verified: card.verified,
        }
    }
}

impl RoutedJson {
    /// Where it stands, and nothing of its content.
    pub fn of(id: ConversationId, head: &Head) -> Self {
        Self { id: id.to_string(), state: state(head.state), team_id: head.team.to_string() }
    }
}
