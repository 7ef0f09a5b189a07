//! How fast a queue moves, and so how long a place in it means to wait.

use std::collections::VecDeque;

/// The last gaps between assignments, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    gaps: VecDeque<u64>,
    last_ms: Option<u64>,
}

impl Pace {
    /// So many gaps are looked at.
    const GAPS: usize = 20;
    /// With fewer nothing is said.
    const GAPS_MIN: usize = 5;

    /// One more was assigned, at this time of any clock that only rises.
    pub fn assigned(&mut self, at_ms: u64) {
        if let Some(last) = self.last_ms.replace(at_ms) {
            self.gaps.push_back(at_ms.saturating_sub(last));
            if self.gaps.len() > Self::GAPS {
                self.gaps.pop_front();
            }
        }
    }

    /// How many seconds the one at `position` (from 1) waits, if the queue goes on as it did: the position times the
    /// median gap, rounded up.
    pub fn expected_wait_s(&self, position: u64) -> Option<u64> {
        if self.gaps.len() < Self::GAPS_MIN {
            return None;
        }
        let mut gaps: Vec<u64> = self.gaps.iter().copied().collect();
        gaps.sort_unstable();
        let middle = gaps.len() / 2;
        let median = if gaps.len() % 2 == 1 { gaps[middle] } else { (gaps[middle - 1] + gaps[middle]) / 2 };
        Some(position.saturating_mul(median).div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(times: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        times.into_iter().for_each(|at| pace.assigned(at));
        pace
    }

    #[test]
    fn the_wait_is_the_position_times_the_median_of_the_last_gaps() {
        assert_eq!(pace([0, 1_000, 2_000, 3_000, 4_000]).expected_wait_s(1), None, "four gaps are too few");
        let five = pace([0, 1_000, 3_000, 6_000, 10_000, 110_000]);
        assert_eq!([five.expected_wait_s(1), five.expected_wait_s(4)], [Some(3), Some(12)]);
        let slow_then_quick = pace((0..10).map(|n| n * 60_000).chain((0..21).map(|n| 600_000 + n * 1_500)));
        assert_eq!(slow_then_quick.expected_wait_s(2), Some(3), "only the last twenty count");
    }
}
