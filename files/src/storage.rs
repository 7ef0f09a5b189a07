//! The room on the disk of the data folder, and the part of it that uploads leave to messages and log-ins. Uploaded files
//! may have a disk of their own. Then each disk has a reserve, and messages stop only when that of the database is used up.
//!
//! Uploads ask before they write ([`Storage::may_upload`]), readiness and metrics ask how much room there is, and one task
//! logs a line when the reserve is reached and another when there is room again ([`Storage::report`]).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;

/// The reserve, unless the config sets it: a twentieth of the disk, and not more than a gibibyte.
const RESERVE_SHARE: u64 = 20;
const RESERVE_BYTES: u64 = 1024 * 1024 * 1024;
/// With less than this, or an eighth of a small reserve, the store itself may fail.
const FULL_BYTES: u64 = 16 * 1024 * 1024;
/// How often the task that reports asks the disk.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// How much room a disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that the server may still write.
    pub available_bytes: u64,
    /// Of these, what uploads leave.
    pub reserve_bytes: u64,
}

impl Room {
    fn of(available_bytes: u64, total_bytes: u64, setting: Option<u64>) -> Self {
        let reserve_bytes = setting.unwrap_or((total_bytes / RESERVE_SHARE).min(RESERVE_BYTES));
        Self { available_bytes, reserve_bytes }
    }

    /// Whether uploads are refused. Everything else is taken.
    pub fn is_reserve_reached(&self) -> bool {
        self.reserve_bytes > 0 && self.available_bytes < self.reserve_bytes
    }

    /// Whether everything is refused.
    pub fn is_full(&self) -> bool {
        self.available_bytes < FULL_BYTES.min(self.reserve_bytes / 8).max(1)
    }

    /// The bytes that are available above the reserve; below zero when the reserve is in use.
    fn above_reserve(&self) -> i128 {
        i128::from(self.available_bytes) - i128::from(self.reserve_bytes)
    }

    /// Whether the reserve is free again, and some more, so that the log does not say reached and free at every file.
    fn is_well(&self) -> bool {
        self.available_bytes >= self.reserve_bytes.saturating_add(self.reserve_bytes / 16)
    }
}

/// The disks on which uploads are received and the database lies; mostly it is one.
#[derive(Debug)]
pub struct Storage {
    incoming: PathBuf,
    /// None: messages are kept elsewhere.
    database: Option<PathBuf>,
    reserve_bytes: Option<u64>,
}

impl Storage {
    /// The disks of the folder where uploads are received, and of the folder of the database. `reserve_bytes` is what uploads
    /// leave free; with 0 they leave nothing, with none the size of the disk says how much.
    pub fn new(incoming: PathBuf, database: Option<PathBuf>, reserve_bytes: Option<u64>) -> Self {
        Self { incoming, database, reserve_bytes }
    }

    /// The room on the disk that is nearer to its reserve, or deeper in it. Two calls of the system, which take microseconds on
    /// a disk of this machine.
    ///
    /// # Errors
    /// A folder is not there, or its disk does not say how much room it has.
    pub fn room(&self) -> io::Result<Room> {
        self.tighter().map(|(_, room)| room)
    }

    /// Whether no message can be kept any more, as far as the disk of the database says.
    pub fn is_full(&self) -> bool {
        self.database.as_deref().is_some_and(|folder| self.room_of(folder).is_ok_and(|room| room.is_full()))
    }

    fn tighter(&self) -> io::Result<(&Path, Room)> {
        let received = (self.incoming.as_path(), self.room_of(&self.incoming)?);
        let Some(folder) = self.database.as_deref() else { return Ok(received) };
        let kept = (folder, self.room_of(folder)?);
        Ok(if kept.1.above_reserve() < received.1.above_reserve() { kept } else { received })
    }

    fn room_of(&self, folder: &Path) -> io::Result<Room> {
        let disk = statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Room::of(bytes(disk.f_bavail), bytes(disk.f_blocks), self.reserve_bytes))
    }

    /// Whether an upload may write now. A disk that does not say how much room it has is written to, until it refuses.
    pub fn may_upload(&self) -> bool {
        !self.room().is_ok_and(|room| room.is_reserve_reached())
    }

    /// Logs when the reserve is reached, and when there is room again. Never completes.
    pub async fn report(&self) {
        let mut reached = false;
        loop {
            match self.tighter() {
                Ok((folder, room)) if !reached && room.is_reserve_reached() => {
                    reached = true;
                    tracing::error!(
                        available_bytes = room.available_bytes,
                        reserve_bytes = room.reserve_bytes,
                        folder = %folder.display(),
                        "the disk is nearly full: uploads are refused, and messages go on while the reserve lasts"
                    );
                }
                Ok((_, room)) if reached && room.is_well() => {
                    reached = false;
                    let available_bytes = room.available_bytes;
                    tracing::info!(available_bytes, "the disk has room again: uploads are taken");
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the disk does not say how much room it has"),
            }
            tokio::time::sleep(REPORT_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;
    const GIB: u64 = 1024 * MIB;

    #[test]
    fn the_reserve_is_a_share_of_a_small_disk_and_bounded_on_a_large_one() {
        for (total, setting, reserve) in [
            (0, None, 0),
            (64 * MIB, None, 64 * MIB / 20),
            (10 * GIB, None, GIB / 2),
            (20 * GIB, None, GIB),
            (4096 * GIB, None, GIB),
            (10 * GIB, Some(0), 0),
            (10 * GIB, Some(7), 7),
            (10 * GIB, Some(1 << 40), 1 << 40),
        ] {
            assert_eq!(Room::of(1, total, setting).reserve_bytes, reserve, "{total} {setting:?}");
        }
    }

    #[test]
    fn uploads_stop_at_the_reserve_and_everything_only_when_it_is_used_up() {
        // Free, reserve, reached, full.
        for (available_bytes, reserve_bytes, reached, full) in [
            (GIB, GIB, false, false),
            (GIB - 1, GIB, true, false),
            (16 * MIB, GIB, true, false),
            (16 * MIB - 1, GIB, true, true),
            (0, GIB, true, true),
            (MIB, 3 * MIB, true, false),
            (MIB / 3, 3 * MIB, true, true),
            (GIB, 1 << 40, true, false),
            (1, 0, false, false),
            (0, 0, false, true),
        ] {
            let room = Room { available_bytes, reserve_bytes };
            assert_eq!((room.is_reserve_reached(), room.is_full()), (reached, full), "{room:?}");
            assert!(!(room.is_well() && reached), "{room:?}");
        }
    }

    #[test]
    fn a_disk_says_how_it_stands_and_one_that_is_not_there_stops_no_upload() {
        let folder = tempfile::tempdir().unwrap();
        let (none, all) = (Some(0), Some(u64::MAX));
        let of = |incoming: &Path, reserve| Storage::new(incoming.to_owned(), None, reserve);
        assert!(of(folder.path(), none).may_upload());
        assert!(!of(folder.path(), all).may_upload());
        assert!(of(&folder.path().join("none"), all).may_upload());
        let room = of(folder.path(), None).room().unwrap();
        assert!(room.available_bytes > 0 && room.reserve_bytes <= RESERVE_BYTES);
    }

    #[test]
    fn of_two_disks_the_tighter_one_counts_and_that_of_the_database_alone_is_full() {
        // A file system that has room for nothing, as Linux has it.
        let (full, folder) = (Path::new("/proc"), tempfile::tempdir().unwrap());
        let (well, full) = (folder.path().to_owned(), full.to_owned());
        for (incoming, database, uploads, is_full) in [
            (&well, None, true, false),
            (&well, Some(&well), true, false),
            (&full, Some(&well), false, false),
            (&well, Some(&full), false, true),
            (&full, None, false, false),
            (&full, Some(&full), false, true),
        ] {
            let storage = Storage::new(incoming.clone(), database.cloned(), Some(1));
            assert_eq!((storage.may_upload(), storage.is_full()), (uploads, is_full), "{storage:?}");
        }
    }
}
