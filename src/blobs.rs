//! Opens what keeps the bytes of files, as the config says. The secrets that it needs are read here and go no further.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{Blobs, FolderBlobs, ObjectBlobs, S3Bucket, StoreError};

use crate::config::{Config, ConfigError, read_secret};

/// Of the data folder. With an object store it keeps only what comes in.
const FOLDER: &str = "files";
/// Of the folder of files.
const INCOMING: &str = "incoming";

/// What keeps the bytes of files cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum BlobsError {
    /// A setting is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that a setting names cannot be read, or holds nothing.
    #[error("the secret in {}: {cause}", path.display())]
    Secret {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The folder of files cannot be used.
    #[error("the folder of files: {0}")]
    Folder(StoreError),
}

/// The folder of files, or of those that come in when a bucket keeps them.
pub fn folder(config: &Config) -> PathBuf {
    config.data_dir.join(FOLDER)
}

/// Where files are received.
pub fn incoming(config: &Config) -> PathBuf {
    folder(config).join(INCOMING)
}

/// Asks no object store yet. Blocks.
pub fn open(config: &Config) -> Result<Arc<dyn Blobs>, BlobsError> {
    let folder = folder(config);
    let blobs = &config.store.blobs;
    let Some(s3) = blobs.s3()? else {
        return Ok(Arc::new(FolderBlobs::open(&folder).map_err(BlobsError::Folder)?));
    };
    let bucket = S3Bucket {
        bucket: s3.bucket.to_owned(),
        region: blobs.region.clone(),
        endpoint: blobs.endpoint.clone(),
        prefix: blobs.prefix.clone(),
        access_key: secret(s3.access_key_file)?,
        secret_key: secret(s3.secret_key_file)?,
        allow_http: blobs.allow_http,
    };
    Ok(Arc::new(ObjectBlobs::in_s3(bucket, folder.join(INCOMING)).map_err(BlobsError::Folder)?))
}

fn secret(path: &Path) -> Result<String, BlobsError> {
    read_secret(path).map_err(|cause| BlobsError::Secret { path: path.to_owned(), cause })
}
