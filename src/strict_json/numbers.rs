//! The numbers of a JSON text, as they are written. The parser reads a long fraction in two roundings, which may give the
//! neighbour of the right number; from its text each is read exactly. Pure.

use super::path::text_length;

/// The numbers of `text`, which is valid JSON, in their order.
pub(super) fn written(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            match bytes[at] {
                b'"' => at += text_length(&bytes[at..]),
                b'-' | b'0'..=b'9' => {
                    let of_number = |b: &u8| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                    let length = bytes[at..].iter().take_while(|b| of_number(b)).count();
                    at += length;
                    return text.get(at - length..at);
                }
                _ => at += 1,
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_and_nothing_in_texts() {
        let text = r#"{"a1":[0,-1.5e+3,"2\"3"],"b":true,"c":{"d":1E400},"e":"é4","f":5}"#;
        assert_eq!(written(text).collect::<Vec<_>>(), ["0", "-1.5e+3", "1E400", "5"]);
        assert_eq!(written("7").collect::<Vec<_>>(), ["7"]);
        assert_eq!(written("\"1").count(), 0);
    }
}
