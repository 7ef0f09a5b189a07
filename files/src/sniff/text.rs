//! Finds whether bytes are text, in which encoding as far as that is certain, and whether the text is a document that a
//! browser would run. Nobody can tell legacy encodings from one another, so such a text only must not look like a binary.

use crate::kind::Kind;
use crate::name;

/// One control character in so many is let through: chat logs and terminals write some, binaries many more.
const CONTROLS_ONE_IN: u64 = 32;

/// Endings that some program runs or renders, whatever the text in the file is.
const ACTIVE: &[&str] = &[
    "bat", "cjs", "cmd", "command", "desktop", "hta", "htm", "html", "inf", "jnlp", "js", "jse", "mht",
    "mhtml", "mjs", "ps1", "psm1", "reg", "scf", "sct", "shtml", "svg", "svgz", "url", "vbe", "vbs",
    "website", "wsc", "wsf", "wsh", "xht", "xhtml", "xml", "xsl", "xslt",
];

/// Elements that begin a document; those that people and chat logs begin a text with (`<ann>`, `<p align=..>`) do not.
const DOCUMENT_ELEMENTS: &[&[u8]] = &[
    b"html",
    b"head",
    b"body",
    b"title",
    b"meta",
    b"link",
    b"base",
    b"style",
    b"script",
    b"iframe",
    b"frameset",
    b"object",
    b"embed",
    b"svg",
    b"math",
];

/// How a text's characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16 {
        is_big: bool,
    },
    Utf32 {
        is_big: bool,
    },
    /// ASCII and something else in the other bytes, or in escape sequences.
    Legacy,
}

/// Text that is no document of markup and is not named like something that runs.
pub(super) fn text_kind(head: &[u8], encoding: Encoding, given_name: &str) -> Option<Kind> {
    let ending = name::ending(given_name);
    if ACTIVE.contains(&ending.as_str()) || is_document(&ascii(head, encoding)) {
        return None;
    }
    Some(if ending == "csv" { Kind::Csv } else { Kind::Text })
}

/// The text with everything but ASCII replaced: enough to see markup.
fn ascii(head: &[u8], encoding: Encoding) -> Vec<u8> {
    let narrow = |unit: u32| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?');
    let sixteen = |two: &[u8; 2], is_big| {
        u32::from(if is_big { u16::from_be_bytes(*two) } else { u16::from_le_bytes(*two) })
    };
    let thirty_two =
        |four: &[u8; 4], is_big| if is_big { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) };
    match encoding {
        Encoding::Utf8 | Encoding::Legacy => head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).to_vec(),
        Encoding::Utf16 { is_big } => {
            let units = head.as_chunks::<2>().0.iter().map(|two| sixteen(two, is_big));
            units.skip_while(|unit| *unit == 0xfeff).map(narrow).collect()
        }
        Encoding::Utf32 { is_big } => {
            let units = head.as_chunks::<4>().0.iter().map(|four| thirty_two(four, is_big));
            units.skip_while(|unit| *unit == 0xfeff).map(narrow).collect()
        }
    }
}

/// Whether the text begins, behind white space and comments, like an HTML, SVG or XML document.
fn is_document(text: &[u8]) -> bool {
    let mut rest = text.trim_ascii_start();
    while let Some(comment) = rest.strip_prefix(b"<!--") {
        let Some(end) = comment.windows(3).position(|window| window == b"-->") else { return true };
        rest = comment[end + 3..].trim_ascii_start();
    }
    let begins = |with: &[u8]| rest.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins(b"<!doctype") || begins(b"<?xml") {
        return true;
    }
    let Some(tag) = rest.strip_prefix(b"<") else { return false };
    let length = tag.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_')));
    let whole = &tag[..length.unwrap_or(tag.len())];
    // An element of XML may have a prefix.
    let name = whole.rsplit(|b| *b == b':').next().unwrap_or(whole);
    DOCUMENT_ELEMENTS.iter().any(|element| name.eq_ignore_ascii_case(element))
}

/// Looks at all bytes of a file as they come.
#[derive(Default)]
pub(crate) struct TextCheck {
    /// The first bytes, until there are enough of them to choose `units` by.
    first: Vec<u8>,
    /// What the text may be written in, if a character takes two bytes or four.
    units: Vec<Units>,
    bytes: ByteCheck,
}

impl TextCheck {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.push(bytes);
        if self.first.len() < 4 {
            self.first.extend(bytes);
            if self.first.len() >= 4 {
                self.choose_units();
                self.first.truncate(4);
            }
        } else {
            self.push_units(bytes);
        }
    }

    fn choose_units(&mut self) {
        self.units = Units::chosen_by(&self.first);
        self.push_units(&self.first.clone());
    }

    fn push_units(&mut self, bytes: &[u8]) {
        for units in &mut self.units {
            bytes.iter().for_each(|byte| units.push(*byte));
        }
        self.units.retain(|units| !units.is_broken);
    }

    /// The encoding, to be asked after the last byte. None when the file is not text.
    pub(crate) fn encoding(mut self) -> Option<Encoding> {
        if self.first.len() < 4 {
            self.choose_units();
        }
        let found = self.units.iter().filter_map(|units| Some((units, units.encoding()?)));
        match found.max_by_key(|(units, _)| units.latin) {
            Some((units, encoding)) if units.is_marked => Some(encoding),
            // Two letters of ASCII are a Chinese character as well.
            unmarked => self.bytes.encoding().or(unmarked.map(|(_, encoding)| encoding)),
        }
    }
}

/// Text of one byte a character, or of several without zeros among them.
#[derive(Default)]
struct ByteCheck {
    total: u64,
    controls: u64,
    has_zero: bool,
    is_no_utf8: bool,
    has_high: bool,
    /// The beginning of a UTF-8 character whose end has not come yet: at most 3 bytes.
    cut: Vec<u8>,
    was_escape: bool,
    /// What ISO 2022 changes its characters by.
    has_shift: bool,
}

impl ByteCheck {
    fn push(&mut self, bytes: &[u8]) {
        if self.has_zero {
            return;
        }
        self.total += bytes.len() as u64;
        for byte in bytes {
            self.has_zero |= *byte == 0;
            self.controls += u64::from(is_control(u32::from(*byte)));
            self.has_high |= !byte.is_ascii();
            self.has_shift |= (self.was_escape && matches!(byte, b'$' | b'(' | b')')) || *byte == 0x0e;
            self.was_escape = *byte == 0x1b;
        }
        if !self.is_no_utf8 {
            self.push_utf8(bytes);
        }
    }

    fn push_utf8(&mut self, bytes: &[u8]) {
        let joined;
        let bytes = if self.cut.is_empty() {
            bytes
        } else {
            joined = [&self.cut, bytes].concat();
            &joined
        };
        self.cut = match std::str::from_utf8(bytes) {
            Ok(_) => Vec::new(),
            Err(error) if error.error_len().is_none() => bytes[error.valid_up_to()..].to_vec(),
            Err(_) => {
                self.is_no_utf8 = true;
                Vec::new()
            }
        };
    }

    fn encoding(&self) -> Option<Encoding> {
        if self.has_zero || self.controls * CONTROLS_ONE_IN > self.total {
            return None;
        }
        let is_utf8 = !self.is_no_utf8 && self.cut.is_empty() && (self.has_high || !self.has_shift);
        Some(if is_utf8 { Encoding::Utf8 } else { Encoding::Legacy })
    }
}

/// Neither a white space nor what terminals and printers are told: bell, backspace, form feed, escape, shifts to
/// another set of characters, the end of a file of DOS, and what separates the fields of scanners and of libraries.
fn is_control(character: u32) -> bool {
    character < 0x20 && !matches!(character, 0x07..=0x0f | 0x1a..=0x1f)
}

/// Of the alphabets that people write in, their punctuation, and spaces.
fn is_in_use(character: u32) -> bool {
    matches!(
        character,
        0x09 | 0x0a
            | 0x0d
            | 0x20..=0x17f
            | 0x370..=0x6ff
            | 0x900..=0x10ff
            | 0x1e00..=0x1eff
            | 0x200b..=0x203a
            | 0x20a0..=0x20bf
            | 0x2116
            | 0x3000..=0x30ff
            | 0x4e00..=0x9fff
            | 0xac00..=0xd7a3
            | 0xff01..=0xffe6
    )
}

/// One character of another alphabet in so many is let through where nothing marks the encoding.
const UNUSED_ONE_IN: u64 = 32;
/// After so many characters a text that is none has shown itself.
const ENOUGH: u64 = 1024;

/// UTF-16 or UTF-32, with a mark in front or without.
struct Units {
    encoding: Encoding,
    is_marked: bool,
    unit: [u8; 4],
    filled: usize,
    /// A surrogate whose other half has to come next.
    wants_low: bool,
    is_broken: bool,
    total: u64,
    latin: u64,
    unused: u64,
    controls: u64,
}

impl Units {
    /// The marked one, or all: each but the right one breaks, or is of no alphabet.
    fn chosen_by(first: &[u8]) -> Vec<Self> {
        let marked = match first {
            [0xff, 0xfe, 0, 0, ..] => Encoding::Utf32 { is_big: false },
            [0, 0, 0xfe, 0xff, ..] => Encoding::Utf32 { is_big: true },
            [0xff, 0xfe, ..] => Encoding::Utf16 { is_big: false },
            [0xfe, 0xff, ..] => Encoding::Utf16 { is_big: true },
            _ => {
                let both = [false, true].into_iter();
                let all = both.flat_map(|is_big| [Encoding::Utf16 { is_big }, Encoding::Utf32 { is_big }]);
                return all.map(|encoding| Self::of(encoding, false)).collect();
            }
        };
        vec![Self::of(marked, true)]
    }

    fn of(encoding: Encoding, is_marked: bool) -> Self {
        Self {
            encoding,
            is_marked,
            unit: [0; 4],
            filled: 0,
            wants_low: false,
            is_broken: false,
            total: 0,
            latin: 0,
            unused: 0,
            controls: 0,
        }
    }

    fn push(&mut self, byte: u8) {
        if self.is_broken {
            return;
        }
        self.unit[self.filled] = byte;
        self.filled += 1;
        let [a, b, c, d] = self.unit;
        let character = match (self.encoding, self.filled) {
            (Encoding::Utf16 { is_big: true }, 2) => u32::from(u16::from_be_bytes([a, b])),
            (Encoding::Utf16 { is_big: false }, 2) => u32::from(u16::from_le_bytes([a, b])),
            (Encoding::Utf32 { is_big: true }, 4) => u32::from_be_bytes([a, b, c, d]),
            (Encoding::Utf32 { is_big: false }, 4) => u32::from_le_bytes([a, b, c, d]),
            _ => return,
        };
        self.filled = 0;
        self.total += 1;
        self.latin += u64::from(character < 0x100 && is_in_use(character));
        self.controls += u64::from(is_control(character));
        let is_sixteen = matches!(self.encoding, Encoding::Utf16 { .. });
        let (is_high, is_low) = (matches!(character, 0xd800..=0xdbff), matches!(character, 0xdc00..=0xdfff));
        // Pairs are of rarer alphabets, and pictures.
        self.unused += u64::from(!is_in_use(character) && !is_high && !is_low);
        self.is_broken = matches!(character, 0 | 0xfffe | 0xffff | 0x11_0000..)
            || is_low != self.wants_low
            || (is_high && !is_sixteen)
            || (self.total == ENOUGH && !self.is_likely());
        self.wants_low = is_high;
    }

    /// Any two bytes are some character: without a mark most must be those of a Latin text, or nearly all of some
    /// alphabet that is in use.
    fn is_likely(&self) -> bool {
        self.is_marked || self.latin * 2 >= self.total || self.unused * UNUSED_ONE_IN <= self.total
    }

    fn encoding(&self) -> Option<Encoding> {
        let is_whole = !self.is_broken && !self.wants_low && self.filled == 0;
        let is_text = self.total > 0 && self.controls * CONTROLS_ONE_IN <= self.total;
        (is_whole && self.is_likely() && is_text).then_some(self.encoding)
    }
}
