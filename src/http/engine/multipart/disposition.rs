//! `Content-Disposition` of a part (RFC 7578, section 4.2): what the part is called, and its file.

use super::parameters;

/// A part, by its headers. Its bytes are read from the body that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// As its sender calls the file: nothing is made harmless here.
    pub(crate) file_name: Option<String>,
}

/// None when it is malformed, of another type, or names nothing.
pub(super) fn parse(value: &str) -> Option<Part> {
    let (kind, rest) = value.split_once(';').unwrap_or((value, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file_name, mut extended) = (None, None, None);
    for (parameter, value) in parameters::parse(rest)? {
        match parameter.as_str() {
            "name" => name = Some(decoded(&value)),
            "filename" => file_name = Some(decoded(&value)),
            "filename*" => extended = extended_value(&value),
            // The extended form of a name is nobody's, and some readers would believe it more than the plain one.
            other if other.starts_with("name*") => return None,
            _ => {}
        }
    }
    // No browser writes the second form, but clients that do write the first in some form of ASCII beside it.
    Some(Part { name: name?, file_name: extended.or(file_name) })
}

/// Browsers write these three characters in percent, and no other, not even a percent sign (HTML, 4.10.21.8).
fn decoded(value: &str) -> String {
    let mut decoded = value.to_owned();
    for (written, character) in [("%22", "\""), ("%0D", "\r"), ("%0d", "\r"), ("%0A", "\n"), ("%0a", "\n")] {
        decoded = decoded.replace(written, character);
    }
    decoded
}

/// `UTF-8''na%C3%AFve.txt` (RFC 8187, section 3.2.1). None when it is malformed or in another encoding.
fn extended_value(value: &str) -> Option<String> {
    let (encoding, rest) = value.split_once('\'')?;
    let (_language, written) = rest.split_once('\'')?;
    let mut bytes = Vec::new();
    let mut rest = written.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let ([high, low], behind) = rest.split_first_chunk()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
        rest = behind;
    }
    if encoding.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok()
    } else if encoding.eq_ignore_ascii_case("iso-8859-1") {
        Some(bytes.into_iter().map(char::from).collect())
    } else {
        None
    }
}
