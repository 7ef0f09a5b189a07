//! The log: lines on standard error, as JSON or as text for people. Started once, by `main`.
//!
//! What a client wrote can stand in a field, so control characters are escaped in both forms. Tokens, passwords and
//! the texts of messages are never given to it.

use std::fmt::Write as _;
use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

mod throttle;

pub use throttle::{LogThrottle, OFTEN, WARNINGS_MAX, WINDOW};
use throttle::{OURS, Throttled};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Logs from now on, to standard error. Returns the throttle; spawn [`LogThrottle::report`] to log how many lines it
/// dropped.
///
/// # Errors
/// When it was started before.
pub fn start(config: &LogConfig) -> Result<LogThrottle, tracing_subscriber::util::TryInitError> {
    let colors = std::io::stderr().is_terminal();
    let throttle = LogThrottle::default();
    tracing_subscriber::registry()
        .with(layer(config, throttle.clone(), colors, std::io::stderr))
        .try_init()?;
    Ok(throttle)
}

fn layer<W>(
    config: &LogConfig,
    throttle: LogThrottle,
    colors: bool,
    writer: W,
) -> impl Layer<Registry> + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = match config.format {
        LogFormat::Json => {
            let json = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
            let lines = Throttled { lines: EscapedJson(json), throttle };
            let layer = tracing_subscriber::fmt::layer().json().event_format(lines);
            layer.with_writer(writer).boxed()
        }
        LogFormat::Text => {
            let fields = debug_fn(|line, field, value| {
                let mut line = Escaped(line);
                if field.name() == "message" {
                    write!(line, "{value:?}")
                } else {
                    write!(line, "{}={value:?}", field.name())
                }
            })
            .delimited(" ");
            let lines = Throttled { lines: tracing_subscriber::fmt::format(), throttle };
            let layer = tracing_subscriber::fmt::layer().fmt_fields(fields);
            let text = layer.event_format(lines).with_ansi(colors);
            text.with_writer(writer).boxed()
        }
    };
    lines.with_filter(filter(level(config.level)))
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn filter(level: LevelFilter) -> Targets {
    // That its servers are away is told in our own words; the driver's are for a search for the fault.
    let aloud = if level >= LevelFilter::DEBUG { LevelFilter::ERROR } else { LevelFilter::OFF };
    let driver = (store::cql::DRIVER_LOG, aloud);
    let others = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets([driver]);
    others.with_targets(OURS.map(|target| (target, level)))
}

/// Writes control characters as `\u001b`, so that no client draws on an operator's terminal or fakes a line.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl std::fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut rest = text;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| c.is_control()) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "\\u{:04x}", u32::from(control))?;
            rest = &rest[at + control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// JSON escapes only what it must: DEL and the controls of C1, which terminals obey, are escaped here.
struct EscapedJson<F>(F);

impl<S, N, F> FormatEvent<S, N> for EscapedJson<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        Escaped(&mut writer).write_str(line.trim_end_matches('\n'))?;
        writer.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: LogLevel, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let config = LogConfig { level, format };
        let layer = layer(&config, LogThrottle::default(), false, move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_one_line_whatever_a_client_wrote_into_it() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let lines = logged(format, LogLevel::Info, || {
                let _span = tracing::info_span!("request", request_id = "r\u{1b}[2J").entered();
                tracing::info!(name = %"a\nINFO fake\u{85}", "said {}", "b\u{7f}");
            });
            assert_eq!(lines.lines().count(), 1, "{lines:?}");
            let body = lines.trim_end_matches('\n');
            assert!(!body.chars().any(char::is_control), "{lines:?}");
            assert!(body.contains("request_id"), "{lines:?}");
        }
    }

    #[test]
    fn a_line_of_text_is_read_at_a_glance() {
        let lines = logged(LogFormat::Text, LogLevel::Info, || {
            let _span = tracing::info_span!("request", request_id = "r-1", traceparent = "t").entered();
            tracing::info!(count = 2, name = "two words", other = %"plain", none = None::<u8>, "it went on");
        });
        let (time, rest) = lines.split_once("  INFO ").unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{lines}");
        let said = "request{request_id=\"r-1\" traceparent=\"t\"}: switchboard::telemetry::tests: it went on count=2 \
            name=\"two words\" other=plain\n";
        assert_eq!(rest, said);
    }

    #[test]
    fn the_level_holds_for_us_and_others_are_heard_only_when_something_is_wrong() {
        let log = || {
            tracing::debug!("ours");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "trouble");
            tracing::error!(target: "scylla::cluster", "away");
        };
        let debug = logged(LogFormat::Json, LogLevel::Debug, log);
        assert!(debug.contains("ours") && !debug.contains("theirs") && debug.contains("trouble"));
        let info = logged(LogFormat::Json, LogLevel::Info, log);
        assert!(debug.contains("away") && !info.contains("away") && info.contains("trouble"));
        assert_eq!(logged(LogFormat::Json, LogLevel::Off, log), "");
    }

    #[test]
    fn of_many_warnings_of_one_place_a_few_are_told() {
        let lines = logged(LogFormat::Json, LogLevel::Info, || {
            for n in 0..100 {
                tracing::warn!(n, "flood");
                tracing::info!(n, "information");
                tracing::info!(target: OFTEN, n, "refused");
                tracing::error!(n, "broken");
                tracing::error!(target: "hyper::proto", n, "their own");
                if n < 3 {
                    tracing::warn!(n, "and there");
                }
            }
        });
        let told = |text: &str| lines.lines().filter(|line| line.contains(text)).count();
        let counts = ["flood", "and there", "information", "refused", "broken", "their own"].map(told);
        let few = WARNINGS_MAX as usize;
        assert_eq!(counts, [few, 3, 100, few, 100, few]);
    }
}
