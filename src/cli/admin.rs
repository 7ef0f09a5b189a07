//! `admin create` and `admin reset-password`. A password comes from a file, or is made and printed once: never from
//! the command line, where other users of the machine could read it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use domain::{Agent, Email, Name, Role, Workspace};
use serde::Serialize;
use store::{INSTALLATION, StoreError};

use super::{CliError, Desk, Source, printed};
use crate::config::read_secret;
use crate::identity::{NewAgent, Password};

/// `admin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Admin {
    /// Make an admin; the installation's first one is its operator, who may make workspaces
    Create {
        /// What he logs in with
        #[arg(long)]
        email: String,
        /// What people call him
        #[arg(long)]
        name: String,
        /// His workspace; not needed while there is only one
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// A file with his password; without it one is made and printed
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Where he is made.
        #[command(flatten)]
        source: Source,
    },
    /// Give an admin or agent a new password, and end all his log-ins
    ResetPassword {
        /// What he logs in with
        #[arg(long)]
        email: String,
        /// A file with his password; without it one is made and printed
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Where he is.
        #[command(flatten)]
        source: Source,
    },
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
    fn new(workspace: domain::WorkspaceId, agent: &Agent, password: Option<String>) -> Self {
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
        Admin::Create { email, name, workspace, password_file, source } => {
            let email = Email::parse(&email).map_err(CliError::flag("--email"))?;
            let name = Name::parse(&name).map_err(CliError::flag("--name"))?;
            let (password, generated) = password(password_file.as_deref())?;
            let desk = Desk::open(source).await?;
            let made = create(&desk, email, name, workspace.as_deref(), password, generated).await;
            desk.close().await;
            made.map(|made| printed(&made))
        }
        Admin::ResetPassword { email, password_file, source } => {
            let email = Email::parse(&email).map_err(CliError::flag("--email"))?;
            let (password, generated) = password(password_file.as_deref())?;
            let desk = Desk::open(source).await?;
            let made = reset(&desk, &email, password, generated).await;
            desk.close().await;
            made.map(|made| printed(&made))
        }
    }
}

async fn create(
    desk: &Desk,
    email: Email,
    name: Name,
    workspace: Option<&str>,
    password: Password,
    generated: Option<String>,
) -> Result<Made, CliError> {
    let workspace = desk.workspace(workspace).await?;
    let operator = !has_operator(desk).await?;
    let new = NewAgent { operator, ..NewAgent::new(email, name, Role::Admin) };
    let agent = desk.identity.create_agent(workspace, new, password).await?.document;
    Ok(Made::new(workspace, &agent, generated))
}

async fn reset(
    desk: &Desk,
    email: &Email,
    password: Password,
    generated: Option<String>,
) -> Result<Made, CliError> {
    let found = desk.identity.find_agent(email).await?;
    let found = found.ok_or_else(|| CliError::Usage(format!("nobody has the e-mail {}", email.as_str())))?;
    desk.identity.set_password(found.workspace, found.document.id, password).await?;
    Ok(Made::new(found.workspace, &found.document, generated))
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

/// The password, and its text when it was made here and must be shown.
fn password(file: Option<&Path>) -> Result<(Password, Option<String>), CliError> {
    let Some(file) = file else {
        let password = Password::generate();
        let shown = password.as_str().to_owned();
        return Ok((password, Some(shown)));
    };
    let unreadable = |error| CliError::Usage(format!("--password-file {}: {error}", file.display()));
    let text = read_secret(file).map_err(unreadable)?;
    let password =
        Password::parse(&text).map_err(|error| CliError::Usage(format!("the password {error}")))?;
    Ok((password, None))
}
