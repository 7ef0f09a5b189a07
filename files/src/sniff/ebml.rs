//! Matroska and its part WebM (RFC 9559, RFC 8794): finds which of the two the header says, and whether there is a picture.
//! Only a bounded number of elements' headers is read, where they lie.

use std::io::{self, Read, Seek};

use super::read::read_at;
use crate::kind::Kind;

const HEADER: u32 = 0x1a45_dfa3;
const DOCUMENT_TYPE: u32 = 0x4282;
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
const PICTURE: u8 = 1;
const SOUND: u8 = 2;

/// How many headers of elements are read of one file.
const ELEMENTS_MAX: u32 = 1024;
/// `webm` or `matroska`, with as much padding as anybody needs.
const TYPE_BYTES_MAX: u64 = 64;

struct Element {
    id: u32,
    start: u64,
    /// An element that is written while it is sent has no length, and goes on to the end.
    end: u64,
    has_length: bool,
}

struct Walk<'f, F> {
    file: &'f mut F,
    left: u32,
}

/// The kind of the file; none when it is neither of the two.
pub(super) fn kind(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Kind>> {
    let mut walk = Walk { file, left: ELEMENTS_MAX };
    let Some(header) = walk.element(0, length)?.filter(|header| header.id == HEADER) else { return Ok(None) };
    let Some(named) = walk.find(header.start, header.end, DOCUMENT_TYPE)? else { return Ok(None) };
    let name = read_at(walk.file, named.start, (named.end - named.start).min(TYPE_BYTES_MAX))?;
    let is_webm = match name.split(|byte| *byte == 0).next() {
        Some(b"webm") => true,
        Some(b"matroska") => false,
        Some(_) | None => return Ok(None),
    };
    let is_sound = walk.is_sound(header.end, length)?;
    Ok(Some(match (is_webm, is_sound) {
        (true, false) => Kind::Webm,
        (true, true) => Kind::WebmAudio,
        (false, false) => Kind::Mkv,
        (false, true) => Kind::Mka,
    }))
}

impl<F: Read + Seek> Walk<'_, F> {
    /// The element at `at`, cut off at `end`. None when there is none, or too many were read.
    fn element(&mut self, at: u64, end: u64) -> io::Result<Option<Element>> {
        let Some(left) = self.left.checked_sub(1).filter(|_| at < end) else { return Ok(None) };
        self.left = left;
        let bytes = read_at(self.file, at, 12)?;
        let Some((id, id_bytes)) = number(&bytes, 4) else { return Ok(None) };
        let Some((size, size_bytes)) = number(&bytes[id_bytes..], 8) else { return Ok(None) };
        // The bit that says the length of the size is not part of the number.
        let all = u64::MAX >> (64 - 7 * size_bytes);
        let (size, has_length) = (size & all, size & all != all);
        let start = at + (id_bytes + size_bytes) as u64;
        if start > end {
            return Ok(None);
        }
        let end = if has_length { start.saturating_add(size).min(end) } else { end };
        let id = u32::try_from(id).unwrap_or_default();
        Ok(Some(Element { id, start, end, has_length }))
    }

    fn find(&mut self, mut at: u64, end: u64, id: u32) -> io::Result<Option<Element>> {
        while let Some(element) = self.element(at, end)? {
            if element.id == id {
                return Ok(Some(element));
            }
            if !element.has_length {
                return Ok(None);
            }
            at = element.end;
        }
        Ok(None)
    }

    /// Whether there is a track of sound and none of pictures.
    fn is_sound(&mut self, at: u64, length: u64) -> io::Result<bool> {
        let Some(segment) = self.find(at, length, SEGMENT)? else { return Ok(false) };
        let Some(tracks) = self.find(segment.start, segment.end, TRACKS)? else { return Ok(false) };
        let (mut at, mut has_picture, mut has_sound) = (tracks.start, false, false);
        while let Some(track) = self.find(at, tracks.end, TRACK)? {
            at = track.end;
            let Some(kind) = self.find(track.start, track.end, TRACK_TYPE)? else { continue };
            // A number may have zeros in front.
            match read_at(self.file, kind.end.saturating_sub(1), 1)?.as_slice() {
                [PICTURE] => has_picture = true,
                [SOUND] => has_sound = true,
                _ => {}
            }
        }
        Ok(has_sound && !has_picture)
    }
}

/// A number that says its own length by its leading zeros, with that bit still in it, and its length in bytes.
fn number(bytes: &[u8], longest: usize) -> Option<(u64, usize)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    if length > longest {
        return None;
    }
    let number = bytes.get(..length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((number, length))
}
