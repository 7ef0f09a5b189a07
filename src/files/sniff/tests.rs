use std::io::Cursor;

use super::*;

const PIXELS_MAX: u64 = 40_000_000;

fn judge(bytes: &[u8], name: &str) -> Result<Kind, Refusal> {
    let mut text = TextCheck::default();
    // In odd pieces, as a network would.
    bytes.chunks(7).for_each(|piece| text.push(piece));
    sniff(&mut Cursor::new(bytes), text.is_text(), name, PIXELS_MAX).unwrap()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let head: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    [head, &width.to_be_bytes(), &height.to_be_bytes(), b"\x08\x06\0\0\0"].concat()
}

/// With a segment of `before` bytes in front of the frame.
fn jpeg(width: u16, height: u16, before: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1];
    bytes.extend(before.to_be_bytes());
    bytes.extend(vec![0xaa; usize::from(before) - 2]);
    bytes.extend([0xff, 0xc2, 0, 17, 8]);
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3; 10]);
    bytes
}

fn zip(entries: &[&str]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0; 26]);
    bytes.extend(entries.concat().as_bytes());
    bytes.extend(b"PK\x05\x06");
    bytes
}

fn compound(stream: &str) -> Vec<u8> {
    let mut bytes = vec![0; 512 * 4];
    bytes[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    bytes[30] = 9;
    bytes[48] = 2;
    for (at, unit) in stream.encode_utf16().enumerate() {
        bytes[512 * 3 + 128 + 2 * at..][..2].copy_from_slice(&unit.to_le_bytes());
    }
    bytes
}

fn webp(chunk: &[u8]) -> Vec<u8> {
    [b"RIFF\0\0\0\0WEBP".as_slice(), chunk].concat()
}

fn avif(width: u32, height: u32) -> Vec<u8> {
    let head: &[u8] = b"\0\0\0\x1cftypavif\0\0\0\0\0\0\0\x14ispe\0\0\0\0";
    [head, &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

#[test]
fn each_kind_is_known_by_its_bytes_whatever_it_is_called() {
    let odt = zip(&["mimetype", "application/vnd.oasis.opendocument.text", "PK"]);
    let cases: Vec<(Vec<u8>, Kind)> = vec![
        (png(640, 480), Kind::Png),
        (jpeg(640, 480, 20), Kind::Jpeg),
        (b"GIF89a\x80\x02\xe0\x01rest".to_vec(), Kind::Gif),
        (webp(b"VP8X\x0a\0\0\0\0\0\0\0\x7f\x02\0\xdf\x01\0"), Kind::Webp),
        (webp(b"VP8L\0\0\0\0\x2f\x7f\xc2\x77\0"), Kind::Webp),
        (webp(b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x80\x02\xe0\x01"), Kind::Webp),
        (avif(640, 480), Kind::Avif),
        (b"%PDF-1.7\n".to_vec(), Kind::Pdf),
        (zip(&["a.txt"]), Kind::Zip),
        (zip(&["[Content_Types].xml", "word/document.xml"]), Kind::Docx),
        (zip(&["xl/workbook.xml", "[Content_Types].xml"]), Kind::Xlsx),
        (zip(&["[Content_Types].xml", "ppt/presentation.xml"]), Kind::Pptx),
        (odt, Kind::Odt),
        (compound("WordDocument"), Kind::Doc),
        (compound("Workbook"), Kind::Xls),
        (compound("PowerPoint Document"), Kind::Ppt),
        (b"ID3\x04\0rest".to_vec(), Kind::Mp3),
        (b"\xff\xfb\x90\x64rest".to_vec(), Kind::Mp3),
        (b"OggS\0\x02".to_vec(), Kind::Ogg),
        (b"RIFF\0\0\0\0WAVEfmt ".to_vec(), Kind::Wav),
        (b"\0\0\0\x18ftypisom\0\0\0\0".to_vec(), Kind::Mp4),
        (b"\0\0\0\x18ftypM4A \0\0\0\0".to_vec(), Kind::M4a),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm".to_vec(), Kind::Webm),
        ("\u{feff}grüße\r\n\t👋".as_bytes().to_vec(), Kind::Text),
        (b"a < b, and <3".to_vec(), Kind::Text),
        (b"< not markup".to_vec(), Kind::Text),
    ];
    for (bytes, kind) in &cases {
        for name in ["file", "file.txt", "file.exe"] {
            assert_eq!(judge(bytes, name), Ok(*kind), "{name}: {:?}", String::from_utf8_lossy(bytes));
        }
    }
    assert_eq!(judge(b"a;b\n1;2\n", "Table.CSV"), Ok(Kind::Csv));
}

#[test]
fn what_a_browser_would_run_is_refused_whatever_it_is_called() {
    let markup = [
        "<html>",
        "<!DOCTYPE html>",
        " \r\n\t<HTML",
        "<?xml version='1.0'?><a/>",
        "<svg xmlns='x' onload='a()'/>",
        "\u{feff}<script>alert(1)</script>",
        "</p><p>",
        "<a href=x>",
        "<!-- --><svg/>",
    ];
    for text in markup {
        for name in ["a.txt", "a.png", "a.csv", "a.svg", "a"] {
            assert_eq!(judge(text.as_bytes(), name), Err(Refusal::Kind), "{name}: {text}");
        }
    }
    for name in
        ["a.js", "a.html", "a.SVG", "a.xml", "a.mjs.", "x/a.js ", "a.txt.j\u{202e}s", "a.hta", "a.ps1"]
    {
        assert_eq!(judge(b"alert(1)", name), Err(Refusal::Kind), "{name}");
    }
}

#[test]
fn other_kinds_are_refused() {
    let cases: Vec<Vec<u8>> = vec![
        b"MZ\x90\0program".to_vec(),
        b"\x7fELF\x02".to_vec(),
        b"\0\0\0\x14ftypqt  ".to_vec(),
        b"\0\0\0\x18ftypheic".to_vec(),
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska".to_vec(),
        b"BM\x36\0\0\0\0\0".to_vec(),
        b"II*\0\x08\0\0\0".to_vec(),
        b"\x1f\x8b\x08\0".to_vec(),
        b"Rar!\x1a\x07\0".to_vec(),
        compound("Property"),
        b"\xff\xfe<\0h\0".to_vec(),
        b"text with a \0 in it".to_vec(),
        b"text with \x1b[31m in it".to_vec(),
        "text with \u{85} in it".as_bytes().to_vec(),
        b"caf\xe9".to_vec(),
        b"cut caf\xc3".to_vec(),
        b"\xff".to_vec(),
        b"PK\x03".to_vec(),
        b"\xff\xd8".to_vec(),
    ];
    for bytes in cases {
        assert_eq!(judge(&bytes, "a.txt"), Err(Refusal::Kind), "{bytes:?}");
    }
    assert_eq!(judge(b"", "a.txt"), Err(Refusal::Empty));
}

#[test]
fn images_of_too_many_pixels_are_refused_by_their_header() {
    assert_eq!(judge(&png(8000, 5000), "a"), Ok(Kind::Png));
    let too_many = [
        png(8000, 5001),
        png(u32::MAX, u32::MAX),
        jpeg(u16::MAX, u16::MAX, 20),
        jpeg(u16::MAX, u16::MAX, u16::MAX),
        b"GIF89a\xff\xff\xff\xff".to_vec(),
        webp(b"VP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff"),
        webp(b"VP8L\0\0\0\0\x2f\xff\xff\xff\x0f"),
        [avif(10, 10), avif(60_000, 60_000)].concat(),
    ];
    for bytes in too_many {
        assert_eq!(judge(&bytes, "a"), Err(Refusal::TooManyPixels(PIXELS_MAX)), "{:?}", &bytes[..16]);
    }
}

#[test]
fn a_damaged_image_is_refused() {
    let cases: Vec<Vec<u8>> = vec![
        png(0, 10),
        png(10, 10)[..20].to_vec(),
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT\0\0\0\x01\0\0\0\x01".to_vec(),
        b"GIF89a\x01".to_vec(),
        jpeg(10, 10, 20)[..24].to_vec(),
        jpeg(0, 10, 20),
        b"\xff\xd8\xff\xe0\0\x01\0\0".to_vec(),
        b"\xff\xd8\xff\xda\0\x08\0\0".to_vec(),
        [b"\xff\xd8".to_vec(), b"\xff\xe0\0\x02".repeat(3000)].concat(),
        webp(b"VP8Z\0\0\0\0\0\0"),
        webp(b"VP8X\0"),
        b"\0\0\0\x1cftypavif\0\0\0\0".to_vec(),
    ];
    for bytes in cases {
        assert_eq!(judge(&bytes, "a.png"), Err(Refusal::DamagedImage), "{bytes:?}");
    }
}

#[test]
fn every_kind_is_found_by_its_media_type() {
    for kind in Kind::ALL {
        assert_eq!(Kind::of_mime(kind.mime()), Some(kind));
    }
    assert_eq!(Kind::of_mime("image/svg+xml"), None);
}
