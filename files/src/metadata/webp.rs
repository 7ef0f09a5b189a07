//! WebP (RFC 9649): a RIFF file of chunks. The picture or the frames, transparency, animation and the colour profile are
//! kept. EXIF, XMP, unknown chunks, also those within frames, and what follows the end are left out, and so are their flags.

use ::image::metadata::Orientation;

use crate::image::{Size, webp_picture};

use super::exif;
use super::read::{array, take};
use super::stripped::{PROFILE_BYTES_MAX, Stripped};

const HAS_PROFILE: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const HAS_EXIF: u8 = 0x08;
const IS_ANIMATED: u8 = 0x02;
/// Where the flags stand in what is written: behind `RIFF`, length, `WEBP`, `VP8X`, length.
const FLAGS_AT: usize = 20;

type Chunk<'a> = (&'a [u8; 4], &'a [u8]);

pub(super) fn strip(bytes: &[u8]) -> Option<Stripped> {
    let mut rest = bytes.strip_prefix(b"RIFF")?;
    let length = u32::from_le_bytes(array(&mut rest)?);
    let mut chunks = take(&mut rest, usize::try_from(length).ok()?)?.strip_prefix(b"WEBP")?;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(b"RIFF\0\0\0\0WEBP");
    let first = chunk(&mut chunks)?;
    let orientation = match first.0 {
        b"VP8X" => {
            push(&mut kept, first);
            extended(&mut kept, first.1, chunks)?
        }
        kind => {
            webp_picture(kind, first.1)?;
            push(&mut kept, first);
            Orientation::NoTransforms
        }
    };
    let length = u32::try_from(kept.len() - 8).ok()?;
    kept[4..8].copy_from_slice(&length.to_le_bytes());
    Some(Stripped { bytes: kept, orientation, aside_bytes: 0 })
}

/// Copies what follows the header of an extended file.
fn extended(kept: &mut Vec<u8>, header: &[u8], mut chunks: &[u8]) -> Option<Orientation> {
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = *header.as_array()?;
    let canvas = size([w0, w1, w2], [h0, h1, h2]);
    let is_animated = flags & IS_ANIMATED != 0;
    let (mut written, mut pictures, mut orientation) = (flags & (HAS_ALPHA | IS_ANIMATED), 0, None);
    while !chunks.is_empty() {
        let next = chunk(&mut chunks)?;
        match next.0 {
            b"VP8 " | b"VP8L" if !is_animated => {
                // The limits were checked with the size in the header.
                if webp_picture(next.0, next.1)? != canvas {
                    return None;
                }
                pictures += 1;
                push(kept, next);
            }
            b"ANMF" if is_animated => {
                pictures += 1;
                push(kept, (next.0, &frame(next.1, canvas)?));
            }
            b"ALPH" if !is_animated => push(kept, next),
            b"ANIM" if is_animated => push(kept, next),
            b"ICCP" if next.1.len() <= PROFILE_BYTES_MAX && written & HAS_PROFILE == 0 => {
                written |= HAS_PROFILE;
                push(kept, next);
            }
            b"EXIF" => orientation = orientation.or(exif::orientation(next.1)),
            _ => {}
        }
    }
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    if let Some(block) = exif::block(orientation) {
        written |= HAS_EXIF;
        push(kept, (b"EXIF", &block));
    }
    kept[FLAGS_AT] = written;
    // The bits behind the flags are reserved.
    kept[FLAGS_AT + 1..FLAGS_AT + 4].fill(0);
    (pictures == 1 || (is_animated && pictures > 0)).then_some(orientation)
}

/// The frame with nothing but its picture.
fn frame(payload: &[u8], canvas: Size) -> Option<Vec<u8>> {
    let mut chunks = payload;
    let header: [u8; 16] = array(&mut chunks)?;
    let [x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..] = header;
    let size = size([w0, w1, w2], [h0, h1, h2]);
    if 2 * u24([x0, x1, x2]) + size.width > canvas.width
        || 2 * u24([y0, y1, y2]) + size.height > canvas.height
    {
        return None;
    }
    let mut kept = header.to_vec();
    let mut pictures = 0;
    while !chunks.is_empty() {
        let next = chunk(&mut chunks)?;
        match next.0 {
            b"ALPH" => push(&mut kept, next),
            b"VP8 " | b"VP8L" if webp_picture(next.0, next.1)? == size => {
                pictures += 1;
                push(&mut kept, next);
            }
            b"VP8 " | b"VP8L" => return None,
            _ => {}
        }
    }
    (pictures == 1).then_some(kept)
}

fn u24([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

/// Width and height, which are written less one.
fn size(width: [u8; 3], height: [u8; 3]) -> Size {
    Size { width: u24(width) + 1, height: u24(height) + 1 }
}

fn chunk<'a>(rest: &mut &'a [u8]) -> Option<Chunk<'a>> {
    let (kind, left) = rest.split_first_chunk()?;
    *rest = left;
    let length = usize::try_from(u32::from_le_bytes(array(rest)?)).ok()?;
    let payload = take(rest, length)?;
    // Some writers leave out the padding of the last chunk.
    if length % 2 == 1 && !rest.is_empty() {
        take(rest, 1)?;
    }
    Some((kind, payload))
}

fn push(kept: &mut Vec<u8>, (kind, payload): Chunk<'_>) {
    kept.extend(kind);
    kept.extend((payload.len() as u32).to_le_bytes());
    kept.extend(payload);
    kept.resize(kept.len().next_multiple_of(2), 0);
}
