//! Attempts of statements: how long one may take, and the pause before the next. A statement that hangs is given up, which
//! says nothing about what it did.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::StoreError;

use super::options::LaneOptions;
use super::segments::Failure;

/// The numbers that pauses are drawn from, so that rivals do not meet again at the same time. Not for secrets.
#[derive(Debug)]
pub(super) struct Chance(AtomicU64);

impl Chance {
    /// The same seed gives the same numbers.
    pub(super) fn of(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `end`, 0 when that is 0.
    pub(super) fn below(&self, end: u64) -> u64 {
        // SplitMix64: each step adds the golden ratio, and mixes.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

/// The attempts of one statement.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    options: &'a LaneOptions,
    chance: &'a Chance,
    first: Duration,
    made: u32,
}

impl<'a> Tries<'a> {
    /// For writes, and for looks at a segment.
    pub(super) fn of_write(options: &'a LaneOptions, chance: &'a Chance) -> Self {
        Self { options, chance, first: options.write_attempt, made: 0 }
    }

    /// For reads of rows.
    pub(super) fn of_read(options: &'a LaneOptions, chance: &'a Chance) -> Self {
        Self { options, chance, first: options.read_attempt, made: 0 }
    }

    /// Attempts that were made.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// Whether those who wait hear now that the store is away.
    pub(super) fn are_over(&self) -> bool {
        self.made >= self.options.tries
    }

    /// One attempt, within its time.
    pub(super) async fn attempt<T>(
        &mut self,
        statement: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let time = doubled(self.first, self.made, self.options.attempt_max);
        self.made += 1;
        let answered = tokio::time::timeout(time, statement).await;
        answered
            .unwrap_or_else(|_| Err(Failure::Unknown(format!("no answer within {} ms", time.as_millis()))))
    }

    /// Waits before the next attempt: from half of the pause to all of it.
    pub(super) async fn pause(&self) {
        let longest = doubled(self.options.pause, self.made.saturating_sub(1), self.options.pause_max)
            .as_millis() as u64;
        let drawn_ms = longest / 2 + self.chance.below(longest / 2 + 1);
        tokio::time::sleep(Duration::from_millis(drawn_ms)).await;
    }

    /// Repeats a statement that may be done more than once, until it is answered or the tries are over.
    pub(super) async fn repeat<T, F>(mut self, statement: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        loop {
            match self.attempt(statement()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if self.are_over() => return Err(away(&failure)),
                Err(_) => self.pause().await,
            }
        }
    }

    /// The same without end.
    pub(super) async fn repeat_always<T, F>(mut self, statement: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, Failure>>,
    {
        loop {
            match self.attempt(statement()).await {
                Ok(answer) => return answer,
                Err(_) => self.pause().await,
            }
        }
    }
}

/// What is told of a statement that had no answer and did nothing, or may be done again.
pub(super) fn away(failure: &Failure) -> StoreError {
    let (Failure::NotSent(cause) | Failure::Unknown(cause)) = failure;
    StoreError::Unavailable(cause.clone())
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(10)).min(most)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_statement_that_hangs_is_given_up_and_repeated_with_growing_pauses() {
        let (options, chance) = (LaneOptions::default(), Chance::of(7));
        let began = Instant::now();
        let hangs = || std::future::pending::<Result<(), Failure>>();
        let repeated = Tries::of_write(&options, &chance).repeat(hangs).await;
        assert!(
            matches!(repeated, Err(StoreError::Unavailable(cause)) if cause == "no answer within 4800 ms")
        );
        // Attempts of 300, 600, 1200, 2400 and 4800 ms, pauses of up to 30, 60, 120 and 240 ms, at least half of each.
        let took_ms = began.elapsed().as_millis();
        assert!((9_300 + 225..=9_300 + 450 + 4).contains(&took_ms), "{took_ms} ms");
    }

    #[test]
    fn times_grow_up_to_a_bound() {
        let ms = Duration::from_millis;
        let grown: Vec<Duration> = [0, 1, 4, 5, 1_000].map(|times| doubled(ms(300), times, ms(5_000))).into();
        assert_eq!(grown, [ms(300), ms(600), ms(4_800), ms(5_000), ms(5_000)]);
    }
}
