//! Judges what a wall clock says by a monotonic one, so that a clock which jumps for a moment expires nothing. Pure: both
//! times come in as numbers.

/// A wall clock that moves further than this against the monotonic one has jumped.
const JUMP_MS: i64 = 60 * 60 * 1000;
/// A clock that jumped is believed when it stays there for so long.
const DOUBT_MS: u64 = 10 * 60 * 1000;

/// What the wall clock is believed to be, as its distance from the monotonic one.
#[derive(Debug, Default)]
pub(super) struct Steady {
    believed_ms: Option<i64>,
    doubt: Option<Doubt>,
}

/// The wall clock stands elsewhere than it should.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    offset_ms: i64,
    since_ms: u64,
}

/// What a look at both clocks brought to light, to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    /// All is as it was.
    Nothing,
    /// The wall clock jumped by so much, and is doubted from now on.
    Jumped {
        /// Backwards when negative.
        by_ms: i64,
    },
    /// It is back.
    Returned,
    /// It stayed where it is, and is believed.
    Believed,
}

impl Steady {
    /// The time that holds: the wall clock's, or while it is doubted what it would be had it gone on as before.
    pub(super) fn now(&mut self, wall_ms: u64, monotonic_ms: u64) -> (u64, Noticed) {
        let offset_ms = signed(wall_ms) - signed(monotonic_ms);
        let Some(believed_ms) = self.believed_ms else {
            self.believed_ms = Some(offset_ms);
            return (wall_ms, Noticed::Nothing);
        };
        if near(offset_ms, believed_ms) {
            self.believed_ms = Some(offset_ms);
            let noticed = if self.doubt.take().is_some() { Noticed::Returned } else { Noticed::Nothing };
            return (wall_ms, noticed);
        }
        let noticed = match self.doubt {
            Some(doubt) if near(offset_ms, doubt.offset_ms) => {
                if monotonic_ms.saturating_sub(doubt.since_ms) >= DOUBT_MS {
                    (self.believed_ms, self.doubt) = (Some(offset_ms), None);
                    return (wall_ms, Noticed::Believed);
                }
                Noticed::Nothing
            }
            Some(_) | None => {
                self.doubt = Some(Doubt { offset_ms, since_ms: monotonic_ms });
                Noticed::Jumped { by_ms: offset_ms - believed_ms }
            }
        };
        let held_ms = signed(monotonic_ms).saturating_add(believed_ms);
        (u64::try_from(held_ms).unwrap_or(0), noticed)
    }

    /// The wall clock is not believed now.
    pub(super) fn doubts(&self) -> bool {
        self.doubt.is_some()
    }
}

fn near(one_ms: i64, other_ms: i64) -> bool {
    one_ms.abs_diff(other_ms) <= JUMP_MS.unsigned_abs()
}

/// No clock counts more than 2^62 ms, a hundred million years, so that differences of two fit as well.
fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).min(1 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    /// The distance of the time that holds from the true one, after the wall clock was set by `by_ms` at 0 and looked at each
    /// minute; and what was noticed.
    fn after(by_ms: i64, minutes: u64) -> (i64, Vec<Noticed>) {
        let mut steady = Steady::default();
        steady.now(START, 5_000);
        let (mut off, mut noticed) = (0, Vec::new());
        for minute in 0..=minutes {
            let passed = minute * 60_000;
            let wall = START.checked_add_signed(by_ms).unwrap() + passed;
            let (now, seen) = steady.now(wall, 5_000 + passed);
            off = now as i64 - (START + passed) as i64;
            noticed.extend(Some(seen).filter(|seen| *seen != Noticed::Nothing));
        }
        (off, noticed)
    }

    #[test]
    fn a_jump_is_noticed_once_and_believed_after_ten_minutes() {
        for by_ms in [400 * DAY, DAY, 2 * HOUR, HOUR + 2, -(HOUR + 2), -2 * HOUR, -DAY, -400 * DAY] {
            let jumped = Noticed::Jumped { by_ms };
            assert_eq!(after(by_ms, 0), (0, vec![jumped]), "{by_ms}");
            assert_eq!(after(by_ms, 9), (0, vec![jumped]), "{by_ms}");
            assert_eq!(after(by_ms, 10), (by_ms, vec![jumped, Noticed::Believed]), "{by_ms}");
        }
        for by_ms in [0, 1000, MINUTE, HOUR, -1000, -HOUR] {
            assert_eq!(after(by_ms, 3), (by_ms, vec![]), "{by_ms}");
        }
    }

    #[test]
    fn a_clock_that_comes_back_has_never_been_away() {
        for by_ms in [400 * DAY, 2 * HOUR, -2 * HOUR, -400 * DAY] {
            let mut steady = Steady::default();
            steady.now(START, 0);
            let away = START.checked_add_signed(by_ms).unwrap() + 1000;
            assert_eq!(steady.now(away, 1000), (START + 1000, Noticed::Jumped { by_ms }));
            assert!(steady.doubts());
            assert_eq!(steady.now(START + 61_000, 61_000), (START + 61_000, Noticed::Returned));
            assert!(!steady.doubts());
        }
    }

    #[test]
    fn another_jump_meanwhile_begins_anew() {
        let mut steady = Steady::default();
        steady.now(START, 0);
        let day = DAY as u64;
        assert_eq!(steady.now(START + day, 0), (START, Noticed::Jumped { by_ms: DAY }));
        let nine = 9 * MINUTE as u64;
        assert_eq!(
            steady.now(START + 3 * day + nine, nine),
            (START + nine, Noticed::Jumped { by_ms: 3 * DAY })
        );
        let eighteen = 2 * nine;
        assert_eq!(steady.now(START + 3 * day + eighteen, eighteen), (START + eighteen, Noticed::Nothing));
    }

    #[test]
    fn many_small_steps_are_followed() {
        let mut steady = Steady::default();
        steady.now(START, 0);
        for step in 1..=48 {
            let wall = START + step * 30 * 60_000;
            assert_eq!(steady.now(wall, 0), (wall, Noticed::Nothing));
        }
    }
}
