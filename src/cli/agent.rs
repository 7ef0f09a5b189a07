//! `agent create`, `agent list`, `agent disable` and `agent enable`.

use clap::{Args, Subcommand};
use domain::{Agent, AgentId, Team};
use serde::Serialize;

use super::desk::Desk;
use super::error::CliError;
use super::given::{Given, refused, whole_number};
use super::password::{Chosen, PasswordArgs};
use super::source::{Form, List, Source};
use super::table::{aside, json, table, word};
use crate::errors::ErrorCode;
use crate::http::api::admin::agents::{self, AgentJson};

const EXAMPLES: &str = "Examples:
  switchboard agent create --email ann@example.org --name Ann --team Support
  switchboard agent create --email eve@example.org --name Eve --role supervisor --team Support --password-prompt
  pass show chat/bob | switchboard agent create --email bob@example.org --name Bob --team Support --password-stdin

The server may run meanwhile: it knows the agent within four seconds.";

/// `agent`.
#[derive(Clone, Debug, Subcommand)]
pub enum AgentCommand {
    /// Make an agent, in one or more teams
    #[command(after_help = EXAMPLES)]
    Create(Box<Create>),
    /// List the agents, with their teams
    #[command(
        after_help = "Examples:\n  switchboard agent list\n  switchboard agent list --team Support --json"
    )]
    List(ListAgents),
    /// End an agent's log-ins and let them log in no more; what they hold goes back to the queue
    #[command(after_help = "Example:\n  switchboard agent disable --email ann@example.org")]
    Disable(Which),
    /// Let a disabled agent log in again
    #[command(after_help = "Example:\n  switchboard agent enable --email ann@example.org")]
    Enable(Which),
}

/// `agent create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// What they log in with; nobody else in the installation may have it
    #[arg(long)]
    email: String,
    /// What people call them, visitors too
    #[arg(long)]
    name: String,
    /// agent, supervisor or admin
    #[arg(long, default_value = "agent")]
    role: String,
    /// A team that they are in, by name or id; may be repeated
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// How many conversations they may hold at once, 0 to 1000; 5 without it
    #[arg(long, value_name = "N", value_parser = whole_number, allow_negative_numbers = true)]
    capacity: Option<u32>,
    /// For routing by skill; may be repeated
    #[arg(long = "skill", value_name = "SKILL")]
    skills: Vec<String>,
    /// A language that they speak, such as en or pt-BR; may be repeated
    #[arg(long = "language", value_name = "TAG")]
    languages: Vec<String>,
    #[command(flatten)]
    password: PasswordArgs,
    /// Their workspace, by name or id; not needed while there is only one
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// `agent list`.
#[derive(Clone, Debug, Args)]
pub struct ListAgents {
    /// Only those of this team, by name or id
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    #[command(flatten)]
    of: List,
}

/// `agent disable` and `agent enable`.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Their e-mail, or their id
    #[arg(long, value_name = "EMAIL", alias = "id")]
    email: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// As the admin API shows an agent, with what a script needs by the names of the other commands.
#[derive(Serialize)]
struct Shown {
    agent_id: String,
    workspace_id: String,
    /// Only when it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(flatten)]
    agent: AgentJson,
}

pub(super) async fn run(command: AgentCommand) -> Result<String, CliError> {
    match command {
        AgentCommand::Create(create) => {
            let chosen = create.password.choose()?;
            let made = Desk::with(&create.source, async |desk| make(desk, &create, chosen).await).await?;
            Ok(json(&made))
        }
        AgentCommand::List(list) => Desk::with(&list.of.source, async |desk| found(desk, &list).await).await,
        AgentCommand::Disable(which) => switch(&which, true).await,
        AgentCommand::Enable(which) => switch(&which, false).await,
    }
}

async fn make(desk: &Desk, create: &Create, chosen: Chosen) -> Result<Shown, CliError> {
    let workspace = desk.workspace(create.workspace.as_deref()).await?;
    let mut teams = Vec::new();
    for named in &create.teams {
        teams.push(desk.team(workspace, named).await?.to_string());
    }
    let body = Given::default()
        .with("email", create.email.clone())
        .with("name", create.name.clone())
        .with("role", create.role.clone())
        .with_some("capacity", create.capacity)
        .with_list("team_ids", teams)
        .with_list("skills", create.skills.clone())
        .with_list("languages", create.languages.clone())
        .with("password", chosen.password.as_str())
        .body();
    let draft = agents::Draft::parse(&body).map_err(|error| refused(&error))?;
    let made = add(desk, workspace, draft, &create.email).await?;
    let teams = teams_of(desk, workspace).await?;
    if !teams.iter().any(|team| team.agents.contains(&made.document.id)) {
        aside(format_args!(
            "warning: {0} is in no team, so no conversation finds its way there: `switchboard team add --team TEAM \
             --agent {0}`",
            made.document.email.as_str()
        ));
    }
    let agent = AgentJson::of(&made, &teams);
    Ok(Shown {
        agent_id: made.document.id.to_string(),
        workspace_id: workspace.to_string(),
        password: chosen.shown,
        agent,
    })
}

/// Makes the agent of a draft, in its teams, and tells running servers.
pub(super) async fn add(
    desk: &Desk,
    workspace: domain::WorkspaceId,
    draft: agents::Draft,
    email: &str,
) -> Result<store::Versioned<Agent>, CliError> {
    let records = desk.records.as_ref();
    draft.check(records, workspace).await.map_err(|error| refused(&error))?;
    let id = AgentId::new(desk.clock.now(), rand::random());
    let made = draft.make(&desk.identity, records, &desk.clock, workspace, id).await;
    let made = made.map_err(|error| match error.code() {
        ErrorCode::Conflict => CliError::Refused(format!(
            "--email {email}: somebody in this installation has it already (`switchboard agent list`): give another \
             one, such as ann.lee@example.org, or a new password with `switchboard admin reset-password`"
        )),
        _ => refused(&error),
    })?;
    desk.announce().await?;
    Ok(made)
}

async fn teams_of(desk: &Desk, workspace: domain::WorkspaceId) -> Result<Vec<Team>, CliError> {
    let teams = desk.all::<Team>(workspace).await?;
    Ok(teams.into_iter().map(|team| team.document).collect())
}

async fn found(desk: &Desk, list: &ListAgents) -> Result<String, CliError> {
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    let only = |team: &Team, named: &str| team.id.to_string() == named || team.name.as_str() == named;
    let mut has_team = list.team.is_none();
    for workspace in desk.workspaces(list.of.workspace.as_deref()).await? {
        let id = workspace.document.id;
        let teams = teams_of(desk, id).await?;
        has_team |= list.team.as_deref().is_some_and(|named| teams.iter().any(|team| only(team, named)));
        for agent in desk.all::<Agent>(id).await? {
            let theirs = || teams.iter().filter(|team| team.agents.contains(&agent.document.id));
            if list.team.as_deref().is_some_and(|named| !theirs().any(|team| only(team, named))) {
                continue;
            }
            let names: Vec<&str> = theirs().map(|team| team.name.as_str()).collect();
            let Agent { email, name, role, capacity, disabled, .. } = &agent.document;
            rows.push(vec![
                email.as_str().to_owned(),
                name.as_str().to_owned(),
                word(role),
                if names.is_empty() { "(none)".to_owned() } else { names.join(", ") },
                capacity.to_string(),
                if *disabled { "disabled" } else { "yes" }.to_owned(),
                workspace.document.name.as_str().to_owned(),
                agent.document.id.to_string(),
            ]);
            shown.push(Shown {
                agent_id: agent.document.id.to_string(),
                workspace_id: id.to_string(),
                password: None,
                agent: AgentJson::of(&agent, &teams),
            });
        }
    }
    if !has_team {
        let named = list.team.as_deref().unwrap_or_default();
        return Err(CliError::Usage(format!("there is no team {named}: see `switchboard team list`")));
    }
    if list.of.form.json {
        return Ok(json(&shown));
    }
    Ok(table(&["E-MAIL", "NAME", "ROLE", "TEAMS", "CAPACITY", "LOG-IN", "WORKSPACE", "ID"], &rows))
}

async fn switch(which: &Which, disabled: bool) -> Result<String, CliError> {
    let work = async |desk: &Desk| set(desk, &which.email, disabled).await;
    Ok(json(&Desk::with(&which.source, work).await?))
}

async fn set(desk: &Desk, named: &str, disabled: bool) -> Result<Shown, CliError> {
    let agent = desk.agent(named).await?;
    let (workspace, id, records) = (agent.workspace, agent.document.id, desk.records.as_ref());
    if disabled && agents::is_admin(&agent.document) {
        agents::keeps_an_admin(records, workspace, id).await.map_err(|error| refused(&error))?;
    }
    let change = |agent: &mut Agent| {
        let changes = agent.disabled != disabled;
        if changes {
            agents::set_disabled(agent, disabled);
        }
        changes
    };
    store::change::<Agent>(records, workspace, &id.to_string(), desk.clock.now(), change).await?;
    desk.announce().await?;
    let agent = desk.agent(&id.to_string()).await?;
    let teams = teams_of(desk, workspace).await?;
    Ok(Shown {
        agent_id: id.to_string(),
        workspace_id: workspace.to_string(),
        password: None,
        agent: AgentJson::of(&agent, &teams),
    })
}
