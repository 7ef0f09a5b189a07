//! `team create`, `team list`, `team add` and `team remove`.

use clap::{Args, Subcommand};
use domain::{Agent, AgentId, Team, TeamId, WorkspaceId};
use serde::Serialize;
use store::{RecordError, Versioned};

use super::desk::Desk;
use super::error::CliError;
use super::given::{Given, refused, whole_number};
use super::source::{Form, List, Source};
use super::table::{json, table, word};
use crate::http::api::admin::teams::{self, TeamJson};

const EXAMPLES: &str = "Examples:
  switchboard team create --name Support --agent ann@example.org --agent bob@example.org
  switchboard team create --name Billing --assignment auto --queue-max 20

The server may run meanwhile: it knows the team within four seconds.";

/// `team`.
#[derive(Clone, Debug, Subcommand)]
pub enum TeamCommand {
    /// Make a team: the agents who answer together, and how a waiting conversation finds one of them
    #[command(after_help = EXAMPLES)]
    Create(Box<Create>),
    /// List the teams, with their members and settings
    #[command(after_help = "Examples:\n  switchboard team list\n  switchboard team list --json")]
    List(List),
    /// Put an agent into a team
    #[command(after_help = "Example:\n  switchboard team add --team Support --agent ann@example.org")]
    Add(Member),
    /// Take an agent out of a team
    #[command(after_help = "Example:\n  switchboard team remove --team Support --agent ann@example.org")]
    Remove(Member),
}

/// `team create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// What it is called; no other team of the workspace may have the name
    #[arg(long)]
    name: String,
    /// A member, by e-mail or id; may be repeated
    #[arg(long = "agent", value_name = "EMAIL")]
    agents: Vec<String>,
    /// offer, auto or manual; offer without it
    #[arg(long, value_name = "MODE")]
    assignment: Option<String>,
    /// least_busy or round_robin; least_busy without it
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<String>,
    /// Seconds until an offer goes to the next agent, 1 to 3600; as the installation is configured without it
    #[arg(long, value_name = "SECONDS", value_parser = whole_number, allow_negative_numbers = true)]
    accept_timeout_s: Option<u32>,
    /// Minutes of silence, with the visitor gone, until a conversation ends by itself, 1 to 10080; 60 without it
    #[arg(long, value_name = "MINUTES", value_parser = whole_number, allow_negative_numbers = true)]
    idle_end_min: Option<u32>,
    /// How many may wait, 0 to 1000000; any number without it
    #[arg(long, value_name = "N", value_parser = whole_number, allow_negative_numbers = true)]
    queue_max: Option<u32>,
    /// Its workspace, by name or id; not needed while there is only one
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// `team add` and `team remove`.
#[derive(Clone, Debug, Args)]
pub struct Member {
    /// The team, by name or id
    #[arg(long)]
    team: String,
    /// The agent, by e-mail or id; may be repeated
    #[arg(long = "agent", value_name = "EMAIL", required = true)]
    agents: Vec<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// As the admin API shows a team, with what a script needs by the names of the other commands.
#[derive(Serialize)]
struct Shown {
    team_id: String,
    workspace_id: String,
    #[serde(flatten)]
    team: TeamJson,
}

impl Shown {
    fn of(desk: &Desk, team: &Versioned<Team>) -> Self {
        Self {
            team_id: team.document.id.to_string(),
            workspace_id: team.workspace.to_string(),
            team: TeamJson::of(desk.config.routing.accept_timeout_s, team),
        }
    }
}

pub(super) async fn run(command: TeamCommand) -> Result<String, CliError> {
    match command {
        TeamCommand::Create(create) => {
            Ok(json(&Desk::with(&create.source, async |desk| make(desk, &create).await).await?))
        }
        TeamCommand::List(list) => Desk::with(&list.source, async |desk| found(desk, &list).await).await,
        TeamCommand::Add(member) => change(&member, true).await,
        TeamCommand::Remove(member) => change(&member, false).await,
    }
}

async fn make(desk: &Desk, create: &Create) -> Result<Shown, CliError> {
    let workspace = desk.workspace(create.workspace.as_deref()).await?;
    let mut agents = Vec::new();
    for named in &create.agents {
        agents.push(desk.agent(named).await?.document.id.to_string());
    }
    let body = Given::default()
        .with("name", create.name.clone())
        .with_some("assignment", create.assignment.clone())
        .with_some("strategy", create.strategy.clone())
        .with_some("accept_timeout_s", create.accept_timeout_s)
        .with_some("idle_end_min", create.idle_end_min)
        .with_some("queue_max", create.queue_max)
        .with_list("agent_ids", agents)
        .body();
    let (records, now) = (desk.records.as_ref(), desk.clock.now());
    let draft = teams::Draft::parse(&body).map_err(|error| refused(&error))?;
    let id = TeamId::new(now, rand::random());
    let team = draft.team(records, workspace, id).await.map_err(|error| refused(&error))?;
    let made = match store::insert(records, workspace, team, now).await {
        Ok(made) => made,
        Err(RecordError::Taken(_)) => {
            let name = &create.name;
            let why = teams::TAKEN;
            return Err(CliError::Refused(format!(
                "--name {name}: {why} already: see `switchboard team list`"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    desk.announce().await?;
    Ok(Shown::of(desk, &made))
}

async fn found(desk: &Desk, list: &List) -> Result<String, CliError> {
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    for workspace in desk.workspaces(list.workspace.as_deref()).await? {
        let agents = desk.all::<Agent>(workspace.document.id).await?;
        let email = |id: &AgentId| {
            let found = agents.iter().find(|agent| agent.document.id == *id);
            found.map_or_else(|| id.to_string(), |agent| agent.document.email.as_str().to_owned())
        };
        for team in desk.all::<Team>(workspace.document.id).await? {
            let document = &team.document;
            let members: Vec<String> = document.agents.iter().map(email).collect();
            let seconds = document.accept_timeout_s.unwrap_or(desk.config.routing.accept_timeout_s);
            rows.push(vec![
                document.name.as_str().to_owned(),
                if members.is_empty() { "(none)".to_owned() } else { members.join(", ") },
                word(&document.assignment),
                word(&document.strategy),
                format!("{seconds} s"),
                format!("{} min", document.idle_end_min),
                document.queue_max.map_or_else(|| "any".to_owned(), |max| max.to_string()),
                workspace.document.name.as_str().to_owned(),
                document.id.to_string(),
            ]);
            shown.push(Shown::of(desk, &team));
        }
    }
    if list.form.json {
        return Ok(json(&shown));
    }
    let titles =
        ["NAME", "AGENTS", "ASSIGNMENT", "STRATEGY", "OFFER", "IDLE END", "QUEUE", "WORKSPACE", "ID"];
    Ok(table(&titles, &rows))
}

async fn change(member: &Member, joins: bool) -> Result<String, CliError> {
    Ok(json(&Desk::with(&member.source, async |desk| set(desk, member, joins).await).await?))
}

/// Puts the agents into the team, or takes them out of it.
async fn set(desk: &Desk, member: &Member, joins: bool) -> Result<Shown, CliError> {
    let records = desk.records.as_ref();
    let mut workspace: Option<WorkspaceId> = None;
    let mut agents = Vec::new();
    for named in &member.agents {
        let agent = desk.agent(named).await?;
        if workspace.is_some_and(|workspace| workspace != agent.workspace) {
            return Err(CliError::Usage(format!(
                "--agent {named} is of another workspace than those before"
            )));
        }
        workspace = Some(agent.workspace);
        agents.push(agent.document.id);
    }
    let workspace = desk.workspace(workspace.map(|id| id.to_string()).as_deref()).await?;
    let id = desk.team(workspace, &member.team).await?;
    let change = |team: &mut Team| {
        let before = team.agents.clone();
        for agent in &agents {
            match (joins, team.agents.contains(agent)) {
                (true, false) => team.agents.push(*agent),
                (false, true) => team.agents.retain(|member| member != agent),
                (true, true) | (false, false) => {}
            }
        }
        team.agents != before
    };
    store::change::<Team>(records, workspace, &id.to_string(), desk.clock.now(), change).await?;
    desk.announce().await?;
    let team = store::get::<Team>(records, workspace, &id.to_string()).await?;
    let team = team.ok_or_else(|| CliError::Refused("the team was removed meanwhile".into()))?;
    Ok(Shown::of(desk, &team))
}
