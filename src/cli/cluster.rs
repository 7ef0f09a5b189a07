//! `cluster status` and `drain`: they look at the view in the store and change it there, so that they work wherever the store is
//! reached, also beside no server.

use std::time::Duration;

use clap::{Args, Subcommand};
use cluster::membership::{MemberState, Reason};
use cluster::{ClusterStatus, MemberStatus, NodeName};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::desk::Desk;
use super::error::CliError;
use super::source::{Form, Source};
use super::table::{json, table};

/// How long a node may take to drain; it has ended by then, or somebody must look.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);
/// How often `drain` looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `cluster`.
#[derive(Clone, Debug, Subcommand)]
pub enum ClusterCommand {
    /// Say which nodes are members, and what each of them owns
    #[command(
        after_help = "Example:\n  switchboard cluster status --config /etc/switchboard/switchboard.toml"
    )]
    Status(Status),
}

/// `cluster status`.
#[derive(Clone, Debug, Args)]
pub struct Status {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
}

/// `drain`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  switchboard drain node-2 --config /etc/switchboard/switchboard.toml\n\nThe node \
                        finishes what it has, ends and stays away until it is started again; another one takes over."
)]
pub struct Drain {
    /// The node, as `cluster status` names it
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(command: ClusterCommand) -> Result<String, CliError> {
    let ClusterCommand::Status(Status { form, source }) = command;
    let status = Desk::with(&source, async |desk| read(desk).await).await?;
    let shown = Shown::of(&status);
    Ok(if form.json { json(&shown) } else { shown.for_people() })
}

async fn read(desk: &Desk) -> Result<ClusterStatus, CliError> {
    Ok(ClusterStatus::read(desk.records.as_ref(), desk.clock.now()).await?)
}

pub(super) async fn drain(command: Drain) -> Result<String, CliError> {
    let Drain { name, source } = command;
    Desk::with(&source, async |desk| {
        let absent = || CliError::Usage(format!("there is no node {name}: see `switchboard cluster status`"));
        let named = NodeName::parse(&name).map_err(|_| absent())?;
        let drained = cluster::drain(desk.records.as_ref(), desk.clock.now(), &named).await?;
        let boot = drained.ok_or_else(absent)?;
        let began = Instant::now();
        loop {
            let has_left = match read(desk).await {
                Ok(status) => status.members.iter().all(|member| member.member.incarnation != boot),
                // It was told, and a store that is busy says later whether it has left.
                Err(_) if began.elapsed() <= DRAIN_WITHIN => false,
                Err(error) => return Err(error),
            };
            if has_left {
                break;
            }
            if began.elapsed() > DRAIN_WITHIN {
                let late = format!(
                    "{name} is to drain and has not left after {} s: if it does not run, another node takes over as \
                     soon as that is noticed; else look into its log",
                    DRAIN_WITHIN.as_secs()
                );
                return Err(CliError::Refused(late));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(format!("{name} has left"))
    })
    .await
}

/// As `--json` prints it.
#[derive(Serialize)]
struct Shown {
    version: u64,
    level: u32,
    members: Vec<ShownMember>,
    /// Shards that another boot may still append to, so that their owner has not started them.
    moves: usize,
    /// Boots whose lanes are to be sealed.
    unsealed: Vec<String>,
}

#[derive(Serialize)]
struct ShownMember {
    name: String,
    state: &'static str,
    incarnation: String,
    address: String,
    shards: usize,
    arriving: usize,
    leaving: usize,
    heartbeats: Option<u64>,
    linked: Vec<String>,
    accuses: Vec<ShownAccusation>,
    protocol: [u32; 2],
    level: u32,
}

#[derive(Serialize)]
struct ShownAccusation {
    name: String,
    reason: &'static str,
}

impl Shown {
    fn of(status: &ClusterStatus) -> Self {
        Self {
            version: status.version,
            level: status.level,
            members: status.members.iter().map(ShownMember::of).collect(),
            moves: status.moves,
            unsealed: status.unsealed.iter().map(|boot| boot.0.to_string()).collect(),
        }
    }

    fn for_people(&self) -> String {
        if self.members.is_empty() {
            return format!("no node runs on this store (version {} of the view)", self.version);
        }
        let titles =
            ["NAME", "STATE", "SHARDS", "ARRIVING", "LEAVING", "LINKED", "ACCUSES", "ADDRESS", "INCARNATION"];
        let rows: Vec<Vec<String>> = self.members.iter().map(ShownMember::row).collect();
        let mut text = table(&titles, &rows);
        text += &format!(
            "\n\nversion {} of the view; {} shards move; {} lanes to be sealed",
            self.version,
            self.moves,
            self.unsealed.len()
        );
        for boot in &self.unsealed {
            text += &format!("\nto be sealed: {boot}");
        }
        text
    }
}

impl ShownMember {
    fn of(status: &MemberStatus) -> Self {
        let MemberStatus { member, shards, arriving, leaving, heartbeats, linked, accuses } = status;
        let accuses = accuses.iter().map(|(name, reason)| ShownAccusation {
            name: name.to_string(),
            reason: match reason {
                Reason::Silent => "silent",
                Reason::Standing => "standing",
            },
        });
        Self {
            name: member.name.to_string(),
            state: match member.state {
                MemberState::Joining => "joining",
                MemberState::Up => "up",
                MemberState::Draining => "draining",
            },
            incarnation: member.incarnation.0.to_string(),
            address: member.address.clone(),
            shards: *shards,
            arriving: *arriving,
            leaving: *leaving,
            heartbeats: *heartbeats,
            linked: linked.iter().map(ToString::to_string).collect(),
            accuses: accuses.collect(),
            protocol: [member.protocol.min, member.protocol.max],
            level: member.level,
        }
    }

    fn row(&self) -> Vec<String> {
        let none_as_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let accuses: Vec<String> =
            self.accuses.iter().map(|one| format!("{} ({})", one.name, one.reason)).collect();
        vec![
            self.name.clone(),
            self.state.to_owned(),
            self.shards.to_string(),
            self.arriving.to_string(),
            self.leaving.to_string(),
            none_as_dash(self.linked.join(", ")),
            none_as_dash(accuses.join(", ")),
            none_as_dash(self.address.clone()),
            self.incarnation.clone(),
        ]
    }
}
