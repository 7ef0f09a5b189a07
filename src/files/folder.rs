//! The folder of bytes: `<data>/files/<workspace>/<file>`, and `incoming` for what is not whole yet. A file appears
//! under its name only when all its bytes are on the disk. Calls block; [`super::Files`] runs them where that is fine.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use domain::{FileId, WorkspaceId};
use tempfile::{NamedTempFile, TempPath};

const INCOMING: &str = "incoming";

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

    /// A new file under a random name that goes away when the path is dropped.
    pub(super) fn receive(&self) -> io::Result<(File, TempPath)> {
        Ok(NamedTempFile::new_in(self.incoming())?.into_parts())
    }

    /// Gives a whole file, already synced, its name; durable when it returns.
    pub(super) fn keep(&self, workspace: WorkspaceId, file: FileId, received: TempPath) -> io::Result<()> {
        let home = self.of(workspace);
        make_private(&home)?;
        received.persist(self.path(workspace, file)).map_err(|error| error.error)?;
        File::open(&home)?.sync_all()?;
        File::open(&self.root)?.sync_all()
    }

    pub(super) fn open_file(&self, workspace: WorkspaceId, file: FileId) -> io::Result<File> {
        File::open(self.path(workspace, file))
    }

    pub(super) fn remove(&self, workspace: WorkspaceId, file: FileId) -> io::Result<()> {
        match fs::remove_file(self.path(workspace, file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The workspaces that have, or had, files.
    pub(super) fn workspaces(&self) -> io::Result<Vec<WorkspaceId>> {
        let names = entry_names(&self.root)?;
        Ok(names.iter().filter_map(|name| format!("ws_{name}").parse().ok()).collect())
    }

    /// A workspace's files, with how many milliseconds after 1970 each got its bytes.
    pub(super) fn files(&self, workspace: WorkspaceId) -> io::Result<Vec<(FileId, u64)>> {
        let home = self.of(workspace);
        let mut files = Vec::new();
        for name in entry_names(&home)? {
            let Ok(id) = format!("file_{name}").parse() else { continue };
            // Another sweep may have removed it.
            let Ok(metadata) = fs::metadata(home.join(&name)) else { continue };
            let since_1970 = metadata.modified()?.duration_since(std::time::UNIX_EPOCH);
            files.push((id, since_1970.map_or(0, |since| since.as_millis() as u64)));
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
