//! JPEG (ITU-T T.81): segments, and behind each start of a scan the data of the scan.
//!
//! Frame, tables, scans, the JFIF header without its preview, Adobe's colour transform and the colour profile are kept. All
//! other application segments (EXIF, XMP, IPTC, further pictures and their index) and comments are left out.

use super::exif;
use super::read::{array, take};
use super::stripped::Stripped;
use ::image::metadata::Orientation;

/// Each scan of a progressive JPEG makes a decoder go over the whole picture, for a few bytes. Encoders use about ten.
const SCANS_MAX: usize = 100;

const END: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
/// For private use, and restarts, which mean something within a scan only.
const WITHOUT_LENGTH: [u8; 9] = [0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
/// Huffman and arithmetic tables, quantization, number of lines, restart interval.
const TABLES: [u8; 5] = [0xc4, 0xcc, 0xdb, 0xdc, 0xdd];

pub(super) fn strip(bytes: &[u8]) -> Option<Stripped> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(b"\xff\xd8");
    let (mut orientation, mut frame, mut scans) = (None, None, 0);
    loop {
        let marker = marker(&mut rest)?;
        if marker == END && scans > 0 {
            break;
        }
        if WITHOUT_LENGTH.contains(&marker) {
            continue;
        }
        let payload = segment(&mut rest)?;
        match marker {
            _ if TABLES.contains(&marker) => push(&mut kept, marker, &[payload]),
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                // The limits were checked with the size of the first frame.
                if frame.replace(Frame::parse(marker, payload)?).is_some() {
                    return None;
                }
                push(&mut kept, marker, &[payload]);
            }
            START_OF_SCAN => {
                scans += 1;
                if frame.is_none() || scans > SCANS_MAX {
                    return None;
                }
                push(&mut kept, marker, &[payload]);
                scan_data(&mut rest, &mut kept)?;
            }
            0xe0 if payload.starts_with(b"JFIF\0") => {
                push(&mut kept, marker, &[payload.get(..12)?, b"\0\0"]);
            }
            0xe1 if payload.starts_with(exif::PREFIX) && orientation.is_none() => {
                let turned = exif::orientation(payload).unwrap_or(Orientation::NoTransforms);
                orientation = Some(turned);
                if let Some(block) = exif::block(turned) {
                    push(&mut kept, marker, &[exif::PREFIX, &block]);
                }
            }
            0xe2 if payload.starts_with(b"ICC_PROFILE\0") => push(&mut kept, marker, &[payload]),
            0xee if payload.starts_with(b"Adobe") => push(&mut kept, marker, &[payload.get(..12)?]),
            // Application segments, extensions, comments.
            0xe0..=0xfe => {}
            _ => return None,
        }
    }
    kept.extend([0xff, END]);
    let aside_bytes = frame?.aside_bytes(scans);
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    Some(Stripped { bytes: kept, orientation, aside_bytes })
}

/// The code after `0xff`, which may be repeated (B.1.1.2). Bytes before it belong to nothing; decoders skip them as well.
fn marker(rest: &mut &[u8]) -> Option<u8> {
    let mut after_fill = false;
    loop {
        match array(rest)? {
            [0xff] => after_fill = true,
            [0] => after_fill = false,
            [code] if after_fill => return Some(code),
            [_] => {}
        }
    }
}

/// The bytes of a segment behind its length.
fn segment<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_be_bytes(array(rest)?));
    take(rest, length.checked_sub(2)?)
}

/// Copies the data up to the next marker that is not a restart. Fill bytes are left out: some decoders do not expect them
/// before a restart.
fn scan_data(rest: &mut &[u8], kept: &mut Vec<u8>) -> Option<()> {
    loop {
        let fill = rest.iter().position(|byte| *byte == 0xff)?;
        let code = fill + rest[fill..].iter().position(|byte| *byte != 0xff)?;
        kept.extend(&rest[..fill]);
        // A zero says that the byte before it is data.
        if !matches!(rest[code], 0 | 0xd0..=0xd7) {
            *rest = &rest[fill..];
            return Some(());
        }
        kept.extend([0xff, rest[code]]);
        *rest = &rest[code + 1..];
    }
}

/// Writes a segment. The pieces fit into one, because they come from one.
fn push(kept: &mut Vec<u8>, marker: u8, pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let length = u16::try_from(length + 2).expect("what fits into one segment fits again");
    kept.extend([0xff, marker]);
    kept.extend(length.to_be_bytes());
    pieces.iter().for_each(|piece| kept.extend(*piece));
}

struct Frame {
    is_progressive: bool,
    pixels: u64,
    /// How often a pixel is sampled, all components together, in 1/16.
    samples: u64,
}

impl Frame {
    fn parse(marker: u8, mut payload: &[u8]) -> Option<Self> {
        let [_, h1, h0, w1, w0, count] = array(&mut payload)?;
        let pixels = u64::from(u16::from_be_bytes([h1, h0])) * u64::from(u16::from_be_bytes([w1, w0]));
        let (components, rest) = payload.as_chunks::<3>();
        if components.len() != usize::from(count) || !(1..=4).contains(&count) || !rest.is_empty() {
            return None;
        }
        let factors = components.iter().map(|[_, factors, _]| (factors >> 4, factors & 15));
        if factors.clone().any(|(across, down)| !(1..=4).contains(&across) || !(1..=4).contains(&down)) {
            return None;
        }
        let most = |of: fn((u8, u8)) -> u8| u64::from(factors.clone().map(of).max().unwrap_or(1));
        let whole = most(|(across, _)| across) * most(|(_, down)| down);
        let samples = factors.clone().map(|(across, down)| u64::from(across * down) * 16 / whole).sum();
        Some(Self { is_progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce), pixels, samples })
    }

    /// A decoder of more than one scan holds all coefficients, two bytes each, until the last scan.
    fn aside_bytes(&self, scans: usize) -> u64 {
        if self.is_progressive || scans > 1 { self.pixels * self.samples * 2 / 16 } else { 0 }
    }
}
