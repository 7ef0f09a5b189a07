//! ISO base media files (ISO/IEC 14496-12) and QuickTime: finds which kind the brands say, and whether a film has pictures.
//! Only a bounded number of boxes' headers is read, where they lie.

use std::io::{self, Read, Seek};

use super::read::read_at;
use crate::kind::Kind;

/// How many headers of boxes are read of one file. Films have some ten before their list of tracks is found.
const BOXES_MAX: u32 = 4096;
/// How much is read of a list of brands. Files have at most about twenty.
const BRANDS_BYTES_MAX: u64 = 4096;

/// A part of a file: its four letters, where its payload begins and ends.
struct Part {
    kind: [u8; 4],
    start: u64,
    end: u64,
}

/// Walks through the boxes of a file and counts them.
struct Walk<'f, F> {
    file: &'f mut F,
    left: u32,
}

/// The kind of the file; none when it is not such a file, or has no brand that is taken.
pub(super) fn kind(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Kind>> {
    let mut walk = Walk { file, left: BOXES_MAX };
    let Some(first) = walk.part(0, length)? else { return Ok(None) };
    let kind = match &first.kind {
        b"ftyp" => {
            let payload = first.end.min(first.start + BRANDS_BYTES_MAX) - first.start;
            by_brands(&read_at(walk.file, first.start, payload)?)
        }
        // QuickTime is older than brands: such a file is known by its film.
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => {
            return Ok(walk.find(0, length, *b"moov")?.map(|_| Kind::Mov));
        }
        _ => None,
    };
    let Some(kind @ (Kind::Mp4 | Kind::M4a | Kind::ThreeGpp | Kind::ThreeGpp2)) = kind else {
        return Ok(kind);
    };
    let Some((has_picture, has_sound)) = walk.tracks(length)? else { return Ok(Some(kind)) };
    Ok(Some(match (kind, has_picture, has_sound) {
        (Kind::Mp4, false, true) => Kind::M4a,
        (Kind::M4a, true, _) => Kind::Mp4,
        (Kind::ThreeGpp | Kind::ThreeGpp2, false, true) => Kind::ThreeGppAudio,
        _ => kind,
    }))
}

/// The kind that the first known brand says, the major one first. A brand for any HEIF counts only when no other is known.
fn by_brands(payload: &[u8]) -> Option<Kind> {
    let (brands, _) = payload.as_chunks::<4>();
    // The second is a version.
    let named = || brands.iter().take(1).chain(brands.iter().skip(2));
    let is_heif = |brand: &&[u8; 4]| matches!(*brand, b"mif1" | b"mif2" | b"msf1" | b"miaf");
    named().find_map(by_brand).or_else(|| named().find(is_heif).map(|_| Kind::Heif))
}

fn by_brand(brand: &[u8; 4]) -> Option<Kind> {
    Some(match brand {
        b"avif" | b"avis" => Kind::Avif,
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Kind::Heic,
        b"avci" | b"avcs" | b"j2ki" | b"j2is" | b"jpeg" | b"jpgs" => Kind::Heif,
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => Kind::M4a,
        b"qt  " => Kind::Mov,
        [b'3', b'g', b'2', _] => Kind::ThreeGpp2,
        [b'3', b'g', b'p' | b'r' | b's' | b'e' | b'g' | b'h' | b'm' | b't', _] => Kind::ThreeGpp,
        b"avc1"
        | b"avc3"
        | b"hvc1"
        | b"hev1"
        | b"av01"
        | b"dash"
        | b"MSNV"
        | b"mmp4"
        | b"mp71"
        | b"dby1"
        | b"isml"
        | b"piff"
        | [b'i', b's', b'o', _]
        | [b'm', b'p', b'4', _]
        | [b'c', b'm', b'f', _]
        | [b'M' | b'F', b'4', b'V', _] => Kind::Mp4,
        _ => return None,
    })
}

impl<F: Read + Seek> Walk<'_, F> {
    /// The box at `at`, cut off at `end`. None when there is none, or too many were read.
    fn part(&mut self, at: u64, end: u64) -> io::Result<Option<Part>> {
        let Some(left) = self.left.checked_sub(1).filter(|_| at < end) else { return Ok(None) };
        self.left = left;
        let header = read_at(self.file, at, 16)?;
        let Some([a, b, c, d, k0, k1, k2, k3]) = header.first_chunk() else { return Ok(None) };
        let (start, length) = match (u32::from_be_bytes([*a, *b, *c, *d]), header.last_chunk::<8>()) {
            (0, _) => (8, end - at),
            (1, Some(long)) if header.len() == 16 => (16, u64::from_be_bytes(*long)),
            (short, _) => (8, u64::from(short)),
        };
        if length < start || at + start > end {
            return Ok(None);
        }
        let end = at.saturating_add(length).min(end);
        Ok(Some(Part { kind: [*k0, *k1, *k2, *k3], start: at + start, end }))
    }

    /// The first box of a kind between `at` and `end`.
    fn find(&mut self, mut at: u64, end: u64, kind: [u8; 4]) -> io::Result<Option<Part>> {
        while let Some(part) = self.part(at, end)? {
            if part.kind == kind {
                return Ok(Some(part));
            }
            at = part.end;
        }
        Ok(None)
    }

    /// Whether there is a track of pictures, and one of sound. None for a file without a list of tracks.
    fn tracks(&mut self, length: u64) -> io::Result<Option<(bool, bool)>> {
        let Some(film) = self.find(0, length, *b"moov")? else { return Ok(None) };
        let (mut at, mut has_picture, mut has_sound) = (film.start, false, false);
        while let Some(track) = self.find(at, film.end, *b"trak")? {
            at = track.end;
            let Some(media) = self.find(track.start, track.end, *b"mdia")? else { continue };
            let Some(handler) = self.find(media.start, media.end, *b"hdlr")? else { continue };
            // Behind version, flags and a zero.
            match read_at(self.file, handler.start + 8, 4)?.as_slice() {
                b"vide" => has_picture = true,
                b"soun" => has_sound = true,
                _ => {}
            }
        }
        Ok(Some((has_picture, has_sound)))
    }
}
