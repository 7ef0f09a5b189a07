//! Finds the kind of a file by its bytes. The media type that a client sends is never used, and the name only tells apart
//! kinds of text and office files that a password protects. Files that a browser would run (HTML, SVG, XML, scripts) are of
//! no kind that is taken.
//!
//! Each family of containers has a reader of its own below. A reader reads a bounded number of bytes, and does so where they
//! lie in the file.

use std::io::{self, Read, Seek, SeekFrom};

use crate::image::{self, Size};
use crate::kind::Kind;

mod audio;
mod compound;
mod ebml;
mod iso_media;
mod read;
mod text;
mod zip;

use read::read_at;
pub(super) use text::{Encoding, TextCheck};

/// What was found out about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    /// The file is text, and certainly in UTF-8.
    pub(super) is_utf8: bool,
    /// The pixels of an image, by its header. 0 for everything else, and for an AVIF that does not say it at its beginning.
    pub(super) pixels: u64,
}

/// Why a file is not taken. The text tells the client the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The bytes are of no kind that is taken.
    #[error("files of this kind are not taken")]
    Kind,
    /// The file begins like an image, but is not a whole one.
    #[error("the image is damaged")]
    DamagedImage,
}

/// How many bytes are read of a file's beginning.
const HEAD_BYTES: u64 = 64 * 1024;
/// What readers skip before the header of a PDF (ISO 32000-1, annex H.3.4.1).
const BEFORE_PDF_BYTES: usize = 1024;
/// How many bytes are read of the end, where a PDF says that it is one.
const PDF_TAIL_BYTES: u64 = 2048;

/// Finds the kind of a file that was received whole. `encoding` is what [`TextCheck`] found in all its bytes, and `name` is
/// the name that the uploader gave it.
pub(super) fn sniff(
    file: &mut (impl Read + Seek),
    encoding: Option<Encoding>,
    name: &str,
) -> io::Result<Result<Found, Refusal>> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(Err(Refusal::Empty));
    }
    let head = read_at(file, 0, HEAD_BYTES)?;
    let kind = match magic(&head, encoding.is_some()) {
        Some(Magic::Is(kind)) => Some(kind),
        Some(Magic::Tagged) => Some(audio::tagged(file, &head)?),
        Some(Magic::IsoMedia) => iso_media::kind(file, length)?,
        Some(Magic::Ebml) => ebml::kind(file, length)?,
        Some(Magic::Zip) => Some(zip::kind(file, length)?),
        Some(Magic::Compound) => compound::kind(file, name)?,
        Some(Magic::Other) => None,
        None if is_late_pdf(file, &head, length, encoding.is_some())? => Some(Kind::Pdf),
        None => encoding.and_then(|encoding| text::text_kind(&head, encoding, name)),
    };
    let Some(kind) = kind else { return Ok(Err(Refusal::Kind)) };
    let size = image::size(kind, file, &head)?;
    if kind.shown_inline() && kind != Kind::Avif && size.is_none() {
        return Ok(Err(Refusal::DamagedImage));
    }
    let pixels = size.map_or(0, |Size { width, height }| u64::from(width) * u64::from(height));
    let is_text = matches!(kind, Kind::Text | Kind::Csv);
    Ok(Ok(Found { kind, is_utf8: is_text && encoding == Some(Encoding::Utf8), pixels }))
}

/// What the first bytes say.
enum Magic {
    Is(Kind),
    /// Sound of some kind, behind a tag.
    Tagged,
    /// Films and photos whose brands say which.
    IsoMedia,
    /// Matroska, WebM, or something else in that form.
    Ebml,
    /// Some zip: perhaps an office file.
    Zip,
    /// Microsoft's compound file: an old or a protected office file, or an installer.
    Compound,
    /// A kind that is known and not taken, though a file that would be taken may stand in it.
    Other,
}

/// The kind that the first bytes say. In a file that is text as well, only beginnings count that no text has: `BMW` and
/// Cyrillic `яв` begin like images and sound.
fn magic(head: &[u8], is_text: bool) -> Option<Magic> {
    let kind = match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Kind::Png,
        [b'%', b'P', b'D', b'F', b'-', ..] => Kind::Pdf,
        [b'#', b'!', b'A', b'M', b'R', b'\n', ..] => Kind::Amr,
        [b'#', b'!', b'A', b'M', b'R', b'-', b'W', b'B', b'\n', ..] => Kind::AmrWide,
        [b'I', b'D', b'3', 2..=4, ..] => return Some(Magic::Tagged),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => return Some(Magic::Ebml),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, b'P', b'K', 3, 4, ..] => {
            return Some(Magic::Zip);
        }
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => return Some(Magic::Compound),
        _ if is_text => return None,
        [0xff, 0xd8, 0xff, ..] => Kind::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::Webp,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'R' | b'B', b'F' | b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Kind::Wav,
        [b'O', b'g', b'g', b'S', 0, ..] => ogg_kind(head),
        [b'f', b'L', b'a', b'C', ..] => Kind::Flac,
        [b'A', b'D', b'I', b'F', ..] => Kind::Aac,
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Kind::Tiff,
        // The length of the picture's description stands behind sizes and zeros.
        [
            b'B',
            b'M',
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            12 | 16 | 40 | 52 | 56 | 64 | 108 | 124,
            0,
            0,
            0,
            ..,
        ] => Kind::Bmp,
        [_, _, _, _, name @ ..] if is_box(name) => return Some(Magic::IsoMedia),
        // A tar may begin with the whole of another file.
        _ if head.get(257..262) == Some(b"ustar") => return Some(Magic::Other),
        _ => return audio::frames(head).map(Magic::Is),
    };
    Some(Magic::Is(kind))
}

/// The names of boxes that such files begin with.
fn is_box(name: &[u8]) -> bool {
    let names: [&[u8]; 7] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];
    names.iter().any(|begins| name.starts_with(begins))
}

/// The pages that say what an Ogg holds are its first ones.
fn ogg_kind(head: &[u8]) -> Kind {
    let first = &head[..head.len().min(4096)];
    let films: [&[u8]; 2] = [b"\x80theora", b"\x01video\0"];
    if films.into_iter().any(|film| contains(first, film)) { Kind::Ogv } else { Kind::Ogg }
}

/// Whether a PDF begins behind other bytes. A text that mentions a PDF does not end like one.
fn is_late_pdf(file: &mut (impl Read + Seek), head: &[u8], length: u64, is_text: bool) -> io::Result<bool> {
    let begins = |at: usize| matches!(head[at..], [b'%', b'P', b'D', b'F', b'-', b'0'..=b'9', ..]);
    if !(0..head.len().min(BEFORE_PDF_BYTES + 1)).any(begins) {
        return Ok(false);
    }
    let tail = read_at(file, length.saturating_sub(PDF_TAIL_BYTES), PDF_TAIL_BYTES)?;
    let ends: [&[u8]; 3] = [b"%%EOF", b"startxref", b"endobj"];
    Ok(!is_text || ends.into_iter().any(|end| contains(&tail, end)))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests;
