//! `[cluster]`: this server as one node of many. Without a name it is alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cluster::{ClusterSecret, LinkTls, LinkTlsError, NodeName};
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::address;
use super::blobs::BlobsKind;
use super::error::ConfigError;
use super::form::Form;
use super::secret::read_secret;
use super::store::{StoreConfig, StoreKind};

/// `[cluster]`. All but `name` is for a server that has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// What this node is called, such as `node-1`: 1 to 63 of a-z, 0-9, `-`, `_` and `.`, and no other node of the cluster is
    /// called so. With it the server joins the cluster of its store (docs/cluster.md); without it it is alone.
    pub name: Option<String>,
    /// Where the other nodes reach this one: an address and a port. Nobody else should reach it.
    #[serde(deserialize_with = "address::deserialize")]
    pub listen: SocketAddr,
    /// The host and port that the other nodes dial, such as `10.0.0.1:8090`. Without it: the listen address.
    pub advertise: Option<String>,
    /// A file with what all nodes of the cluster know and nobody else does, 32 bytes or more, such as
    /// `/run/secrets/cluster`; a line end behind it does not count. Needed with a name.
    pub secret_file: Option<PathBuf>,
    /// A PEM file with the authority that signed all nodes' certificates, such as `/etc/ssl/cluster.pem`. With the next two,
    /// nodes speak TLS with one another; either all of them do or none.
    pub tls_ca: Option<PathBuf>,
    /// A PEM file with this node's certificate, such as `/etc/ssl/node-1.pem`; it names the node's `name`.
    pub tls_certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key, such as `/run/secrets/node-1.key`.
    pub tls_key: Option<PathBuf>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            advertise: None,
            secret_file: None,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

/// The settings of a server that joins a cluster, with what its files hold.
pub struct JoinConfig {
    /// See [`ClusterConfig::name`].
    pub name: NodeName,
    /// See [`ClusterConfig::secret_file`].
    pub secret: ClusterSecret,
    /// None: nodes speak without TLS.
    pub tls: Option<LinkTls>,
}

impl ClusterConfig {
    pub(super) const SETTINGS: &[(&str, Form)] = &[
        ("cluster.name", Form::Text),
        ("cluster.listen", Form::Text),
        ("cluster.advertise", Form::Text),
        ("cluster.secret_file", Form::Text),
        ("cluster.tls_ca", Form::Text),
        ("cluster.tls_certificate", Form::Text),
        ("cluster.tls_key", Form::Text),
    ];

    /// Holds the settings to their rules. Reads no file.
    pub(super) fn check(&self, store: &StoreConfig) -> Result<(), ConfigError> {
        let Some(name) = &self.name else { return self.check_alone() };
        check_store(store)?;
        NodeName::parse(name)
            .map_err(|_| wrong("name", name, "must be 1 to 63 of a-z, 0-9, '-', '_' and '.'"))?;
        if self.secret_file.is_none() {
            return Err(wrong("name", name, "needs cluster.secret_file"));
        }
        match &self.advertise {
            Some(address) if !is_host_and_port(address) => {
                return Err(wrong("advertise", address, "must be a host and a port, such as 10.0.0.1:8090"));
            }
            None if self.listen.ip().is_unspecified() => {
                let rule = "is no address that other nodes can dial, so cluster.advertise must say one, such as \
                            10.0.0.1:8090";
                return Err(wrong("listen", self.listen, rule));
            }
            Some(_) | None => {}
        }
        let files = [
            ("tls_ca", &self.tls_ca),
            ("tls_certificate", &self.tls_certificate),
            ("tls_key", &self.tls_key),
        ];
        let given = files.iter().find_map(|(key, file)| Some((key, file.as_deref()?)));
        let missing = files.iter().find(|(_, file)| file.is_none());
        match (given, missing) {
            (Some((given, file)), Some((missing, _))) => {
                Err(wrong(given, file.display(), format!("needs cluster.{missing}")))
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// A setting that only a cluster has would be ignored.
    fn check_alone(&self) -> Result<(), ConfigError> {
        let default = Self::default();
        let listen = (self.listen != default.listen).then(|| self.listen.to_string());
        let file = |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string());
        let given = [
            ("listen", listen),
            ("advertise", self.advertise.clone()),
            ("secret_file", file(&self.secret_file)),
            ("tls_ca", file(&self.tls_ca)),
            ("tls_certificate", file(&self.tls_certificate)),
            ("tls_key", file(&self.tls_key)),
        ];
        match given.into_iter().find_map(|(key, value)| Some((key, value?))) {
            Some((key, value)) => {
                Err(wrong(key, value, "needs cluster.name: without it this server is alone"))
            }
            None => Ok(()),
        }
    }

    /// What a server joins with; none: it is alone. Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, or holds nothing that can be used; the person who started the program gives another.
    pub fn join(&self) -> Result<Option<JoinConfig>, ConfigError> {
        let (Some(name), Some(file)) = (&self.name, &self.secret_file) else { return Ok(None) };
        let name = NodeName::parse(name).map_err(|error| wrong("name", name, error.to_string()))?;
        let secret = read_secret(file).map_err(|error| unreadable("secret_file", file, &error))?;
        let secret = ClusterSecret::new(secret.into_bytes());
        let secret = secret.map_err(|error| wrong("secret_file", file.display(), error.to_string()))?;
        Ok(Some(JoinConfig { name, secret, tls: self.tls()? }))
    }

    fn tls(&self) -> Result<Option<LinkTls>, ConfigError> {
        let (Some(ca), Some(certificate), Some(key)) = (&self.tls_ca, &self.tls_certificate, &self.tls_key)
        else {
            return Ok(None);
        };
        let tls =
            LinkTls::new(&pem("tls_ca", ca)?, &pem("tls_certificate", certificate)?, &pem("tls_key", key)?);
        let tls = tls.map_err(|error| {
            let (setting, file) = match &error {
                LinkTlsError::Authority(_) => ("tls_ca", ca),
                LinkTlsError::Certificate(_) | LinkTlsError::Pair(_) => ("tls_certificate", certificate),
                LinkTlsError::Key(_) => ("tls_key", key),
            };
            wrong(setting, file.display(), error.to_string())
        })?;
        Ok(Some(tls))
    }
}

/// What one node keeps the others must find.
fn check_store(store: &StoreConfig) -> Result<(), ConfigError> {
    match store.kind {
        StoreKind::Sqlite => {
            let rule = "is a store for one server: with cluster.name it must be cql";
            return Err(ConfigError::value("store.kind", store.kind.word(), rule));
        }
        StoreKind::Cql => {}
    }
    match store.blobs.kind {
        BlobsKind::Folder => {
            let rule = "keeps files where one server finds them: with cluster.name it must be s3";
            Err(ConfigError::value("store.blobs.kind", "folder", rule))
        }
        BlobsKind::S3 => Ok(()),
    }
}

fn pem(key: &str, file: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(file).map_err(|error| unreadable(key, file, &error))
}

fn wrong(key: &str, value: impl ToString, rule: impl Into<String>) -> ConfigError {
    ConfigError::value(format!("cluster.{key}"), value, rule)
}

fn unreadable(key: &str, file: &Path, error: &std::io::Error) -> ConfigError {
    wrong(key, file.display(), format!("cannot be read: {error}"))
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    !host.is_empty()
        && is_bare
        && !text.contains(char::is_whitespace)
        && port.parse().is_ok_and(|port: u16| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_cluster_are_read_and_what_is_wrong_with_them_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, junk) = (dir.path().join("secret"), dir.path().join("junk"));
        std::fs::write(&secret, format!("{}\n", "s".repeat(32))).unwrap();
        std::fs::write(&junk, "junk").unwrap();
        let alone = ClusterConfig::default();
        assert!(alone.join().unwrap().is_none());
        let named = ClusterConfig { name: Some("node-1".into()), ..alone };
        let with = |file: &Path| ClusterConfig { secret_file: Some(file.to_owned()), ..named.clone() };
        let joined = with(&secret).join().unwrap().unwrap();
        assert_eq!((joined.name.as_str(), joined.tls.is_none()), ("node-1", true));
        let tls = |file: &Path| ClusterConfig {
            tls_ca: Some(file.to_owned()),
            tls_certificate: Some(junk.clone()),
            tls_key: Some(junk.clone()),
            ..with(&secret)
        };
        let nowhere = dir.path().join("nowhere");
        for (config, said) in [
            (with(&junk), "secret_file = "),
            (with(&junk), "the cluster's secret has at least 32 bytes"),
            (with(&nowhere), "cannot be read"),
            (tls(&nowhere), "cluster.tls_ca = "),
            (tls(&junk), "the authority: no certificate is in it"),
        ] {
            let error = config.join().err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
