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

#[cfg(test)]
mod tests {
    use super::*;

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
