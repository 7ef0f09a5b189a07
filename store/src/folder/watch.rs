//! Notices that what a server stands on was taken from under it: a folder, a lock or a database that is gone, or that
//! another one has taken the place of. Writing on would go into files that no path leads to any more.
//!
//! Paths are asked about and never opened: SQLite's locks on a database go when a process closes any handle of it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a path leads to. A file system gives the number of what was removed to what is made next, so the kind and the time
/// of birth belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    is_folder: bool,
    /// None where the file system keeps no such time.
    born_at: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            is_folder: metadata.is_dir(),
            born_at: metadata.created().ok(),
        }
    }
}

/// A path does not lead where it did.
#[derive(Debug, thiserror::Error)]
pub enum FolderLost {
    /// There is nothing.
    #[error("{} was removed while the server was using it", path.display())]
    Removed {
        /// Which.
        path: PathBuf,
    },
    /// There is something else.
    #[error("{} was replaced by another while the server was using it", path.display())]
    Replaced {
        /// Which.
        path: PathBuf,
    },
}

/// Paths, and what each led to when this was made.
#[derive(Debug)]
pub struct FolderWatch(Vec<(PathBuf, Identity)>);

impl FolderWatch {
    /// Watches these paths from now on. Blocks.
    ///
    /// # Errors
    ///
    /// When one of them leads nowhere, or it cannot be known where.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let watched = paths.into_iter().map(|path| {
            let identity = Identity::of(&fs::metadata(&path)?);
            Ok((path, identity))
        });
        watched.collect::<io::Result<_>>().map(Self)
    }

    /// Compares what each path leads to now. Blocks.
    ///
    /// # Errors
    ///
    /// Of the first path that leads elsewhere or nowhere. One that cannot be asked about for another reason counts as
    /// being there: only what is known ends a server.
    pub fn check(&self) -> Result<(), FolderLost> {
        self.0.iter().try_for_each(|(path, identity)| check(path, *identity))
    }
}

fn check(path: &Path, expected: Identity) -> Result<(), FolderLost> {
    match fs::metadata(path) {
        Ok(found) if Identity::of(&found) == expected => Ok(()),
        Ok(_) => Err(FolderLost::Replaced { path: path.to_owned() }),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::StaleNetworkFileHandle => Err(FolderLost::Removed { path: path.to_owned() }),
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a folder and a file in it, all three watched.
    fn watched() -> (tempfile::TempDir, PathBuf, FolderWatch) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("data");
        fs::create_dir_all(folder.join("files")).unwrap();
        fs::write(folder.join("lock"), "").unwrap();
        let paths = [folder.clone(), folder.join("files"), folder.join("lock")];
        let watch = FolderWatch::of(paths).unwrap();
        (root, folder, watch)
    }

    #[test]
    fn what_is_used_as_it_should_be_is_not_lost() {
        let (_root, folder, watch) = watched();
        fs::write(folder.join("lock"), "written").unwrap();
        fs::write(folder.join("files/a"), "added").unwrap();
        fs::remove_file(folder.join("files/a")).unwrap();
        watch.check().unwrap();
    }

    #[test]
    fn a_path_that_leads_elsewhere_or_nowhere_is_noticed() {
        type Change = fn(&Path) -> io::Result<()>;
        let changes: [(&str, Change, bool); 7] = [
            ("the folder was deleted", |folder| fs::remove_dir_all(folder), false),
            ("the folder was moved away", |folder| fs::rename(folder, folder.with_extension("old")), false),
            (
                "a copy took the folder's place",
                |folder| {
                    fs::rename(folder, folder.with_extension("old"))?;
                    fs::create_dir_all(folder.join("files"))?;
                    fs::write(folder.join("lock"), "")
                },
                true,
            ),
            (
                "a file took the folder's place",
                |folder| {
                    fs::remove_dir_all(folder)?;
                    fs::write(folder, "")
                },
                true,
            ),
            ("the lock was deleted", |folder| fs::remove_file(folder.join("lock")), false),
            (
                "another lock took its place",
                |folder| {
                    fs::write(folder.join("new"), "")?;
                    fs::rename(folder.join("new"), folder.join("lock"))
                },
                true,
            ),
            (
                "the folder of files was made anew",
                |folder| {
                    fs::rename(folder.join("files"), folder.join("old"))?;
                    fs::create_dir(folder.join("files"))
                },
                true,
            ),
        ];
        for (what, change, replaced) in changes {
            let (_root, folder, watch) = watched();
            change(&folder).unwrap();
            match watch.check() {
                Err(FolderLost::Replaced { .. }) => assert!(replaced, "{what}"),
                Err(FolderLost::Removed { .. }) => assert!(!replaced, "{what}"),
                Ok(()) => panic!("{what}, and nobody noticed"),
            }
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_watched() {
        let (_root, folder, _) = watched();
        assert!(FolderWatch::of([folder.join("none")]).is_err());
    }
}
