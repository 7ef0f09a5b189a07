//! Halves of surrogate pairs in JSON's escapes: `\\ud800` without its `\\udc00`. They are JSON by its grammar, and no
//! text in any encoding of Unicode.

use std::borrow::Cow;

/// Characters that mean nothing and are interchanged by nobody: one of them marks the place of a half.
const MARKS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';
/// Of an escape: backslash, `u` and four digits.
const ESCAPE_BYTES: usize = 6;

/// The text with each half replaced by a mark, which stands nowhere else in it. None when it has no half.
pub(super) fn marked(text: &str) -> Option<(String, char)> {
    let halves = halves(text);
    if halves.is_empty() {
        return None;
    }
    let folded = text.to_ascii_lowercase();
    let mark = MARKS
        .into_iter()
        .find(|mark| !text.contains(*mark) && !folded.contains(&format!("\\u{:04x}", u32::from(*mark))))?;
    Some((with(text, &halves, mark), mark))
}

/// The text with each half replaced as decoders of UTF-16 do.
pub(super) fn replaced(text: &str) -> Cow<'_, str> {
    let halves = halves(text);
    if halves.is_empty() { text.into() } else { with(text, &halves, '\u{fffd}').into() }
}

fn with(text: &str, halves: &[usize], mark: char) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut from = 0;
    for at in halves {
        whole.push_str(&text[from..*at]);
        whole.push(mark);
        from = at + ESCAPE_BYTES;
    }
    whole.push_str(&text[from..]);
    whole
}

/// Where the escapes of halves begin.
fn halves(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == b'\\')) {
        at += next;
        match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + ESCAPE_BYTES), Some(0xdc00..=0xdfff)) => {
                at += 2 * ESCAPE_BYTES;
            }
            Some(0xd800..=0xdfff) => {
                found.push(at);
                at += ESCAPE_BYTES;
            }
            Some(_) => at += ESCAPE_BYTES,
            // Another escape, of two bytes.
            None => at += 2,
        }
    }
    found
}

/// The UTF-16 unit whose escape begins here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    let all_hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| all_hexadecimal)?;
    u16::from_str_radix(digits, 16).ok()
}
