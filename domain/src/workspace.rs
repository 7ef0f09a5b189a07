//! A customer of the installation.

use serde::{Deserialize, Serialize};

use crate::{Name, WorkspaceId};

/// A customer of the installation: nothing crosses from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Names it.
    pub id: WorkspaceId,
    /// For people.
    pub name: Name,
    /// An IANA name, for reports and hours.
    pub time_zone: Name,
}
