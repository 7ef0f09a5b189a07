//! From a parsed value to a type. Stricter than serde_json's own: a struct is an object, never an array of its fields;
//! and an error knows the path of the field it speaks of.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::node::Value;
use super::path::join;
use crate::errors::Detail;

/// A field that is not what it must be. The path grows from the inside out.
#[derive(Debug)]
pub(super) struct Wrong(Box<Detail>);

impl Wrong {
    fn new(field: &str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Detail::new(field, rule)))
    }

    fn inside(mut self, outer: &str) -> Self {
        self.0.field = join(outer, &self.0.field);
        self
    }

    pub(super) fn into_detail(self) -> Detail {
        *self.0
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.field, self.0.rule)
    }
}

impl std::error::Error for Wrong {}

/// What serde calls a type, in a client's words.
fn rule(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "a string" => "must be a text".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" | "an object" => "must be an object".to_owned(),
        "f32" | "f64" => "must be a number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => {
            "must be a whole number in range".to_owned()
        }
        other => format!("must be {other}"),
    }
}

impl Error for Wrong {
    fn custom<T: Display>(message: T) -> Self {
        Self::new("", message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new("", rule(expected))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new("", rule(expected))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new("", rule(expected))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let _ = variant; // What was sent is not repeated: it may be long, or hostile.
        Self::new("", format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new(field, "is not known")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, "is required")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(field, "is given twice")
    }
}

/// Beyond it not every whole number is a float of its own.
const WHOLE_FLOAT_MAX: f64 = 9_007_199_254_740_991.0;

/// `5.0` and `5e0` are the whole number 5, as JSON Schema has it.
macro_rules! whole_numbers {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match self {
                Value::Float(number) if number.fract() == 0.0 && number.abs() <= WHOLE_FLOAT_MAX => {
                    if number < 0.0 { visitor.visit_i64(number as i64) } else { visitor.visit_u64(number as u64) }
                }
                other => other.deserialize_any(visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Flag(flag) => visitor.visit_bool(flag),
            Value::Unsigned(number) => visitor.visit_u64(number),
            Value::Signed(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Value::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Value::List(items) => {
                let mut items = Items { rest: items.into_iter(), index: 0 };
                let list = visitor.visit_seq(&mut items)?;
                // A tuple that stops early left some.
                if items.rest.next().is_some() {
                    return Err(Wrong::new("", "has too many items"));
                }
                Ok(list)
            }
            Value::Object(fields) => visitor.visit_map(Fields { rest: fields.into_iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if matches!(self, Value::Object(_)) {
            self.deserialize_any(visitor)
        } else {
            Err(Wrong::new("", "must be an object"))
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Value::Text(Cow::Borrowed(text)) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Value::Text(Cow::Owned(text)) => visitor.visit_enum(StringDeserializer::new(text)),
            Value::Object(fields) if fields.len() == 1 => visitor
                .visit_enum(MapAccessDeserializer::new(Fields { rest: fields.into_iter(), value: None })),
            Value::Object(_) => Err(Wrong::new("", "must have exactly one field")),
            Value::Null
            | Value::Flag(_)
            | Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::List(_) => Err(Wrong::new("", "must be a text")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier
    }
}

/// A list's items, with the index that an error is at.
struct Items<'de> {
    rest: std::vec::IntoIter<Value<'de>>,
    index: usize,
}

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some(item) = self.rest.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(item).map(Some).map_err(|wrong| wrong.inside(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// An object's fields, with the key that an error is at.
struct Fields<'de> {
    rest: std::vec::IntoIter<(Cow<'de, str>, Value<'de>)>,
    value: Option<(Cow<'de, str>, Value<'de>)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        // The key is read twice, by the type and for the path; most are borrowed.
        let name = Value::Text(key.clone());
        self.value = Some((key, value));
        seed.deserialize(name).map(Some).map_err(|wrong| self.at_key(wrong))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (key, value) = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(value).map_err(|wrong| wrong.inside(&key))
    }
}

impl Fields<'_> {
    /// An unknown field names itself already; what else is wrong with a key gets the key as its path.
    fn at_key(&self, wrong: Wrong) -> Wrong {
        match &self.value {
            Some((key, _)) if wrong.0.field.is_empty() => wrong.inside(key),
            _ => wrong,
        }
    }
}
