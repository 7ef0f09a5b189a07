//! Fields of request bodies, parsed while they are read: a body that became a type breaks no rule that its fields
//! name, and what breaks one is told with its path (`origins[2]`).

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use domain::{Email, Id, Kind, Line, Origin, Shortcut};
use identity::Password;
use serde::de::{Error, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer};

use crate::errors::ApiError;
use crate::schema::{self, words};

words! {
    /// A password, in bytes of UTF-8.
    NewPassword: schema::text(Password::BYTES_MAX).min_length(Some(Password::BYTES_MIN));
    /// A password, as it was typed.
    GivenPassword: schema::text(Password::BYTES_MAX);
}

/// A field that may be left out, be null, or have a value. To be used with `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// It was left out.
    #[default]
    Nothing,
    /// It was null.
    Null,
    /// It has a value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> Given<T> {
    /// Of a field that cannot be cleared: null is refused.
    pub(super) fn value(self, field: &str) -> Result<Option<T>, ApiError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Null => Err(ApiError::invalid_field(field, "must not be null")),
            Self::Value(value) => Ok(Some(value)),
        }
    }

    /// Of a field that can be cleared: the outer none leaves it as it is, the inner one clears it.
    pub(super) fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Nothing => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

/// Reads a field, for `#[serde(default, deserialize_with = ...)]`: an empty text is as if it had been left out.
pub(super) fn given_unless_empty<'de, D, T>(deserializer: D) -> Result<Given<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Option::<MaybeEmpty<T>>::deserialize(deserializer)? {
        None => Ok(Given::Null),
        Some(MaybeEmpty(None)) => Ok(Given::Nothing),
        Some(MaybeEmpty(Some(value))) => Ok(Given::Value(value)),
    }
}

/// The same for a field that is an `Option`.
pub(super) fn some_unless_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<MaybeEmpty<T>>::deserialize(deserializer)?.and_then(|MaybeEmpty(value)| value))
}

/// What a text is made into, unless it is empty.
struct MaybeEmpty<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for MaybeEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        T::deserialize(text.into_deserializer()).map(|value| Self(Some(value)))
    }
}

/// Puts a value that was given into its place.
pub(super) fn put<T: Clone>(given: &Option<T>, place: &mut T) {
    if let Some(value) = given {
        place.clone_from(value);
    }
}

/// A field without which nothing can be made.
pub(super) fn required<T>(given: Option<T>, field: &str) -> Result<T, ApiError> {
    given.ok_or_else(|| ApiError::invalid_field(field, "is required"))
}

/// What is written as a text and has a rule of its own.
pub(super) trait FromText: Sized {
    /// Or the rule that it breaks, for the client.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<const CHARACTERS: usize> FromText for Line<CHARACTERS> {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| wrong.to_string())
    }
}

impl FromText for Email {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| wrong.to_string())
    }
}

impl FromText for Origin {
    fn from_text(text: &str) -> Result<Self, String> {
        crate::origins::spelling::listed(text).map_err(|wrong| wrong.to_string())
    }
}

impl FromText for Shortcut {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| wrong.to_string())
    }
}

impl FromText for Password {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| wrong.to_string())
    }
}

impl<K: Kind> FromText for Id<K> {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("must be an id such as {}018f...", K::PREFIX))
    }
}

/// A text that was parsed by its own rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parse<T>(std::marker::PhantomData<T>);
        impl<T: FromText> Visitor<'_> for Parse<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
                T::from_text(text).map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Parse(std::marker::PhantomData))
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let fits = u32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number));
        fits.map(Self).ok_or_else(|| D::Error::custom(format_args!("must be {LEAST} to {MOST}")))
    }
}

/// At most `MOST` values, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Few<T, const MOST: usize>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de> + Clone + Eq + Hash, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<T>::deserialize(deserializer)?;
        if values.len() > MOST {
            return Err(D::Error::custom(format_args!("must have at most {MOST} items")));
        }
        let mut seen = HashSet::with_capacity(values.len());
        if values.iter().any(|value| !seen.insert(value)) {
            return Err(D::Error::custom("must have no item twice"));
        }
        drop(seen);
        Ok(Self(values))
    }
}

impl<T, const MOST: usize> Few<Text<T>, MOST> {
    /// The values, without what read them.
    pub(super) fn texts(self) -> Vec<T> {
        self.0.into_iter().map(|Text(value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict_json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        name: Given<Text<Line<3>>>,
        #[serde(default)]
        origins: Given<Few<Text<Origin>, 2>>,
        #[serde(default)]
        capacity: Given<Whole<1, 9>>,
    }

    fn read(text: &str) -> Body {
        strict_json::parse(text.as_bytes()).unwrap()
    }

    fn wrong(text: &str) -> (String, String) {
        let error = ApiError::from(strict_json::parse::<Body>(text.as_bytes()).unwrap_err());
        (error.details()[0].field.clone(), error.details()[0].rule.clone().into_owned())
    }

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        let body = read("{}");
        assert_eq!((body.name, body.capacity), (Given::Nothing, Given::Nothing));
        let body = read(r#"{"name":null,"capacity":7}"#);
        assert_eq!(body.capacity.value("capacity").unwrap(), Some(Whole(7)));
        assert_eq!(body.name.clone().optional(), Some(None));
        assert_eq!(body.name.value("name").unwrap_err().details()[0].field, "name");
        let mut kept = 1;
        put(&None, &mut kept);
        assert_eq!(kept, 1);
        put(&Some(2), &mut kept);
        assert_eq!(kept, 2);
    }

    #[test]
    fn what_breaks_a_rule_is_told_with_its_path() {
        let read = read(r#"{"origins":["https://a.example","http://b.example"]}"#);
        assert!(matches!(read.origins, Given::Value(Few(two)) if two.len() == 2));
        for (text, field, rule) in [
            (r#"{"name":"long"}"#, "name", "must be at most 3 characters"),
            (r#"{"name":5}"#, "name", "must be a text"),
            (
                r#"{"origins":["https://a.example","*"]}"#,
                "origins[1]",
                "must be an origin such as https://example.org or https://*.example.org",
            ),
            (r#"{"origins":["http://a","http://a"]}"#, "origins", "must have no item twice"),
            (r#"{"origins":["http://a","http://b","http://c"]}"#, "origins", "must have at most 2 items"),
            (r#"{"capacity":0}"#, "capacity", "must be 1 to 9"),
            (r#"{"capacity":-1}"#, "capacity", "must be a whole number in range"),
            (r#"{"capacity":"1"}"#, "capacity", "must be a whole number in range"),
        ] {
            assert_eq!(wrong(text), (field.to_owned(), rule.to_owned()), "{text}");
        }
    }
}
