//! Latencies, all of them kept, and what is said of them.

use std::time::Duration;

use serde::Serialize;

/// Every sample, so that no percentile is an estimate.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// In microseconds; an hour and more is an hour.
    samples_us: Vec<u32>,
}

/// In microseconds; 0 without any sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    pub(crate) p999_us: u32,
    pub(crate) max_us: u32,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.samples_us.push(latency.as_micros().min(3_600_000_000) as u32);
    }

    pub(crate) fn len(&self) -> usize {
        self.samples_us.len()
    }

    pub(crate) fn merge(parts: impl IntoIterator<Item = Self>) -> Self {
        Self { samples_us: parts.into_iter().flat_map(|part| part.samples_us).collect() }
    }

    pub(crate) fn percentiles(mut self) -> Percentiles {
        self.samples_us.sort_unstable();
        // The smallest sample that is not passed by this share of all.
        let at = |share: f64| match self.samples_us.len() {
            0 => 0,
            count => self.samples_us[((count as f64 * share).ceil() as usize).clamp(1, count) - 1],
        };
        Percentiles { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999), max_us: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut latencies = Latencies::default();
        for us in (1..=1_000).rev() {
            latencies.add(Duration::from_micros(us));
        }
        let expected = Percentiles { p50_us: 500, p99_us: 990, p999_us: 999, max_us: 1_000 };
        assert_eq!(latencies.percentiles(), expected);
    }

    #[test]
    fn no_sample_is_no_latency() {
        let expected = Percentiles { p50_us: 0, p99_us: 0, p999_us: 0, max_us: 0 };
        assert_eq!(Latencies::default().percentiles(), expected);
    }
}
