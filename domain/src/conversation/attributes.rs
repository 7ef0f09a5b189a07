//! What a page tells of a visitor or a conversation: few keys, each with a text, a number, or yes or no.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Line, TextError};

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Attribute {
    /// A text; it may have several lines.
    Text(Box<str>),
    /// A finite number that every client reads alike: at most [`Attributes::NUMBER_MAX`] on either side of 0.
    Number(#[serde(with = "exact")] f64),
    /// Yes or no.
    Flag(bool),
    /// Words, of the key `skills` alone: so a skill may hold a comma.
    List(Vec<Line<64>>),
}

/// Attributes were refused: which one, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct WrongAttribute {
    /// Its key; none: the rule is about all of them, or the key cannot be repeated.
    pub key: Option<Box<str>>,
    /// The rule.
    pub rule: TextError,
}

impl WrongAttribute {
    fn of(key: &str, rule: TextError) -> Self {
        Self { key: Some(key.into()), rule }
    }

    fn of_all(rule: TextError) -> Self {
        Self { key: None, rule }
    }
}

/// What a page tells of a visitor or a conversation: at most 32 keys of 64 bytes, 4 KiB in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<Line<64>, Attribute>);

impl Attributes {
    /// Keys and texts together, in bytes.
    pub const BYTES_MAX: usize = 4096;
    /// How many there may be.
    pub const KEYS_MAX: usize = 32;
    /// The largest number that every client can read without changing it (2^53 - 1).
    pub const NUMBER_MAX: f64 = 9_007_199_254_740_991.0;
    /// What a number beyond that is told.
    pub const NUMBER_RULE: TextError =
        TextError::Form("a number from -9007199254740991 to 9007199254740991; a larger one goes as a text");

    /// Keeps them.
    ///
    /// # Errors
    ///
    /// [`WrongAttribute`] names the first that breaks a rule: the caller sends it to the client.
    pub fn parse(given: impl IntoIterator<Item = (String, Attribute)>) -> Result<Self, WrongAttribute> {
        let mut kept = BTreeMap::new();
        let mut bytes = 0;
        for (key, value) in given {
            bytes += key.len() + checked(&key, &value)?;
            kept.insert(parse_key(&key)?, value);
            if kept.len() > Self::KEYS_MAX {
                return Err(WrongAttribute::of_all(TextError::Form("at most 32 keys")));
            }
        }
        if bytes > Self::BYTES_MAX {
            return Err(WrongAttribute::of_all(TextError::TooManyBytes(Self::BYTES_MAX)));
        }
        Ok(Self(kept))
    }

    /// By key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parse_key(key: &str) -> Result<Line<64>, WrongAttribute> {
    if key.len() > 64 {
        return Err(WrongAttribute::of_all(TextError::Form("an object with keys of at most 64 bytes")));
    }
    Line::parse(key).map_err(|wrong| match wrong {
        TextError::Blank => WrongAttribute::of_all(TextError::Form("an object whose keys are not blank")),
        TextError::Direction => {
            WrongAttribute::of_all(TextError::Form("an object whose keys turn no direction of text"))
        }
        TextError::Control
        | TextError::TooManyCharacters(_)
        | TextError::TooManyBytes(_)
        | TextError::Form(_) => {
            WrongAttribute::of_all(TextError::Form("an object whose keys hold no control characters"))
        }
    })
}

/// How many bytes the value counts for.
fn checked(key: &str, value: &Attribute) -> Result<usize, WrongAttribute> {
    // A key that breaks its own rule is told first.
    parse_key(key)?;
    match value {
        Attribute::Text(text) => {
            let refused = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
            if text.chars().any(refused) {
                return Err(WrongAttribute::of(key, TextError::Control));
            }
            Ok(text.len())
        }
        Attribute::Number(number) if number.abs() <= Attributes::NUMBER_MAX => Ok(8),
        Attribute::Number(_) => Err(WrongAttribute::of(key, Attributes::NUMBER_RULE)),
        Attribute::Flag(_) => Ok(1),
        Attribute::List(words) => Ok(words.iter().map(|word| word.as_str().len() + 1).sum()),
    }
}

/// A number as stores keep it: one with a fraction as a text, for a parser of numbers may give its neighbour.
mod exact {
    use std::fmt;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole numbers of this size are exact as such, but not with a `.0` behind.
        if number.fract() == 0.0 && number.abs() <= super::Attributes::NUMBER_MAX && *number != 0.0 {
            serializer.serialize_i64(*number as i64)
        } else if *number == 0.0 {
            serializer.serialize_f64(*number)
        } else {
            serializer.serialize_str(&format!("{number:?}"))
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(Number)
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or its text")
        }

        fn visit_f64<E>(self, number: f64) -> Result<f64, E> {
            Ok(number)
        }

        fn visit_i64<E>(self, number: i64) -> Result<f64, E> {
            Ok(number as f64)
        }

        fn visit_u64<E>(self, number: u64) -> Result<f64, E> {
            Ok(number as f64)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(key: &str, value: Attribute) -> Result<Attributes, WrongAttribute> {
        Attributes::parse([(key.to_owned(), value)])
    }

    #[test]
    fn a_text_may_have_lines_and_what_is_refused_is_named() {
        for kept in ["", "a\nb", "a\r\n\tb", " ", "\u{2028}", "🙂"] {
            assert!(parse("k", Attribute::Text(kept.into())).is_ok(), "{kept:?}");
        }
        for control in ["a\u{0}", "\u{1b}[0m", "\u{7f}", "\u{85}", "\u{c}"] {
            let wrong = parse("plan", Attribute::Text(control.into())).unwrap_err();
            assert_eq!((wrong.key.as_deref(), wrong.rule), (Some("plan"), TextError::Control), "{control:?}");
        }
        for key in ["", " ", "a\nb", "a\u{0}", &"k".repeat(65)] {
            assert_eq!(parse(key, Attribute::Flag(true)).unwrap_err().key, None, "{key:?}");
        }
    }

    #[test]
    fn they_are_few_and_short() {
        let keys = |count: usize| (0..count).map(|n| (format!("k{n}"), Attribute::Flag(true)));
        assert!(Attributes::parse(keys(32)).is_ok());
        assert_eq!(Attributes::parse(keys(33)).unwrap_err().key, None);
        let text = |bytes: usize| parse("k", Attribute::Text("x".repeat(bytes).into()));
        assert!(text(4095).is_ok());
        assert_eq!(text(4096).unwrap_err().rule, TextError::TooManyBytes(4096));
    }

    proptest! {
        #[test]
        fn a_number_is_kept_as_it_is_or_refused_with_its_key(number in prop_oneof![any::<f64>(), -1e16..1e16]) {
            let kept = parse("n", Attribute::Number(number));
            if number.abs() <= 9_007_199_254_740_991.0 {
                let kept = kept.unwrap();
                let Some((_, Attribute::Number(same))) = kept.iter().next() else { panic!("{kept:?}") };
                prop_assert_eq!(same.to_bits(), number.to_bits());
                let stored = serde_json::to_string(&kept).unwrap();
                let read: Attributes = serde_json::from_str(&stored).unwrap();
                let Some((_, Attribute::Number(same))) = read.iter().next() else { panic!("{stored}") };
                prop_assert_eq!(same.to_bits(), number.to_bits(), "{}", stored);
            } else {
                let wrong = kept.unwrap_err();
                prop_assert_eq!(wrong.key.as_deref(), Some("n"));
            }
        }
    }
}
