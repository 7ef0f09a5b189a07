//! Sound without a container: frames, each of which begins with a few bits that other files have by chance as well.

use std::io::{self, Read, Seek};

use super::read::read_at;
use crate::kind::Kind;

/// In bits a second, divided by 1000, of MPEG 1 layer III; and of 2 and 2.5.
const BIT_RATES: [[u64; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
const SAMPLE_RATES: [u64; 3] = [44_100, 48_000, 32_000];

/// The kind of sound behind a tag of ID3, which all three kinds may have in front. MP3 when the bytes behind do not say.
pub(super) fn tagged(file: &mut (impl Read + Seek), head: &[u8]) -> io::Result<Kind> {
    let Some([_, _, _, _, _, flags, s3, s2, s1, s0]) = head.first_chunk() else { return Ok(Kind::Mp3) };
    let size = [s3, s2, s1, s0].into_iter().fold(0, |size, seven| size << 7 | u64::from(seven & 0x7f));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    let behind = read_at(file, 10 + size + footer, 16)?;
    Ok(match behind.as_slice() {
        [b'f', b'L', b'a', b'C', ..] => Kind::Flac,
        behind if adts_length(behind).is_some() => Kind::Aac,
        _ => Kind::Mp3,
    })
}

/// The kind of a file that begins with a frame, if another frame follows it, or nothing does.
pub(super) fn frames(head: &[u8]) -> Option<Kind> {
    let follows = |length: u64, measure: fn(&[u8]) -> Option<u64>| {
        let rest = usize::try_from(length).ok().and_then(|length| head.get(length..));
        rest.is_none_or(|rest| rest.len() < 4 || measure(rest).is_some())
    };
    if adts_length(head).is_some_and(|length| follows(length, adts_length)) {
        return Some(Kind::Aac);
    }
    mp3_length(head).is_some_and(|length| follows(length, mp3_length)).then_some(Kind::Mp3)
}

/// How long a frame of AAC (ISO/IEC 14496-3, 1.A.2) is.
fn adts_length(frame: &[u8]) -> Option<u64> {
    let [0xff, second, third, fourth, fifth, sixth, ..] = frame else { return None };
    // Layer 0, and a sample rate that exists.
    let is_frame = second & 0xf6 == 0xf0 && (third >> 2) & 15 < 13;
    let length = u64::from(fourth & 3) << 11 | u64::from(*fifth) << 3 | u64::from(sixth >> 5);
    (is_frame && length >= 7).then_some(length)
}

/// How long a frame of MPEG layer III (ISO/IEC 11172-3, 2.4.2.3) is.
fn mp3_length(frame: &[u8]) -> Option<u64> {
    let [0xff, second, third, ..] = frame else { return None };
    if second & 0xe6 != 0xe2 {
        return None;
    }
    let (is_first, divisor) = match second >> 3 & 3 {
        3 => (true, 1),
        2 => (false, 2),
        0 => (false, 4),
        _ => return None,
    };
    let rates = &BIT_RATES[usize::from(!is_first)];
    let bit_rate = rates.get(usize::from(third >> 4)).copied().filter(|rate| *rate > 0)?;
    let sample_rate = SAMPLE_RATES.get(usize::from(third >> 2 & 3))? / divisor;
    let samples_by_8 = if is_first { 144 } else { 72 };
    Some(samples_by_8 * 1000 * bit_rate / sample_rate + u64::from(third >> 1 & 1))
}
