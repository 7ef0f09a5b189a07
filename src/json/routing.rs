//! Why a conversation went to an agent, or waits, as agents see it.

use domain::{Considered, Exclusion, Explanation, Rule, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Rfc3339;
use crate::schema::{self, words};

words! {
    /// Who was looked at; of a large team not all.
    Candidates: schema::list::<CandidateJson>(64), of CandidateJson;
}

/// One assignment, or at the end how it stands now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoutedEntryJson {
    /// When it was assigned; of the last entry of one that waits: now.
    #[schema(value_type = schema::Time)]
    pub at: Rfc3339,
    /// Of the assignment; while it waits of the last one.
    #[schema(value_type = schema::Count)]
    pub assignment_epoch: u64,
    /// Who got it, or is offered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AgentId>)]
    pub agent_id: Option<String>,
    /// `accept`, `auto`, `take_over`, `transfer` or `reopen`, as in the event; while it waits `offered` or `waiting`.
    #[schema(value_type = schema::Rule)]
    pub reason: &'static str,
    /// What decided: `last_agent`, `least_busy`, `round_robin`, `again`, `by_hand`, `manual` or `nobody`.
    #[schema(value_type = schema::Rule)]
    pub rule: &'static str,
    /// Who was looked at; of a large team not all.
    #[schema(value_type = Candidates)]
    pub candidates: Vec<CandidateJson>,
}

/// An agent who was looked at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CandidateJson {
    /// Names the agent.
    #[schema(value_type = schema::AgentId)]
    pub agent_id: String,
    /// How many conversations the agent held, was being given, or was offered.
    #[schema(value_type = schema::Count)]
    pub load: u32,
    /// How many the agent may hold.
    #[schema(value_type = schema::Count)]
    pub capacity: u32,
    /// Why not this agent: `not_online`, `not_present`, `full`, `skills`, `language`, `passed_over`, `released` or
    /// `transferred_away`. The last three count only while there is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rule>)]
    pub excluded_by: Option<&'static str>,
}

impl RoutedEntryJson {
    /// `why` is none in logs of older versions: then nothing is known but that somebody has it.
    pub fn of(
        at: Timestamp,
        assignment_epoch: u64,
        agent_id: Option<String>,
        reason: &'static str,
        why: Option<&Explanation>,
    ) -> Self {
        Self {
            at: Rfc3339(at),
            assignment_epoch,
            agent_id,
            reason,
            rule: rule(why.map_or(Rule::ByHand, |why| why.rule)),
            candidates: why.iter().flat_map(|why| &why.candidates).map(CandidateJson::of).collect(),
        }
    }
}

impl CandidateJson {
    fn of(considered: &Considered) -> Self {
        Self {
            agent_id: considered.agent.to_string(),
            load: considered.load,
            capacity: considered.capacity,
            excluded_by: considered.excluded_by.map(exclusion),
        }
    }
}

fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::LastAgent => "last_agent",
        Rule::LeastBusy => "least_busy",
        Rule::RoundRobin => "round_robin",
        Rule::Again => "again",
        Rule::ByHand => "by_hand",
        Rule::Manual => "manual",
        Rule::Nobody => "nobody",
    }
}

fn exclusion(exclusion: Exclusion) -> &'static str {
    match exclusion {
        Exclusion::NotOnline => "not_online",
        Exclusion::NotPresent => "not_present",
        Exclusion::Full => "full",
        Exclusion::Skills => "skills",
        Exclusion::Language => "language",
        Exclusion::PassedOver => "passed_over",
        Exclusion::Released => "released",
        Exclusion::TransferredAway => "transferred_away",
    }
}
