//! `[store]`: what keeps the data.

use std::path::{Path, PathBuf};

use ::store::JOURNAL_KEEP_HOURS;
use ::store::cql::{CqlOptions, Login, Reach};
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::blobs::BlobsConfig;
use super::error::ConfigError;
use super::secret::read_secret;

/// The longest name of a keyspace that every server takes.
const KEYSPACE_MAX: usize = 48;
/// More copies than anybody keeps.
const REPLICATION_MAX: u8 = 9;
const LANES_MAX: u8 = 16;
const SEGMENT_KEEP_HOURS_MAX: u32 = 30 * 24;

/// `[store]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// What keeps the data: `sqlite`, embedded, in the data folder, for one server; or `cql`, servers of ScyllaDB or
    /// Apache Cassandra (docs/storage.md).
    pub kind: StoreKind,
    /// How `cql` is reached.
    pub cql: CqlConfig,
    /// What keeps the bytes of files.
    pub blobs: BlobsConfig,
}

/// The backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Embedded, in `data_dir`: one server.
    #[default]
    Sqlite,
    /// ScyllaDB or Apache Cassandra: any number of servers.
    Cql,
}

/// `[store.cql]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct CqlConfig {
    /// Servers to begin with, such as `["10.0.0.1:9042"]`; the others are found through them. Needed with `cql`.
    pub nodes: Vec<String>,
    /// The keyspace of the tables: 1 to 48 of a-z, 0-9 and _, a letter first. It is made when it is missing and the role
    /// may.
    pub keyspace: String,
    /// Copies of everything when the keyspace is made, 1 to 9, such as `3`. Without it: 3, or one on each server when
    /// there are fewer.
    pub replication: Option<u8>,
    /// How far a quorum reaches: `local_quorum`, within the datacenter, or `quorum`, over all of them.
    pub consistency: Consistency,
    /// The datacenter that is near, such as `dc1`. Without it: that of the first server.
    pub datacenter: Option<String>,
    /// The role to log in with, such as `switchboard`. Without it nobody logs in.
    pub user: Option<String>,
    /// A file with the role's password, such as `/run/secrets/cql`; a line end behind it does not count.
    pub password_file: Option<PathBuf>,
    /// A PEM file with the authority that signed the servers' certificates, such as `/etc/ssl/cql.pem`: with it, TLS is
    /// spoken.
    pub tls_ca: Option<PathBuf>,
    /// Take servers that answer before they sync: a power cut of all copies at once may then lose what was acknowledged.
    pub allow_periodic_commitlog: bool,
    /// Lanes through which this server writes, 1 to 16. Each has one batch on its way, so few carry more.
    pub lanes: u8,
    /// How long the journal of what was written reaches back, in hours, 1 to 720. It takes disk: what is in it is kept twice.
    pub segment_keep_hours: u32,
}

/// How far a quorum reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Within the datacenter.
    #[default]
    LocalQuorum,
    /// Over all datacenters.
    Quorum,
}

impl StoreKind {
    /// As the config writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Cql => "cql",
        }
    }
}

impl Default for CqlConfig {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            keyspace: "switchboard".to_owned(),
            replication: None,
            consistency: Consistency::default(),
            datacenter: None,
            user: None,
            password_file: None,
            tls_ca: None,
            allow_periodic_commitlog: false,
            lanes: 4,
            segment_keep_hours: JOURNAL_KEEP_HOURS,
        }
    }
}

impl StoreConfig {
    /// Holds the settings of the backend that is used to their rules.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.kind {
            StoreKind::Sqlite => {}
            StoreKind::Cql => self.cql.check()?,
        }
        self.blobs.check()
    }
}

impl CqlConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key: &str, value: &dyn ToString, rule: &str| {
            Err(ConfigError::value(format!("store.cql.{key}"), value.to_string(), rule))
        };
        if self.nodes.is_empty() {
            return wrong("nodes", &"[]", "must name at least one server, such as [\"10.0.0.1:9042\"]");
        }
        for node in &self.nodes {
            let port = node.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
            let port_fits = port.is_none_or(|(_, port)| port.parse().is_ok_and(|port: u16| port > 0));
            let blank = node.is_empty() || node.starts_with(':') || node.contains(char::is_whitespace);
            if blank || !port_fits {
                return wrong("nodes", node, "must be a host, or a host and a port, such as 10.0.0.1:9042");
            }
        }
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let keyspace = &self.keyspace;
        if !keyspace.starts_with(|c: char| c.is_ascii_lowercase())
            || !keyspace.chars().all(letters)
            || keyspace.len() > KEYSPACE_MAX
        {
            let rule = "must be 1 to 48 of a-z, 0-9 and _, with a letter first";
            return wrong("keyspace", keyspace, rule);
        }
        if let Some(copies) = self.replication
            && !(1..=REPLICATION_MAX).contains(&copies)
        {
            return wrong("replication", &copies, "must be 1 to 9");
        }
        if !(1..=LANES_MAX).contains(&self.lanes) {
            return wrong("lanes", &self.lanes, "must be 1 to 16");
        }
        if !(1..=SEGMENT_KEEP_HOURS_MAX).contains(&self.segment_keep_hours) {
            return wrong("segment_keep_hours", &self.segment_keep_hours, "must be 1 to 720");
        }
        match (&self.user, &self.password_file) {
            (Some(user), None) => wrong("user", user, "needs password_file"),
            (None, Some(file)) => wrong("password_file", &file.display(), "needs user"),
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }

    /// For the store. Reads the file with the password.
    pub fn options(&self) -> Result<CqlOptions, ConfigError> {
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => Some(Login { user: user.clone(), password: password(file)? }),
            _ => None,
        };
        Ok(CqlOptions {
            replication: self.replication,
            reach: match self.consistency {
                Consistency::LocalQuorum => Reach::Datacenter,
                Consistency::Quorum => Reach::AllDatacenters,
            },
            datacenter: self.datacenter.clone(),
            login,
            tls_ca: self.tls_ca.clone(),
            allow_periodic_commitlog: self.allow_periodic_commitlog,
            lanes: self.lanes,
            segment_keep_hours: self.segment_keep_hours,
            ..CqlOptions::new(self.nodes.clone(), &self.keyspace)
        })
    }
}

fn password(file: &Path) -> Result<String, ConfigError> {
    let unreadable = |error| {
        let rule = format!("cannot be read: {error}");
        ConfigError::value("store.cql.password_file", file.display(), rule)
    };
    read_secret(file).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_what_the_file_holds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let config = |file: &Path| CqlConfig {
            nodes: vec!["a".into()],
            user: Some("switchboard".into()),
            password_file: Some(file.to_owned()),
            ..CqlConfig::default()
        };
        for (written, read) in [("s e\n", Some("s e")), ("\n", None)] {
            std::fs::write(&file, written).unwrap();
            let options = config(&file).options();
            let password = options.ok().and_then(|options| options.login).map(|login| login.password);
            assert_eq!(password.as_deref(), read, "{written:?}");
        }
        let missing = config(&dir.path().join("nowhere")).options().unwrap_err().to_string();
        assert!(
            missing.contains("store.cql.password_file") && missing.contains("cannot be read"),
            "{missing}"
        );
    }
}
