//! `workspace create`.

use clap::Subcommand;
use domain::{Name, Workspace, WorkspaceId};
use serde::Serialize;
use store::INSTALLATION;

use super::{CliError, Desk, Source, printed};

/// `workspace`.
#[derive(Clone, Debug, Subcommand)]
pub enum Create {
    /// Make a workspace; then give it an admin (`admin create`) and a site (`site create`)
    Create {
        /// What it is called
        #[arg(long)]
        name: String,
        /// Its time zone, an IANA name such as Europe/Berlin
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Where it is made.
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Serialize)]
struct Made {
    workspace_id: String,
    name: String,
    time_zone: String,
}

pub(super) async fn run(command: Create) -> Result<String, CliError> {
    let Create::Create { name, time_zone, source } = command;
    let name = Name::parse(&name).map_err(CliError::flag("--name"))?;
    if jiff::tz::TimeZone::get(&time_zone).is_err() {
        return Err(CliError::Usage(format!(
            "--time-zone {time_zone} is no time zone, such as Europe/Berlin"
        )));
    }
    let time_zone = Name::parse(&time_zone).map_err(CliError::flag("--time-zone"))?;
    let desk = Desk::open(source).await?;
    let now = desk.clock.now();
    let workspace = Workspace { id: WorkspaceId::new(now, rand::random()), name, time_zone };
    let made = store::insert(desk.records.as_ref(), INSTALLATION, workspace, now).await;
    desk.close().await;
    let workspace = made?.document;
    Ok(printed(&Made {
        workspace_id: workspace.id.to_string(),
        name: workspace.name.as_str().to_owned(),
        time_zone: workspace.time_zone.as_str().to_owned(),
    }))
}
