//! AVIF (ISO/IEC 23000-22): boxes, of which some say where in the file others' bytes are. Taking bytes out would move
//! those, so what tells too much is written over in its place, and the file keeps its length:
//!
//! - items of EXIF become an empty block of it, XMP (any MIME or URI item) becomes blanks;
//! - boxes of other makers (`uuid`), user data (`udta`), tracks' `meta` and free space become free space of zeros.
//!
//! Not taken out: the times in a sequence's headers, names of items and handlers, the colour profile, unknown boxes,
//! what lies in media data without belonging to any item, and what encoders write into the AV1 stream itself
//! (metadata OBUs). AVIF is not decoded here.

use super::read::{array, take};
use super::stripped::Stripped;

/// A block of EXIF with no entry, behind the offset that HEIF puts in front.
const EMPTY_EXIF: &[u8] = b"\0\0\0\0II*\0\x08\0\0\0\0\0\0\0\0\0";
/// More items, or places of items, than any picture has.
const ITEMS_MAX: usize = 4096;

/// A box: its four letters, where its header begins, and where its payload does and ends.
struct Part {
    kind: [u8; 4],
    header: usize,
    start: usize,
    end: usize,
}

pub(super) fn strip(mut bytes: Vec<u8>) -> Option<Stripped> {
    let parts = parts(&bytes, 0, bytes.len())?;
    if parts.first()?.kind != *b"ftyp" || !parts.iter().any(|part| matches!(&part.kind, b"meta" | b"moov")) {
        return None;
    }
    for part in parts {
        match &part.kind {
            b"meta" => erase_items(&mut bytes, &part)?,
            b"moov" => erase_in_movie(&mut bytes, &part)?,
            b"uuid" | b"udta" | b"free" | b"skip" => free(&mut bytes, &part),
            _ => {}
        }
    }
    Some(Stripped::upright(bytes))
}

/// The boxes between `start` and `end`, which they must fill.
fn parts(bytes: &[u8], start: usize, end: usize) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut header = start;
    while header < end {
        let mut rest = bytes.get(header..end)?;
        let short = u32::from_be_bytes(array(&mut rest)?);
        let kind = array(&mut rest)?;
        let length = match short {
            0 => end - header,
            1 => usize::try_from(u64::from_be_bytes(array(&mut rest)?)).ok()?,
            _ => usize::try_from(short).ok()?,
        };
        let (start, next) = (end - rest.len(), header.checked_add(length)?);
        if next < start || next > end || parts.len() == ITEMS_MAX {
            return None;
        }
        parts.push(Part { kind, header, start, end: next });
        header = next;
    }
    Some(parts)
}

fn free(bytes: &mut [u8], part: &Part) {
    bytes[part.header + 4..part.header + 8].copy_from_slice(b"free");
    bytes[part.start..part.end].fill(0);
}

fn erase_in_movie(bytes: &mut [u8], movie: &Part) -> Option<()> {
    for part in parts(bytes, movie.start, movie.end)? {
        match &part.kind {
            b"udta" | b"meta" | b"uuid" | b"free" | b"skip" => free(bytes, &part),
            b"trak" => {
                let tells =
                    |part: &Part| matches!(&part.kind, b"udta" | b"meta" | b"uuid" | b"free" | b"skip");
                parts(bytes, part.start, part.end)?
                    .iter()
                    .filter(|part| tells(part))
                    .for_each(|part| free(bytes, part));
            }
            _ => {}
        }
    }
    Some(())
}

/// Of one picture's `meta`: finds which items tell too much, where their bytes are, and writes over them.
fn erase_items(bytes: &mut [u8], meta: &Part) -> Option<()> {
    // Behind version and flags.
    let parts = parts(bytes, meta.start.checked_add(4)?, meta.end)?;
    let find = |kind: &[u8; 4]| parts.iter().find(|part| part.kind == *kind);
    let items = find(b"iinf").map_or(Some(Vec::new()), |part| telling_items(bytes, part))?;
    let places = find(b"iloc").map_or(Some(Vec::new()), |part| places(&bytes[part.start..part.end]))?;
    let data = find(b"idat").map(|part| (part.start, part.end));
    for part in &parts {
        if matches!(&part.kind, b"uuid" | b"udta" | b"free" | b"skip") {
            free(bytes, part);
        }
    }
    for place in places {
        let Some((_, is_exif)) = items.iter().find(|(id, _)| *id == place.item) else { continue };
        let (from, to) = match place.method {
            0 => (0, bytes.len()),
            1 => data?,
            _ => return None,
        };
        let start = from.checked_add(usize::try_from(place.at).ok()?)?;
        let end = start.checked_add(usize::try_from(place.length).ok()?)?;
        // Without a length it would be the whole file.
        if place.length == 0 || end > to {
            return None;
        }
        let erased = &mut bytes[start..end];
        erased.fill(if *is_exif { 0 } else { b' ' });
        if *is_exif && erased.len() >= EMPTY_EXIF.len() {
            erased[..EMPTY_EXIF.len()].copy_from_slice(EMPTY_EXIF);
        }
    }
    Some(())
}

/// The ids of the items that are no part of the picture, and whether each is EXIF.
fn telling_items(bytes: &[u8], list: &Part) -> Option<Vec<(u32, bool)>> {
    let header = if bytes.get(list.start)? == &0 { 6 } else { 8 };
    let mut items = Vec::new();
    for entry in parts(bytes, list.start.checked_add(header)?, list.end)? {
        let mut rest = &bytes[entry.start..entry.end];
        let [version, _, _, _] = array(&mut rest)?;
        let id = match version {
            2 => u32::from(u16::from_be_bytes(array(&mut rest)?)),
            3 => u32::from_be_bytes(array(&mut rest)?),
            // Older ones have no type.
            _ => return None,
        };
        let _protection: [u8; 2] = array(&mut rest)?;
        match &array(&mut rest)? {
            b"Exif" => items.push((id, true)),
            b"mime" | b"uri " => items.push((id, false)),
            _ => {}
        }
    }
    Some(items)
}

/// A stretch of an item's bytes.
struct Place {
    item: u32,
    /// 0: `at` counts from the file's beginning; 1: from that of the `idat` box.
    method: u8,
    at: u64,
    length: u64,
}

/// Of an `iloc` box.
fn places(mut rest: &[u8]) -> Option<Vec<Place>> {
    let [version, _, _, _, sizes, more_sizes] = array(&mut rest)?;
    let (at_size, length_size) = (sizes >> 4, sizes & 15);
    let (base_size, index_size) = (more_sizes >> 4, if version == 0 { 0 } else { more_sizes & 15 });
    let wide = match version {
        0 | 1 => 2,
        2 => 4,
        _ => return None,
    };
    let mut places = Vec::new();
    for _ in 0..number(&mut rest, wide)? {
        let item = u32::try_from(number(&mut rest, wide)?).ok()?;
        let method = if version == 0 { 0 } else { number(&mut rest, 2)? as u8 & 15 };
        let _reference = number(&mut rest, 2)?;
        let base = number(&mut rest, base_size)?;
        for _ in 0..number(&mut rest, 2)? {
            number(&mut rest, index_size)?;
            let at = base.checked_add(number(&mut rest, at_size)?)?;
            let length = number(&mut rest, length_size)?;
            if places.len() == ITEMS_MAX {
                return None;
            }
            places.push(Place { item, method, at, length });
        }
    }
    Some(places)
}

/// A number of 0, 2, 4 or 8 bytes.
fn number(rest: &mut &[u8], size: u8) -> Option<u64> {
    if !matches!(size, 0 | 2 | 4 | 8) {
        return None;
    }
    Some(take(rest, size.into())?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
