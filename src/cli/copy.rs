//! `copy`: moves a whole installation to another store: from SQLite to CQL servers when it grows, and back. Both ends are
//! configuration files, so that files of uploads move too. The server is stopped meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use cluster::Boot;
use futures_util::TryStreamExt;
use store::copy::{Tally, Whole, Writer};
use store::sqlite::Access;
use store::{BlobKey, Blobs, Clock};
use tokio::io::AsyncWriteExt;

use super::error::CliError;
use super::table::aside;
use crate::blobs;
use crate::config::{BlobsKind, Config, Flags, StoreKind};
use crate::database::Database;

/// After so many conversations or documents it says how far it is.
const TELL_EVERY: u64 = 10_000;

/// `copy`.
#[derive(Clone, Debug, Args)]
pub struct Copy {
    /// The configuration of the store to copy from; its server must be stopped
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The configuration of the store to copy to; it must be empty, or a copy that was not finished
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// One end, opened, and nobody else's meanwhile.
struct End {
    config: Config,
    database: Database,
    whole: Whole,
}

impl End {
    async fn open(config: Config, access: Access) -> Result<Self, CliError> {
        let database = Database::open(&config, access).await?;
        let whole = Whole { store: database.store(), dump: database.dump().await? };
        Ok(Self { config, database, whole })
    }
}

pub(super) async fn run(command: Copy) -> Result<String, CliError> {
    // A variable would set both ends.
    let load = |file: &PathBuf| Config::from_file_alone(file, Flags::default());
    let (from, to) = (load(&command.from)?, load(&command.to)?);
    if from.store.kind == to.store.kind && from.data_dir == to.data_dir && from.store.cql == to.store.cql {
        return Err(CliError::Usage("--from and --to are the same store".into()));
    }
    there(&command.from, &from).await?;
    // One folder may serve both, and is taken once.
    let shared = same_folder(&from, &to);
    let from = End::open(from, Access::Server).await?;
    let to = End::open(to, if shared { Access::Beside } else { Access::Server }).await?;
    let copied = copy(&from, &to, shared).await;
    to.database.close().await;
    from.database.close().await;
    let (tally, files) = copied?;
    Ok(format!("copied and compared: {tally}; {files}"))
}

/// Refuses to copy from a store that is not there, which opening it would make.
async fn there(file: &Path, from: &Config) -> Result<(), CliError> {
    if Database::is_there(from).await? {
        return Ok(());
    }
    let absent = match from.store.kind {
        StoreKind::Sqlite => format!("there is no store in its data folder {}", from.data_dir.display()),
        StoreKind::Cql => format!("there are no tables in its keyspace {}", from.store.cql.keyspace),
    };
    let file = file.display();
    Err(CliError::Usage(format!("--from {file}: {absent}: is it the config of the server to copy from?")))
}

fn same_folder(from: &Config, to: &Config) -> bool {
    let whole = |config: &Config| std::fs::canonicalize(&config.data_dir).ok();
    from.data_dir == to.data_dir || whole(from).is_some_and(|dir| Some(dir) == whole(to))
}

async fn copy(from: &End, to: &End, shared: bool) -> Result<(Tally, String), CliError> {
    let told = std::cell::Cell::new(0);
    let progress = |tally: &Tally| {
        let through = tally.records + tally.conversations + tally.entries;
        if through / TELL_EVERY > told.get() {
            told.set(through / TELL_EVERY);
            aside(format_args!("{} documents, {} conversations so far", tally.records, tally.conversations));
        }
    };
    // As a node of the target would; one that runs there all the same is stopped by this.
    let clock = Clock::system();
    let boot = Boot::enter(&to.whole.store, &clock).await?;
    let (lanes, generation) = (Arc::clone(boot.lanes()), boot.generation());
    let copied = store::copy::copy(&from.whole, &to.whole, &Writer { lanes, generation }, progress).await;
    if let Err(error) = boot.leave(clock.now()).await {
        tracing::debug!(%error, "the next server to start on the target seals what this command wrote by");
    }
    let tally = copied?;
    let (source, target) = (&from.config.store.blobs, &to.config.store.blobs);
    let stay = match (source.kind, target.kind) {
        (BlobsKind::Folder, BlobsKind::Folder) => shared,
        (BlobsKind::S3, BlobsKind::S3) => source == target,
        (BlobsKind::Folder, BlobsKind::S3) | (BlobsKind::S3, BlobsKind::Folder) => false,
    };
    if stay {
        return Ok((tally, "uploaded files stay where they are".into()));
    }
    let copied = copy_files(blobs::open(&from.config)?, blobs::open(&to.config)?).await?;
    Ok((tally, format!("{copied} uploaded files")))
}

/// Those that are not there yet; says how many there are.
async fn copy_files(from: Arc<dyn Blobs>, to: Arc<dyn Blobs>) -> Result<u64, CliError> {
    let mut count = 0;
    for workspace in from.workspaces().await? {
        let there: std::collections::BTreeMap<_, u64> =
            to.list(workspace).map_ok(|entry| (entry.name, entry.size)).try_collect().await?;
        let mut files = from.list(workspace);
        while let Some(entry) = files.try_next().await? {
            count += 1;
            if there.get(&entry.name) == Some(&entry.size) {
                continue;
            }
            let key = BlobKey { workspace, name: entry.name };
            let Some(mut bytes) = from.read(&key, 0..entry.size).await? else { continue };
            let file = tempfile::NamedTempFile::new_in(to.incoming())?;
            let (file, path) = file.into_parts();
            let mut file = tokio::fs::File::from_std(file);
            while let Some(piece) = bytes.try_next().await? {
                file.write_all(&piece).await?;
            }
            file.flush().await?;
            to.put(&key, &path).await?;
        }
    }
    Ok(count)
}
