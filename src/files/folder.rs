//! The folder of bytes: `<data>/files/<workspace>/<file>`, beside it `<file>-thumbnail` where there is one, and
//! `incoming` for what is not whole yet. A file appears under its name only when all its bytes are on the disk. Calls block; [`super::Files`] runs them where that is fine.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use domain::{FileId, WorkspaceId};
use tempfile::{NamedTempFile, TempPath};

const INCOMING: &str = "incoming";
const THUMBNAIL: &str = "-thumbnail";

/// Where the bytes are.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder if it is not there, and removes what an earlier run left half received: nobody else may be
    /// using it.
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        let folder = Self { root };
        make_private(&folder.incoming())?;
        for entry in fs::read_dir(folder.incoming())? {
            fs::remove_file(entry?.path())?;
        }
        Ok(folder)
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    fn of(&self, workspace: WorkspaceId) -> PathBuf {
        self.root.join(workspace.uuid().simple().to_string())
    }

    fn path(&self, workspace: WorkspaceId, file: FileId) -> PathBuf {
        self.of(workspace).join(file.uuid().simple().to_string())
    }

    fn thumbnail_path(&self, workspace: WorkspaceId, file: FileId) -> PathBuf {
        self.of(workspace).join(format!("{}{THUMBNAIL}", file.uuid().simple()))
    }

    /// A new file under a random name that goes away when the path is dropped.
    pub(super) fn receive(&self) -> io::Result<(File, TempPath)> {
        Ok(NamedTempFile::new_in(self.incoming())?.into_parts())
    }

    /// Gives a whole file, already synced, its name, and its thumbnail before it; durable when it returns.
    pub(super) fn keep(
        &self,
        workspace: WorkspaceId,
        file: FileId,
        received: TempPath,
        thumbnail: Option<TempPath>,
    ) -> io::Result<()> {
        let home = self.of(workspace);
        make_private(&home)?;
        if let Some(thumbnail) = thumbnail {
            thumbnail.persist(self.thumbnail_path(workspace, file)).map_err(|error| error.error)?;
        }
        received.persist(self.path(workspace, file)).map_err(|error| error.error)?;
        File::open(&home)?.sync_all()?;
        File::open(&self.root)?.sync_all()
    }

    pub(super) fn open_file(&self, workspace: WorkspaceId, file: FileId) -> io::Result<File> {
        File::open(self.path(workspace, file))
    }

    pub(super) fn open_thumbnail(&self, workspace: WorkspaceId, file: FileId) -> io::Result<File> {
        File::open(self.thumbnail_path(workspace, file))
    }

    /// With its thumbnail.
    pub(super) fn remove(&self, workspace: WorkspaceId, file: FileId) -> io::Result<()> {
        for path in [self.path(workspace, file), self.thumbnail_path(workspace, file)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The workspaces that have, or had, files.
    pub(super) fn workspaces(&self) -> io::Result<Vec<WorkspaceId>> {
        let names = entry_names(&self.root)?;
        Ok(names.iter().filter_map(|name| format!("ws_{name}").parse().ok()).collect())
    }

    /// A workspace's files, with how many milliseconds after 1970 each got its bytes. A thumbnail whose file is not
    /// there, because a server stopped between the two, counts as its file.
    pub(super) fn files(&self, workspace: WorkspaceId) -> io::Result<BTreeMap<FileId, u64>> {
        let home = self.of(workspace);
        let mut files = BTreeMap::new();
        for name in entry_names(&home)? {
            let of_file = name.strip_suffix(THUMBNAIL).unwrap_or(&name);
            let Ok(id) = format!("file_{of_file}").parse() else { continue };
            // Another sweep may have removed it.
            let Ok(metadata) = fs::metadata(home.join(&name)) else { continue };
            let since_1970 = metadata.modified()?.duration_since(std::time::UNIX_EPOCH);
            let at_ms = since_1970.map_or(0, |since| since.as_millis() as u64);
            files.entry(id).and_modify(|latest: &mut u64| *latest = at_ms.max(*latest)).or_insert(at_ms);
        }
        Ok(files)
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Names that are no Unicode are none of ours.
fn entry_names(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?
        .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
        .collect()
}
