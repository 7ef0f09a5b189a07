//! How large an image is, by its header: nothing is decoded, so a hostile image costs no more than a friendly one.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::sniff::Kind;

/// In pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Of a JPEG with more segments before its frame nothing is worth showing.
const SEGMENTS_MAX: usize = 2000;

/// None when the header is damaged, or `kind` is no image. `head` is the beginning of `file`.
pub(super) fn size(kind: Kind, file: &mut (impl Read + Seek), head: &[u8]) -> io::Result<Option<Size>> {
    let size = match kind {
        Kind::Png => png(head),
        Kind::Gif => gif(head),
        Kind::Webp => webp(head),
        Kind::Avif => avif(head),
        Kind::Jpeg => {
            file.seek(SeekFrom::Start(2))?;
            jpeg(&mut BufReader::new(file))?
        }
        Kind::Pdf
        | Kind::Text
        | Kind::Csv
        | Kind::Zip
        | Kind::Docx
        | Kind::Xlsx
        | Kind::Pptx
        | Kind::Odt
        | Kind::Ods
        | Kind::Odp
        | Kind::Doc
        | Kind::Xls
        | Kind::Ppt
        | Kind::Mp3
        | Kind::Ogg
        | Kind::Wav
        | Kind::Mp4
        | Kind::M4a
        | Kind::Webm => None,
    };
    Ok(size.filter(|size| size.width > 0 && size.height > 0))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 2)?.try_into().ok().map(|two| u16::from_le_bytes(two).into())
}

fn png(head: &[u8]) -> Option<Size> {
    let header_first = head.get(8..16)? == b"\0\0\0\x0dIHDR";
    header_first.then_some(Size { width: be32(head, 16)?, height: be32(head, 20)? })
}

fn gif(head: &[u8]) -> Option<Size> {
    Some(Size { width: le16(head, 6)?, height: le16(head, 8)? })
}

fn webp(head: &[u8]) -> Option<Size> {
    let three = |at: usize| Some(le16(head, at)? | u32::from(*head.get(at + 2)?) << 16);
    match head.get(12..16)?.as_array()? {
        // The canvas, less one.
        b"VP8X" => Some(Size { width: three(24)? + 1, height: three(27)? + 1 }),
        kind => webp_picture(kind, head.get(20..)?),
    }
}

/// Of a chunk that is a picture, by its beginning.
pub(super) fn webp_picture(kind: &[u8; 4], payload: &[u8]) -> Option<Size> {
    match kind {
        b"VP8L" if payload.first()? == &0x2f => {
            let bits = le16(payload, 1)? | le16(payload, 3)? << 16;
            Some(Size { width: (bits & 0x3fff) + 1, height: (bits >> 14 & 0x3fff) + 1 })
        }
        b"VP8 " if payload.get(3..6)? == [0x9d, 0x01, 0x2a] => {
            Some(Size { width: le16(payload, 6)? & 0x3fff, height: le16(payload, 8)? & 0x3fff })
        }
        _ => None,
    }
}

/// The largest of the spatial extents: a tiled image has one for each tile and one for the whole.
fn avif(head: &[u8]) -> Option<Size> {
    let extents = (4..head.len()).filter(|&at| head[at..].starts_with(b"ispe"));
    let sizes =
        extents.filter_map(|at| Some(Size { width: be32(head, at + 8)?, height: be32(head, at + 12)? }));
    sizes.max_by_key(|size| u64::from(size.width) * u64::from(size.height))
}

/// Goes from segment to segment until the one that begins the frame.
fn jpeg(file: &mut BufReader<impl Read + Seek>) -> io::Result<Option<Size>> {
    for _ in 0..SEGMENTS_MAX {
        let Some([0xff, marker, high, low]) = read_array(file)? else { return Ok(None) };
        let length = u16::from_be_bytes([high, low]);
        match marker {
            // All frame headers (SOF); the numbers between them are tables and the like.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let Some([_, h1, h0, w1, w0]) = read_array(file)? else { return Ok(None) };
                let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
                return Ok(Some(Size { width: width.into(), height: height.into() }));
            }
            // The scan or the end without a frame before it, or a marker that has no length.
            0xd0..=0xda => return Ok(None),
            _ if length < 2 => return Ok(None),
            _ => file.seek_relative(i64::from(length) - 2)?,
        }
    }
    Ok(None)
}

/// None at the end of the file.
fn read_array<const N: usize>(file: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
