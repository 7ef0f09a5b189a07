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

use super::OURS;

/// The target of lines that a stranger can cause as often as they like: a few of each place are told.
pub const OFTEN: &str = "switchboard::often";

/// Warnings of one place in the code that are told in a [`WINDOW`].
pub const WARNINGS_MAX: u32 = 5;
/// Of time; how many were left out is told at its end.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Lets [`WARNINGS_MAX`] warnings of each place pass in each [`WINDOW`], as many errors of each place in a library, as many
/// lines that are [`OFTEN`], and all else. A clone counts with it.
#[derive(Clone, Default)]
pub struct Sparing {
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
}

/// One in the code.
struct Place {
    /// Its target and line.
    name: String,
    since: Instant,
    told: u32,
    left_out: u64,
}

impl Sparing {
    fn admits(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let mut places = self.places.lock().expect("nobody panics while holding it");
        let place = places.entry(metadata.callsite()).or_insert_with(|| Place {
            name: format!("{}:{}", metadata.target(), metadata.line().unwrap_or_default()),
            since: now,
            told: 0,
            left_out: 0,
        });
        if now.duration_since(place.since) >= WINDOW {
            (place.since, place.told) = (now, 0);
        }
        if place.told < WARNINGS_MAX {
            place.told += 1;
            true
        } else {
            place.left_out += 1;
            false
        }
    }

    /// Tells in each [`WINDOW`] what was left out in it. Ends never.
    pub async fn tell(self) {
        loop {
            tokio::time::sleep(WINDOW).await;
            let left_out = self.take_left_out();
            if !left_out.is_empty() {
                let left_out: Vec<String> =
                    left_out.iter().map(|(place, count)| format!("{count} of {place}")).collect();
                tracing::warn!(left_out = left_out.join(", "), "lines like those before were not told");
            }
        }
    }

    fn take_left_out(&self) -> Vec<(String, u64)> {
        let mut places = self.places.lock().expect("nobody panics while holding it");
        let mut taken = Vec::new();
        for place in places.values_mut().filter(|place| place.left_out > 0) {
            taken.push((place.name.clone(), std::mem::take(&mut place.left_out)));
        }
        taken
    }
}

/// Lines of this form, of which some are left out. (A filter of the layer cannot leave out events that it let pass
/// before: the library counts on it.)
pub(super) struct Spared<F> {
    pub(super) lines: F,
    pub(super) sparing: Sparing,
}

impl<S, N, F> FormatEvent<S, N> for Spared<F>
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
        if may_be_left_out(metadata) && !self.sparing.admits(metadata, Instant::now()) {
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

    fn warn(sparing: &Sparing, times: u32) {
        let lines = Spared { lines: tracing_subscriber::fmt::format(), sparing: sparing.clone() };
        let layer = tracing_subscriber::fmt::layer().event_format(lines).with_writer(std::io::sink);
        with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..times {
                tracing::warn!("flood");
            }
        });
    }

    #[test]
    fn what_is_left_out_is_counted_once() {
        let sparing = Sparing::default();
        warn(&sparing, WARNINGS_MAX);
        assert_eq!(sparing.take_left_out(), []);
        warn(&sparing, 7);
        let left_out = sparing.take_left_out();
        assert!(matches!(&left_out[..], [(place, 7)] if place.starts_with(module_path!())), "{left_out:?}");
        assert_eq!(sparing.take_left_out(), []);
    }

    #[test]
    fn a_place_is_heard_again_after_a_while() {
        let sparing = Sparing::default();
        warn(&sparing, WARNINGS_MAX + 1);
        for place in sparing.places.lock().unwrap().values_mut() {
            place.since = place.since.checked_sub(WINDOW).unwrap();
        }
        warn(&sparing, WARNINGS_MAX + 1);
        assert_eq!(sparing.take_left_out().iter().map(|(_, count)| count).sum::<u64>(), 2);
    }
}
