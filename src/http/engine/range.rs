//! One range of a file's bytes, for `Range` and `Content-Range` (RFC 9110, section 14).

use http::{HeaderMap, HeaderValue, header};

use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::etag::ETag;

/// Bytes of a file: from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Counted from 0.
    pub first: u64,
    /// Less than the file's size.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes it has, at least one.
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }

    /// For `Content-Range`, of a file of `size` bytes.
    pub fn content_range(self, size: u64) -> HeaderValue {
        let text = format!("bytes {}-{}/{size}", self.first, self.last);
        HeaderValue::try_from(text).expect("words and numbers are a header value")
    }

    /// What is asked for of a file of `size` bytes; none: the whole. So it is for several ranges, for units that are
    /// no bytes, and when `If-Range` names another version than `etag`. A range that the file does not have, or that is
    /// none, is 416.
    pub fn asked(headers: &HeaderMap, etag: &ETag, size: u64) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(header::RANGE) else { return Ok(None) };
        let same = headers.get(header::IF_RANGE).is_none_or(|version| *version == etag.header_value());
        let spec = value.to_str().ok().and_then(|text| text.strip_prefix("bytes="));
        let Some(spec) = spec.filter(|spec| same && !spec.contains(',')) else { return Ok(None) };
        match parse(spec, size) {
            Some(range) => Ok(Some(range)),
            None => {
                let unsatisfied = HeaderValue::try_from(format!("bytes */{size}"));
                let unsatisfied = unsatisfied.expect("words and numbers are a header value");
                let message = "the file does not have this range";
                Err(ApiError::new(ErrorCode::RangeNotSatisfiable, message)
                    .with_header(header::CONTENT_RANGE, unsatisfied))
            }
        }
    }
}

/// `a-b`, `a-` or `-n`: from a to b, from a to the end, the last n.
fn parse(spec: &str, size: u64) -> Option<ByteRange> {
    let (from, to) = spec.trim().split_once('-')?;
    let end = size.checked_sub(1)?;
    if from.is_empty() {
        let count = number(to)?.min(size);
        return (count > 0).then(|| ByteRange { first: size - count, last: end });
    }
    let first = number(from)?;
    let last = if to.is_empty() { end } else { number(to)? };
    // A range that ends behind the file ends with it.
    (first <= last && first <= end).then(|| ByteRange { first, last: last.min(end) })
}

/// In plain digits; what is too large for a number is larger than any file.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, if_range: Option<&str>) -> Result<Option<(u64, u64)>, ErrorCode> {
        let mut headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
        if let Some(version) = if_range {
            headers.insert(header::IF_RANGE, version.parse().unwrap());
        }
        let asked = ByteRange::asked(&headers, &ETag::of_version(1), 100);
        asked.map(|range| range.map(|range| (range.first, range.last))).map_err(|error| error.code())
    }

    #[test]
    fn one_range_is_one_range_and_several_are_the_whole() {
        for (range, expected) in [
            ("bytes=0-0", Some((0, 0))),
            ("bytes=10-19", Some((10, 19))),
            ("bytes=90-", Some((90, 99))),
            ("bytes=90-100000000000000000000", Some((90, 99))),
            ("bytes=-1", Some((99, 99))),
            ("bytes=-1000", Some((0, 99))),
            ("bytes=0-1,5-6", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(asked(range, None), Ok(expected), "{range}");
        }
    }

    #[test]
    fn a_range_that_is_not_there_is_refused() {
        for range in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=",
            "bytes=1",
            "bytes=+1-2",
        ] {
            assert_eq!(asked(range, None), Err(ErrorCode::RangeNotSatisfiable), "{range}");
        }
        assert_eq!(parse("0-", 0), None);
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        assert_eq!(asked("bytes=0-1", Some("\"1\"")), Ok(Some((0, 1))));
        assert_eq!(asked("bytes=0-1", Some("\"2\"")), Ok(None));
        assert_eq!(asked("bytes=999-", Some("\"2\"")), Ok(None));
    }

    #[test]
    fn its_length_and_its_header_count_both_ends() {
        let range = ByteRange { first: 10, last: 19 };
        assert_eq!(range.length(), 10);
        assert_eq!(range.content_range(100), "bytes 10-19/100");
    }
}
