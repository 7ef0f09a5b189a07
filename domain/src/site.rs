//! A site: one embedded widget, its look, its hours, and where it may stand.

use serde::{Deserialize, Serialize};

use crate::{Line, Name, SiteId, TeamId, TextError, Timestamp};

/// Where a browser says that a page comes from: `scheme://host[:port]`, lower case, without a path. On a site's list
/// also all subdomains of one: `https://*.shop.example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(Box<str>);

impl Origin {
    /// What a page has that stands in the web view of an app.
    pub const WEB_VIEWS: [&str; 3] = ["capacitor://localhost", "ionic://localhost", "tauri://localhost"];

    /// Takes what may stand on a site's list, in the one spelling that browsers use.
    ///
    /// # Errors
    ///
    /// [`TextError::Form`]: it is spelled otherwise, and would never match.
    pub fn listed(text: &str) -> Result<Self, TextError> {
        if Self::WEB_VIEWS.contains(&text) {
            return Ok(Self(text.into()));
        }
        let one = text.replacen("://*.", "://", 1);
        Self::parse(&one).map(|_| Self(text.into()))
    }

    /// A page of this origin is meant by it: it is the same, or of any subdomain of `https://*.shop.example`, however
    /// deep, but never that domain itself.
    pub fn covers(&self, origin: &str) -> bool {
        let Some((scheme, domain)) = self.0.split_once("://*") else { return *self.0 == *origin };
        let host = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        let known = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(known);
        let labels = host.and_then(|host| host.strip_suffix(domain));
        labels.is_some_and(|labels| labels.split('.').all(is_label))
    }

    /// It stands for more than one.
    pub fn is_pattern(&self) -> bool {
        self.0.contains('*')
    }

    /// Takes what browsers send, in the one spelling that they use.
    ///
    /// # Errors
    ///
    /// [`TextError::Form`]: it is no origin of a page of the web.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        const FORM: TextError = TextError::Form("an origin such as https://example.org");
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(FORM)?;
        let allowed =
            |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']');
        let whole = !host.is_empty() && host.len() <= 253 + 6 && host.bytes().all(allowed);
        if whole && !host.starts_with([':', '.']) { Ok(Self(text.into())) } else { Err(FORM) }
    }

    /// As browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether page views are told to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// Never.
    Off,
    /// After the visitor agreed or wrote.
    #[default]
    Consent,
    /// From the first page.
    Always,
}

/// How the widget looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theme {
    /// The brand's colour, `#rrggbb`.
    pub color: Option<Line<7>>,
    /// The first words that a visitor sees.
    pub greeting: Option<Line<300>>,
}

/// A day of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the days name themselves")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    /// The day after; after Sunday comes Monday.
    pub fn next(self) -> Self {
        match self {
            Self::Monday => Self::Tuesday,
            Self::Tuesday => Self::Wednesday,
            Self::Wednesday => Self::Thursday,
            Self::Thursday => Self::Friday,
            Self::Friday => Self::Saturday,
            Self::Saturday => Self::Sunday,
            Self::Sunday => Self::Monday,
        }
    }
}

/// When somebody is there: spans of minutes since midnight, in the workspace's time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// `(day, from, to)`, each at most 1440, not the same; `to` before `from` is on the day after.
    pub spans: Vec<(Day, u16, u16)>,
}

impl Hours {
    /// Open at this minute (since midnight) of this day.
    pub fn open_at(&self, day: Day, minute: u16) -> bool {
        self.spans.iter().any(|&(on, from, to)| {
            if from < to {
                on == day && from <= minute && minute < to
            } else {
                (on == day && from <= minute) || (on.next() == day && minute < to)
            }
        })
    }
}

/// A field that is asked before the first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrechatField {
    /// `name`, `email`, or the key of an attribute.
    pub field: Line<64>,
    /// What the visitor reads.
    pub label: Line<200>,
    /// The visitor cannot start without it.
    pub required: bool,
}

/// A key that was replaced, and is taken for a while yet: the pages that have it are changed one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousKey {
    /// As pages have it.
    pub key: Line<64>,
    /// From then on it is nobody's.
    pub until: Timestamp,
}

/// One embedded widget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Names it.
    pub id: SiteId,
    /// Public: it stands in the page that embeds the widget.
    pub key: Line<64>,
    /// The key before that one; it stays here when its time is over, and is then no longer taken.
    #[serde(default)]
    pub previous_key: Option<PreviousKey>,
    /// For people.
    pub name: Name,
    /// Where it may stand.
    pub origins: Vec<Origin>,
    /// The widget's language, a BCP 47 tag.
    pub locale: Line<35>,
    /// How the widget looks.
    pub theme: Theme,
    /// Who answers.
    pub team: TeamId,
    /// When somebody is there; none: always.
    pub hours: Option<Hours>,
    /// Asked before the first message.
    pub prechat: Vec<PrechatField>,
    /// Whether page views are told.
    pub tracking: Tracking,
    /// Signs visitors' identities (HS256, HS384 or HS512), 32 to 128 bytes. Never shown again.
    pub identity_secret: Option<Box<str>>,
    /// Only visitors whose identity is signed are taken.
    pub identity_required: bool,
}

impl Site {
    /// A new one, which no page may embed yet.
    pub fn new(id: SiteId, key: Line<64>, name: Name, team: TeamId) -> Self {
        Self {
            id,
            key,
            previous_key: None,
            name,
            origins: Vec::new(),
            locale: Line::parse("en").expect("it is a short line"),
            theme: Theme::default(),
            team,
            hours: None,
            prechat: Vec::new(),
            tracking: Tracking::default(),
            identity_secret: None,
            identity_required: false,
        }
    }

    /// Replaces its key by another one; the old one is taken until `until`, unless that is not after `now`. Of two
    /// replacements within that time only the last is remembered: the first key's time ends with the second.
    pub fn rotate_key(&mut self, key: Line<64>, until: Timestamp, now: Timestamp) {
        let old = std::mem::replace(&mut self.key, key);
        self.previous_key = (until > now).then_some(PreviousKey { key: old, until });
    }

    /// A page that has this key is one of its pages now.
    pub fn takes_key(&self, key: &str, now: Timestamp) -> bool {
        let previous = || self.previous_key.as_ref().filter(|previous| now < previous.until);
        self.key.as_str() == key || previous().is_some_and(|previous| previous.key.as_str() == key)
    }

    /// Its key, and the one before that, whether or not that one is still taken.
    pub fn keys(&self) -> impl Iterator<Item = &Line<64>> {
        std::iter::once(&self.key).chain(self.previous_key.as_ref().map(|previous| &previous.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_replaced_is_taken_until_its_time_is_over() {
        let line = |text: &str| Line::parse(text).unwrap();
        let at = Timestamp::from_ms;
        let (id, team) = (SiteId::from_hash([1; 16]), TeamId::from_hash([2; 16]));
        let mut site = Site::new(id, line("first"), Name::parse("Shop").unwrap(), team);
        site.rotate_key(line("second"), at(100), at(10));
        for (key, now, taken) in
            [("second", 99, true), ("first", 99, true), ("first", 100, false), ("third", 99, false)]
        {
            assert_eq!(site.takes_key(key, at(now)), taken, "{key} at {now}");
        }
        site.rotate_key(line("third"), at(50), at(20));
        let taken: Vec<&str> =
            ["first", "second", "third"].into_iter().filter(|key| site.takes_key(key, at(20))).collect();
        assert_eq!(taken, ["second", "third"]);
        site.rotate_key(line("fourth"), at(20), at(20));
        assert_eq!((site.takes_key("third", at(20)), site.keys().count()), (false, 1));
    }

    #[test]
    fn a_list_covers_exactly_what_it_names() {
        let own = |text: &str| Origin::listed(text).unwrap();
        let shop = own("https://*.shop.example");
        for origin in ["https://a.shop.example", "https://a.b.shop.example", "https://xn--a_b.shop.example"] {
            assert!(shop.covers(origin), "{origin}");
        }
        for origin in [
            "https://shop.example",
            "https://.shop.example",
            "https://evilshop.example",
            "https://a..shop.example",
            "http://a.shop.example",
            "https://a.shop.example:8443",
            "https://a.shop.example.evil.example",
            "https://evil.example:1.shop.example",
            "https://evil.example/.shop.example",
            "https://u@a.shop.example",
            "https://*.shop.example",
            "https://A.shop.example",
            "null",
            "",
        ] {
            assert!(!shop.covers(origin), "{origin}");
        }
        assert!(own("http://*.localhost:3000").covers("http://shop.localhost:3000"));
        assert!(!own("http://*.localhost:3000").covers("http://shop.localhost"));
        assert!(own("https://shop.example").covers("https://shop.example"));
        assert!(!own("https://shop.example").covers("https://a.shop.example"));
        for view in Origin::WEB_VIEWS {
            assert!(own(view).covers(view) && !own(view).is_pattern() && Origin::parse(view).is_err());
        }
        for wrong in ["null", "https://*", "https://a.*.b", "app://localhost", "https://*.*.a"] {
            assert!(Origin::listed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_have_the_one_spelling_that_browsers_use() {
        for kept in ["https://example.org", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(Origin::parse(kept).is_ok(), "{kept}");
        }
        for wrong in [
            "",
            "null",
            "*",
            "https://",
            "https://Example.org",
            "https://a/",
            "https://a?b",
            "ftp://a",
            "https://a b",
            "https://*.a",
            "tauri://localhost",
            "//a",
            "https://u@a",
            "https://:80",
            "https://a\n",
        ] {
            assert!(Origin::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn hours_end_before_their_last_minute() {
        let hours = Hours { spans: vec![(Day::Monday, 540, 1020)] };
        let open: Vec<bool> =
            [539, 540, 1019, 1020].map(|minute| hours.open_at(Day::Monday, minute)).to_vec();
        assert_eq!(open, [false, true, true, false]);
        assert!(!hours.open_at(Day::Tuesday, 600));
    }
}
