//! GIF (89a): a screen, then blocks. Frames are kept, with the blocks that say how each is shown and how often they are
//! repeated (NETSCAPE2.0). Comments, text as a picture, all other applications' blocks (XMP, colour profiles) and what follows
//! the end are left out.

use super::read::{array, take};
use super::stripped::Stripped;

const END: u8 = 0x3b;
const FRAME: u8 = 0x2c;
const EXTENSION: u8 = 0x21;
const LOOP: &[u8] = b"\x21\xff\x0bNETSCAPE2.0";

pub(super) fn strip(bytes: &[u8]) -> Option<Stripped> {
    let mut rest = bytes;
    let [_, _, _, b'8', b'7' | b'9', b'a', w0, w1, h0, h1, flags, _, _] = array(&mut rest)? else {
        return None;
    };
    let screen = [u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1])];
    take(&mut rest, colours(flags))?;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(&bytes[..bytes.len() - rest.len()]);
    // A block that says how a frame is shown belongs to what is shown next, and is kept or left out with it.
    let mut control: &[u8] = &[];
    let mut has_frames = false;
    loop {
        let block = rest;
        match array(&mut rest) {
            // Players take the end of the file for the end of the picture as well.
            None | Some([END]) => break,
            Some([FRAME]) => {
                frame(&mut rest, screen)?;
                kept.extend(std::mem::take(&mut control));
                kept.extend(&block[..block.len() - rest.len()]);
                has_frames = true;
            }
            Some([EXTENSION]) => match array(&mut rest)? {
                [0xf9] => {
                    let [4, _, _, _, _, 0] = array(&mut rest)? else { return None };
                    control = &block[..block.len() - rest.len()];
                }
                // Text is shown.
                [0x01] => {
                    skip_sub_blocks(&mut rest)?;
                    control = &[];
                }
                [0xff] if block.starts_with(LOOP) => {
                    skip_sub_blocks(&mut rest)?;
                    if let Some([3, 1, low, high]) = block[LOOP.len()..].first_chunk() {
                        kept.extend(LOOP);
                        kept.extend([3, 1, *low, *high, 0]);
                    }
                }
                [_] => skip_sub_blocks(&mut rest)?,
            },
            Some([_]) => return None,
        }
    }
    kept.push(END);
    has_frames.then_some(Stripped::upright(kept))
}

/// The length in bytes of the table of colours that the flags announce.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// The frame behind its first byte. A frame that is larger than the screen is refused: it would take more memory than the
/// limits allowed for the screen.
fn frame(rest: &mut &[u8], screen: [u16; 2]) -> Option<()> {
    let [x0, x1, y0, y1, w0, w1, h0, h1, flags] = array(rest)?;
    for (at, length, limit) in [([x0, x1], [w0, w1], screen[0]), ([y0, y1], [h0, h1], screen[1])] {
        if u16::from_le_bytes(at).checked_add(u16::from_le_bytes(length))? > limit {
            return None;
        }
    }
    take(rest, colours(flags) + 1)?;
    skip_sub_blocks(rest)
}

/// Sub-blocks: each has its length in front, and an empty one is the last.
fn skip_sub_blocks(rest: &mut &[u8]) -> Option<()> {
    loop {
        match array(rest)? {
            [0] => return Some(()),
            [length] => take(rest, length.into())?,
        };
    }
}
