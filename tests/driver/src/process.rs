//! What `/proc` says about a running process, and what this process may open.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Memory that the process holds in RAM.
pub fn rss_bytes(pid: u32) -> io::Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most memory in RAM that the process ever held.
pub fn peak_rss_bytes(pid: u32) -> io::Result<u64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, name: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.trim().strip_suffix("kB"))
        .and_then(|value| value.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other(format!("no {name} of process {pid}")))
}

/// CPU time that the living threads of the process have used, to the nanosecond (`/proc/PID/stat` counts in ticks of
/// 10 ms). A thread that ends takes its time out of the sum.
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let mut used_ns = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        match fs::read_to_string(thread?.path().join("schedstat")) {
            Ok(schedstat) => used_ns += first_number(&schedstat)?,
            // The thread ended while its directory was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Duration::from_nanos(used_ns))
}

fn first_number(schedstat: &str) -> io::Result<u64> {
    let first = schedstat.split_ascii_whitespace().next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| io::Error::other("schedstat begins with no number"))
}

/// CPU time that the process has used, its ended threads included, in ticks of 10 ms.
pub fn cpu_of_all_threads(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold blanks. `utime` and `stime` are the 12th and 13th word behind it.
    let words = stat.rsplit_once(") ").map(|(_, words)| words.split_ascii_whitespace());
    let ticks = words.and_then(|mut words| {
        let (user, system) = (words.nth(11)?.parse::<u64>().ok()?, words.next()?.parse::<u64>().ok()?);
        Some(user + system)
    });
    let ticks = ticks.ok_or_else(|| io::Error::other(format!("no CPU time of process {pid}")))?;
    Ok(Duration::from_millis(10 * ticks))
}

/// The process of this machine that listens at the address.
pub fn listener(address: SocketAddrV4) -> io::Result<u32> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let inode = table.lines().find_map(|line| listening_inode(line, address));
    let nobody = || io::Error::other(format!("no process of this machine listens at {address}"));
    let socket = format!("socket:[{}]", inode.ok_or_else(nobody)?);
    for process in fs::read_dir("/proc")? {
        let process = process?;
        if let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok())
            && has_open(&process.path(), &socket)
        {
            return Ok(pid);
        }
    }
    Err(nobody())
}

/// Of a line of `/proc/net/tcp` about a socket that listens at the address.
fn listening_inode(line: &str, address: SocketAddrV4) -> Option<&str> {
    const LISTENS: &str = "0A";
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (ip, port) = words.get(1)?.split_once(':')?;
    let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    let port = u16::from_str_radix(port, 16).ok()?;
    let here = (ip == *address.ip() || ip.is_unspecified()) && port == address.port();
    if here && *words.get(3)? == LISTENS { words.get(9).copied() } else { None }
}

/// Another user's process has nothing open that this one sees.
fn has_open(process: &Path, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

/// CPU time that this process has used, its ended threads included.
pub fn own_cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).expect("a process has used no negative time")
}

/// Lets this process, and what it starts, open as many files and sockets as it may; says how many.
pub fn raise_file_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// How many files and sockets the process has open.
pub fn open_files(pid: u32) -> io::Result<u64> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)
}

/// Lets a running process have so many files open from now on, and says how many it was allowed before. What is open
/// stays open.
pub fn limit_files(pid: u32, limit: u64) -> io::Result<u64> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| io::Error::other(format!("{pid} is no process")))?;
    let allowed = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = allowed.lines().find(|line| line.starts_with("Max open files"));
    let maximum = line.and_then(|line| line.split_ascii_whitespace().nth(4)?.parse().ok());
    let before = prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(limit), maximum })?;
    Ok(before.current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::process::Command;
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(rss_bytes(std::process::id()).unwrap() > 100 * 1024);
    }

    /// One with one thread: in this one, tests end theirs.
    #[test]
    fn a_process_uses_time() {
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let pid = busy.id();
        let before = cpu(pid).unwrap();
        let begun = Instant::now();
        while cpu(pid).unwrap() <= before && begun.elapsed() < Duration::from_secs(10) {
            thread::yield_now();
        }
        let used = cpu(pid).unwrap();
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(used > before, "{used:?}");
    }

    #[test]
    fn all_threads_use_at_least_what_the_living_do() {
        let begun = Instant::now();
        let pid = std::process::id();
        while cpu_of_all_threads(pid).unwrap().is_zero() && begun.elapsed() < Duration::from_secs(10) {
            thread::yield_now();
        }
        let used = cpu_of_all_threads(pid).unwrap();
        // Ticks are counted late.
        assert!(!used.is_zero() && used <= own_cpu() + Duration::from_millis(50), "{used:?}");
    }

    #[test]
    fn a_listener_is_found_by_its_address() {
        let listener_here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener_here.local_addr().unwrap() else { panic!("it is IPv4") };
        assert_eq!(listener(address).unwrap(), std::process::id());
        drop(listener_here);
        assert!(listener(address).is_err());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(rss_bytes(u32::MAX).is_err());
        assert!(cpu(u32::MAX).is_err());
    }
}
