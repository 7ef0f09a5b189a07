//! The variables of canned responses, filled for the conversation that a list is asked for.

use domain::{Head, Template, Variable, WorkspaceId};

use super::super::versioned::agent_of;
use crate::errors::ApiError;
use crate::http::engine::call::Call;

/// What the variables of a text stand for in one conversation.
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

    /// The text with its variables filled.
    pub(super) fn fill(&self, text: &str) -> String {
        match Template::parse(text) {
            Ok(template) => template.fill(|variable| self.value(variable)),
            // No such text is kept: it was parsed when it was written.
            Err(_) => text.to_owned(),
        }
    }

    fn value(&self, variable: Variable) -> Option<String> {
        let visitor = &self.head.visitor;
        match variable {
            Variable::VisitorName => visitor.name.as_ref().map(|name| name.as_str().to_owned()),
            Variable::VisitorEmail => visitor.email.as_ref().map(|email| email.as_str().to_owned()),
            Variable::AgentName => Some(self.agent_name.clone()),
            Variable::AgentEmail => Some(self.agent_email.clone()),
            Variable::TeamName => self.team_name.clone(),
            Variable::ConversationSubject => {
                self.head.subject.as_ref().map(|subject| subject.as_str().to_owned())
            }
        }
    }
}
