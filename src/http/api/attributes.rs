//! Attributes as bodies give them, of visitors and of conversations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::{Attribute, Attributes, Line, TextError, WrongAttribute};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What a body has under a key.
#[derive(Debug)]
pub(super) enum AttributeJson {
    Null,
    Text(String),
    Number(f64),
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
    /// Neither of these.
    Other,
}

/// What a body says of attributes.
#[derive(Debug, Default)]
pub(super) struct GivenAttributes {
    /// To be set.
    pub(super) set: Attributes,
    /// Given as null: to be removed.
    pub(super) removed: BTreeSet<String>,
}

/// The one key whose value may be a list: routing reads it.
const LIST_KEY: &str = "skills";
/// As an agent may have.
const LIST_MAX: usize = 50;

/// Attributes as the domain takes them; what breaks a rule is told with its key.
pub(super) fn attributes(
    given: Option<BTreeMap<String, AttributeJson>>,
) -> Result<GivenAttributes, WrongAttribute> {
    let (mut set, mut removed) = (Vec::new(), BTreeSet::new());
    for (key, value) in given.unwrap_or_default() {
        let value = match value {
            AttributeJson::Null => {
                removed.insert(key);
                continue;
            }
            AttributeJson::Text(text) => Attribute::Text(text.into()),
            AttributeJson::Number(number) => Attribute::Number(number),
            AttributeJson::Flag(flag) => Attribute::Flag(flag),
            AttributeJson::List(words) if key == LIST_KEY => list(&words)?,
            AttributeJson::List(_) | AttributeJson::Other => {
                // A key that breaks its own rule is not repeated.
                Attributes::parse([(key.clone(), Attribute::Flag(true))])?;
                return Err(WrongAttribute { key: Some(key.into()), rule: RULE });
            }
        };
        set.push((key, value));
    }
    Ok(GivenAttributes { set: Attributes::parse(set)?, removed })
}

const RULE: TextError =
    TextError::Form("a text, a number, true, false or null (`skills` may be a list of texts)");

fn list(words: &[String]) -> Result<Attribute, WrongAttribute> {
    if words.len() > LIST_MAX {
        let rule = TextError::Form("a list of at most 50 texts");
        return Err(WrongAttribute { key: Some(LIST_KEY.into()), rule });
    }
    let word = |(place, text): (usize, &String)| {
        let at = |rule| WrongAttribute { key: Some(format!("{LIST_KEY}[{place}]").into()), rule };
        Line::parse(text).map_err(at)
    };
    Ok(Attribute::List(words.iter().enumerate().map(word).collect::<Result<_, _>>()?))
}

impl<'de> Deserialize<'de> for AttributeJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = AttributeJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<AttributeJson, E> {
        Ok(AttributeJson::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<AttributeJson, E> {
        Ok(AttributeJson::Flag(flag))
    }

    // What a float cannot hold is beyond the largest number that is taken, however it is rounded.
    fn visit_u64<E>(self, number: u64) -> Result<AttributeJson, E> {
        Ok(AttributeJson::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<AttributeJson, E> {
        Ok(AttributeJson::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<AttributeJson, E> {
        Ok(AttributeJson::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<AttributeJson, E> {
        Ok(AttributeJson::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AttributeJson, A::Error> {
        let mut words = Some(Vec::new());
        while let Some(item) = items.next_element::<AttributeJson>()? {
            match (item, &mut words) {
                (AttributeJson::Text(text), Some(words)) => words.push(text),
                _ => words = None,
            }
        }
        Ok(words.map_or(AttributeJson::Other, AttributeJson::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<AttributeJson, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(AttributeJson::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::errors::ApiError;
    use crate::json::AttributesJson;
    use crate::strict_json;

    fn read(text: &str) -> Result<GivenAttributes, ApiError> {
        Ok(attributes(Some(strict_json::parse(text.as_bytes())?))?)
    }

    fn wrong(text: &str) -> (String, String) {
        let error = read(text).unwrap_err();
        (error.details()[0].field.clone(), error.details()[0].rule.clone().into_owned())
    }

    #[test]
    fn what_is_given_comes_back_unchanged() {
        for text in [
            r#"{"a":"x","b":0.1,"c":true}"#,
            r#"{"a":9007199254740991,"b":-9007199254740991,"c":0}"#,
            r#"{"a":-0.0,"b":1.5e-7,"c":2.2250738585072014e-308,"d":5e-324}"#,
            r#"{"a":"line\nline\r\n\tend","b":""}"#,
            r#"{"a":0.30000000000000004,"b":1.7976931348623157,"d":122.416294033786585,"e":4.35}"#,
            r#"{"skills":["billing, refunds","vip"]}"#,
        ] {
            let given = read(text).unwrap();
            let shown = serde_json::to_string(&AttributesJson(&given.set)).unwrap();
            let (sent, back): (Value, Value) =
                (serde_json::from_str(text).unwrap(), serde_json::from_str(&shown).unwrap());
            assert_eq!(back, sent, "{shown}");
        }
        let zero = read(r#"{"a":-0.0}"#).unwrap();
        assert_eq!(serde_json::to_string(&AttributesJson(&zero.set)).unwrap(), r#"{"a":-0.0}"#);
    }

    #[test]
    fn null_is_for_removing() {
        let given = read(r#"{"a":null,"b":1,"c":null}"#).unwrap();
        assert_eq!(given.removed.into_iter().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(given.set.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_breaks_a_rule_names_its_key() {
        let kinds = RULE.to_string();
        let number =
            "must be a number from -9007199254740991 to 9007199254740991; a larger one goes as a text";
        for (text, field, rule) in [
            (r#"{"n":9007199254740992}"#, "attributes.n", number),
            (r#"{"n":9007199254740993}"#, "attributes.n", number),
            (r#"{"n":-9007199254740993}"#, "attributes.n", number),
            (r#"{"n":18446744073709551615}"#, "attributes.n", number),
            (r#"{"n":123456789012345678901234567890}"#, "attributes.n", number),
            (r#"{"n":1e300}"#, "attributes.n", number),
            (r#"{"l":["a"]}"#, "attributes.l", &kinds),
            (r#"{"skills":["a",1]}"#, "attributes.skills", &kinds),
            (r#"{"skills":["a"," "]}"#, "attributes.skills[1]", "must not be blank"),
            (r#"{"o":{"x":[1,{}]}}"#, "attributes.o", &kinds),
            (r#"{"t":"a\u0000"}"#, "attributes.t", "must not contain control characters"),
            (r#"{" ":[]}"#, "attributes", "must be an object whose keys are not blank"),
        ] {
            assert_eq!(wrong(text), (field.to_owned(), rule.to_owned()), "{text}");
        }
    }
}
