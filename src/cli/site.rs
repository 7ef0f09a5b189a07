//! `site create`.

use clap::Subcommand;
use domain::{Agent, Line, Name, Origin, Site, SiteId, Team, TeamId, WorkspaceId};
use serde::Serialize;

use super::{CliError, Desk, Source, listed, printed};
use crate::identity::fresh_site_key;

/// `site`.
#[derive(Clone, Debug, Subcommand)]
pub enum Create {
    /// Make a site: one embedded widget, with the key that its page names
    Create {
        /// What it is called
        #[arg(long)]
        name: String,
        /// A page's origin where the widget may stand, such as https://example.org; may be repeated
        #[arg(long = "origin", value_name = "ORIGIN", required = true)]
        origins: Vec<String>,
        /// Who answers; not needed while the workspace has only one team. Without any team, one of all its agents is
        /// made
        #[arg(long, value_name = "ID")]
        team: Option<String>,
        /// The widget's language
        #[arg(long, default_value = "en")]
        locale: String,
        /// Its workspace; not needed while there is only one
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// Where it is made.
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Serialize)]
struct Made {
    site_id: String,
    site_key: String,
    workspace_id: String,
    team_id: String,
    origins: Vec<String>,
}

pub(super) async fn run(command: Create) -> Result<String, CliError> {
    let Create::Create { name, origins, team, locale, workspace, source } = command;
    let name = Name::parse(&name).map_err(CliError::flag("--name"))?;
    let locale = Line::parse(&locale).map_err(CliError::flag("--locale"))?;
    let origins: Vec<Origin> = origins
        .iter()
        .map(|origin| crate::origin::listed(origin).map_err(CliError::flag("--origin")))
        .collect::<Result<_, _>>()?;
    let desk = Desk::open(source).await?;
    let made = create(&desk, workspace.as_deref(), team.as_deref(), name, locale, origins).await;
    desk.close().await;
    made.map(|made| printed(&made))
}

async fn create(
    desk: &Desk,
    workspace: Option<&str>,
    team: Option<&str>,
    name: Name,
    locale: Line<35>,
    origins: Vec<Origin>,
) -> Result<Made, CliError> {
    let workspace = desk.workspace(workspace).await?;
    let team = find_or_make_team(desk, workspace, team).await?;
    let now = desk.clock.now();
    let new = Site::new(SiteId::new(now, rand::random()), fresh_site_key(), name, team);
    let site = Site { origins, locale, ..new };
    let site = store::insert(desk.records.as_ref(), workspace, site, now).await?.document;
    Ok(Made {
        site_id: site.id.to_string(),
        site_key: site.key.as_str().to_owned(),
        workspace_id: workspace.to_string(),
        team_id: team.to_string(),
        origins: site.origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
    })
}

async fn find_or_make_team(
    desk: &Desk,
    workspace: WorkspaceId,
    named: Option<&str>,
) -> Result<TeamId, CliError> {
    let teams = desk.all::<Team>(workspace).await?;
    let ids: Vec<TeamId> = teams.iter().map(|team| team.document.id).collect();
    match (named, ids.as_slice()) {
        (Some(named), ids) => ids
            .iter()
            .find(|id| id.to_string() == named)
            .copied()
            .ok_or_else(|| CliError::Usage(format!("the workspace has no team {named}"))),
        (None, [only]) => Ok(*only),
        (None, []) => {
            let agents = desk.all::<Agent>(workspace).await?;
            let now = desk.clock.now();
            let new =
                Team::new(TeamId::new(now, rand::random()), Name::parse("Support").expect("it is a name"));
            let team = Team { agents: agents.iter().map(|agent| agent.document.id).collect(), ..new };
            Ok(store::insert(desk.records.as_ref(), workspace, team, now).await?.document.id)
        }
        (None, several) => Err(CliError::Usage(format!("--team must name one of {}", listed(several)))),
    }
}
