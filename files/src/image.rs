//! The size of an image, read from its header. Nothing is decoded, so a hostile image costs no more than a friendly one.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::kind::{Kind, Raster};

/// The size of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A JPEG with more segments before its frame is taken for damaged.
const SEGMENTS_MAX: usize = 2000;

/// The size of the image in `file`, which begins with `head`. None when the header is damaged, or `kind` is no image.
pub(super) fn size(kind: Kind, file: &mut (impl Read + Seek), head: &[u8]) -> io::Result<Option<Size>> {
    let Some(raster) = kind.raster() else { return Ok(None) };
    let size = match raster {
        Raster::Png => png(head),
        Raster::Gif => gif(head),
        Raster::Webp => webp(head),
        Raster::Avif => avif(head),
        Raster::Jpeg => {
            file.seek(SeekFrom::Start(2))?;
            jpeg(&mut BufReader::new(file))?.map(|frame| frame.size)
        }
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
    let (width, height) = (be32(head, 16)?, be32(head, 20)?);
    // PNG's numbers have 31 bits.
    (header_first && width.max(height) <= i32::MAX as u32).then_some(Size { width, height })
}

fn gif(head: &[u8]) -> Option<Size> {
    Some(Size { width: le16(head, 6)?, height: le16(head, 8)? })
}

fn webp(head: &[u8]) -> Option<Size> {
    let three = |at: usize| Some(le16(head, at)? | u32::from(*head.get(at + 2)?) << 16);
    match head.get(12..16)?.as_array()? {
        // The canvas is written less one.
        b"VP8X" => Some(Size { width: three(24)? + 1, height: three(27)? + 1 }),
        kind => webp_picture(kind, head.get(20..)?),
    }
}

/// The size of the picture in a chunk, by the beginning of the chunk. None when the chunk is no picture.
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

/// What a JPEG's frame header says.
struct JpegFrame {
    /// Its marker, which says how the picture is coded.
    coding: u8,
    /// Bits of a sample.
    depth: u8,
    size: Size,
}

impl JpegFrame {
    fn of(bytes: &[u8]) -> Option<Self> {
        jpeg(&mut BufReader::new(io::Cursor::new(bytes.get(2..)?))).ok().flatten()
    }

    /// Whether the frame has Huffman's code. Other frames have an arithmetic code, which can spend less than a bit on a block.
    fn is_huffman(&self) -> bool {
        self.coding < 0xc8
    }
}

/// Whether our decoder knows the coding of this image. It does not know lossless, hierarchical, arithmetic and 12-bit JPEG,
/// which hardly any program writes, but which are sound.
pub(super) fn is_known_coding(kind: Kind, bytes: &[u8]) -> bool {
    let known = |frame: JpegFrame| matches!(frame.coding, 0xc0..=0xc2) && frame.depth == 8;
    kind != Kind::Jpeg || JpegFrame::of(bytes).is_some_and(known)
}

/// Reads segment after segment, up to the one that begins the frame.
fn jpeg(file: &mut BufReader<impl Read + Seek>) -> io::Result<Option<JpegFrame>> {
    for _ in 0..SEGMENTS_MAX {
        let Some(marker) = jpeg_marker(file)? else { return Ok(None) };
        // These have no length.
        if matches!(marker, 0x01 | 0xd0..=0xd7) {
            continue;
        }
        let Some(length) = read_array(file)?.map(u16::from_be_bytes) else { return Ok(None) };
        match marker {
            // All frame headers (SOF); the numbers between them are tables and the like.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let Some([depth, h1, h0, w1, w0]) = read_array(file)? else { return Ok(None) };
                let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
                let size = Size { width: width.into(), height: height.into() };
                return Ok(Some(JpegFrame { coding: marker, depth, size }));
            }
            // A scan, or the end, without a frame before it.
            0xd8..=0xda => return Ok(None),
            _ if length < 2 => return Ok(None),
            _ => file.seek_relative(i64::from(length) - 2)?,
        }
    }
    Ok(None)
}

/// The next marker. Any number of fill bytes may stand in front (ITU-T T.81, B.1.1.2), and decoders also skip what
/// some writers leave between two segments.
fn jpeg_marker(file: &mut impl Read) -> io::Result<Option<u8>> {
    let mut after_fill = false;
    loop {
        match read_array(file)? {
            None => return Ok(None),
            Some([0xff]) => after_fill = true,
            Some([0]) => after_fill = false,
            Some([code]) if after_fill => return Ok(Some(code)),
            Some([_]) => {}
        }
    }
}

/// Whether so many bytes can hold a picture of this size at all. So a broken image is told from a sound one even if it has
/// too many pixels to be decoded. Two kinds have such a bound: PNG packs at most 1032 bytes into one (deflate), and JPEG in
/// Huffman's code spends at least a bit on each block of 8x8 pixels.
pub(super) fn can_hold(kind: Kind, bytes: &[u8]) -> bool {
    let bits = bytes.len() as u64 * 8;
    match kind.raster() {
        Some(Raster::Png) => {
            let (Some(Size { width, height }), Some([depth, colours])) =
                (png(bytes), bytes.get(24..26).and_then(|two| two.as_array()))
            else {
                return false;
            };
            let channels = match colours {
                2 => 3,
                4 => 2,
                6 => 4,
                _ => 1,
            };
            let row = 1 + (u64::from(width) * channels * u64::from(*depth)).div_ceil(8);
            bits / 8 * 1032 >= row.saturating_mul(u64::from(height))
        }
        Some(Raster::Jpeg) => {
            let Some(frame) = JpegFrame::of(bytes) else { return false };
            let Size { width, height } = frame.size;
            !frame.is_huffman() || bits >= u64::from(width.div_ceil(8)) * u64::from(height.div_ceil(8))
        }
        Some(Raster::Gif | Raster::Webp | Raster::Avif) | None => true,
    }
}

/// The next `N` bytes; none at the end of the file.
fn read_array<const N: usize>(file: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_cannot_be_in_so_few_bytes_is_broken() {
        let png = |width: u32, height: u32, depth: u8, colours: u8, data_bytes: usize| {
            let head: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
            let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
            [head, &size, &[depth, colours, 0, 0, 0], &vec![0; data_bytes]].concat()
        };
        let coded = |coding: u8, depth: u8, width: u16, height: u16, data_bytes: usize| {
            let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
            let head = [0xff, 0xd8, 0xff, coding, 0, 0x0b, depth];
            [&head, size.as_slice(), b"\x01\x01\x11\0", &vec![0; data_bytes]].concat()
        };
        let jpeg = |width, height, data_bytes| coded(0xc0, 8, width, height, data_bytes);
        for (bytes, kind, holds) in [
            (png(8000, 6000, 8, 6, 190_000), Kind::Png, true),
            (png(8000, 6000, 8, 6, 180_000), Kind::Png, false),
            (png(8000, 6000, 16, 6, 190_000), Kind::Png, false),
            (png(8000, 6000, 1, 0, 6_000), Kind::Png, true),
            (png(1 << 15, 1 << 15, 8, 6, 100), Kind::Png, false),
            (png(i32::MAX as u32, i32::MAX as u32, 16, 6, 1000), Kind::Png, false),
            (png(1, 1, 8, 6, 0), Kind::Png, true),
            (jpeg(8000, 6000, 94_000), Kind::Jpeg, true),
            (jpeg(8000, 6000, 93_000), Kind::Jpeg, false),
            (jpeg(u16::MAX, u16::MAX, 1000), Kind::Jpeg, false),
            (jpeg(8, 8, 0), Kind::Jpeg, true),
            (coded(0xc2, 8, 8000, 6000, 93_000), Kind::Jpeg, false),
            (coded(0xc9, 8, 8000, 6000, 100), Kind::Jpeg, true),
            (b"anything".to_vec(), Kind::Gif, true),
        ] {
            assert_eq!(can_hold(kind, &bytes), holds, "{kind:?} of {} bytes", bytes.len());
        }
        for (coding, depth, known) in [
            (0xc0, 8, true),
            (0xc1, 8, true),
            (0xc2, 8, true),
            (0xc1, 12, false),
            (0xc3, 8, false),
            (0xc5, 8, false),
            (0xc9, 8, false),
            (0xca, 8, false),
        ] {
            assert_eq!(is_known_coding(Kind::Jpeg, &coded(coding, depth, 8, 8, 0)), known, "{coding:x}");
        }
        assert!(is_known_coding(Kind::Png, b"") && !is_known_coding(Kind::Jpeg, b"\xff"));
    }
}
