//! What was probably meant by a key that no setting has. Texts in, texts out.

/// How alike two names must be, from 0 to 1, to be taken for a slip of the pen.
const ALIKE: f64 = 0.6;

/// The known path that is most like `wrong`, if one is. Paths are keys joined by dots; the right key in another section
/// comes before any likeness.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |path: &'a str| path.rsplit('.').next().unwrap_or(path);
    let wrong_last = wrong.rsplit('.').next().unwrap_or(wrong);
    let likeness = |path: &'a str| {
        if last(path) == wrong_last {
            return 2.0;
        }
        strsim::normalized_damerau_levenshtein(wrong, path)
            .max(strsim::normalized_damerau_levenshtein(wrong_last, last(path)) - 0.01)
    };
    let best = known.map(|path| (likeness(path), path)).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// What the parser of the config file says of a file: the place, and the rule in words.
pub(super) fn in_words_at(error: &toml::de::Error) -> String {
    error.to_string().trim_end().replace(error.message(), &in_words(error.message()))
}

/// A rule in the words of people, where the parser names a type of this program.
pub(super) fn in_words(message: &str) -> String {
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected.trim());
    let rule = match expected {
        "u8" => "must be a whole number, 0 to 255, without quotes",
        "u16" => "must be a whole number, 0 to 65535, without quotes",
        "u32" | "u64" | "usize" => "must be a whole number, 0 or more, without quotes",
        "a sequence" => "must be a list in square brackets",
        "a string" => "must be a text in quotes",
        "a boolean" => "must be true or false, without quotes",
        _ => message,
    };
    rule.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_of_the_program_is_told_in_the_words_of_people() {
        for (message, rule) in [
            (
                "invalid value: integer `-1`, expected usize",
                "must be a whole number, 0 or more, without quotes",
            ),
            ("invalid type: string \"5\", expected u64", "must be a whole number, 0 or more, without quotes"),
            ("invalid value: integer `300`, expected u8", "must be a whole number, 0 to 255, without quotes"),
            ("invalid type: string \"a\", expected a sequence", "must be a list in square brackets"),
            ("invalid type: integer `8080`, expected a string", "must be a text in quotes"),
            ("invalid type: string \"no\", expected a boolean", "must be true or false, without quotes"),
            ("duplicate key", "duplicate key"),
            ("unknown variant `x`, expected `a` or `b`", "unknown variant `x`, expected `a` or `b`"),
        ] {
            assert_eq!(in_words(message), rule, "{message}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_anything_else_is_not() {
        let known =
            ["listen", "public_url", "data_dir", "limits.text_bytes_max", "log.format", "store.cql.nodes"];
        for (wrong, meant) in [
            ("lisen", Some("listen")),
            ("publicurl", Some("public_url")),
            ("text_bytes_max", Some("limits.text_bytes_max")),
            ("limits.text_byte_max", Some("limits.text_bytes_max")),
            ("limit.text_bytes_max", Some("limits.text_bytes_max")),
            ("log.fromat", Some("log.format")),
            ("store.nodes", Some("store.cql.nodes")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wrong, known.into_iter()), meant, "{wrong}");
        }
    }
}
