//! Why a server did not start, or ended before it was told to.

use std::io;
use std::net::SocketAddr;

use cluster::StartError;
use store::folder::FolderLost;
use store::{RecordError, StoreError};

use crate::blobs::BlobsError;
use crate::config::ConfigError;
use crate::database::DatabaseError;
use crate::demo::DemoError;

/// The server did not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The store cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// As the config says.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The store was opened and does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The installation's keys cannot be kept.
    #[error("the installation's keys: {0}")]
    Keys(#[from] RecordError),
    /// What keeps the bytes of uploaded files cannot be used as configured.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// What an earlier run left half received cannot be removed.
    #[error("the folder of files: {0}")]
    Files(io::Error),
    /// The demo was not made.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Signals cannot be heard.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// What the server stands on cannot be watched.
    #[error("the data folder: {0}")]
    Watch(io::Error),
    /// What the server stood on is gone: whatever it wrote would be lost.
    #[error("stopped, because {0}")]
    FolderLost(#[from] FolderLost),
    /// A write failed in a way that leaves open what is on disk.
    #[error("the store stopped after a failed write: start again, and it will be read from the disk")]
    StoreFailed,
    /// A setting of `[cluster]` that is only read now.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store is a cluster's, or links cannot be started.
    #[error("{0}")]
    Cluster(StartError),
    /// The cluster has put this node out of its view: it joins again, as another boot.
    #[error("the cluster has put this node out of its view")]
    Out,
    /// Another server took the store over; this one writes nothing any more.
    #[error(
        "another server opened this store, so this one stopped: without `[cluster]` only one may run. Stop the other \
         one before this one is started again"
    )]
    Superseded,
}

impl From<StartError> for ServerError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Superseded => Self::Superseded,
            StartError::Store(error) => Self::Store(error),
            StartError::Out => Self::Out,
            StartError::ClusterLives(_) | StartError::Links(_) => Self::Cluster(error),
        }
    }
}

impl ServerError {
    /// 1: it failed. 2: the address or the data folder is taken, or cannot be used as configured. 3: another server took the
    /// store over, and would be stopped in turn by this one's next start.
    pub fn exit_code(&self) -> u8 {
        match self {
            ServerError::Database(error) => error.exit_code(),
            ServerError::Listen { .. }
            | ServerError::Config(_)
            | ServerError::Cluster(StartError::ClusterLives(_))
            | ServerError::Blobs(BlobsError::Config(_) | BlobsError::Secret { .. }) => 2,
            ServerError::Blobs(BlobsError::Folder(_))
            | ServerError::Store(_)
            | ServerError::Keys(_)
            | ServerError::Files(_)
            | ServerError::Demo(_)
            | ServerError::Signals(_)
            | ServerError::Watch(_)
            | ServerError::FolderLost(_)
            | ServerError::StoreFailed
            | ServerError::Cluster(_)
            | ServerError::Out => 1,
            ServerError::Superseded => 3,
        }
    }
}
