//! `admin create` and `admin reset-password`.

use clap::{Args, Subcommand};
use domain::{Agent, Email, Workspace, WorkspaceId};
use serde::Serialize;
use store::{INSTALLATION, StoreError};

use super::agent::add;
use super::desk::Desk;
use super::error::CliError;
use super::given::{Given, refused};
use super::password::{Chosen, PasswordArgs};
use super::source::{Form, Source};
use super::table::json;
use crate::http::api::admin::agents::Draft;

/// `admin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Admin {
    /// Make an admin; the installation's first one is its operator, who may make workspaces
    #[command(after_help = "Examples:\n  switchboard admin create --email ada@example.org --name Ada\n  \
                      switchboard admin create --email ada@example.org --name Ada --password-prompt")]
    Create(Create),
    /// Give an admin or agent a new password, and end all their log-ins
    #[command(after_help = "Example:\n  switchboard admin reset-password --email ada@example.org")]
    ResetPassword(ResetPassword),
}

/// `admin create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// What they log in with
    #[arg(long)]
    email: String,
    /// What people call them
    #[arg(long)]
    name: String,
    /// Their workspace, by name or id; not needed while there is only one
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// `admin reset-password`.
#[derive(Clone, Debug, Args)]
pub struct ResetPassword {
    /// What they log in with
    #[arg(long)]
    email: String,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

#[derive(Serialize)]
struct Made {
    agent_id: String,
    workspace_id: String,
    email: String,
    operator: bool,
    /// Only when it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl Made {
    fn new(workspace: WorkspaceId, agent: &Agent, password: Option<String>) -> Self {
        Self {
            agent_id: agent.id.to_string(),
            workspace_id: workspace.to_string(),
            email: agent.email.as_str().to_owned(),
            operator: agent.operator,
            password,
        }
    }
}

pub(super) async fn run(command: Admin) -> Result<String, CliError> {
    match command {
        Admin::Create(create) => {
            let chosen = create.password.choose()?;
            let body = Given::default()
                .with("email", create.email.clone())
                .with("name", create.name.clone())
                .with("role", "admin")
                .with("password", chosen.password.as_str())
                .body();
            let draft = Draft::parse(&body).map_err(|error| refused(&error))?;
            let work = async |desk: &Desk| make(desk, &create, draft, chosen).await;
            Ok(json(&Desk::with(&create.source, work).await?))
        }
        Admin::ResetPassword(asked) => {
            let email = Email::parse(&asked.email).map_err(CliError::flag("--email"))?;
            let chosen = asked.password.choose()?;
            let work = async |desk: &Desk| reset(desk, &email, chosen).await;
            Ok(json(&Desk::with(&asked.source, work).await?))
        }
    }
}

async fn make(desk: &Desk, create: &Create, draft: Draft, chosen: Chosen) -> Result<Made, CliError> {
    let workspace = desk.workspace(create.workspace.as_deref()).await?;
    let operator = !has_operator(desk).await?;
    let made = add(desk, workspace, draft.with_operator(operator), &create.email).await?;
    Ok(Made::new(workspace, &made.document, chosen.shown))
}

async fn reset(desk: &Desk, email: &Email, chosen: Chosen) -> Result<Made, CliError> {
    let found = desk.agent(email.as_str()).await?;
    desk.identity.set_password(found.workspace, found.document.id, chosen.password).await?;
    desk.announce().await?;
    Ok(Made::new(found.workspace, &found.document, chosen.shown))
}

async fn has_operator(desk: &Desk) -> Result<bool, StoreError> {
    for workspace in desk.all::<Workspace>(INSTALLATION).await? {
        let agents = desk.all::<Agent>(workspace.document.id).await?;
        if agents.iter().any(|agent| agent.document.operator) {
            return Ok(true);
        }
    }
    Ok(false)
}
