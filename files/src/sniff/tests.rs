//! Samples are in `tests/it/samples`, made by the programs that people's files come from; what no program writes on
//! demand is put together here.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use super::*;

fn judge(bytes: &[u8], name: &str) -> Result<Kind, Refusal> {
    find(bytes, name).map(|found| found.kind)
}

fn find(bytes: &[u8], name: &str) -> Result<Found, Refusal> {
    let mut text = TextCheck::default();
    // In odd pieces, as a network would.
    bytes.chunks(7).for_each(|piece| text.push(piece));
    sniff(&mut Cursor::new(bytes), text.encoding(), name).unwrap()
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/samples").join(name)).unwrap()
}

/// What every sample is.
const SAMPLES: [(&str, Kind); 54] = [
    ("big5.txt", Kind::Text),
    ("budget.xls", Kind::Xls),
    ("budget.xlsx", Kind::Xlsx),
    ("clip-fragmented.mp4", Kind::Mp4),
    ("clip.3gp", Kind::ThreeGpp),
    ("clip.mkv", Kind::Mkv),
    ("clip.mov", Kind::Mov),
    ("clip.mp4", Kind::Mp4),
    ("clip.webm", Kind::Webm),
    ("cp1251.txt", Kind::Text),
    ("cp1252.csv", Kind::Csv),
    ("cp437.txt", Kind::Text),
    ("cp949.txt", Kind::Text),
    ("deck.pptx", Kind::Pptx),
    ("euc-jp.txt", Kind::Text),
    ("gb18030.csv", Kind::Csv),
    ("iso-2022-jp.txt", Kind::Text),
    ("koi8-r.txt", Kind::Text),
    ("latin-1.eml", Kind::Text),
    ("letter-packed.odt", Kind::Odt),
    ("letter.docx", Kind::Docx),
    ("macroman.txt", Kind::Text),
    ("photo-arithmetic.jpg", Kind::Jpeg),
    ("photo-restarts.jpg", Kind::Jpeg),
    ("photo.avif", Kind::Avif),
    ("photo.bmp", Kind::Bmp),
    ("photo.heic", Kind::Heic),
    ("photo.jfif", Kind::Jpeg),
    ("photo.tif", Kind::Tiff),
    ("protected-budget.xlsx", Kind::Xlsx),
    ("protected-deck.pptx", Kind::Pptx),
    ("protected-letter.docx", Kind::Docx),
    ("report.pdf", Kind::Pdf),
    ("shift-jis.txt", Kind::Text),
    ("utf-16be.csv", Kind::Csv),
    ("utf-16le-unmarked.txt", Kind::Text),
    ("utf-16le.txt", Kind::Text),
    ("utf-32le.txt", Kind::Text),
    ("voice-live.webm", Kind::WebmAudio),
    ("voice-tagged.aac", Kind::Aac),
    ("voice-tagged.flac", Kind::Flac),
    ("voice-untagged.mp3", Kind::Mp3),
    ("voice.3gp", Kind::ThreeGppAudio),
    ("voice.aac", Kind::Aac),
    ("voice.amr", Kind::Amr),
    ("voice.flac", Kind::Flac),
    ("voice.m4a", Kind::M4a),
    ("voice.mka", Kind::Mka),
    ("voice.mp3", Kind::Mp3),
    ("voice.mp4", Kind::M4a),
    ("voice.ogg", Kind::Ogg),
    ("voice.opus", Kind::Ogg),
    ("voice.wav", Kind::Wav),
    ("voice.webm", Kind::WebmAudio),
];

#[test]
fn every_sample_is_known_by_its_bytes_and_keeps_its_name() {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/samples")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = names.filter(|name| name != "make.py").collect();
    assert_eq!(there, SAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>());
    for (name, kind) in SAMPLES {
        let found = find(&sample(name), name);
        assert_eq!(found.map(|found| (found.kind, found.is_utf8)), Ok((kind, false)), "{name}");
        assert_eq!(crate::name::clean(name, kind).as_str(), name);
        // What it is does not follow from what it is called, but for what only its name says.
        if !name.starts_with("protected") && kind != Kind::Csv {
            for other in ["file", "file.txt", "file.exe"] {
                assert_eq!(judge(&sample(name), other), Ok(kind), "{name} as {other}");
            }
        }
    }
}

#[test]
fn no_sample_cut_off_or_changed_brings_a_reader_down() {
    for (name, _) in SAMPLES {
        let whole = sample(name);
        let step = whole.len() / 20 + 1;
        for at in (0..whole.len()).step_by(step) {
            let _ = judge(&whole[..at], name);
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = judge(&changed, name);
        }
        // Where the containers' own numbers are.
        for at in 0..whole.len().min(80) {
            for value in [0, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = judge(&changed, name);
            }
        }
    }
}

#[test]
fn other_kinds_are_refused() {
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    tar.extend(sample("report.pdf"));
    let cases: Vec<Vec<u8>> = vec![
        b"MZ\x90\0program".to_vec(),
        b"\x7fELF\x02\x01\x01\0".to_vec(),
        b"\xca\xfe\xba\xbe\0\0\0\x34".to_vec(),
        b"\0asm\x01\0\0\0".to_vec(),
        b"\0\0\0\x14ftypXXXX\0\0\0\0YYYY".to_vec(),
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84clip".to_vec(),
        b"\x1f\x8b\x08\0".to_vec(),
        b"Rar!\x1a\x07\0".to_vec(),
        b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(),
        b"RIFF\x10\0\0\0AVI LIST".to_vec(),
        tar,
        b"text with a \0 in it".to_vec(),
        b"\x01\x02\x03 text".to_vec(),
        b"\xff\xfe\0\xd8".to_vec(),
        b"\xff\xfea\0\0\0b\0".to_vec(),
        b"\xff\xfea\0b".to_vec(),
        b"\0\0\0\0".to_vec(),
        b"PK\x03".to_vec(),
    ];
    for bytes in cases {
        assert_eq!(judge(&bytes, "a.txt"), Err(Refusal::Kind), "{bytes:?}");
    }
    assert_eq!(judge(b"", "a.txt"), Err(Refusal::Empty));
}

#[test]
fn a_pdf_may_begin_late() {
    let pdf = sample("report.pdf");
    for before in [
        b"\n".to_vec(),
        b"\xef\xbb\xbf".to_vec(),
        b"\x1b%-12345X@PJL JOB\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n".to_vec(),
        vec![0; 1024],
        vec![b'x'; 1024],
        b"<html>".to_vec(),
    ] {
        for pdf in [pdf.as_slice(), b"%PDF-1.7\n%%EOF", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n"] {
            let late = [before.as_slice(), pdf].concat();
            assert_eq!(judge(&late, "a.txt"), Ok(Kind::Pdf), "{before:?}");
        }
    }
    assert_ne!(judge(&[vec![b'x'; 1025], pdf].concat(), "a.txt"), Ok(Kind::Pdf));
}

/// With another major brand, and the old one in place of the last compatible one.
fn rebranded(name: &str, major: &[u8; 4], compatible: &[u8; 4]) -> Vec<u8> {
    let mut bytes = sample(name);
    let end = u32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize;
    for at in (16..end).step_by(4) {
        bytes[at..at + 4].copy_from_slice(if at + 4 == end { compatible } else { b"none" });
    }
    bytes[8..12].copy_from_slice(major);
    bytes
}

#[test]
fn films_and_photos_are_known_by_compatible_brands_too() {
    for (name, major, compatible, kind) in [
        ("clip.mp4", b"XAVC", b"mp42", Kind::Mp4),
        ("clip.mp4", b"NDSC", b"avc1", Kind::Mp4),
        ("clip.mp4", b"Xxxx", b"isom", Kind::Mp4),
        ("clip.mp4", b"isml", b"piff", Kind::Mp4),
        ("clip.mp4", b"M4A ", b"M4A ", Kind::Mp4),
        ("clip.mov", b"nope", b"qt  ", Kind::Mov),
        ("clip.3gp", b"kddi", b"3gp5", Kind::ThreeGpp),
        ("clip.3gp", b"KDDI", b"3g2a", Kind::ThreeGpp2),
        ("voice.m4a", b"mp42", b"isom", Kind::M4a),
        ("voice.m4a", b"dash", b"iso6", Kind::M4a),
        ("photo.avif", b"mif1", b"avif", Kind::Avif),
        ("photo.avif", b"MA1B", b"avif", Kind::Avif),
        ("photo.heic", b"mif1", b"heic", Kind::Heic),
        ("photo.heic", b"MiHE", b"heix", Kind::Heic),
        ("photo.heic", b"mif1", b"none", Kind::Heif),
        ("photo.heic", b"none", b"mif1", Kind::Heif),
    ] {
        assert_eq!(judge(&rebranded(name, major, compatible), "a"), Ok(kind), "{name} as {major:?}");
    }
    assert_eq!(judge(&rebranded("clip.mp4", b"none", b"none"), "a"), Err(Refusal::Kind));
    // QuickTime of before there were brands.
    let film = sample("clip.mov");
    let brands = u32::from_be_bytes(*film.first_chunk().unwrap()) as usize;
    assert_eq!(judge(&film[brands..], "a"), Ok(Kind::Mov));
    assert_eq!(judge(&[b"\0\0\0\x08wide".as_slice(), &film[brands..]].concat(), "a"), Ok(Kind::Mov));
    // A film that was cut off before its list of tracks is what its brands say.
    assert_eq!(judge(&sample("clip.mp4")[..40], "a"), Ok(Kind::Mp4));
    assert_eq!(judge(b"\0\0\0\x18ftypM4A \0\0\0\0", "a"), Ok(Kind::M4a));
}

#[test]
fn webm_is_known_however_its_header_is_written() {
    let header = |body: &[u8]| [&[0x1a, 0x45, 0xdf, 0xa3, 0x80 | body.len() as u8], body].concat();
    let named = |name: &[u8]| [&[0x42, 0x82, 0x80 | name.len() as u8], name].concat();
    let version: &[u8] = b"\x42\x86\x81\x01\x42\xf7\x81\x01";
    let void = [&[0xec, 0x80 | 50], [b'.'; 50].as_slice()].concat();
    for (what, body, kind) in [
        ("first", named(b"webm"), Kind::Webm),
        ("padded", named(b"webm\0\0\0\0"), Kind::Webm),
        ("in the middle", [version, &named(b"webm"), version].concat(), Kind::Webm),
        ("late", [version, &void, version, &named(b"webm")].concat(), Kind::Webm),
        ("with a long length", [b"\x42\x82\x40\x04webm".as_slice(), version].concat(), Kind::Webm),
        ("with the longest length", b"\x42\x82\x01\0\0\0\0\0\0\x04webm".to_vec(), Kind::Webm),
        ("matroska, padded", [version, &named(b"matroska\0")].concat(), Kind::Mkv),
    ] {
        assert_eq!(judge(&header(&body), "a"), Ok(kind), "{what}");
    }
    for body in [named(b"webmx"), named(b""), named(b"xwebm"), version.to_vec()] {
        assert_eq!(judge(&header(&body), "a"), Err(Refusal::Kind), "{body:?}");
    }
}

#[test]
fn sound_in_bare_frames_is_known_by_two_of_them() {
    for (name, kind) in [("voice.aac", Kind::Aac), ("voice-untagged.mp3", Kind::Mp3)] {
        let sound = sample(name);
        assert_eq!(judge(&sound, "a"), Ok(kind));
        let mut broken = sound.clone();
        let second = (4..).find(|at| broken[*at..].starts_with(&sound[..2])).unwrap();
        broken[second] = 0;
        assert_eq!(judge(&broken, "a"), Err(Refusal::Kind), "{name}");
    }
    // Cyrillic that begins like a frame: every text of one code has some.
    for word in [b"\xff\xe2\xeb\xff\xe5\xf2\xf1\xff".as_slice(), b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80"] {
        assert_eq!(judge(word, "a.txt"), Ok(Kind::Text));
    }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let head: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    [head, &width.to_be_bytes(), &height.to_be_bytes(), b"\x08\x06\0\0\0"].concat()
}

/// With these bytes in front of the frame.
fn jpeg(width: u16, height: u16, before: &[u8]) -> Vec<u8> {
    let mut bytes = [b"\xff\xd8\xff\xe0\0\x04JF".as_slice(), before, &[0xff, 0xc2, 0, 17, 8]].concat();
    bytes.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    bytes.extend([3; 10]);
    bytes
}

fn webp(chunk: &[u8]) -> Vec<u8> {
    [b"RIFF\0\0\0\0WEBP".as_slice(), chunk].concat()
}

#[test]
fn an_images_pixels_are_counted_by_its_header() {
    let segment = [&[0xff, 0xe1, 0xff, 0xff], [0xaa; 0xfffd].as_slice()].concat();
    for (bytes, pixels) in [
        (png(640, 480), 640 * 480),
        (png(8000, 6000), 48_000_000),
        (jpeg(640, 480, b""), 640 * 480),
        (jpeg(640, 480, b"\xff\xff\xff"), 640 * 480),
        (jpeg(640, 480, b"\xff\x01\xff\xff\xfe\0\x03x"), 640 * 480),
        (jpeg(640, 480, b"left over\xff\0"), 640 * 480),
        (jpeg(u16::MAX, u16::MAX, &segment), 65_535 * 65_535),
        (b"GIF89a\x80\x02\xe0\x01rest\0".to_vec(), 640 * 480),
        (webp(b"VP8X\x0a\0\0\0\0\0\0\0\x7f\x02\0\xdf\x01\0"), 640 * 480),
        (webp(b"VP8L\0\0\0\0\x2f\x7f\xc2\x77\0"), 640 * 480),
        (webp(b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x80\x02\xe0\x01"), 640 * 480),
        (sample("photo.avif"), 48 * 32),
        (sample("photo.jfif"), 48 * 32),
        (sample("photo.heic"), 0),
    ] {
        assert_eq!(find(&bytes, "a").map(|found| found.pixels), Ok(pixels), "{:?}", &bytes[..16]);
    }
}

#[test]
fn a_damaged_image_is_refused() {
    let cases: Vec<Vec<u8>> = vec![
        png(0, 10),
        png(10, u32::MAX),
        png(10, 10)[..20].to_vec(),
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT\0\0\0\x01\0\0\0\x01".to_vec(),
        b"GIF89a\x01\0".to_vec(),
        jpeg(10, 10, b"")[..14].to_vec(),
        jpeg(0, 10, b""),
        b"\xff\xd8\xff\xe0\0\x01\0\0".to_vec(),
        b"\xff\xd8\xff\xda\0\x08\0\0".to_vec(),
        [b"\xff\xd8".to_vec(), b"\xff\xe0\0\x02".repeat(3000)].concat(),
        webp(b"VP8Z\0\0\0\0\0\0"),
        webp(b"VP8X\0"),
    ];
    for bytes in cases {
        assert_eq!(judge(&bytes, "a.png"), Err(Refusal::DamagedImage), "{bytes:?}");
    }
}

mod archives;
mod text;
