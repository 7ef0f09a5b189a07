//! Splits a body at its boundaries (RFC 2046, section 5.1.1), however the pieces are cut that it comes in. Pure: bytes
//! in, pieces out.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::{self, Finder};

use super::disposition::{self, Part};

/// All headers of one part. Browsers write about 200, and a name of a file has at most some 1,000.
const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// What stands before the first part and behind the last, and nobody reads.
const AROUND_BYTES_MAX: usize = 64 * 1024;
/// White space behind a boundary.
const PADDING_BYTES_MAX: usize = 128;

/// What a body consists of: of each part its head, its bytes in any number of pieces, and its end.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Part(Part),
    Data(Bytes),
    PartEnd,
}

/// Why a body is no `multipart/form-data`. The text is the rule, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the body does not begin with its boundary")]
    NoBoundary,
    #[error("the body ends before its last boundary")]
    CutOff,
    #[error("the headers of a part have more than {HEADERS_BYTES_MAX} bytes")]
    LargeHeaders,
    #[error("a part has a header that is malformed")]
    Header,
    #[error("each part must have one header content-disposition, of form-data, with a name")]
    Disposition,
    #[error("a part must be sent as it is, without a content-transfer-encoding")]
    TransferEncoding,
    #[error("there is too much around the parts")]
    TooMuchAround,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    /// The buffer begins with the line break behind a boundary.
    Headers,
    Data,
    /// Behind the last boundary.
    After,
}

pub(super) struct Splitter {
    /// A line break, two dashes, and the boundary.
    delimiter: Finder<'static>,
    state: State,
    /// What came and was not given out.
    buffer: BytesMut,
    /// Bytes before the first part, and behind the last.
    around: usize,
    /// What was found, and comes after the bytes before it.
    next: Option<Piece>,
}

/// What stands behind a delimiter.
enum Behind {
    /// A part, whose headers begin so many bytes on, with a line break.
    Part(usize),
    Last,
    /// Nothing that belongs there: the delimiter is none.
    Other,
    More,
}

impl Splitter {
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = Finder::new(&format!("\r\n--{boundary}")).into_owned();
        // The first boundary may be the first line, which no line break is before.
        let buffer = BytesMut::from(b"\r\n".as_slice());
        Self { delimiter, state: State::Before, buffer, around: 0, next: None }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// After the last byte, when [`Splitter::next`] has no piece left.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        match self.state {
            State::After => Ok(()),
            State::Before => Err(Malformed::NoBoundary),
            State::Headers | State::Data => Err(Malformed::CutOff),
        }
    }

    /// The next piece of what was pushed. None when more must come, or there is no more.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Malformed> {
        if let Some(piece) = self.next.take() {
            return Ok(Some(piece));
        }
        loop {
            match self.state {
                State::Before => {
                    let (_, found) = self.up_to_delimiter()?;
                    if !found {
                        return Ok(None);
                    }
                }
                State::Headers => return self.headers(),
                State::Data => {
                    let (data, found) = self.up_to_delimiter()?;
                    return Ok(match (data.is_empty(), found) {
                        (true, true) => Some(Piece::PartEnd),
                        (true, false) => None,
                        (false, _) => {
                            self.next = found.then_some(Piece::PartEnd);
                            Some(Piece::Data(data))
                        }
                    });
                }
                State::After => {
                    self.count_around(self.buffer.len())?;
                    self.buffer.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// What certainly stands before the next delimiter, and whether that was found, and with it the next state.
    fn up_to_delimiter(&mut self) -> Result<(Bytes, bool), Malformed> {
        let mut from = 0;
        let (end, state) = loop {
            let Some(at) = self.delimiter.find(&self.buffer[from..]).map(|at| from + at) else {
                // A delimiter may have begun.
                let begun = (self.delimiter.needle().len() - 1).min(self.buffer.len() - from);
                break (self.buffer.len() - begun, None);
            };
            let behind = at + self.delimiter.needle().len();
            match Behind::of(&self.buffer[behind..]) {
                Behind::Part(padding) => break (at, Some((State::Headers, behind + padding))),
                Behind::Last => break (at, Some((State::After, behind + 2))),
                Behind::Other => from = at + 1,
                Behind::More => break (at, None),
            }
        };
        let data = self.buffer.split_to(end).freeze();
        if self.state == State::Before {
            self.count_around(data.len())?;
        }
        if let Some((state, next)) = state {
            self.state = state;
            self.buffer.advance(next - end);
        }
        Ok((data, state.is_some()))
    }

    fn count_around(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.around += bytes;
        if self.around > AROUND_BYTES_MAX { Err(Malformed::TooMuchAround) } else { Ok(()) }
    }

    fn headers(&mut self) -> Result<Option<Piece>, Malformed> {
        let window = &self.buffer[..self.buffer.len().min(HEADERS_BYTES_MAX)];
        let Some(end) = memmem::find(window, b"\r\n\r\n") else {
            let is_full = window.len() == HEADERS_BYTES_MAX;
            return if is_full { Err(Malformed::LargeHeaders) } else { Ok(None) };
        };
        let part = part(window.get(2..end).unwrap_or_default())?;
        self.buffer.advance(end + 4);
        self.state = State::Data;
        Ok(Some(Piece::Part(part)))
    }
}

impl Behind {
    fn of(rest: &[u8]) -> Self {
        let padding = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
        match &rest[padding..] {
            _ if padding > PADDING_BYTES_MAX => Self::Other,
            [b'-', b'-', ..] if padding == 0 => Self::Last,
            [b'-'] if padding == 0 => Self::More,
            [b'\r', b'\n', ..] => Self::Part(padding),
            [] | [b'\r'] => Self::More,
            _ => Self::Other,
        }
    }
}

/// By its headers, without the line break behind the last. Those that say nothing about the form are ignored.
fn part(block: &[u8]) -> Result<Part, Malformed> {
    // Browsers write UTF-8; of older clients each byte is a character.
    let text = match std::str::from_utf8(block) {
        Ok(text) => text.to_owned(),
        Err(_) => block.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.split("\r\n").filter(|_| !text.is_empty()) {
        if line.contains(|c: char| c.is_ascii_control() && c != '\t') {
            return Err(Malformed::Header);
        }
        // A line that begins with white space goes on with the one before (RFC 5322, section 2.2.3).
        if line.starts_with([' ', '\t']) {
            lines.last_mut().ok_or(Malformed::Header)?.push_str(line);
        } else {
            lines.push(line.to_owned());
        }
    }
    let mut part = None;
    for line in &lines {
        let (name, value) = line.split_once(':').ok_or(Malformed::Header)?;
        let value = value.trim_matches([' ', '\t']);
        if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(Malformed::Header);
        }
        if name.eq_ignore_ascii_case("content-disposition") {
            if part.is_some() {
                return Err(Malformed::Disposition);
            }
            part = Some(disposition::parse(value).ok_or(Malformed::Disposition)?);
        }
        let is_as_it_is = || ["7bit", "8bit", "binary"].iter().any(|same| value.eq_ignore_ascii_case(same));
        if name.eq_ignore_ascii_case("content-transfer-encoding") && !is_as_it_is() {
            return Err(Malformed::TransferEncoding);
        }
    }
    part.ok_or(Malformed::Disposition)
}
