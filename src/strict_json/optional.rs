//! Fields that need not be there, in the forms in which clients leave them out: absent, null, and empty.

use serde::{Deserialize, Deserializer};

/// Reads a field that may be left out, for `#[serde(default, deserialize_with = ...)]`: an empty text is as if absent.
pub fn text_unless_empty<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.filter(|text| !text.is_empty()))
}

/// Reads a list or a flag that may be left out, for `#[serde(default, deserialize_with = ...)]`: many languages write null for
/// what is not there.
pub fn unless_null<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

/// The same as [`text_unless_empty`] for a text whose ends are trimmed: nothing is left of one that holds nothing to see.
pub fn text_unless_blank<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let is_seen = |c: char| !c.is_whitespace() && !domain::is_invisible(c);
    Ok(Option::<String>::deserialize(input)?.filter(|text| text.contains(is_seen)))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Body {
        #[serde(default, deserialize_with = "text_unless_empty")]
        text: Option<String>,
        #[serde(default, deserialize_with = "text_unless_blank")]
        email: Option<String>,
        #[serde(default, deserialize_with = "unless_null")]
        list: Vec<String>,
        #[serde(default, deserialize_with = "unless_null")]
        flag: bool,
    }

    #[test]
    fn what_is_left_out_may_be_written() {
        let absent: Body = serde_json::from_value(json!({})).unwrap();
        for given in [
            json!({ "text": null, "email": null, "list": null, "flag": null }),
            json!({ "text": "", "email": "", "list": [], "flag": false }),
            json!({ "email": " \t" }),
            json!({ "email": "\u{200b}\u{3000}" }),
        ] {
            assert_eq!(serde_json::from_value::<Body>(given.clone()).unwrap(), absent, "{given}");
        }
        let given: Body =
            serde_json::from_value(json!({ "text": " ", "email": " a ", "list": ["a"], "flag": true }))
                .unwrap();
        assert_eq!((given.text.as_deref(), given.email.as_deref()), (Some(" "), Some(" a ")));
        assert_eq!((given.list.len(), given.flag), (1, true));
        for wrong in
            [json!({ "text": 1 }), json!({ "list": "a" }), json!({ "flag": "true" }), json!({ "flag": 0 })]
        {
            assert!(serde_json::from_value::<Body>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
