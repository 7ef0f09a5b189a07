//! Each container: the picture stays, what tells more goes, and no hostile file gets through or brings it down.

use std::io::Cursor;

use ::image::codecs::gif::{GifEncoder, Repeat};
use ::image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage};

use super::stripped::PROFILE_BYTES_MAX;
use super::*;

/// Stands in everything that has to go.
const SECRET: &[u8] = b"52.5163 N 13.3777 E";

fn picture() -> DynamicImage {
    RgbImage::from_fn(12, 9, |x, y| Rgb([x as u8 * 20, y as u8 * 25, 90])).into()
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn pixels(bytes: &[u8]) -> RgbImage {
    ::image::load_from_memory(bytes).unwrap().into_rgb8()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// EXIF as a camera writes it, big-endian, with the orientation after another entry, and the place.
fn exif_of_a_camera(orientation: u8) -> Vec<u8> {
    let mut block =
        b"MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x13\0\0\0\x26\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0]);
    block.extend(SECRET);
    block
}

/// Strips `dirty`, which is `clean` and more; says what is left. Neither its beginning alone, up to `end`, nor any
/// change of a byte may get through as more than it is, or bring anything down.
fn strip_of_secrets(kind: Kind, clean: &[u8], dirty: &[u8], end: usize) -> Stripped {
    assert!(holds(dirty, SECRET));
    let stripped = strip(kind, dirty.to_vec()).unwrap();
    assert!(!holds(&stripped.bytes, SECRET), "{kind:?}");
    assert_eq!(pixels(&stripped.bytes), pixels(clean), "{kind:?}");
    let again = strip(kind, stripped.bytes.clone()).unwrap();
    assert_eq!(again, stripped, "{kind:?}");
    for cut in 0..end {
        assert_eq!(strip(kind, dirty[..cut].to_vec()), None, "{kind:?} cut at {cut}");
    }
    change_each_byte(kind, dirty);
    stripped
}

fn change_each_byte(kind: Kind, bytes: &[u8]) {
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff, bytes[at] ^ 0x80] {
            let mut changed = bytes.to_vec();
            changed[at] = value;
            if let Some(stripped) = strip(kind, changed) {
                assert!(stripped.bytes.len() <= bytes.len() + 64, "{kind:?} at {at}");
            }
        }
    }
}

fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], length.as_slice(), payload].concat()
}

#[test]
fn a_jpeg_keeps_what_decoding_needs_and_how_it_is_turned() {
    let clean = encoded(ImageFormat::Jpeg);
    let header =
        segment(0xe0, &[b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01".as_slice(), b"\xaa\xbb\xcc"].concat());
    let profile = segment(0xe2, b"ICC_PROFILE\0\x01\x01profile");
    let around = [
        &clean[..2],
        &header,
        &segment(0xe1, &[exif::PREFIX, &exif_of_a_camera(6)].concat()),
        &segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat()),
        &profile,
        &segment(0xe2, &[b"MPF\0", SECRET].concat()),
        &segment(0xed, &[b"Photoshop 3.0\0", SECRET].concat()),
        b"\xff\xff",
        &segment(0xfe, SECRET),
        &clean[2..],
    ];
    let dirty = [around.concat(), SECRET.to_vec()].concat();
    let stripped = strip_of_secrets(Kind::Jpeg, &clean, &dirty, dirty.len() - SECRET.len());
    assert_eq!((stripped.orientation.to_exif(), stripped.aside_bytes), (6, 0));
    // Of the preview in the header nothing is left either.
    assert!(holds(&stripped.bytes, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0\xff\xe1"));
    assert!(holds(&stripped.bytes, &profile) && !holds(&stripped.bytes, b"\xaa\xbb\xcc"));
    let upright = [&clean[..2], &segment(0xe1, &[exif::PREFIX, &exif_of_a_camera(1)].concat()), &clean[2..]];
    assert_eq!(strip(Kind::Jpeg, upright.concat()), strip(Kind::Jpeg, clean));
}

#[test]
fn fill_bytes_and_what_is_left_over_between_segments_are_no_damage() {
    // With a restart in each row, so that its scan holds markers as well.
    let clean = include_bytes!("../../../tests/it/samples/photo-restarts.jpg");
    let scan = clean.windows(2).position(|pair| pair == b"\xff\xda").unwrap();
    let length = usize::from(u16::from_be_bytes([clean[scan + 2], clean[scan + 3]]));
    let (before, data) = clean.split_at(scan + 2 + length);
    let restarts = data.windows(2).filter(|pair| pair[0] == 0xff && (0xd0..=0xd7).contains(&pair[1])).count();
    assert!(restarts > 2, "{restarts}");
    let mut segments = Vec::new();
    let mut rest = &before[2..];
    while let Some([0xff, _, high, low]) = rest.first_chunk() {
        let (segment, left) = rest.split_at(2 + usize::from(u16::from_be_bytes([*high, *low])));
        segments.push(segment);
        rest = left;
    }
    assert!(rest.is_empty() && segments.len() > 4);
    let between = |what: &[u8]| -> Vec<u8> {
        let filled: Vec<u8> = segments.iter().flat_map(|segment| [what, *segment].concat()).collect();
        [b"\xff\xd8".as_slice(), &filled, data].concat()
    };
    let mut filled_scan = Vec::new();
    for (at, byte) in data.iter().enumerate() {
        let is_marker = *byte == 0xff && data.get(at + 1).is_some_and(|code| *code != 0);
        filled_scan.extend(std::iter::repeat_n(0xff, if is_marker { 3 } else { 0 }));
        filled_scan.push(*byte);
    }
    let kept = strip(Kind::Jpeg, clean.to_vec()).unwrap();
    for (what, bytes) in [
        ("one fill byte", between(b"\xff")),
        ("many fill bytes", between(&[0xff; 300])),
        ("zeros", between(&[0; 16])),
        ("words", between(b"left over")),
        ("a zero behind a fill byte", between(b"\xff\xff\0")),
        ("a marker for private use", between(b"\xff\x01")),
        ("a restart outside of a scan", between(b"\xff\xd0")),
        ("fill bytes in the scan and before the end", [before, &filled_scan].concat()),
    ] {
        assert_eq!(strip(Kind::Jpeg, bytes).as_ref(), Some(&kept), "{what}");
    }
    assert_eq!(pixels(&kept.bytes), pixels(clean));
}

#[test]
fn a_jpeg_that_costs_more_than_it_shows_is_refused_or_counted() {
    let clean = encoded(ImageFormat::Jpeg);
    let at = |marker: u8| clean.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    let (frame, scan) = (at(0xc0), at(0xda));
    let scans = |count: usize| {
        let one = &clean[scan..clean.len() - 2];
        [&clean[..scan], &one.repeat(count), b"\xff\xd9"].concat()
    };
    // All three components are sampled in full: 12 * 9 * 3 coefficients of two bytes.
    assert_eq!(strip(Kind::Jpeg, scans(2)).unwrap().aside_bytes, 648);
    assert!(strip(Kind::Jpeg, scans(100)).is_some());
    assert_eq!(strip(Kind::Jpeg, scans(101)), None);
    let length = usize::from(u16::from_be_bytes([clean[frame + 2], clean[frame + 3]])) + 2;
    let twice = [&clean[..frame], &clean[frame..frame + length], &clean[frame..]].concat();
    assert_eq!(strip(Kind::Jpeg, twice), None);
    for bytes in [b"\xff\xd8\xff\xd9".as_slice(), b"\xff\xd8\xff\xe0\0\x01", b"\xff\xd8\xff\xe0\0\0\xff\xd9"]
    {
        assert_eq!(strip(Kind::Jpeg, bytes.to_vec()), None);
    }
}

fn png_chunk(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind);
    crc.update(payload);
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length, kind.as_slice(), payload, &crc.finalize().to_be_bytes()].concat()
}

/// With more chunks behind the header.
fn png_with(clean: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [&clean[..33], &chunks.concat(), &clean[33..]].concat()
}

#[test]
fn a_png_keeps_the_chunks_that_show_it() {
    let clean = encoded(ImageFormat::Png);
    let shows = png_chunk(b"gAMA", &45_455_u32.to_be_bytes());
    let chunks = [
        png_chunk(b"tEXt", &[b"Comment\0", SECRET].concat()),
        png_chunk(b"zTXt", &[b"Comment\0\0", SECRET].concat()),
        png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", SECRET].concat()),
        png_chunk(b"eXIf", &exif_of_a_camera(8)),
        png_chunk(b"tIME", SECRET),
        png_chunk(b"caBX", SECRET),
        shows.clone(),
    ];
    let dirty = [png_with(&clean, &chunks), SECRET.to_vec()].concat();
    let stripped = strip_of_secrets(Kind::Png, &clean, &dirty, dirty.len() - SECRET.len());
    assert_eq!(stripped.orientation.to_exif(), 8);
    assert!(holds(&stripped.bytes, &shows));
    assert_eq!(strip(Kind::Png, clean.clone()).unwrap().bytes, clean);
}

/// The payload of an `iCCP` chunk whose profile unpacks to so many mebibytes of zeros.
fn profile_of(mebibytes: usize) -> Vec<u8> {
    [b"sRGB\0\0".as_slice(), &driver::zlib_of_zeros(mebibytes)].concat()
}

#[test]
fn a_png_keeps_one_profile_of_a_size_that_profiles_have() {
    let clean = encoded(ImageFormat::Png);
    let sound = png_chunk(b"iCCP", &profile_of(3));
    assert_eq!(
        strip(Kind::Png, png_with(&clean, std::slice::from_ref(&sound))).unwrap().bytes,
        png_with(&clean, std::slice::from_ref(&sound))
    );
    let bomb = profile_of(5);
    let mut cut = profile_of(1);
    cut.truncate(cut.len() / 2);
    for (what, payload) in [
        ("too large", bomb.clone()),
        ("far too large", profile_of(250)),
        ("cut off", cut),
        ("no stream", b"name\0\0not zlib".to_vec()),
        ("no name", [b"\0".as_slice(), &profile_of(1)[4..]].concat()),
        ("a long name", [vec![b'n'; 80], profile_of(1)[4..].to_vec()].concat()),
        ("another method", b"name\0\x01x".to_vec()),
        ("nothing", Vec::new()),
    ] {
        let dirty = png_with(&clean, &[png_chunk(b"iCCP", &payload)]);
        assert_eq!(strip(Kind::Png, dirty).unwrap().bytes, clean, "{what}");
    }
    // Readers take the first of two, or the second.
    for (first, second, kept) in
        [(&sound, &sound, vec![sound.clone()]), (&png_chunk(b"iCCP", &bomb), &sound, vec![])]
    {
        let dirty = png_with(&clean, &[first.clone(), second.clone()]);
        assert_eq!(strip(Kind::Png, dirty).unwrap().bytes, png_with(&clean, &kept));
    }
    let large = webp_chunk(b"ICCP", &vec![0; PROFILE_BYTES_MAX + 1]);
    let clean = encoded(ImageFormat::WebP);
    let dirty = webp(&[vp8x(0x20, 12, 9), large, clean[12..].to_vec()]);
    assert_eq!(strip(Kind::Webp, dirty).unwrap().bytes, webp(&[vp8x(0, 12, 9), clean[12..].to_vec()]));
}

#[test]
fn a_png_with_a_wrong_sum_a_second_header_or_an_unknown_need_is_refused() {
    let clean = encoded(ImageFormat::Png);
    let mut wrong_sum = png_chunk(b"gAMA", &[0, 0, 0, 1]);
    *wrong_sum.last_mut().unwrap() ^= 1;
    for chunk in
        [wrong_sum, clean[8..33].to_vec(), png_chunk(b"CgBI", b"x"), b"\xff\xff\xff\xfftEXtabc".to_vec()]
    {
        assert_eq!(strip(Kind::Png, png_with(&clean, &[chunk])), None);
    }
    let without_pixels = [&clean[..33], &png_chunk(b"IEND", b"")].concat();
    assert_eq!(strip(Kind::Png, without_pixels), None);
    assert_eq!(strip(Kind::Png, [&clean[..8], &clean[33..]].concat()), None);
}

fn webp_chunk(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [kind.as_slice(), &length, payload, &[0][..payload.len() % 2]].concat()
}

fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let length = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", length.as_slice(), b"WEBP", &chunks].concat()
}

/// The header of an extended file of this size.
fn vp8x(flags: u8, width: u8, height: u8) -> Vec<u8> {
    webp_chunk(b"VP8X", &[flags, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0])
}

#[test]
fn a_webp_loses_exif_xmp_and_what_is_unknown_and_their_flags() {
    let clean = encoded(ImageFormat::WebP);
    let pixels = clean[12..].to_vec();
    let chunks = [
        vp8x(0x2c, 12, 9),
        webp_chunk(b"ICCP", b"profile"),
        pixels.clone(),
        webp_chunk(b"EXIF", &exif_of_a_camera(3)),
        webp_chunk(b"XMP ", SECRET),
        webp_chunk(b"ABCD", SECRET),
    ];
    let dirty = [webp(&chunks), SECRET.to_vec()].concat();
    let stripped = strip_of_secrets(Kind::Webp, &clean, &dirty, dirty.len() - SECRET.len());
    assert_eq!(stripped.orientation.to_exif(), 3);
    let expected = [vp8x(0x28, 12, 9), webp_chunk(b"ICCP", b"profile"), pixels.clone()];
    let block = webp_chunk(b"EXIF", &exif::block(stripped.orientation).unwrap());
    assert_eq!(stripped.bytes, webp(&[expected.concat(), block]));

    // What stands behind the picture of a simple file was never part of it.
    let simple = webp(&[pixels.clone(), webp_chunk(b"EXIF", SECRET)]);
    assert_eq!(strip(Kind::Webp, simple).unwrap().bytes, clean);
    for refused in [
        webp(&[vp8x(0, 13, 9), pixels.clone()]),
        webp(&[vp8x(0, 12, 9), pixels.clone(), pixels.clone()]),
        webp(&[vp8x(0, 12, 9)]),
        webp(&[webp_chunk(b"VP8X", b"short"), pixels.clone()]),
        webp(&[webp_chunk(b"ALPH", b"first"), pixels]),
        b"RIFF\xff\xff\xff\xffWEBPVP8L".to_vec(),
    ] {
        assert_eq!(strip(Kind::Webp, refused), None);
    }
}

#[test]
fn the_frames_of_an_animated_webp_are_stripped_too() {
    let pixels = encoded(ImageFormat::WebP)[12..].to_vec();
    let frame = |x: u8, more: &[Vec<u8>]| {
        let header = [x, 0, 0, 0, 0, 0, 11, 0, 0, 8, 0, 0, 100, 0, 0, 0];
        webp_chunk(b"ANMF", &[&header, pixels.as_slice(), &more.concat()].concat())
    };
    let all = |frames: &[Vec<u8>]| webp(&[vp8x(0x02, 14, 9), webp_chunk(b"ANIM", &[0; 6]), frames.concat()]);
    let dirty = all(&[frame(0, &[webp_chunk(b"ABCD", SECRET)]), frame(1, &[])]);
    let stripped = strip(Kind::Webp, dirty.clone()).unwrap();
    assert_eq!(stripped.bytes, all(&[frame(0, &[]), frame(1, &[])]));
    change_each_byte(Kind::Webp, &dirty);
    // Beyond the canvas; two pictures in one; none at all.
    for refused in [all(&[frame(2, &[])]), all(&[frame(0, std::slice::from_ref(&pixels))]), all(&[])] {
        assert_eq!(strip(Kind::Webp, refused), None);
    }
}

fn gif() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Finite(7)).unwrap();
    encoder.encode_frames([Frame::new(picture().into_rgba8()), Frame::new(picture().into_rgba8())]).unwrap();
    drop(encoder);
    bytes
}

#[test]
fn a_gif_keeps_frames_and_how_often_they_are_repeated() {
    let clean = gif();
    let sub_block = [&[SECRET.len() as u8], SECRET, &[0]].concat();
    let screen = 13 + if clean[10] & 0x80 == 0 { 0 } else { 3 << ((clean[10] & 7) + 1) };
    let dirty = [
        &clean[..screen],
        b"\x21\xfe",
        &sub_block,
        b"\x21\xff\x0bXMP DataXMP",
        &sub_block,
        // Text, and how it is shown, which must not fall to the first frame.
        b"\x21\xf9\x04\x04\xff\xff\0\0\x21\x01\x0c\0\0\0\0\0\0\0\0\x08\x08\0\x01",
        &sub_block,
        &clean[screen..],
        SECRET,
    ];
    let dirty = dirty.concat();
    // Cut between two frames it is shown up to there, as in a browser.
    let first_frame = screen + 100;
    let stripped = strip_of_secrets(Kind::Gif, &clean, &dirty, first_frame);
    assert_eq!(stripped.bytes, clean);
    assert!(holds(&clean, b"NETSCAPE2.0\x03\x01\x07\0\0"));

    let (_, unended) = clean.split_last().unwrap();
    assert_eq!(strip(Kind::Gif, unended.to_vec()).unwrap().bytes, clean);
    assert_eq!(strip(Kind::Gif, unended[..unended.len() - 1].to_vec()), None);
    let hidden = [&clean[..screen], b"\x21\xff\x0bNETSCAPE2.0", &sub_block, &clean[screen..]].concat();
    assert_eq!(strip(Kind::Gif, hidden).unwrap().bytes, clean);
}

#[test]
fn a_gif_without_frames_or_with_one_beyond_the_screen_is_refused() {
    let screen = b"GIF89a\x02\0\x02\0\0\0\0";
    let frame = |x: u8, width: u8| [0x2c, x, 0, 0, 0, width, 0, 1, 0, 0, 2, 1, 0, 0];
    let all = |blocks: &[u8]| [screen.as_slice(), blocks, b";"].concat();
    assert!(strip(Kind::Gif, all(&frame(0, 2))).is_some());
    for blocks in [&[][..], &frame(0, 3), &frame(1, 2), &frame(255, 255), b"\0", b"\x21\xf9\x03\0\0\0\0"] {
        assert_eq!(strip(Kind::Gif, all(blocks)), None, "{blocks:?}");
    }
}

fn avif_box(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 8).unwrap().to_be_bytes();
    [&length, kind.as_slice(), payload].concat()
}

fn info(id: u8, kind: &[u8; 4]) -> Vec<u8> {
    avif_box(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind.as_slice(), b"name\0"].concat())
}

/// A picture (item 1), EXIF (2), and XMP (3) of these places, each the method, where, and how long. The bytes of the
/// first two are in the media data, which begins at [`AVIF_DATA_AT`].
fn avif(places: [(u8, u32, u32); 3]) -> Vec<u8> {
    let infos = [info(1, b"av01"), info(2, b"Exif"), info(3, b"mime")].concat();
    let mut locations = vec![1, 0, 0, 0, 0x44, 0, 0, 3];
    for (item, (method, at, length)) in (1..).zip(places) {
        locations.extend([0, item, 0, method, 0, 0, 0, 1]);
        locations.extend([at.to_be_bytes(), length.to_be_bytes()].concat());
    }
    let meta = [
        vec![0; 4],
        avif_box(b"iinf", &[&[0, 0, 0, 0, 0, 3], infos.as_slice()].concat()),
        avif_box(b"iloc", &locations),
        avif_box(b"idat", SECRET),
        avif_box(b"iprp", b"kept"),
    ];
    let file = [
        avif_box(b"ftyp", b"avif\0\0\0\0"),
        avif_box(b"meta", &meta.concat()),
        avif_box(b"mdat", &[b"pixels", SECRET, SECRET].concat()),
        avif_box(
            b"moov",
            &[avif_box(b"trak", &avif_box(b"udta", SECRET)), avif_box(b"mvhd", b"kept")].concat(),
        ),
        avif_box(b"uuid", SECRET),
    ];
    file.concat()
}

#[test]
fn an_avif_keeps_its_length_and_loses_exif_xmp_and_user_data() {
    let length = SECRET.len() as u32;
    let at = |file: &[u8]| file.windows(6).position(|window| window == b"pixels").unwrap() as u32;
    let data_at = at(&avif([(0, 0, 1); 3]));
    let places = [(0, data_at, 6), (0, data_at + 6, 2 * length), (1, 0, length)];
    let dirty = avif(places);
    let stripped = strip(Kind::Avif, dirty.clone()).unwrap().bytes;
    assert!(!holds(&stripped, SECRET));
    assert_eq!((stripped.len(), at(&stripped)), (dirty.len(), data_at));
    assert!(holds(&stripped, b"pixels\0\0\0\0II*\0\x08\0\0\0\0\0") && holds(&stripped, &[b' '; 19]));
    assert_eq!(stripped.windows(4).filter(|window| window == b"kept").count(), 2);
    change_each_byte(Kind::Avif, &dirty);

    let beyond = dirty.len() as u32;
    for place in [(0, beyond, 1), (0, u32::MAX, u32::MAX), (0, 0, 0), (1, 1, length), (2, 0, 1)] {
        assert_eq!(strip(Kind::Avif, avif([places[0], places[1], place])), None, "{place:?}");
    }
    for bytes in [avif_box(b"ftyp", b"avif"), [avif_box(b"ftyp", b""), b"\0\0\0\x07meta".to_vec()].concat()] {
        assert_eq!(strip(Kind::Avif, bytes), None);
    }
}

#[test]
fn what_is_no_image_has_nothing_to_strip() {
    assert_eq!(strip(Kind::Pdf, b"%PDF-1.7".to_vec()), None);
}
