//! What the process takes of its machine, under the names that every Prometheus client uses. Read where Linux tells it, when
//! the metrics are asked for; elsewhere there are none of these.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What Linux counts times of processes in, on every machine that programs are built for (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// Reads it anew each time.
#[derive(Debug)]
pub(super) struct ProcessCollector;

/// At one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Process {
    cpu_s: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: u64,
    started_s: f64,
    open_fds: u64,
    max_fds: Option<u64>,
}

impl Process {
    fn read() -> Option<Self> {
        let of_process = Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let booted_s: f64 =
            machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Self {
            resident_bytes: 1024 * number_after(&status, "VmRSS:")?,
            max_fds: number_after(&limits, "Max open files"),
            // The folder that is read here is open too, for as long.
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64,
            started_s: booted_s + of_process.started_s,
            ..of_process
        })
    }

    /// Of proc(5)'s `stat`, with its start in seconds after that of the machine.
    fn parse(stat: &str) -> Option<Self> {
        // A program's name may hold anything, even a bracket.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // proc(5) counts from 1, and the name is the second.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_s: (field(14)? + field(15)?) as f64 / TICKS_PER_S,
            threads: field(20)?,
            started_s: field(22)? as f64 / TICKS_PER_S,
            virtual_bytes: field(23)?,
            ..Self::default()
        })
    }
}

/// The first number of the line that begins so.
fn number_after(text: &str, begin: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(begin))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(process) = Process::read() else { return Ok(()) };
        let help = "CPU time that the process took, in seconds";
        let cpu = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(process.cpu_s).encode(cpu)?;
        let help = "When the process started, in seconds since 1970";
        let start = encoder.encode_descriptor("process_start_time_seconds", help, None, MetricType::Gauge)?;
        ConstGauge::new(process.started_s).encode(start)?;
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Memory that the process has", Some(process.resident_bytes)),
            ("process_virtual_memory_bytes", "Addresses that the process has", Some(process.virtual_bytes)),
            ("process_threads", "Threads of the process", Some(process.threads)),
            ("process_open_fds", "Files and connections that are open", Some(process.open_fds)),
            ("process_max_fds", "How many files and connections may be open", process.max_fds),
        ] {
            if let Some(value) = value {
                ConstGauge::new(value).encode(encoder.encode_descriptor(
                    name,
                    help,
                    None,
                    MetricType::Gauge,
                )?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 4200 1000000 300 18446744073709551615";
        let read = Process::parse(stat).unwrap();
        assert_eq!((read.cpu_s, read.threads, read.started_s), (3.0, 9, 42.0));
        assert_eq!(read.virtual_bytes, 1_000_000);
        assert_eq!(Process::parse("7 (a) S 1"), None);
        assert_eq!(Process::parse(""), None);
    }

    #[test]
    fn limits_that_are_no_number_are_left_out() {
        assert_eq!(
            number_after("Max open files            1024       4096  files\n", "Max open files"),
            Some(1024)
        );
        assert_eq!(
            number_after("Max open files            unlimited  4096  files\n", "Max open files"),
            None
        );
        assert_eq!(number_after("VmPeak: 3 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12));
    }

    #[test]
    fn this_process_has_some_of_each() {
        let read = Process::read().unwrap();
        assert!(read.resident_bytes > 0 && read.threads > 0 && read.open_fds > 0, "{read:?}");
        assert!(read.started_s > 1e9, "{read:?}");
    }
}
