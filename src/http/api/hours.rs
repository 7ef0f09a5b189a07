//! Opening hours, as sites, teams and the widget have them.

use std::fmt;

use domain::{Day, Hours, Timestamp};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::fields::{Few, FromText, Text};
use crate::schema::{self, words};

/// Spans of one week.
const SPANS_MAX: usize = 70;
/// Minutes of a day; a span may end there.
const DAY_MIN: u16 = 24 * 60;

words! {
    /// A time of the day; `24:00` is its end.
    TimeOfDay: schema::pattern("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", 5, 5).examples(["09:30"]);
    /// When somebody is there, in the workspace's time zone.
    Spans: schema::list::<SpanIn>(SPANS_MAX).unique_items(true), of SpanIn;
}

/// As a body gives them.
pub(super) type HoursIn = Few<SpanJson, SPANS_MAX>;

/// From one time of a day to a later one, over midnight if it is not later, in the workspace's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "SpanIn")]
pub(super) struct SpanJson {
    /// `monday` to `sunday`.
    day: Day,
    /// `09:00`
    from: Minute,
    /// `17:30`; `24:00` is the end of the day. Before `from` it is on the day after.
    to: Minute,
}

/// From one time of a day to another, in the workspace's time zone.
#[derive(Deserialize, ToSchema)]
#[schema(as = Span)]
#[serde(deny_unknown_fields)]
struct SpanIn {
    #[schema(value_type = schema::Day)]
    day: Day,
    #[schema(value_type = TimeOfDay)]
    from: Text<Minute>,
    #[schema(value_type = TimeOfDay)]
    to: Text<Minute>,
}

impl TryFrom<SpanIn> for SpanJson {
    type Error = &'static str;

    fn try_from(given: SpanIn) -> Result<Self, &'static str> {
        let (from, to) = (given.from.0, given.to.0);
        if from == to {
            return Err("must not end when it begins; a whole day is 00:00 to 24:00");
        }
        Ok(Self { day: given.day, from, to })
    }
}

/// Since midnight, as `09:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Minute(u16);

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for Minute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromText for Minute {
    fn from_text(text: &str) -> Result<Self, String> {
        let two = |digits: &str| {
            let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<u16>().ok()).flatten()
        };
        let time = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
        let minute = time.filter(|(_, minute)| *minute < 60).map(|(hour, minute)| hour * 60 + minute);
        let minute = minute.filter(|minute| *minute <= DAY_MIN).map(Self);
        minute.ok_or_else(|| "must be a time such as 09:30, at most 24:00".to_owned())
    }
}

/// As the domain has them.
pub(super) fn parsed(given: HoursIn) -> Hours {
    Hours { spans: given.0.into_iter().map(|span| (span.day, span.from.0, span.to.0)).collect() }
}

/// As the contract writes them: null is "always", an empty list "never".
pub(super) fn shown(hours: Option<&Hours>) -> Option<Vec<SpanJson>> {
    let span = |&(day, from, to): &(Day, u16, u16)| SpanJson { day, from: Minute(from), to: Minute(to) };
    hours.map(|hours| hours.spans.iter().map(span).collect())
}

/// Whether somebody is there at `now`.
pub(super) fn is_open(hours: &Hours, zone: &TimeZone, now: Timestamp) -> bool {
    let ms = i64::try_from(now.as_ms()).unwrap_or(i64::MAX);
    let here = zone.to_datetime(jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX));
    let day = match here.weekday() {
        Weekday::Monday => Day::Monday,
        Weekday::Tuesday => Day::Tuesday,
        Weekday::Wednesday => Day::Wednesday,
        Weekday::Thursday => Day::Thursday,
        Weekday::Friday => Day::Friday,
        Weekday::Saturday => Day::Saturday,
        Weekday::Sunday => Day::Sunday,
    };
    let minute = u16::from(here.hour().unsigned_abs()) * 60 + u16::from(here.minute().unsigned_abs());
    hours.open_at(day, minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::ApiError;
    use crate::strict_json;

    #[test]
    fn hours_read_back_what_they_write() {
        let text =
            r#"[{"day":"monday","from":"09:00","to":"17:30"},{"day":"sunday","from":"22:00","to":"06:00"}]"#;
        let hours = parsed(strict_json::parse(text.as_bytes()).unwrap());
        assert_eq!(hours.spans, [(Day::Monday, 540, 1050), (Day::Sunday, 1320, 360)]);
        assert_eq!(serde_json::to_string(&shown(Some(&hours))).unwrap(), text);
        assert_eq!(serde_json::to_string(&shown(None)).unwrap(), "null");
    }

    #[test]
    fn wrong_times_are_told_where_they_stand() {
        for (text, field) in [
            (r#"[{"day":"monday","from":"9:00","to":"17:00"}]"#, "[0].from"),
            (r#"[{"day":"monday","from":"09:60","to":"17:00"}]"#, "[0].from"),
            (r#"[{"day":"monday","from":"09:00","to":"24:01"}]"#, "[0].to"),
            (r#"[{"day":"monday","from":"09:00","to":"09:00"}]"#, "[0]"),
            (r#"[{"day":"monday","from":"00:00","to":"00:00"}]"#, "[0]"),
            (r#"[{"day":"mon","from":"09:00","to":"10:00"}]"#, "[0].day"),
            (r#"[{"day":"monday","from":"09:00"}]"#, "[0].to"),
        ] {
            let error = ApiError::from(strict_json::parse::<HoursIn>(text.as_bytes()).unwrap_err());
            assert_eq!(error.details()[0].field, field, "{text}");
        }
    }

    #[test]
    fn a_night_is_open_on_both_its_days() {
        use Day::{Friday, Monday, Saturday, Sunday, Thursday};
        let (late, early) = (22 * 60, 6 * 60);
        for (spans, day, minute, open) in [
            (vec![(Friday, late, early)], Friday, late - 1, false),
            (vec![(Friday, late, early)], Friday, late, true),
            (vec![(Friday, late, early)], Friday, 1439, true),
            (vec![(Friday, late, early)], Friday, early - 1, false),
            (vec![(Friday, late, early)], Saturday, 0, true),
            (vec![(Friday, late, early)], Saturday, early - 1, true),
            (vec![(Friday, late, early)], Saturday, early, false),
            (vec![(Friday, late, early)], Saturday, late, false),
            (vec![(Friday, late, early)], Thursday, late, false),
            (vec![(Sunday, late, early)], Monday, 10, true),
            (vec![(Sunday, late, early)], Monday, late, false),
            (vec![(Sunday, late, 0)], Sunday, 1439, true),
            (vec![(Sunday, late, 0)], Monday, 0, false),
            (vec![(Monday, late, late - 1)], Sunday, late, false),
            (vec![(Sunday, 0, 1440)], Monday, 0, false),
            (vec![(Friday, late, early), (Saturday, 300, 400)], Saturday, 390, true),
        ] {
            let hours = Hours { spans };
            assert_eq!(hours.open_at(day, minute), open, "{hours:?} {day:?} {minute}");
        }
        // The nights when the clocks of Berlin change, and the last of the week across the new year.
        let hours = Hours { spans: vec![(Saturday, late, early)] };
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (utc, open) in [
            ("2024-03-30T20:59:59Z", false),
            ("2024-03-30T21:00:00Z", true),
            ("2024-03-31T00:59:59Z", true),
            ("2024-03-31T01:00:00Z", true),
            ("2024-03-31T03:59:59Z", true),
            ("2024-03-31T04:00:00Z", false),
            ("2024-10-26T20:00:00Z", true),
            ("2024-10-27T04:59:59Z", true),
            ("2024-10-27T05:00:00Z", false),
            ("2023-12-31T04:59:59Z", true),
            ("2023-12-31T05:00:00Z", false),
        ] {
            let now = utc.parse::<jiff::Timestamp>().unwrap().as_millisecond();
            let now = Timestamp::from_ms(u64::try_from(now).unwrap());
            assert_eq!(is_open(&hours, &berlin, now), open, "{utc}");
        }
    }

    #[test]
    fn open_is_by_the_clock_of_the_time_zone() {
        let hours = Hours { spans: vec![(Day::Tuesday, 0, 60)] };
        // 2023-11-14 (a Tuesday) 22:13:20 UTC; in Tokyo it is Wednesday, 07:13.
        let now = Timestamp::from_ms(1_700_000_000_000);
        let zone = |name: &str| TimeZone::get(name).unwrap();
        assert!(!is_open(&hours, &zone("UTC"), now));
        let late = Hours { spans: vec![(Day::Tuesday, 22 * 60 + 13, 22 * 60 + 14)] };
        assert!(is_open(&late, &zone("UTC"), now));
        assert!(!is_open(&late, &zone("Asia/Tokyo"), now));
        let tokyo = Hours { spans: vec![(Day::Wednesday, 7 * 60, 8 * 60)] };
        assert!(is_open(&tokyo, &zone("Asia/Tokyo"), now));
    }
}
