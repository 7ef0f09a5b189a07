//! `[store.blobs]`: where the bytes of uploaded files lie. Which backend that makes is said in [`crate::blobs`].

use std::path::{Path, PathBuf};

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::form::Form;

/// `[store.blobs]`. All but `kind` is for [`BlobsKind::S3`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct BlobsConfig {
    /// What keeps the bytes of uploaded files: `folder`, in the data folder, for one server; or `s3`, a bucket of an object
    /// store that speaks S3. All other settings of this section are for `s3`.
    pub kind: BlobsKind,
    /// The bucket's name, such as `uploads`; it must be there. Needed with `s3`.
    pub bucket: Option<String>,
    /// The bucket's region; other servers than Amazon's mostly take any.
    pub region: String,
    /// The server's URL, such as `https://s3.example.org`. Without it: Amazon's of the region.
    pub endpoint: Option<String>,
    /// Stands before every key, with `/` between its parts. Two installations must not share one.
    pub prefix: String,
    /// A file with the access key's name, such as `/run/secrets/s3_access`. Needed with `s3`.
    pub access_key_file: Option<PathBuf>,
    /// A file with the secret, such as `/run/secrets/s3_secret`. Needed with `s3`.
    pub secret_key_file: Option<PathBuf>,
    /// The endpoint may be one without TLS, an `http://` URL.
    pub allow_http: bool,
}

/// The backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobsKind {
    /// `files` in `data_dir`: one server.
    #[default]
    Folder,
    /// A bucket of an object store that speaks S3: any number of servers.
    S3,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self {
            kind: BlobsKind::Folder,
            bucket: None,
            region: "us-east-1".to_owned(),
            endpoint: None,
            prefix: String::new(),
            access_key_file: None,
            secret_key_file: None,
            allow_http: false,
        }
    }
}

/// The settings of a [`BlobsKind::S3`].
pub struct S3Config<'a> {
    /// See [`BlobsConfig::bucket`].
    pub bucket: &'a str,
    /// See [`BlobsConfig::access_key_file`].
    pub access_key_file: &'a Path,
    /// See [`BlobsConfig::secret_key_file`].
    pub secret_key_file: &'a Path,
}

impl BlobsConfig {
    pub(super) const SETTINGS: &[(&str, Form)] = &[
        ("store.blobs.kind", Form::Text),
        ("store.blobs.bucket", Form::Text),
        ("store.blobs.region", Form::Text),
        ("store.blobs.endpoint", Form::Text),
        ("store.blobs.prefix", Form::Text),
        ("store.blobs.access_key_file", Form::Text),
        ("store.blobs.secret_key_file", Form::Text),
        ("store.blobs.allow_http", Form::Truth),
    ];

    /// What an S3 needs and has no default for; none of another kind.
    pub fn s3(&self) -> Result<Option<S3Config<'_>>, ConfigError> {
        match self.kind {
            BlobsKind::Folder => return Ok(None),
            BlobsKind::S3 => {}
        }
        let missing = |key| ConfigError::value("store.blobs.kind", "s3", format!("needs store.blobs.{key}"));
        Ok(Some(S3Config {
            bucket: self.bucket.as_deref().ok_or_else(|| missing("bucket"))?,
            access_key_file: self.access_key_file.as_deref().ok_or_else(|| missing("access_key_file"))?,
            secret_key_file: self.secret_key_file.as_deref().ok_or_else(|| missing("secret_key_file"))?,
        }))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |key, value: &str, rule| Err(ConfigError::value(format!("store.blobs.{key}"), value, rule));
        if self.s3()?.is_none() {
            return match &self.bucket {
                Some(bucket) => wrong("bucket", bucket, "is for kind = \"s3\" alone"),
                None => Ok(()),
            };
        }
        if let Some(bucket) = self.bucket.as_deref().filter(|bucket| !is_word(bucket)) {
            return wrong("bucket", bucket, "must be of letters, digits, '.', '-' and '_'");
        }
        if !is_word(&self.region) {
            return wrong("region", &self.region, "must be of letters, digits, '.', '-' and '_'");
        }
        if !(self.prefix.is_empty() || self.prefix.split('/').all(is_word)) {
            return wrong("prefix", &self.prefix, "must be words with '/' between them");
        }
        match self.endpoint.as_deref().map(|endpoint| (endpoint, endpoint.split_once("://"))) {
            Some((endpoint, Some(("http", _)))) if !self.allow_http => {
                wrong("endpoint", endpoint, "has no TLS, so allow_http must be true")
            }
            None | Some((_, Some(("http" | "https", _)))) => Ok(()),
            Some((endpoint, _)) => wrong("endpoint", endpoint, "must be a URL with https:// or http://"),
        }
    }
}

/// What needs no escape in a URL, and is no `.` or `..`.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.bytes().all(plain) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}
