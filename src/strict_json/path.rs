//! Where in a JSON text something stands, as the details of an error name it. Pure.

/// `a` and `b` are `a.b`, `a` and `[0]` are `a[0]`.
pub(super) fn join(outer: &str, inner: &str) -> String {
    let dot = if outer.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inner}")
}

enum Step {
    /// In an object: the key that was read last, and whether the next text is one.
    Key(String, bool),
    /// In a list.
    Item(usize),
}

/// The path of the value that ends at byte `end` of `text`, which is valid JSON.
pub(super) fn of_value_ending_at(text: &str, end: usize) -> String {
    let bytes = &text.as_bytes()[..end.min(text.len())];
    let mut steps: Vec<Step> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let length = text_length(&bytes[at..]);
                if let Some(Step::Key(key, expected @ true)) = steps.last_mut() {
                    let written = bytes.get(at..at + length).unwrap_or_default();
                    *key = serde_json::from_slice(written).unwrap_or_default();
                    *expected = false;
                }
                at += length;
                continue;
            }
            b'{' => steps.push(Step::Key(String::new(), true)),
            b'[' => steps.push(Step::Item(0)),
            b'}' | b']' => {
                steps.pop();
            }
            b',' => match steps.last_mut() {
                Some(Step::Key(_, expected)) => *expected = true,
                Some(Step::Item(place)) => *place += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    steps.iter().fold(String::new(), |outer, step| match step {
        Step::Key(key, _) => join(&outer, key),
        Step::Item(place) => join(&outer, &format!("[{place}]")),
    })
}

/// How many bytes the text takes that `bytes` begin with, with its quotes.
pub(super) fn text_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_end() {
        for (text, path) in [
            ("1!", ""),
            ("[7,1!", "[1]"),
            (r#"{"a":1!"#, "a"),
            (r#"{"a":{"b\"{":[{},1!"#, r#"a.b"{[1]"#),
            (r#"{"a":"}],","b":[[2],1!"#, "b[1]"),
            (r#"{"a":[{"x":1}],"\u0062":1!"#, "b"),
        ] {
            let text = text.trim_end_matches('!');
            assert_eq!(of_value_ending_at(text, text.len()), path, "{text}");
            assert_eq!(of_value_ending_at(&format!("{text} ,2"), text.len()), path, "{text}");
        }
    }
}
