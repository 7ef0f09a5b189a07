//! `workspace create` and `workspace list`.

use clap::{Args, Subcommand};
use domain::{Agent, Name, Site, Team, Workspace, WorkspaceId};
use serde::Serialize;
use store::INSTALLATION;

use super::desk::Desk;
use super::error::CliError;
use super::source::{Form, Source};
use super::table::{json, table};
use crate::http::api::admin::workspaces::{WorkspaceJson, time_zone};

/// `workspace`.
#[derive(Clone, Debug, Subcommand)]
pub enum WorkspaceCommand {
    /// Make a workspace; then give it an admin (`admin create`), a team (`team create`) and a site (`site create`)
    #[command(after_help = "Example:\n  switchboard workspace create --name Shop --time-zone Europe/Berlin")]
    Create(Create),
    /// List the workspaces
    #[command(after_help = "Examples:\n  switchboard workspace list\n  switchboard workspace list --json")]
    List(ListWorkspaces),
}

/// `workspace create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// What it is called
    #[arg(long)]
    name: String,
    /// Its time zone, an IANA name such as Europe/Berlin
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// `workspace list`.
#[derive(Clone, Debug, Args)]
pub struct ListWorkspaces {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

#[derive(Serialize)]
struct Shown {
    workspace_id: String,
    #[serde(flatten)]
    workspace: WorkspaceJson,
}

pub(super) async fn run(command: WorkspaceCommand) -> Result<String, CliError> {
    match command {
        WorkspaceCommand::Create(create) => make(create).await,
        WorkspaceCommand::List(ListWorkspaces { form, source }) => {
            Desk::with(&source, async |desk| found(desk, form.json).await).await
        }
    }
}

async fn make(create: Create) -> Result<String, CliError> {
    let name = Name::parse(&create.name).map_err(CliError::flag("--name"))?;
    let zone = &create.time_zone;
    let time_zone = time_zone(zone)
        .map_err(|rule| CliError::Usage(format!("--time-zone {zone} is no time zone: it {rule}")))?;
    let work = async |desk: &Desk| {
        let now = desk.clock.now();
        let workspace = Workspace { id: WorkspaceId::new(now, rand::random()), name, time_zone };
        Ok(store::insert(desk.records.as_ref(), INSTALLATION, workspace, now).await?)
    };
    let made = Desk::with_new(&create.source, work).await?;
    Ok(json(&Shown { workspace_id: made.document.id.to_string(), workspace: WorkspaceJson::of(&made) }))
}

async fn found(desk: &Desk, as_json: bool) -> Result<String, CliError> {
    let workspaces = desk.workspaces(None).await?;
    if as_json {
        let shown = |workspace| WorkspaceJson::of(workspace);
        let all: Vec<Shown> = workspaces
            .iter()
            .map(|one| Shown { workspace_id: one.document.id.to_string(), workspace: shown(one) })
            .collect();
        return Ok(json(&all));
    }
    let mut rows = Vec::new();
    for Workspace { id, name, time_zone } in workspaces.iter().map(|workspace| &workspace.document) {
        rows.push(vec![
            name.as_str().to_owned(),
            time_zone.as_str().to_owned(),
            desk.all::<Site>(*id).await?.len().to_string(),
            desk.all::<Team>(*id).await?.len().to_string(),
            desk.all::<Agent>(*id).await?.len().to_string(),
            id.to_string(),
        ]);
    }
    Ok(table(&["NAME", "TIME ZONE", "SITES", "TEAMS", "AGENTS", "ID"], &rows))
}
