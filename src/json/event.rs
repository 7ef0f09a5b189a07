//! An event as its audience sees it.

use cluster::{Loss, OfferEnd, PresenceState};
use domain::{AssignReason, Event, EventKind, Face, FileCard, ReleaseReason, TransferTo, face};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AgentCardJson, ByJson, FileJson, Rfc3339, Show, VisitorCardJson};
use crate::schema::{self, words};

words! {
    /// Files of a message.
    Files: schema::list::<FileJson<'static>>(10), of FileJson<'static>;
}

/// One entry of a conversation's log. `kind` says which of the optional fields are there.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventJson<'a> {
    /// Its place: dense, and the only order.
    #[schema(value_type = schema::Count)]
    pub seq: u64,
    /// For display; never before the entry before.
    #[schema(value_type = schema::Time)]
    pub at: Rfc3339,
    /// What happened; `hidden` when it is not for the one who looks.
    #[schema(value_type = schema::EventKind)]
    pub kind: &'static str,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<ByJson<'a>>,
    /// Of `message` and `note`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::MessageId>)]
    pub message_id: Option<String>,
    /// Of `message` and `note`: its sender's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ClientId>)]
    pub client_id: Option<&'a str>,
    /// Of `message` and `note`, unless it is files alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::FilledText>)]
    pub text: Option<&'a str>,
    /// Of `message` and `note`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Files>)]
    pub files: Option<Vec<FileJson<'a>>>,
    /// Of `started`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TeamId>)]
    pub team_id: Option<String>,
    /// Of `started`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub subject: Option<&'a str>,
    /// Of `assigned`: who has it. Of `released`: who had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentCardJson<'a>>,
    /// Of `assigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Count>)]
    pub assignment_epoch: Option<u64>,
    /// Of `assigned`, `released` and `ended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EventReason>)]
    pub reason: Option<&'a str>,
    /// Of `tagged`: the tags that it got.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Tags>)]
    pub added: Option<Vec<&'a str>>,
    /// Of `tagged`: the tags that it lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Tags>)]
    pub removed: Option<Vec<&'a str>>,
    /// Of `transferred`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<ToJson>,
    /// Of `identified`: who the visitor proved to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorCardJson<'a>>,
    /// Of `rated`: 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Score>)]
    pub score: Option<u8>,
    /// Of `rated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Comment>)]
    pub comment: Option<&'a str>,
}

/// The agent or team that a conversation was given to: exactly one of the two.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToJson {
    /// To an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AgentId>)]
    pub agent_id: Option<String>,
    /// To a team's queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TeamId>)]
    pub team_id: Option<String>,
}

impl<'a> EventJson<'a> {
    /// What the audience sees of it.
    pub fn of(event: &'a Event, show: Show<'_>) -> Self {
        let (event, hides_reason) = match face(event, show.audience) {
            Face::Whole(event) => (event, false),
            Face::WithoutReason(event) => (event, true),
            Face::Hidden(event) => return Self::bare(event, "hidden"),
        };
        let by = Some(ByJson::of(&event.by));
        let shown = match &event.kind {
            EventKind::Started(start) => Self {
                team_id: Some(start.team.to_string()),
                subject: start.subject.as_ref().map(|subject| subject.as_str()),
                ..Self::bare(event, "started")
            },
            EventKind::MessagePosted { message_id, text, files } => Self {
                message_id: Some(message_id.to_string()),
                text: text.as_ref().map(|text| text.as_str()),
                ..Self::posted(event, "message", files, show)
            },
            EventKind::NotePosted { message_id, text, files } => Self {
                message_id: Some(message_id.to_string()),
                text: text.as_ref().map(|text| text.as_str()),
                ..Self::posted(event, "note", files, show)
            },
            EventKind::Assigned { agent, assignment_epoch, reason, .. } => Self {
                agent: Some(agent.into()),
                assignment_epoch: Some(*assignment_epoch),
                reason: Some(assign_reason(*reason)),
                ..Self::bare(event, "assigned")
            },
            EventKind::Released { agent, reason } => Self {
                agent: Some(agent.into()),
                reason: (!hides_reason).then(|| release_reason(*reason)),
                ..Self::bare(event, "released")
            },
            EventKind::Transferred { to } => {
                let to = match to {
                    TransferTo::Agent(agent) => {
                        ToJson { agent_id: Some(agent.id.to_string()), team_id: None }
                    }
                    TransferTo::Team(team) => ToJson { agent_id: None, team_id: Some(team.to_string()) },
                };
                Self { to: Some(to), ..Self::bare(event, "transferred") }
            }
            EventKind::Identified { visitor } => {
                Self { visitor: Some(VisitorCardJson::from(visitor)), ..Self::bare(event, "identified") }
            }
            EventKind::Rated(rating) => Self {
                score: Some(rating.score),
                comment: rating.comment.as_ref().map(|comment| comment.as_str()),
                ..Self::bare(event, "rated")
            },
            EventKind::Tagged { added, removed } => Self {
                added: Some(added.iter().map(|tag| tag.as_str()).collect()),
                removed: Some(removed.iter().map(|tag| tag.as_str()).collect()),
                ..Self::bare(event, "tagged")
            },
            EventKind::Reopened => Self::bare(event, "reopened"),
            EventKind::Ended { reason } => {
                Self { reason: reason.as_ref().map(|reason| reason.as_str()), ..Self::bare(event, "ended") }
            }
        };
        Self { by, ..shown }
    }

    fn posted(event: &'a Event, kind: &'static str, files: &'a [FileCard], show: Show<'_>) -> Self {
        Self {
            client_id: event.request.as_ref().map(|request| request.client_id.as_str()),
            files: Some(files.iter().map(|file| FileJson::of(file, show)).collect()),
            ..Self::bare(event, kind)
        }
    }

    fn bare(event: &Event, kind: &'static str) -> Self {
        Self {
            seq: event.seq.0,
            at: Rfc3339(event.at),
            kind,
            by: None,
            message_id: None,
            client_id: None,
            text: None,
            files: None,
            team_id: None,
            subject: None,
            agent: None,
            assignment_epoch: None,
            reason: None,
            to: None,
            visitor: None,
            added: None,
            removed: None,
            score: None,
            comment: None,
        }
    }

    /// A page of events, as the audience sees them.
    pub fn page(events: &'a [Event], show: Show<'_>) -> Vec<Self> {
        events.iter().map(|event| Self::of(event, show)).collect()
    }
}

/// As `assigned` events write it.
pub fn assign_reason(reason: AssignReason) -> &'static str {
    match reason {
        AssignReason::Accept => "accept",
        AssignReason::Auto => "auto",
        AssignReason::TakeOver => "take_over",
        AssignReason::Transfer => "transfer",
        AssignReason::Reopen => "reopen",
    }
}

/// As `unassigned` frames write it.
pub fn loss(why: Loss) -> &'static str {
    match why {
        Loss::Released(reason) => release_reason(reason),
        Loss::Transfer => "transfer",
        Loss::TakeOver => "take_over",
        Loss::Ended => "ended",
    }
}

/// As `offer_ended` frames write it.
pub fn offer_end(why: OfferEnd) -> &'static str {
    match why {
        OfferEnd::Accepted => "accepted",
        OfferEnd::Taken => "taken",
        OfferEnd::Declined => "declined",
        OfferEnd::Expired => "expired",
        OfferEnd::Withdrawn => "withdrawn",
    }
}

/// As `presence` frames write it.
pub fn presence_state(state: PresenceState) -> &'static str {
    match state {
        PresenceState::Viewing => "viewing",
        PresenceState::Replying => "replying",
        PresenceState::Online => "online",
        PresenceState::Gone => "gone",
    }
}

fn release_reason(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Released => "released",
        ReleaseReason::Transfer => "transfer",
        ReleaseReason::AgentGone => "agent_gone",
        ReleaseReason::Offline => "offline",
        ReleaseReason::OverCapacity => "over_capacity",
        ReleaseReason::Disabled => "disabled",
    }
}

#[cfg(test)]
mod tests {
    use domain::{Audience, Author, MessageText, Seq, Timestamp};

    use super::*;
    use crate::file_links::FileLinks;

    fn shown(kind: EventKind, audience: Audience) -> String {
        let at = Timestamp::from_ms(1_795_500_000_007);
        let event = Event { seq: Seq(3), at, by: Author::System, request: None, kind };
        let links = &FileLinks::new(identity::Key::new([7; 32]));
        serde_json::to_string(&EventJson::of(
            &event,
            Show { audience, workspace: domain::Id::from_hash([2; 16]), links, now: at },
        ))
        .unwrap()
    }

    #[test]
    fn a_note_is_a_place_without_content_to_a_visitor() {
        let note = EventKind::NotePosted {
            message_id: domain::Id::from_hash([1; 16]),
            text: Some(MessageText::parse("is angry", 100).unwrap()),
            files: Vec::new(),
        };
        assert_eq!(
            shown(note.clone(), Audience::Visitor),
            r#"{"seq":3,"at":"2026-11-24T06:00:00.007Z","kind":"hidden"}"#
        );
        assert!(shown(note, Audience::Agent).contains(r#""kind":"note","by":{"kind":"system"}"#));
    }

    #[test]
    fn an_end_without_a_reason_has_none() {
        assert_eq!(
            shown(EventKind::Ended { reason: None }, Audience::Visitor),
            r#"{"seq":3,"at":"2026-11-24T06:00:00.007Z","kind":"ended","by":{"kind":"system"}}"#
        );
    }
}
