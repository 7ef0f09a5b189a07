//! The variables of canned responses, filled for the conversation that a list is asked for.

use domain::{Head, WorkspaceId};

use super::super::versioned::agent_of;
use crate::http::call::Call;
use crate::http::error::ApiError;

/// What the variables of a text stand for in one conversation. One that has no value stays as it is.
pub(super) struct Variables {
    head: Head,
    agent_name: String,
    agent_email: String,
    team_name: Option<String>,
}

impl Variables {
    pub(super) async fn of(call: &Call, workspace: WorkspaceId, head: Head) -> Result<Self, ApiError> {
        let agent = agent_of(call)?;
        let teams = call.app.identity.teams(workspace).await?;
        let team_name =
            teams.iter().find(|team| team.id == head.team).map(|team| team.name.as_str().to_owned());
        Ok(Self {
            agent_name: agent.name.as_str().to_owned(),
            agent_email: agent.email.as_str().to_owned(),
            team_name,
            head,
        })
    }

    pub(super) fn value(&self, name: &str) -> Option<String> {
        let visitor = &self.head.visitor;
        match name {
            "visitor.name" => visitor.name.as_ref().map(|name| name.as_str().to_owned()),
            "visitor.email" => visitor.email.as_ref().map(|email| email.as_str().to_owned()),
            "agent.name" => Some(self.agent_name.clone()),
            "agent.email" => Some(self.agent_email.clone()),
            "team.name" => self.team_name.clone(),
            "conversation.subject" => self.head.subject.as_ref().map(|subject| subject.as_str().to_owned()),
            _ => None,
        }
    }
}
