//! `site create` and `site list`.

use clap::{Args, Subcommand};
use domain::{Agent, Name, Site, SiteId, Team, TeamId, WorkspaceId};
use serde::Serialize;
use store::Versioned;

use super::desk::Desk;
use super::error::CliError;
use super::given::{Given, refused};
use super::source::{Form, List, Source};
use super::table::{json, listed, table};
use crate::http::api::admin::sites::{self, SiteJson};

const EXAMPLES: &str = "Examples:
  switchboard site create --name Shop --origin https://shop.example --team Support
  switchboard site create --name App --origin https://app.example --origin capacitor://localhost --locale de

An origin is what a browser sends: scheme and host, and a port that is not the scheme's own. No path.";

/// `site`.
#[derive(Clone, Debug, Subcommand)]
pub enum SiteCommand {
    /// Make a site: one embedded widget, with the key that its page names
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// List the sites, with their keys and origins
    #[command(after_help = "Examples:\n  switchboard site list\n  switchboard site list --json")]
    List(List),
}

/// `site create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// What it is called
    #[arg(long)]
    name: String,
    /// A page's origin where the widget may stand, such as https://example.org; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN", required = true)]
    origins: Vec<String>,
    /// The team that answers, by name or id; not needed while the workspace has only one. Without any team, one of all
    /// its agents is made
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// The widget's language
    #[arg(long, default_value = "en")]
    locale: String,
    /// Its workspace, by name or id; not needed while there is only one
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// As the admin API shows a site, with what a script needs by the names of the other commands.
#[derive(Serialize)]
struct Shown {
    site_id: String,
    site_key: String,
    workspace_id: String,
    #[serde(flatten)]
    site: SiteJson,
}

impl Shown {
    fn of(site: &Versioned<Site>) -> Self {
        Self {
            site_id: site.document.id.to_string(),
            site_key: site.document.key.as_str().to_owned(),
            workspace_id: site.workspace.to_string(),
            site: SiteJson::of(site),
        }
    }
}

pub(super) async fn run(command: SiteCommand) -> Result<String, CliError> {
    match command {
        SiteCommand::Create(create) => {
            Ok(json(&Desk::with(&create.source, async |desk| make(desk, &create).await).await?))
        }
        SiteCommand::List(list) => Desk::with(&list.source, async |desk| found(desk, &list).await).await,
    }
}

async fn make(desk: &Desk, create: &Create) -> Result<Shown, CliError> {
    // A browser's address bar ends an origin with a slash, and a browser's header does not.
    let origins: Vec<String> =
        create.origins.iter().map(|origin| origin.strip_suffix('/').unwrap_or(origin).to_owned()).collect();
    let given = Given::default().with("name", create.name.clone()).with("locale", create.locale.clone());
    let given = given.with_list("origins", origins);
    // Before a team is made for it.
    let placeholder = TeamId::from_hash([0; 16]).to_string();
    sites::Draft::parse(&given.clone().with("team_id", placeholder).body())
        .map_err(|error| refused(&error))?;
    let workspace = desk.workspace(create.workspace.as_deref()).await?;
    let team = find_or_make_team(desk, workspace, create.team.as_deref()).await?;
    let (records, now) = (desk.records.as_ref(), desk.clock.now());
    let id = SiteId::new(now, rand::random());
    let draft = sites::Draft::parse(&given.with("team_id", team.to_string()).body());
    let draft = draft.map_err(|error| refused(&error))?;
    let site = draft.site(records, workspace, id).await.map_err(|error| refused(&error))?;
    let made = store::insert(records, workspace, site, now).await?;
    desk.announce().await?;
    Ok(Shown::of(&made))
}

async fn find_or_make_team(
    desk: &Desk,
    workspace: WorkspaceId,
    named: Option<&str>,
) -> Result<TeamId, CliError> {
    if let Some(named) = named {
        return desk.team(workspace, named).await;
    }
    let teams = desk.all::<Team>(workspace).await?;
    let ids: Vec<TeamId> = teams.iter().map(|team| team.document.id).collect();
    match ids.as_slice() {
        [only] => Ok(*only),
        [] => {
            let agents = desk.all::<Agent>(workspace).await?;
            let now = desk.clock.now();
            let new =
                Team::new(TeamId::new(now, rand::random()), Name::parse("Support").expect("it is a name"));
            let team = Team { agents: agents.iter().map(|agent| agent.document.id).collect(), ..new };
            Ok(store::insert(desk.records.as_ref(), workspace, team, now).await?.document.id)
        }
        several => Err(CliError::Usage(format!("--team must name one of {}", listed(several)))),
    }
}

async fn found(desk: &Desk, list: &List) -> Result<String, CliError> {
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    for workspace in desk.workspaces(list.workspace.as_deref()).await? {
        let teams = desk.all::<Team>(workspace.document.id).await?;
        for site in desk.all::<Site>(workspace.document.id).await? {
            let Site { id, key, name, origins, team, .. } = &site.document;
            let its = teams.iter().find(|one| one.document.id == *team);
            let origins: Vec<&str> = origins.iter().map(|origin| origin.as_str()).collect();
            rows.push(vec![
                name.as_str().to_owned(),
                key.as_str().to_owned(),
                origins.join(", "),
                its.map_or_else(|| team.to_string(), |team| team.document.name.as_str().to_owned()),
                workspace.document.name.as_str().to_owned(),
                id.to_string(),
            ]);
            shown.push(Shown::of(&site));
        }
    }
    if list.form.json {
        return Ok(json(&shown));
    }
    Ok(table(&["NAME", "KEY", "ORIGINS", "TEAM", "WORKSPACE", "ID"], &rows))
}
