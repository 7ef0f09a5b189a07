//! What a server needs of its machine: open files, disk, a clock that goes right.

use std::path::Path;

use domain::Timestamp;

use super::report::Report;

/// With fewer a small office already fills the server.
const FILES_LEAST: u64 = 1_024;
/// What the sample of a systemd unit gives.
const FILES_GOOD: u64 = 65_536;
/// Below this the server should not be started.
const DISK_LEAST_BYTES: u64 = 256 * 1024 * 1024;
const DISK_GOOD_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// How far a stamp in the store may be ahead of this machine's clock.
const AHEAD_MS: u64 = 60_000;
/// A clock before this stands at a default: 2026-01-01.
const BUILT_AFTER_MS: u64 = 1_767_225_600_000;
/// What is there while a service keeps the clock right: systemd-timesyncd, chrony, ntpd, OpenNTPD, and a hypervisor.
const TIME_SERVICES: [&str; 8] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chronyd.pid",
    "/run/ntpd.pid",
    "/var/run/ntpd.pid",
    "/run/ntpsec/ntpd.pid",
    "/run/openntpd.sock",
    "/dev/ptp_kvm",
];

/// The limit of open files of this process, which a server started the same way has too.
pub(super) fn open_files(report: &mut Report) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    tell_open_files(hard_limit(&limits), report);
}

/// The last but one word of the line `Max open files  1024  1048576  files`.
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn tell_open_files(limit: Option<u64>, report: &mut Report) {
    let (what, todo) =
        ("open files", "raise it: LimitNOFILE=65536 in the systemd unit, or `ulimit -n 65536` in the shell");
    match limit {
        None => report.warn(what, "the limit is not known on this system"),
        Some(limit) if limit < FILES_LEAST => report.fail(what, format!("at most {limit}: {todo}")),
        Some(limit) if limit < FILES_GOOD => {
            report.warn(
                what,
                format!("at most {limit}, one for each connection and a few for the store: {todo}"),
            );
        }
        Some(limit) => report.ok(what, format!("at most {limit}")),
    }
}

/// Free space of the disk on which the data folder lies, or will.
pub(super) fn disk(dir: &Path, report: &mut Report) {
    let there = dir.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    let what = format!("disk of {}", dir.display());
    match rustix::fs::statvfs(there) {
        Ok(disk) => tell_disk(&what, disk.f_bavail.saturating_mul(disk.f_frsize), report),
        Err(error) => report.warn(&what, format!("its free space is not known: {error}")),
    }
}

fn tell_disk(what: &str, free: u64, report: &mut Report) {
    let free_mib = free / (1024 * 1024);
    match free {
        _ if free < DISK_LEAST_BYTES => {
            report
                .fail(what, format!("{free_mib} MiB are free: make room, or move data_dir to another disk"));
        }
        _ if free < DISK_GOOD_BYTES => {
            report.warn(what, format!("{free_mib} MiB are free: a day of uploads may need more"));
        }
        _ => report.ok(what, format!("{free_mib} MiB are free")),
    }
}

/// Whether something keeps the clock right.
pub(super) fn time_service(report: &mut Report) {
    let found = TIME_SERVICES.iter().find(|path| Path::new(path).exists());
    match found {
        Some(path) => report.ok("time service", format!("seen ({path})")),
        None => report.warn(
            "time service",
            "none is seen here: let systemd-timesyncd, chrony or ntpd keep the clock right, or, in a container, that of its host",
        ),
    }
}

/// This machine's clock against the newest stamp in the store, if there is one.
pub(super) fn clock(now: Timestamp, newest: Option<Timestamp>, report: &mut Report) {
    let ahead_ms = newest.map_or(0, |newest| newest.as_ms().saturating_sub(now.as_ms()));
    let todo = "set it by a time service before the server starts";
    if now.as_ms() < BUILT_AFTER_MS {
        report.fail("clock", format!("it stands before this program was written: {todo}"));
    } else if ahead_ms > AHEAD_MS {
        let seconds = ahead_ms / 1000;
        report.fail(
            "clock",
            format!("the store has a stamp {seconds} s ahead of it, so it was set back: {todo}"),
        );
    } else {
        report.ok("clock", "not behind what the store has");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tell: impl FnOnce(&mut Report)) -> String {
        let mut report = Report::default();
        tell(&mut report);
        report.text().to_owned()
    }

    #[test]
    fn few_open_files_are_told_with_what_to_do() {
        let limits = "Limit  Soft  Hard  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(hard_limit(limits), Some(4096));
        assert_eq!(hard_limit("Max open files  unlimited  unlimited  files"), Some(u64::MAX));
        assert_eq!(hard_limit("nothing"), None);
        for (limit, mark) in [
            (Some(256), "fail  open files: at most 256: raise it"),
            (Some(1_023), "fail"),
            (Some(1_024), "warn  open files: at most 1024"),
            (Some(65_536), "ok    open files: at most 65536"),
            (None, "warn"),
        ] {
            let text = told(|report| tell_open_files(limit, report));
            assert!(text.starts_with(mark), "{limit:?}: {text}");
        }
    }

    #[test]
    fn a_full_disk_is_told_before_the_server_finds_it() {
        for (free, mark) in [
            (0, "fail  disk: 0 MiB are free"),
            (DISK_LEAST_BYTES - 1, "fail"),
            (DISK_LEAST_BYTES, "warn"),
            (DISK_GOOD_BYTES, "ok    disk: 2048 MiB are free"),
            (u64::MAX, "ok"),
        ] {
            let text = told(|report| tell_disk("disk", free, report));
            assert!(text.starts_with(mark), "{free}: {text}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_is_told() {
        let at = Timestamp::from_ms;
        let now = BUILT_AFTER_MS + 1_000_000;
        for (now, newest, mark) in [
            (now, None, "ok"),
            (now, Some(now - 5), "ok"),
            (now, Some(now + AHEAD_MS), "ok"),
            (now, Some(now + AHEAD_MS + 2_000), "fail  clock: the store has a stamp 62 s ahead"),
            (now, Some(now + 400 * 86_400_000), "fail"),
            (0, None, "fail  clock: it stands before"),
        ] {
            let text = told(|report| clock(at(now), newest.map(at), report));
            assert!(text.starts_with(mark), "{now} {newest:?}: {text}");
        }
    }
}
