//! A store that is away fails every request: the log tells a few of what goes wrong in one place of the code, and how
//! many it leaves out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Our crates. Of all others only what is unexpected is told.
pub(super) const OURS: [&str; 7] =
    ["switchboard", "identity", "files", "cluster", "actors", "store", "domain"];

/// The target of lines that a stranger can cause as often as they like: a few of each place are told.
pub const OFTEN: &str = "switchboard::often";

/// Warnings of one place in the code that are told in a [`WINDOW`].
pub const WARNINGS_MAX: u32 = 5;
/// Of time; how many were left out is told at its end. While a place goes on, each of its windows is twice as long as the
/// one before: a store that is away for an hour fills no disk with lines.
pub const WINDOW: Duration = Duration::from_secs(10);
/// The longest that a window becomes.
const WINDOW_MAX: Duration = Duration::from_secs(600);

/// Lets [`WARNINGS_MAX`] warnings of each place pass in each [`WINDOW`], as many errors of each place in a library, as many
/// lines that are [`OFTEN`], and all else. A clone counts with it.
#[derive(Clone, Default)]
pub struct LogThrottle {
    places: Arc<Mutex<HashMap<Identifier, Callsite>>>,
}

/// One in the code.
struct Callsite {
    /// Its target and line.
    name: String,
    since: Instant,
    window: Duration,
    told: u32,
    left_out: u64,
    /// Of windows that are over, until it is told.
    left_out_before: u64,
}

impl Callsite {
    fn new(name: String, now: Instant) -> Self {
        Self { name, since: now, window: WINDOW, told: 0, left_out: 0, left_out_before: 0 }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let age = now.duration_since(self.since);
        if age >= self.window {
            let goes_on = self.told >= WARNINGS_MAX && age < self.window * 2;
            self.window = if goes_on { (self.window * 2).min(WINDOW_MAX) } else { WINDOW };
            self.left_out_before += std::mem::take(&mut self.left_out);
            (self.since, self.told) = (now, 0);
        }
        let is_told = self.told < WARNINGS_MAX;
        if is_told {
            self.told += 1;
        } else {
            self.left_out += 1;
        }
        is_told
    }

    /// What was left out in windows that are over, once.
    fn take_left_out(&mut self, now: Instant) -> u64 {
        if now.duration_since(self.since) >= self.window {
            self.left_out_before += std::mem::take(&mut self.left_out);
        }
        std::mem::take(&mut self.left_out_before)
    }
}

impl LogThrottle {
    fn admits(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let mut places = self.places.lock().expect("nobody panics while holding it");
        let place = places.entry(metadata.callsite()).or_insert_with(|| {
            Callsite::new(format!("{}:{}", metadata.target(), metadata.line().unwrap_or_default()), now)
        });
        place.admits(now)
    }

    /// Tells at the end of each window what was left out in it. Ends never.
    pub async fn report(self) {
        loop {
            tokio::time::sleep(WINDOW).await;
            let left_out = self.take_left_out(Instant::now());
            if !left_out.is_empty() {
                let left_out: Vec<String> =
                    left_out.iter().map(|(place, count)| format!("{count} of {place}")).collect();
                tracing::warn!(left_out = left_out.join(", "), "lines like those before were not told");
            }
        }
    }

    fn take_left_out(&self, now: Instant) -> Vec<(String, u64)> {
        let mut places = self.places.lock().expect("nobody panics while holding it");
        let mut taken = Vec::new();
        for place in places.values_mut() {
            match place.take_left_out(now) {
                0 => {}
                left_out => taken.push((place.name.clone(), left_out)),
            }
        }
        taken
    }
}

/// Lines of this form, of which some are left out. (A filter of the layer cannot leave out events that it let pass
/// before: the library counts on it.)
pub(super) struct Throttled<F> {
    pub(super) lines: F,
    pub(super) throttle: LogThrottle,
}

impl<S, N, F> FormatEvent<S, N> for Throttled<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let metadata = event.metadata();
        if may_be_left_out(metadata) && !self.throttle.admits(metadata, Instant::now()) {
            return Ok(());
        }
        self.lines.format_event(context, writer, event)
    }
}

/// Our own errors are told one by one: each is of a request that somebody may ask about.
fn may_be_left_out(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    match *metadata.level() {
        _ if metadata.target() == OFTEN => true,
        Level::WARN => true,
        Level::ERROR => !OURS.contains(&crate_name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn warn(throttle: &LogThrottle, times: u32) {
        let lines = Throttled { lines: tracing_subscriber::fmt::format(), throttle: throttle.clone() };
        let layer = tracing_subscriber::fmt::layer().event_format(lines).with_writer(std::io::sink);
        with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..times {
                tracing::warn!("flood");
            }
        });
    }

    #[test]
    fn what_is_left_out_is_counted_once() {
        let throttle = LogThrottle::default();
        warn(&throttle, WARNINGS_MAX);
        let after = Instant::now() + WINDOW;
        assert_eq!(throttle.take_left_out(after), []);
        warn(&throttle, 7);
        assert_eq!(throttle.take_left_out(Instant::now()), [], "its window goes on");
        let left_out = throttle.take_left_out(after);
        assert!(matches!(&left_out[..], [(place, 7)] if place.starts_with(module_path!())), "{left_out:?}");
        assert_eq!(throttle.take_left_out(after), []);
    }

    #[test]
    fn a_place_is_heard_again_after_a_while_and_less_often_while_it_goes_on() {
        let start = Instant::now();
        let mut place = Callsite::new("place".into(), start);
        // A line every 100 ms, for two hours.
        let (mut told, mut left_out) = (0, 0);
        for tenth in 0..72_000 {
            let now = start + Duration::from_millis(100) * tenth;
            told += u64::from(place.admits(now));
            left_out += place.take_left_out(now);
        }
        assert_eq!(place.window, WINDOW_MAX);
        assert!((50..100).contains(&told), "{told}");
        assert_eq!(told + left_out + place.left_out, 72_000);

        let later = start + WINDOW_MAX * 100;
        left_out = place.take_left_out(later);
        assert!(left_out > 0 && place.admits(later) && place.window == WINDOW, "it was silent for long");
        let spoken = (0..20).filter(|n| place.admits(later + WINDOW * 3 * *n)).count();
        assert_eq!((spoken, place.window), (20, WINDOW), "one that speaks seldom is always heard");
    }
}
