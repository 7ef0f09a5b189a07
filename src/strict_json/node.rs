//! A value that was parsed whole, and why one was refused.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{numbers, path, surrogates};
use crate::errors::{ApiError, Detail, ErrorCode};

/// How deep arrays and objects may lie in each other; the outermost counts as one.
pub const DEPTH_MAX: u8 = 32;
/// Objects with more keys than this are searched for a repeated one by hashing.
const FEW_KEYS: usize = 16;

/// Why JSON was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// It cannot be parsed; says where.
    Syntax(String),
    /// It was parsed, and breaks this rule.
    Schema(Detail),
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax(why) => ApiError::new(ErrorCode::InvalidJson, why),
            JsonError::Schema(detail) => ApiError::invalid(vec![detail]),
        }
    }
}

/// What a text field must be, as the details of an error say it.
///
/// # Errors
/// `VALIDATION_FAILED` of `field`.
pub fn valid<T>(field: &str, parsed: Result<T, domain::TextError>) -> Result<T, ApiError> {
    parsed.map_err(|wrong| ApiError::invalid_field(field, wrong.to_string()))
}

/// Parses `bytes` and makes them a `T`. A repeated key is refused everywhere, in free maps too.
///
/// # Errors
/// Those of [`Node::parse`] and [`Node::decode`].
pub fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonError> {
    Node::parse(bytes)?.decode()
}

/// A parsed JSON value without repeated keys; texts without escapes are borrowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'de>(Value<'de>);

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'de> {
    Null,
    Flag(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'de, str>),
    List(Vec<Value<'de>>),
    Object(Vec<(Cow<'de, str>, Value<'de>)>),
}

impl<'de> Node<'de> {
    /// Parses all of `bytes`.
    ///
    /// # Errors
    /// [`JsonError::Syntax`], or [`JsonError::Schema`] of a repeated key and of a text or number that none holds.
    pub fn parse(bytes: &'de [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|wrong| JsonError::Syntax(format!("not UTF-8 from byte {}", wrong.valid_up_to())))?;
        let mut input = serde_json::Deserializer::from_str(text);
        let value = AtDepth(1).deserialize(&mut input).and_then(|value| input.end().map(|()| value));
        let mut value = value.map_err(|wrong| refused(text, &wrong))?;
        if has_fraction(&value) {
            read_exactly(&mut value, &mut numbers::written(text));
        }
        match repeated_key(&value) {
            Some(path) => Err(JsonError::Schema(Detail::new(path, "is given twice"))),
            None => Ok(Self(value)),
        }
    }

    /// A text among the fields of what [`Self::parse`] refused with [`JsonError::Schema`]: what to call it in the answer.
    pub fn text_of_refused(bytes: &[u8], key: &str) -> Option<String> {
        let text = surrogates::replaced(std::str::from_utf8(bytes).ok()?);
        let mut input = serde_json::Deserializer::from_str(&text);
        let value = AtDepth(1).deserialize(&mut input).ok()?;
        Node(value).field(key).as_ref().and_then(Node::text).map(str::to_owned)
    }

    /// The value of `key`; none when there is none or this is no object.
    pub fn field(&self, key: &str) -> Option<Node<'de>> {
        match &self.0 {
            Value::Object(fields) => {
                fields.iter().find(|(name, _)| name == key).map(|(_, value)| Node(value.clone()))
            }
            Value::Null
            | Value::Flag(_)
            | Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => None,
        }
    }

    /// It, when it is a text.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.0 { Some(text) } else { None }
    }

    /// It is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.0, Value::Object(_))
    }

    /// Makes it a `T`: with `deny_unknown_fields` on `T`, a field that it does not name is refused.
    ///
    /// # Errors
    /// [`JsonError::Schema`].
    pub fn decode<T: Deserialize<'de>>(self) -> Result<T, JsonError> {
        T::deserialize(self.0).map_err(|wrong| JsonError::Schema(wrong.into_detail()))
    }
}

/// A number such as `1e999` is JSON that no number type holds, and half of a surrogate pair (`\\ud800`) JSON that no
/// text holds: 422 if the rest can be parsed, else 400.
fn refused(text: &str, wrong: &serde_json::Error) -> JsonError {
    if let Some(detail) = half_pair(text) {
        return JsonError::Schema(detail);
    }
    let out_of_range = wrong.to_string().starts_with("number out of range");
    if out_of_range && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        let lines = text.split_inclusive('\n').take(wrong.line().saturating_sub(1));
        let end = lines.map(str::len).sum::<usize>() + wrong.column();
        return JsonError::Schema(Detail::new(path::of_value_ending_at(text, end), "must fit 64 bits"));
    }
    JsonError::Syntax(format!("not JSON: {wrong}"))
}

/// Where half of a surrogate pair stands, if that is all that is wrong.
fn half_pair(text: &str) -> Option<Detail> {
    let (marked, mark) = surrogates::marked(text)?;
    let mut input = serde_json::Deserializer::from_str(&marked);
    let value = AtDepth(1).deserialize(&mut input).and_then(|value| input.end().map(|()| value)).ok()?;
    let path = path_of(&value, mark)?.replace(mark, "\u{fffd}");
    Some(Detail::new(path, "must be whole characters: half of a surrogate pair, such as \\ud800, is none"))
}

/// The path of the first text or key that holds `mark`.
fn path_of(value: &Value<'_>, mark: char) -> Option<String> {
    match value {
        Value::Null | Value::Flag(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => None,
        Value::Text(text) => text.contains(mark).then(String::new),
        Value::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            path_of(item, mark).map(|path| path::join(&format!("[{index}]"), &path))
        }),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let inside = if key.contains(mark) { Some(String::new()) } else { path_of(value, mark) };
            inside.map(|path| path::join(key, &path))
        }),
    }
}

/// Some number of it is not a whole one.
fn has_fraction(value: &Value<'_>) -> bool {
    match value {
        Value::Float(_) => true,
        Value::List(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.iter().any(|(_, value)| has_fraction(value)),
        Value::Null | Value::Flag(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Text(_) => false,
    }
}

/// Gives each number that is not a whole one the value that is nearest to how it is `written`.
fn read_exactly<'t>(value: &mut Value<'_>, written: &mut impl Iterator<Item = &'t str>) {
    match value {
        Value::Float(number) => {
            if let Some(exact) = written.next().and_then(|text| text.parse().ok()) {
                *number = exact;
            }
        }
        Value::Unsigned(_) | Value::Signed(_) => drop(written.next()),
        Value::List(items) => items.iter_mut().for_each(|item| read_exactly(item, written)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| read_exactly(value, written)),
        Value::Null | Value::Flag(_) | Value::Text(_) => {}
    }
}

/// The path of a key that its object has twice.
fn repeated_key(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null
        | Value::Flag(_)
        | Value::Unsigned(_)
        | Value::Signed(_)
        | Value::Float(_)
        | Value::Text(_) => None,
        Value::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            repeated_key(item).map(|path| path::join(&format!("[{index}]"), &path))
        }),
        Value::Object(fields) => repeated_here(fields).or_else(|| {
            fields.iter().find_map(|(key, value)| repeated_key(value).map(|path| path::join(key, &path)))
        }),
    }
}

fn repeated_here(fields: &[(Cow<'_, str>, Value<'_>)]) -> Option<String> {
    if fields.len() <= FEW_KEYS {
        let twice = |(index, (key, _)): &(usize, &(Cow<'_, str>, Value<'_>))| {
            fields[..*index].iter().any(|(earlier, _)| earlier == key)
        };
        return fields.iter().enumerate().find(twice).map(|(_, (key, _))| key.to_string());
    }
    let mut seen = HashSet::with_capacity(fields.len());
    fields.iter().find(|(key, _)| !seen.insert(key.as_ref())).map(|(key, _)| key.to_string())
}

/// Reads one value; arrays and objects in it lie at this depth.
struct AtDepth(u8);

impl<'de> DeserializeSeed<'de> for AtDepth {
    type Value = Value<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Value<'de>, D::Error> {
        input.deserialize_any(self)
    }
}

impl AtDepth {
    fn inside<E: serde::de::Error>(&self) -> Result<u8, E> {
        if self.0 > DEPTH_MAX {
            return Err(E::custom(format_args!("deeper than {DEPTH_MAX}")));
        }
        Ok(self.0 + 1)
    }
}

impl<'de> Visitor<'de> for AtDepth {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value<'de>, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let depth = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(AtDepth(depth))? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let depth = self.inside()?;
        let mut fields = Vec::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            fields.push((key, entries.next_value_seed(AtDepth(depth))?));
        }
        Ok(Value::Object(fields))
    }
}

/// Reads a key, borrowed when it has no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Cow<'de, str>, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Request {
        client_id: String,
        text: Option<String>,
        seq: Option<u32>,
        file_ids: Option<Vec<String>>,
        to: Option<To>,
        attributes: Option<BTreeMap<String, bool>>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum To {
        AgentId(String),
        TeamId(String),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: u8,
    }

    const HALF: &str = "must be whole characters: half of a surrogate pair, such as \\ud800, is none";

    #[test]
    fn whole_pairs_and_escaped_backslashes_are_texts() {
        let text = r#"{"client_id":"\ud83d\ude00","text":"\\ud800 \uD83D\uDE00"}"#;
        let read: Request = parse(text.as_bytes()).unwrap();
        assert_eq!((read.client_id.as_str(), read.text.as_deref()), ("\u{1f600}", Some("\\ud800 \u{1f600}")));
    }

    #[test]
    fn what_was_refused_still_has_its_name() {
        let refused = br#"{"id":"7","text":"\ud800","id2":"\ud800"}"#;
        assert_eq!(Node::text_of_refused(refused, "id").as_deref(), Some("7"));
        assert_eq!(Node::text_of_refused(refused, "id2").as_deref(), Some("\u{fffd}"));
        assert_eq!(Node::text_of_refused(b"{", "id"), None);
    }

    fn wrong_field(text: &str) -> (String, String) {
        match parse::<Request>(text.as_bytes()) {
            Err(JsonError::Schema(detail)) => (detail.field, detail.rule.into_owned()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_sent() {
        let text = r#"{"client_id":"c\n1","seq":4294967295,"to":{"team_id":"t"},"attributes":{"a":true},"text":null}"#;
        let read: Request = parse(text.as_bytes()).unwrap();
        assert_eq!((read.client_id.as_str(), read.seq, read.text), ("c\n1", Some(u32::MAX), None));
        assert_eq!(read.to, Some(To::TeamId("t".into())));
    }

    #[test]
    fn what_cannot_be_parsed_is_syntax_wherever_it_stands() {
        let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
        for broken in [
            "",
            " ",
            "{",
            r#"{"client_id":"#,
            r#"{"client_id":"a"} x"#,
            "{'a':1}",
            r#"{"unknown":1,"client_id":"a""#,
            r#"{"client_id":1,}"#,
            r#"{"client_id":"\ud800""#,
            r#"{"client_id":"\ud80"}"#,
            r#"{"client_id":"\ud800", x}"#,
            "nul",
            "01",
            "NaN",
            "{\"a\":\"\u{1}\"}",
            &deep,
            r#"{"seq":1e999"#,
        ] {
            let read = parse::<Request>(broken.as_bytes());
            assert!(matches!(read, Err(JsonError::Syntax(_))), "{broken}: {read:?}");
        }
        assert!(matches!(parse::<Request>(b"{\"client_id\":\"\xff\"}"), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_float() {
        for (written, read) in
            [("5", Some(5)), ("5.0", Some(5)), ("5e0", Some(5)), ("0.5e1", Some(5)), ("-0.0", Some(0))]
        {
            let text = format!(r#"{{"client_id":"a","seq":{written}}}"#);
            assert_eq!(parse::<Request>(text.as_bytes()).unwrap().seq, read, "{written}");
        }
        for written in ["5.5", "-5.0", "4294967296.0", "1e300", "9007199254740993.5"] {
            let text = format!(r#"{{"client_id":"a","seq":{written}}}"#);
            assert_eq!(wrong_field(&text).0, "seq", "{written}");
        }
    }

    #[test]
    fn what_is_parsed_and_wrong_names_its_field() {
        for (text, field, rule) in [
            (r#"{}"#, "client_id", "is required"),
            (r#"{"client_id":"a","x":1}"#, "x", "is not known"),
            (r#"{"client_id":1}"#, "client_id", "must be a text"),
            (r#"{"client_id":"a","client_id":"a"}"#, "client_id", "is given twice"),
            (r#"{"client_id":"a","attributes":{"k":true,"k":true}}"#, "attributes.k", "is given twice"),
            (r#"{"client_id":"a","seq":-1}"#, "seq", "must be a whole number in range"),
            (r#"{"client_id":"a","seq":4294967296}"#, "seq", "must be a whole number in range"),
            (r#"{"client_id":"a","seq":1.5}"#, "seq", "must be a whole number in range"),
            (r#"{"client_id":"a","seq":1e999}"#, "seq", "must fit 64 bits"),
            (
                "{\n\"client_id\":\"a\",\n \"inner\":{\"a\": -1E400 },\"seq\":1}",
                "inner.a",
                "must fit 64 bits",
            ),
            (r#"{"client_id":"a","file_ids":["a",1e400,"b"]}"#, "file_ids[1]", "must fit 64 bits"),
            (r#"{"client_id":"\ud800"}"#, "client_id", HALF),
            (r#"{"client_id":"a","text":"x\uDFFFy"}"#, "text", HALF),
            (r#"{"client_id":"a","text":"\udc00\ud800"}"#, "text", HALF),
            (r#"{"client_id":"a","text":"\ud800\u0041"}"#, "text", HALF),
            (r#"{"client_id":"a","text":"\ud83d\ude00\ud83d"}"#, "text", HALF),
            (r#"{"client_id":"a","text":"\ufdd0\ud800"}"#, "text", HALF),
            (r#"{"client_id":"a","file_ids":["a","\udead"]}"#, "file_ids[1]", HALF),
            (r#"{"client_id":"a","attributes":{"k\ud800":true}}"#, "attributes.k\u{fffd}", HALF),
            (r#"{"client_id":"a","to":{"agent_id":"\\\ud800"}}"#, "to.agent_id", HALF),
            (r#"{"client_id":"a","file_ids":["a",2]}"#, "file_ids[1]", "must be a text"),
            (r#"{"client_id":"a","to":{"bot_id":"b"}}"#, "to.bot_id", "must be one of agent_id, team_id"),
            (r#"{"client_id":"a","to":{"team_id":7}}"#, "to.team_id", "must be a text"),
            (r#"{"client_id":"a","to":{}}"#, "to", "must have exactly one field"),
            (r#"{"client_id":"a","inner":{"a":256}}"#, "inner.a", "must be a whole number in range"),
            (r#"{"client_id":"a","inner":[1]}"#, "inner", "must be an object"),
            (r#"["a"]"#, "", "must be an object"),
            ("null", "", "must be an object"),
        ] {
            assert_eq!(wrong_field(text), (field.to_owned(), rule.to_owned()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_read_as_it_is_written(
            numbers in proptest::collection::vec(-1e17..1e17, 1..5),
            small in 0.0..1.0,
            whole in proptest::prelude::any::<i64>(),
        ) {
            let text = format!(r#"{{"a":[{numbers:?},"1.5"],"b":{whole},"c":{small}}}"#);
            #[derive(Debug, Deserialize)]
            struct Numbers { a: (Vec<f64>, String), b: i64, c: f64 }
            let read: Numbers = parse(text.as_bytes()).unwrap();
            proptest::prop_assert_eq!((read.a.0, read.b, read.c), (numbers, whole, small));
        }
    }

    #[test]
    fn depth_32_passes_and_many_keys_are_no_burden() {
        let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
        assert!(Node::parse(deep.as_bytes()).is_ok());
        let many: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":1")).collect();
        assert!(Node::parse(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        let twice = format!("{{{},\"k7\":1}}", many.join(","));
        assert!(
            matches!(Node::parse(twice.as_bytes()), Err(JsonError::Schema(detail)) if detail.field == "k7")
        );
    }
}
