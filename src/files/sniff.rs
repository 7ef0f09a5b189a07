//! What a file is, by its bytes. The table is the whole list of kinds that are taken; what a client says of a file is
//! never asked, and its name only tells kinds of text apart. What a browser would run (HTML, SVG, XML, scripts) is
//! none of them.

use std::io::{self, Read, Seek, SeekFrom};

use super::image::{self, Size};
use super::name;

/// A kind of file that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kinds name themselves")]
pub enum Kind {
    Png,
    Jpeg,
    Gif,
    Webp,
    Avif,
    Pdf,
    Text,
    Csv,
    Zip,
    Docx,
    Xlsx,
    Pptx,
    Odt,
    Ods,
    Odp,
    Doc,
    Xls,
    Ppt,
    Mp3,
    Ogg,
    Wav,
    Mp4,
    M4a,
    Webm,
}

impl Kind {
    const ALL: [Self; 24] = [
        Self::Png,
        Self::Jpeg,
        Self::Gif,
        Self::Webp,
        Self::Avif,
        Self::Pdf,
        Self::Text,
        Self::Csv,
        Self::Zip,
        Self::Docx,
        Self::Xlsx,
        Self::Pptx,
        Self::Odt,
        Self::Ods,
        Self::Odp,
        Self::Doc,
        Self::Xls,
        Self::Ppt,
        Self::Mp3,
        Self::Ogg,
        Self::Wav,
        Self::Mp4,
        Self::M4a,
        Self::Webm,
    ];

    /// The kind with this media type.
    pub fn of_mime(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.mime() == mime)
    }

    /// Its media type, as it is served.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Pdf => "application/pdf",
            Self::Text => "text/plain",
            Self::Csv => "text/csv",
            Self::Zip => "application/zip",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Self::Odp => "application/vnd.oasis.opendocument.presentation",
            Self::Doc => "application/msword",
            Self::Xls => "application/vnd.ms-excel",
            Self::Ppt => "application/vnd.ms-powerpoint",
            Self::Mp3 => "audio/mpeg",
            Self::Ogg => "audio/ogg",
            Self::Wav => "audio/wav",
            Self::Mp4 => "video/mp4",
            Self::M4a => "audio/mp4",
            Self::Webm => "video/webm",
        }
    }

    /// The extensions that fit it, without the dot, the usual one first. Text takes any that nothing runs.
    pub(super) fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Gif => &["gif"],
            Self::Webp => &["webp"],
            Self::Avif => &["avif"],
            Self::Pdf => &["pdf"],
            Self::Text => &["txt"],
            Self::Csv => &["csv"],
            Self::Zip => &["zip"],
            Self::Docx => &["docx"],
            Self::Xlsx => &["xlsx"],
            Self::Pptx => &["pptx"],
            Self::Odt => &["odt"],
            Self::Ods => &["ods"],
            Self::Odp => &["odp"],
            Self::Doc => &["doc"],
            Self::Xls => &["xls"],
            Self::Ppt => &["ppt"],
            Self::Mp3 => &["mp3"],
            Self::Ogg => &["ogg", "oga", "opus"],
            Self::Wav => &["wav"],
            Self::Mp4 => &["mp4", "m4v"],
            Self::M4a => &["m4a"],
            Self::Webm => &["webm"],
        }
    }

    /// Raster images alone may be shown in a page; everything else is a download.
    pub fn shown_inline(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Gif | Self::Webp | Self::Avif)
    }
}

/// Why a file is not taken. The text is the rule, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Its bytes are of no kind that is taken.
    #[error("files of this kind are not taken")]
    Kind,
    /// It begins like an image, and is no whole one.
    #[error("the image is damaged")]
    DamagedImage,
    /// It would take too much memory to show.
    #[error("the image has more than {0} pixels")]
    TooManyPixels(u64),
    /// The same, of one whose pixels are few enough but take much each.
    #[error("the image takes too much memory to show")]
    TooMuchMemory,
}

/// How much of a file's beginning and end is looked at.
const WINDOW: u64 = 64 * 1024;

/// Extensions that some program runs or renders, whatever the text in the file is.
const ACTIVE: &[&str] = &[
    "bat", "cjs", "cmd", "hta", "htm", "html", "js", "jse", "mht", "mhtml", "mjs", "ps1", "shtml", "svg",
    "svgz", "vbe", "vbs", "wsf", "xht", "xhtml", "xml", "xsl", "xslt",
];

/// Finds the kind of a file that was received whole. `is_text` is what [`TextCheck`] said of all its bytes; `name` is
/// what the uploader calls it.
pub(super) fn sniff(
    file: &mut (impl Read + Seek),
    is_text: bool,
    name: &str,
    pixels_max: u64,
) -> io::Result<Result<Kind, Refusal>> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(Err(Refusal::Empty));
    }
    let head = read_at(file, 0, WINDOW)?;
    let kind = match by_magic(&head) {
        Some(Magic::Is(kind)) => kind,
        Some(Magic::Zip) => {
            let tail = read_at(file, length.saturating_sub(WINDOW), WINDOW)?;
            zip_kind(&head, &tail)
        }
        Some(Magic::Compound) => match compound_kind(file, &head)? {
            Some(kind) => kind,
            None => return Ok(Err(Refusal::Kind)),
        },
        None => match text_kind(&head, is_text, name) {
            Some(kind) => kind,
            None => return Ok(Err(Refusal::Kind)),
        },
    };
    if kind.shown_inline() {
        let Some(Size { width, height }) = image::size(kind, file, &head)? else {
            return Ok(Err(Refusal::DamagedImage));
        };
        if u64::from(width) * u64::from(height) > pixels_max {
            return Ok(Err(Refusal::TooManyPixels(pixels_max)));
        }
    }
    Ok(Ok(kind))
}

/// What the first bytes say.
enum Magic {
    Is(Kind),
    /// Some zip: perhaps an office file.
    Zip,
    /// Microsoft's compound file: an old office file, or an installer.
    Compound,
}

fn by_magic(head: &[u8]) -> Option<Magic> {
    let kind = match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Kind::Png,
        [0xff, 0xd8, 0xff, ..] => Kind::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::Webp,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Kind::Wav,
        [b'%', b'P', b'D', b'F', b'-', ..] => Kind::Pdf,
        [b'O', b'g', b'g', b'S', 0, ..] => Kind::Ogg,
        [b'I', b'D', b'3', 2..=4, ..] => Kind::Mp3,
        [0xff, second, third, ..] if is_mp3_frame(*second, *third) => Kind::Mp3,
        [_, _, _, _, b'f', b't', b'y', b'p', a, b, c, d, ..] => {
            return by_brand([*a, *b, *c, *d]).map(Magic::Is);
        }
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => return is_webm(rest).then_some(Magic::Is(Kind::Webm)),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return Some(Magic::Zip),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => return Some(Magic::Compound),
        _ => return None,
    };
    Some(Magic::Is(kind))
}

/// MPEG layer III, with a bit rate and a sample rate that exist.
fn is_mp3_frame(second: u8, third: u8) -> bool {
    second & 0xe6 == 0xe2
        && second & 0x18 != 0x08
        && third & 0xf0 != 0xf0
        && third & 0xf0 != 0
        && third & 0x0c != 0x0c
}

/// The major brand of an ISO base media file. QuickTime and HEIC are others.
fn by_brand(brand: [u8; 4]) -> Option<Kind> {
    match &brand {
        b"avif" | b"avis" => Some(Kind::Avif),
        b"M4A " => Some(Kind::M4a),
        b"isom" | b"iso2" | b"iso3" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"dash"
        | b"M4V " | b"MSNV" => Some(Kind::Mp4),
        _ => None,
    }
}

/// Whether an EBML header's document type is WebM, not Matroska.
fn is_webm(header: &[u8]) -> bool {
    let header = &header[..header.len().min(64)];
    header.windows(7).any(|window| window == [0x42, 0x82, 0x84, b'w', b'e', b'b', b'm'])
}

/// An office file is a zip with certain entries; their names stand in the directory at its end.
fn zip_kind(head: &[u8], tail: &[u8]) -> Kind {
    if head.get(30..38) == Some(b"mimetype") {
        for kind in [Kind::Odt, Kind::Ods, Kind::Odp] {
            // The type is followed by the next entry, or by `-template`, which is a type of its own.
            let rest = &head[38..];
            if rest.starts_with(kind.mime().as_bytes()) && !rest[kind.mime().len()..].starts_with(b"-") {
                return kind;
            }
        }
    }
    if contains(tail, b"[Content_Types].xml") {
        let parts: [(&[u8], Kind); 3] = [
            (b"word/document.xml", Kind::Docx),
            (b"xl/workbook.xml", Kind::Xlsx),
            (b"ppt/presentation.xml", Kind::Pptx),
        ];
        if let Some((_, kind)) = parts.into_iter().find(|(part, _)| contains(tail, part)) {
            return kind;
        }
    }
    Kind::Zip
}

/// An old office file has a stream of a certain name in its directory; an installer, which looks the same from
/// outside, has none.
fn compound_kind(file: &mut (impl Read + Seek), head: &[u8]) -> io::Result<Option<Kind>> {
    let (Some(shift), Some(sector)) = (head.get(30..32), head.get(48..52)) else { return Ok(None) };
    let sector_bytes: u64 = match shift {
        [9, 0] => 512,
        [12, 0] => 4096,
        _ => return Ok(None),
    };
    let sector = u32::from_le_bytes([sector[0], sector[1], sector[2], sector[3]]);
    let directory = read_at(file, (u64::from(sector) + 1) * sector_bytes, 4096)?;
    let names = [("WordDocument", Kind::Doc), ("Workbook", Kind::Xls), ("PowerPoint Document", Kind::Ppt)];
    let named = |name: &str| {
        let utf16: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        directory.chunks_exact(128).any(|entry| entry.starts_with(&utf16))
    };
    Ok(names.into_iter().find(|(name, _)| named(name)).map(|(_, kind)| kind))
}

/// Text that does not begin like markup and is not named like something that runs.
fn text_kind(head: &[u8], is_text: bool, given_name: &str) -> Option<Kind> {
    let extension = name::extension(given_name);
    if !is_text || looks_like_markup(head) || ACTIVE.contains(&extension.as_str()) {
        return None;
    }
    Some(if extension == "csv" { Kind::Csv } else { Kind::Text })
}

/// What a browser that guesses would take for HTML or XML: `<` and a letter, `!`, `?` or `/`, after white space.
fn looks_like_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = head.trim_ascii_start();
    matches!(head, [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'?' | b'/', ..])
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// At most `length` bytes from `at`; fewer at the end of the file.
fn read_at(file: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Looks at all bytes of a file as they come: whether they are UTF-8 without control characters.
#[derive(Default)]
pub(super) struct TextCheck {
    /// The beginning of a character whose end has not come yet: at most 3 bytes.
    cut: Vec<u8>,
    refused: bool,
}

impl TextCheck {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.refused {
            return;
        }
        let joined;
        let bytes = if self.cut.is_empty() {
            bytes
        } else {
            joined = [&self.cut, bytes].concat();
            &joined
        };
        let (whole, cut) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, &[][..]),
            Err(error) if error.error_len().is_none() => {
                let (whole, cut) = bytes.split_at(error.valid_up_to());
                (std::str::from_utf8(whole).expect("it is valid up to here"), cut)
            }
            Err(_) => {
                self.refused = true;
                return;
            }
        };
        self.refused = whole.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
        self.cut = cut.to_vec();
    }

    /// After the last byte.
    pub(super) fn is_text(&self) -> bool {
        !self.refused && self.cut.is_empty()
    }
}

#[cfg(test)]
mod tests;
