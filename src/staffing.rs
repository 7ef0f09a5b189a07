//! Word from commands that changed people, teams or sites beside a running server: the command counts its change in one
//! record of the installation, and each server looks at that record often and reads its people again when it moved.
//! Without it a router would learn of a new member of its team with its next sweep only.

use std::sync::Arc;
use std::time::Duration;

use domain::{Agent, Timestamp, Workspace};
use serde::{Deserialize, Serialize};
use store::{Document, INSTALLATION, RecordError, RecordKind, Records, StoreError};

use crate::app::App;

/// How often a server looks: what a command changed holds within four seconds.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// The record; its version says how often something was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Staffing {
    /// Of commands that changed something.
    changes: u64,
}

const ID: &str = "staffing";

impl Document for Staffing {
    const KIND: RecordKind = RecordKind::Staffing;
    fn id(&self) -> String {
        ID.to_owned()
    }
}

/// Tells every server of this store that people, their passwords, teams or sites were changed. Called after the change was written.
///
/// # Errors
/// As the store's; the change itself is written, and servers learn of it later, by their sweeps.
pub(crate) async fn announce(records: &dyn Records, now: Timestamp) -> Result<(), RecordError> {
    let count = |staffing: &mut Staffing| {
        staffing.changes += 1;
        true
    };
    if store::change::<Staffing>(records, INSTALLATION, ID, now, count).await?.is_some() {
        return Ok(());
    }
    match store::insert(records, INSTALLATION, Staffing { changes: 1 }, now).await {
        Ok(_) => Ok(()),
        // Another command was first: its record is counted on.
        Err(RecordError::Taken(_)) => {
            store::change::<Staffing>(records, INSTALLATION, ID, now, count).await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Reads people, teams and origins again whenever a command changed some of them. Ends never.
pub(crate) async fn follow(app: Arc<App>) {
    let mut seen = None;
    loop {
        match version(&app).await {
            // What was changed before this server started was read at its start.
            Ok(version) if seen.is_none() || seen == Some(version) => seen = Some(version),
            Ok(version) => match read_again(&app).await {
                Ok(()) => seen = Some(version),
                Err(error) => tracing::warn!(%error, "people and teams were not read again"),
            },
            Err(error) => tracing::debug!(%error, "whether people were changed is not known"),
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

/// 0 before the first change.
async fn version(app: &App) -> Result<u64, StoreError> {
    let found = store::get::<Staffing>(app.store.records.as_ref(), INSTALLATION, ID).await?;
    Ok(found.map_or(0, |found| found.version))
}

async fn read_again(app: &App) -> Result<(), StoreError> {
    let records = app.store.records.as_ref();
    for workspace in store::all::<Workspace>(records, INSTALLATION).await? {
        let id = workspace.document.id;
        app.identity.teams_changed(id);
        app.cluster.teams_changed(id);
        for agent in store::all::<Agent>(records, id).await? {
            app.identity.agent_changed(id, agent.document.id);
            app.cluster.agent_changed(id, &agent.document);
        }
    }
    app.origins.changed().await;
    tracing::info!("people, teams and sites were changed by a command and read again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_commands_is_read_for_ever() {
        let mut golden = store::golden::Golden::new(include_str!("staffing/golden.txt"));
        golden.check("staffing", &Staffing { changes: 7 });
        golden.finish();
    }
}
