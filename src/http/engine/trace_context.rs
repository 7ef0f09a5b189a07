//! The caller's trace, which goes into the log's lines: `traceparent` as W3C Trace Context writes it, or nothing.

use http::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Version, trace, parent and flags, with dashes between them. Later versions may say more behind another dash.
const LENGTH: usize = 55;

/// What the log says of the caller's trace. None when it is not exactly one well-formed header; what a later version
/// adds is left out.
pub(crate) fn parent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let given = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (parent, more) = given.split_at_checked(LENGTH)?;
    let parts: Vec<&str> = parent.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { return None };
    let hexadecimal = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let names = |part: &str| part.bytes().any(|b| b != b'0');
    let whole = hexadecimal(version, 2)
        && *version != "ff"
        && hexadecimal(trace, 32)
        && names(trace)
        && hexadecimal(span, 16)
        && names(span)
        && hexadecimal(flags, 2)
        && (more.is_empty() || (*version != "00" && more.starts_with('-')));
    whole.then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent_of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACEPARENT, line.parse().unwrap());
        }
        parent(&headers).map(str::to_owned)
    }

    #[test]
    fn a_well_formed_parent_is_kept_and_a_later_versions_too() {
        assert_eq!(parent_of(&[WHOLE]).as_deref(), Some(WHOLE));
        let later = format!("cc{}", &WHOLE[2..]);
        for given in [later.clone(), format!("{later}-what-will-be")] {
            assert_eq!(parent_of(&[&given]), Some(later.clone()), "{given}");
        }
    }

    #[test]
    fn whatever_else_stands_there_is_left_out_of_the_log() {
        let long = "a".repeat(12_000);
        let longer = format!("{WHOLE}-{long}");
        let upper = WHOLE.to_uppercase();
        let version_ff = format!("ff{}", &WHOLE[2..]);
        for given in [
            "",
            "00",
            &long,
            &longer,
            &upper,
            &version_ff,
            &WHOLE[..54],
            &format!("{WHOLE}0"),
            &format!(" {WHOLE}"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        ] {
            assert_eq!(parent_of(&[given]), None, "{given:.80}");
        }
        assert_eq!(parent_of(&[WHOLE, WHOLE]), None);
    }
}
