//! The room on the disk of the data folder, and the part of it that uploads leave to messages and log-ins.
//!
//! Uploads ask before they write ([`Storage::may_upload`]), readiness and metrics ask how it stands, and one task says
//! it once to the log when the reserve is reached, and once when it is not any more ([`Storage::report`]).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::statvfs;

/// Of the disk, unless the config says otherwise: a twentieth, and not more than a gibibyte.
const RESERVE_SHARE: u64 = 20;
const RESERVE_BYTES: u64 = 1024 * 1024 * 1024;
/// With less than this, or an eighth of a small reserve, the store itself may fail.
const FULL_BYTES: u64 = 16 * 1024 * 1024;
/// How often the log is told of a change.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// How a disk stands.
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

    /// No upload is taken any more; all else is.
    pub fn is_reserve_reached(&self) -> bool {
        self.reserve_bytes > 0 && self.available_bytes < self.reserve_bytes
    }

    /// Nothing may be taken any more.
    pub fn is_full(&self) -> bool {
        self.available_bytes < FULL_BYTES.min(self.reserve_bytes / 8).max(1)
    }

    /// The reserve is there again, and some more: it is not reported lost and found at every file.
    fn is_well(&self) -> bool {
        self.available_bytes >= self.reserve_bytes.saturating_add(self.reserve_bytes / 16)
    }
}

/// The disk on which the data folder lies.
#[derive(Debug)]
pub struct Storage {
    folder: PathBuf,
    reserve_bytes: Option<u64>,
}

impl Storage {
    /// `reserve_bytes` is what uploads leave; 0: nothing; none: by the size of the disk.
    pub fn new(folder: PathBuf, reserve_bytes: Option<u64>) -> Self {
        Self { folder, reserve_bytes }
    }

    /// How it stands now. One call of the system, which takes microseconds on a disk of this machine.
    ///
    /// # Errors
    ///
    /// When the folder is not there, or its disk does not say.
    pub fn room(&self) -> io::Result<Room> {
        let disk = statvfs(&self.folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Room::of(bytes(disk.f_bavail), bytes(disk.f_blocks), self.reserve_bytes))
    }

    /// Whether an upload may write now. A disk that does not say is written to: what it refuses is refused.
    pub fn may_upload(&self) -> bool {
        !self.room().is_ok_and(|room| room.is_reserve_reached())
    }

    /// Tells the log when the reserve is reached, and when it is there again. Never completes.
    pub async fn report(&self) {
        let mut reached = false;
        loop {
            match self.room() {
                Ok(room) if !reached && room.is_reserve_reached() => {
                    reached = true;
                    tracing::error!(
                        available_bytes = room.available_bytes,
                        reserve_bytes = room.reserve_bytes,
                        folder = %self.folder.display(),
                        "the disk is nearly full: uploads are refused, and messages go on while the reserve lasts"
                    );
                }
                Ok(room) if reached && room.is_well() => {
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
        assert!(Storage::new(folder.path().to_owned(), none).may_upload());
        assert!(!Storage::new(folder.path().to_owned(), all).may_upload());
        assert!(Storage::new(folder.path().join("none"), all).may_upload());
        let room = Storage::new(folder.path().to_owned(), None).room().unwrap();
        assert!(room.available_bytes > 0 && room.reserve_bytes <= RESERVE_BYTES);
    }
}
