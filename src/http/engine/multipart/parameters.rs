//! Parameters of a header's value (RFC 2045, section 5.1): `; name=value`, each value a token or in quotes.

/// Lower-case names and their values, each name once. None when they break the grammar.
pub(super) fn parse(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        // Some clients write a semicolon behind the last one.
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Some(parameters);
        }
        let (name, behind) = rest.split_once('=')?;
        if !is_token(name) {
            return None;
        }
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (token, behind) = behind.split_at(behind.find([';', ' ', '\t']).unwrap_or(behind.len()));
                if !is_token(token) {
                    return None;
                }
                (token.to_owned(), behind)
            }
        };
        rest = behind.trim_start_matches([' ', '\t']);
        let name = name.to_ascii_lowercase();
        if !(rest.is_empty() || rest.starts_with(';')) || parameters.iter().any(|(other, _)| *other == name) {
            return None;
        }
        parameters.push((name, value));
    }
}

/// What stands in quotes whose first was taken off, and what is behind the last.
///
/// A backslash takes its special meaning away from a quote and from itself. Before anything else it is one: browsers
/// write names as they are, and some with the whole path of Windows. So a name that ends with a backslash can look
/// like one that never ends; it does end where the header does.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match quoted[at + 1..].chars().next() {
                Some('"') if quoted.len() == at + 2 => return Some((value + "\\", "")),
                Some(escaped @ ('"' | '\\')) => {
                    value.push(escaped);
                    characters.next();
                }
                Some(_) | None => value.push('\\'),
            },
            character => value.push(character),
        }
    }
    None
}

/// RFC 2045, with what its extensions (RFC 2231) put into names.
fn is_token(text: &str) -> bool {
    let special = |b: u8| b"()<>@,;:\\\"/[]?=".contains(&b);
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !special(b))
}
