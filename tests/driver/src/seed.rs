//! Chance in tests: its seed is printed, and `TEST_SEED` gives back one that failed.

use std::ops::Range;

/// Names the seed that a test takes instead of another.
const SEED: &str = "TEST_SEED";

/// The seed of a test: the one that is given, or a random one. It is printed, which the harness shows when the test fails.
///
/// # Panics
/// When what is given is no number.
pub fn seed() -> u64 {
    let seed = given().unwrap_or_else(rand::random);
    println!("seed {seed}: {SEED}={seed} gives it back");
    seed
}

/// The first `count` seeds, or the given one alone. Each is printed when its turn comes.
///
/// # Panics
/// When what is given is no number.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    chosen(given(), count).inspect(|seed| println!("seed {seed}: {SEED}={seed} gives it back"))
}

fn chosen(given: Option<u64>, count: u64) -> Range<u64> {
    given.map_or(0..count, |seed| seed..seed + 1)
}

#[expect(clippy::disallowed_methods, reason = "this names what a test does again, and configures nothing")]
fn given() -> Option<u64> {
    let text = std::env::var(SEED).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{SEED} must be a whole number, and is {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_seed_is_the_only_one() {
        assert_eq!(chosen(Some(70), 4).collect::<Vec<_>>(), [70]);
        assert_eq!(chosen(None, 4).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
