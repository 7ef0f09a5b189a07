//! Zip and compound files: put together as different programs do it, and as an attacker would.

use super::*;

fn zip(entries: &[&str]) -> Vec<u8> {
    Zip::default().with(entries)
}

/// Writes zips as different programs do.
#[derive(Default)]
struct Zip {
    before: Vec<u8>,
    comment: Vec<u8>,
    is_64: bool,
    has_descriptors: bool,
    extra: usize,
}

impl Zip {
    /// Each entry a name, or a name and its contents behind `=`.
    fn with(&self, entries: &[&str]) -> Vec<u8> {
        let (mut bytes, mut directory) = (self.before.clone(), Vec::new());
        for entry in entries {
            let (name, contents) = entry.split_once('=').unwrap_or((entry, "contents"));
            let at = (bytes.len() - self.before.len()) as u32;
            let size = (contents.len() as u32).to_le_bytes();
            let sizes = [[0; 4], size, size].concat();
            let lengths = [(name.len() as u16).to_le_bytes(), (self.extra as u16).to_le_bytes()].concat();
            let (flags, local_sizes) =
                if self.has_descriptors { (8, vec![0; 12]) } else { (0, sizes.clone()) };
            bytes.extend(
                [b"PK\x03\x04\x14\0", [flags, 0, 0, 0, 0, 0, 0, 0].as_slice(), &local_sizes].concat(),
            );
            bytes.extend([&lengths, name.as_bytes(), &vec![0; self.extra], contents.as_bytes()].concat());
            if self.has_descriptors {
                bytes.extend([b"PK\x07\x08".as_slice(), &sizes].concat());
            }
            let head =
                [b"PK\x01\x02\x14\0\x14\0".as_slice(), &[flags, 0, 0, 0, 0, 0, 0, 0], &sizes, &lengths];
            let rest = [[0; 10].as_slice(), &at.to_le_bytes(), name.as_bytes(), &vec![0; self.extra]];
            directory.extend([head.concat(), rest.concat()].concat());
        }
        let (at, size) = ((bytes.len() - self.before.len()) as u64, directory.len() as u64);
        let count = entries.len() as u64;
        bytes.extend(&directory);
        if self.is_64 {
            let record_at = (bytes.len() - self.before.len()) as u64;
            bytes
                .extend([b"PK\x06\x06".as_slice(), &44_u64.to_le_bytes(), &[45, 0, 45, 0], &[0; 8]].concat());
            bytes.extend([count, count, size, at].iter().flat_map(|number| number.to_le_bytes()));
            bytes
                .extend([b"PK\x06\x07\0\0\0\0".as_slice(), &record_at.to_le_bytes(), &[1, 0, 0, 0]].concat());
        }
        let (count, size, at) =
            if self.is_64 { (u16::MAX, u32::MAX, u32::MAX) } else { (count as u16, size as u32, at as u32) };
        bytes.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count.to_le_bytes(), &count.to_le_bytes()].concat());
        bytes.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
        bytes.extend([&(self.comment.len() as u16).to_le_bytes(), self.comment.as_slice()].concat());
        bytes
    }
}

#[test]
fn an_office_file_is_known_by_its_directory_wherever_that_lies() {
    let types = "[Content_Types].xml";
    let slides: Vec<String> = (0..2000).map(|n| format!("ppt/slides/_rels/slide{n}.xml.rels")).collect();
    let slides: Vec<&str> = slides.iter().map(String::as_str).collect();
    let large = [slides.as_slice(), &["ppt/presentation.xml", types]].concat();
    assert!(zip(&large).len() > 128 * 1024);
    let odt = "mimetype=application/vnd.oasis.opendocument.text";
    let pieces = |before: &[u8], comment: &[u8]| Zip {
        before: before.to_vec(),
        comment: comment.to_vec(),
        ..Zip::default()
    };
    let zip64 = Zip { is_64: true, ..Zip::default() };
    let streamed = Zip { has_descriptors: true, ..Zip::default() };
    let cases: Vec<(&str, Vec<u8>, Kind)> = vec![
        ("no office file", zip(&["a.txt"]), Kind::Zip),
        ("empty", zip(&[]), Kind::Zip),
        ("a folder of that name", zip(&["word/document.xml"]), Kind::Zip),
        ("types of something else", zip(&[types, "visio/document.xml"]), Kind::Zip),
        ("a letter", zip(&[types, "word/document.xml"]), Kind::Docx),
        ("a part of another name", zip(&[types, "word/document2.xml"]), Kind::Docx),
        ("a table in binary", zip(&["xl/workbook.bin", types]), Kind::Xlsx),
        ("of another case and separator", zip(&["[content_types].xml", "PPT\\presentation.xml"]), Kind::Pptx),
        ("with separators in front", zip(&["/[Content_Types].xml", "/word/document.xml"]), Kind::Docx),
        ("with a table in it", zip(&[types, "word/embeddings/xl/a.xlsx", "word/document.xml"]), Kind::Docx),
        ("of 2000 slides", zip(&large), Kind::Pptx),
        (
            "of large extra fields",
            Zip { extra: 30_000, ..Zip::default() }.with(&[types, "xl/a", "b"]),
            Kind::Xlsx,
        ),
        ("ZIP64", zip64.with(&[types, "xl/workbook.xml"]), Kind::Xlsx),
        ("ZIP64, large", zip64.with(&large), Kind::Pptx),
        ("streamed", streamed.with(&[types, "word/document.xml"]), Kind::Docx),
        ("a comment", pieces(b"", &[b'c'; 65_535]).with(&[types, "word/a"]), Kind::Docx),
        (
            "a comment like an end",
            pieces(b"", b"PK\x05\x06 and so on, and so on").with(&[types, "xl/a"]),
            Kind::Xlsx,
        ),
        ("behind something else", pieces(b"PK\x07\x08", b"").with(&[types, "ppt/a"]), Kind::Pptx),
        ("cut off", zip(&large)[..60_000].to_vec(), Kind::Zip),
        ("ODF", zip(&[odt, "content.xml"]), Kind::Odt),
        ("ODF, streamed", streamed.with(&[odt, "content.xml"]), Kind::Odt),
        ("ODF with extra fields", Zip { extra: 9, ..Zip::default() }.with(&[odt]), Kind::Odt),
        ("ODF, type last", zip(&["content.xml", odt]), Kind::Odt),
        ("ODF template", zip(&[&format!("{odt}-template")]), Kind::Odt),
        ("ODF table", zip(&["mimetype=application/vnd.oasis.opendocument.spreadsheet"]), Kind::Ods),
        ("ODF show", zip(&["mimetype=application/vnd.oasis.opendocument.presentation"]), Kind::Odp),
        ("ODF drawing", zip(&["mimetype=application/vnd.oasis.opendocument.graphics"]), Kind::Odg),
        ("a book", zip(&["mimetype=application/epub+zip", "META-INF/container.xml"]), Kind::Zip),
    ];
    for (what, bytes, kind) in cases {
        assert_eq!(judge(&bytes, "a"), Ok(kind), "{what}");
    }
}

/// A compound file of 512-byte sectors: the table, then the directory, each entry a name and its left, right and child.
fn compound(entries: &[(&str, [u32; 3])]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    bytes[30] = 9;
    bytes[44] = 1;
    bytes[48] = 1;
    bytes[68..72].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    bytes[76..512].fill(0xff);
    bytes[76..80].fill(0);
    // Sector 0 is the table; the directory is every second one from 1 on, so that only the table tells what follows.
    let sectors = entries.len().div_ceil(4);
    let mut table = vec![0xffff_ffff_u32; 128];
    let mut rest = vec![0; 512 * 2 * sectors];
    for sector in 0..sectors {
        table[1 + 2 * sector] = if sector + 1 < sectors { 3 + 2 * sector as u32 } else { 0xffff_fffe };
    }
    for (at, (name, links)) in entries.iter().enumerate() {
        let entry = &mut rest[512 * 2 * (at / 4) + 128 * (at % 4)..][..128];
        for (unit, place) in name.encode_utf16().zip(entry.as_chunks_mut::<2>().0) {
            *place = unit.to_le_bytes();
        }
        entry[64] = 2 * (name.encode_utf16().count() as u8 + 1);
        for (link, place) in links.iter().zip(entry[68..80].as_chunks_mut::<4>().0) {
            *place = link.to_le_bytes();
        }
    }
    bytes.extend(table.iter().flat_map(|next| next.to_le_bytes()));
    bytes.extend(rest);
    bytes
}

#[test]
fn a_compound_file_is_known_by_the_streams_below_its_root() {
    const NONE: u32 = u32::MAX;
    let alone = |stream: &str| compound(&[("Root Entry", [NONE, NONE, 1]), (stream, [NONE; 3])]);
    for (stream, kind) in [
        ("WordDocument", Ok(Kind::Doc)),
        ("Workbook", Ok(Kind::Xls)),
        ("Book", Ok(Kind::Xls)),
        ("PowerPoint Document", Ok(Kind::Ppt)),
        ("Property", Err(Refusal::Kind)),
        ("EncryptedPackage", Err(Refusal::Kind)),
        ("EncryptionInfo", Err(Refusal::Kind)),
    ] {
        assert_eq!(judge(&alone(stream), "a.doc"), kind, "{stream}");
    }
    // Far in the directory, and an embedded table that is none of the root's.
    let mut entries =
        vec![("Root Entry", [NONE, NONE, 1]), ("ObjectPool", [NONE, 9, 2]), ("Workbook", [NONE; 3])];
    entries.extend([("other", [NONE; 3]); 6]);
    entries.push(("WordDocument", [NONE; 3]));
    assert_eq!(judge(&compound(&entries), "a"), Ok(Kind::Doc));
    entries.truncate(9);
    assert_eq!(judge(&compound(&entries), "a"), Err(Refusal::Kind));
    // Round and round.
    let circle = compound(&[("Root Entry", [NONE, NONE, 1]), ("a", [1, 2, NONE]), ("b", [1, 1, NONE])]);
    assert_eq!(judge(&circle, "a"), Err(Refusal::Kind));
    let mut circle = alone("a");
    circle[512 + 4..512 + 8].copy_from_slice(&1_u32.to_le_bytes());
    circle[68..72].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(judge(&circle, "a"), Err(Refusal::Kind));

    let protected = |described: &str| {
        compound(&[
            ("Root Entry", [NONE, NONE, 1]),
            ("EncryptedPackage", [NONE, 2, NONE]),
            (described, [NONE; 3]),
        ])
    };
    for described in ["EncryptionInfo", "\u{6}DataSpaces"] {
        for (name, kind) in [
            ("a.docx", Kind::Docx),
            ("a.XLSM", Kind::Xlsx),
            ("a.ppsx", Kind::Pptx),
            ("a.dotm", Kind::Docx),
            ("a.xlsb", Kind::Xlsx),
            ("a.xls", Kind::Xls),
            ("a.pps", Kind::Ppt),
            ("a", Kind::Protected),
            ("a.exe", Kind::Protected),
        ] {
            assert_eq!(judge(&protected(described), name), Ok(kind), "{name}");
        }
    }
}
