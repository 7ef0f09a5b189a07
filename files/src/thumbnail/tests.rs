use ::image::metadata::Orientation;
use ::image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::metadata::strip;

/// White above, black below, in this format, as it is kept.
fn picture(format: ImageFormat, width: u32, height: u32) -> Stripped {
    let white_above = |_, y| if y < height / 2 { Rgb([255; 3]) } else { Rgb([0; 3]) };
    let mut bytes = Cursor::new(Vec::new());
    let picture = DynamicImage::from(RgbImage::from_fn(width, height, white_above));
    picture.write_to(&mut bytes, format).unwrap();
    strip(kind(format), bytes.into_inner()).unwrap()
}

fn kind(format: ImageFormat) -> Kind {
    Kind::of_mime(format.to_mime_type()).unwrap()
}

fn made(kind: Kind, image: &Stripped) -> (Kind, DynamicImage) {
    match thumbnail(kind, image).unwrap().unwrap() {
        Small::Picture { kind, bytes } => (kind, ::image::load_from_memory(&bytes).unwrap()),
        Small::Itself => panic!("it is larger than that"),
    }
}

const FORMATS: [ImageFormat; 4] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];

#[test]
fn a_large_image_gets_a_small_one_and_a_small_one_needs_none() {
    for format in FORMATS {
        for (width, height, expected) in
            [(640, 400, (320, 200)), (321, 10, (320, 10)), (2, 2000, (1, 320)), (400, 800, (160, 320))]
        {
            let (_, small) = made(kind(format), &picture(format, width, height));
            assert_eq!((small.width(), small.height()), expected, "{format:?} {width}x{height}");
        }
        for (width, height) in [(1, 1), (320, 320)] {
            let small = thumbnail(kind(format), &picture(format, width, height));
            assert_eq!(small, Ok(Some(Small::Itself)), "{format:?}");
        }
    }
    assert_eq!(made(Kind::Webp, &picture(ImageFormat::WebP, 400, 400)).0, Kind::Jpeg);
}

#[test]
fn a_thumbnail_stands_upright_whatever_its_original_does() {
    let mut image = picture(ImageFormat::Png, 800, 400);
    // By this a camera says that what is above in the file was on the right.
    image.orientation = Orientation::Rotate90;
    let (_, small) = made(Kind::Png, &image);
    assert_eq!((small.width(), small.height()), (160, 320));
    let small = small.into_luma8();
    assert!(small.get_pixel(20, 160).0[0] < 50 && small.get_pixel(140, 160).0[0] > 200);
}

#[test]
fn what_shows_through_still_does() {
    let glass = RgbaImage::from_pixel(400, 400, Rgba([10, 20, 30, 128]));
    let mut bytes = Cursor::new(Vec::new());
    glass.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let (kind, small) = made(Kind::Png, &strip(Kind::Png, bytes.into_inner()).unwrap());
    assert_eq!((kind, small.into_rgba8().get_pixel(5, 5).0), (Kind::Png, [10, 20, 30, 128]));
}

/// A PNG of this size, colour type and depth whose pixels are these bytes, said to be compressed.
fn png(width: u32, height: u32, depth: u8, colours: u8, pixels: &[u8]) -> Stripped {
    let chunk = |kind: &[u8], payload: &[u8]| {
        let mut crc = crc32fast::Hasher::new();
        crc.update(kind);
        crc.update(payload);
        [&(payload.len() as u32).to_be_bytes(), kind, payload, &crc.finalize().to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes(), height.to_be_bytes().as_slice(), &[depth, colours, 0, 0, 0]].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")].concat();
    strip(Kind::Png, [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks].concat()).unwrap()
}

#[test]
fn what_takes_too_much_memory_is_kept_without_a_thumbnail() {
    // 40 million pixels, which is few enough, but of 8 bytes.
    assert_eq!(thumbnail(Kind::Png, &png(8000, 5000, 16, 6, b"")), Ok(None));
    let mut held = picture(ImageFormat::Jpeg, 400, 400);
    held.aside_bytes = DECODE_BYTES_MAX;
    assert_eq!(thumbnail(Kind::Jpeg, &held), Ok(None));
}

#[test]
fn what_does_not_decode_is_refused() {
    for pixels in [b"".as_slice(), b"\x78\x9c\x03\0\0\0\0\x01", b"no zlib"] {
        assert_eq!(thumbnail(Kind::Png, &png(10, 10, 8, 2, pixels)), Err(Refusal::DamagedImage));
    }
    for format in FORMATS {
        let mut cut = picture(format, 400, 400);
        cut.bytes.truncate(30);
        assert_eq!(thumbnail(kind(format), &cut), Err(Refusal::DamagedImage), "{format:?}");
    }
}

#[test]
fn what_the_decoder_does_not_know_is_kept_without_a_thumbnail() {
    assert_eq!(thumbnail(Kind::Avif, &picture(ImageFormat::Png, 400, 400)), Ok(None));
    let arithmetic = include_bytes!("../../../tests/it/samples/photo-arithmetic.jpg");
    let mut stripped = strip(Kind::Jpeg, arithmetic.to_vec()).unwrap();
    assert_eq!(thumbnail(Kind::Jpeg, &stripped), Ok(None));
    // In Huffman's code of 12 bits, and lossless, as far as the header says.
    let frame = stripped.bytes.windows(2).position(|pair| pair == [0xff, 0xc9]).unwrap();
    for (coding, depth) in [(0xc1, 12), (0xc3, 8), (0xca, 8)] {
        stripped.bytes[frame + 1] = coding;
        stripped.bytes[frame + 4] = depth;
        assert_eq!(thumbnail(Kind::Jpeg, &stripped), Ok(None), "{coding:x}");
    }
}
