//! The name of a file: the name that its uploader gave it, less everything that could mislead a person who saves it.

use domain::Name;

use crate::kind::Kind;

/// In characters, so that an ending of [`ENDING_MAX`] still fits into a [`Name`].
const STEM_MAX: usize = 189;
const ENDING_MAX: usize = 10;

/// Endings of programs. No file of text keeps one.
const PROGRAMS: &[&str] = &[
    "apk", "app", "appx", "bin", "cab", "class", "com", "cpl", "deb", "dll", "dmg", "exe", "ipa", "iso",
    "jar", "lnk", "msi", "msix", "msp", "ocx", "pif", "pkg", "rpm", "run", "scr", "sys", "vxd", "xpi",
];

/// The name without folders, control and direction characters, and with an ending that fits the kind of the file: an image
/// called `a/b.exe` becomes `b.exe.png`.
pub(super) fn clean(given: &str, kind: Kind) -> Name {
    let kept = readable(given);
    let (stem, ending) = match kept.rsplit_once('.') {
        Some((stem, ending)) if fits(kind, ending) => (stem, ending),
        _ => (kept.as_str(), kind.usual_ending()),
    };
    let stem: String = stem.chars().take(STEM_MAX).collect();
    let stem = if stem.trim().is_empty() { "file" } else { &stem };
    Name::parse(&format!("{stem}.{ending}")).expect("it is short, not blank, and has no control characters")
}

/// The ending that the file would be saved with if its name were believed, in lower case.
pub(super) fn ending(given: &str) -> String {
    readable(given).rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_lowercase())
}

fn readable(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|&c| !c.is_control() && !misleads(c)).collect();
    kept.trim_matches(|c: char| c.is_whitespace() || c == '.').to_owned()
}

fn fits(kind: Kind, ending: &str) -> bool {
    let is_one_of = |list: &[&str]| list.iter().any(|listed| listed.eq_ignore_ascii_case(ending));
    let is_plain =
        (1..=ENDING_MAX).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
    // Text of any other name was looked at by name before: a browser runs none of it.
    is_one_of(kind.endings()) || (kind == Kind::Text && is_plain && !is_one_of(PROGRAMS))
}

/// Characters that make `gnp.exe` look like `exe.png`, that break a line, or that nobody sees.
fn misleads(c: char) -> bool {
    matches!(
        c,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{00ad}' | '\u{180e}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_people_read_and_lose_what_misleads() {
        let cases = [
            ("photo.PNG", Kind::Png, "photo.PNG"),
            ("../../etc/passwd", Kind::Text, "passwd.txt"),
            (r"C:\Users\ann\photo.jpeg", Kind::Jpeg, "photo.jpeg"),
            ("evil.exe", Kind::Png, "evil.exe.png"),
            ("a\u{202e}gnp.exe", Kind::Zip, "agnp.exe.zip"),
            ("a\r\nSet-Cookie: x.pdf", Kind::Pdf, "aSet-Cookie: x.pdf"),
            ("", Kind::Gif, "file.gif"),
            ("...", Kind::Gif, "file.gif"),
            (".png", Kind::Png, "png.png"),
            (" .png ", Kind::Png, "png.png"),
            ("notes.md", Kind::Text, "notes.md"),
            ("notes.m d", Kind::Text, "notes.m d.txt"),
            ("eicar.com", Kind::Text, "eicar.com.txt"),
            ("README", Kind::Text, "README.txt"),
            ("archive.tar.gz.txt", Kind::Text, "archive.tar.gz.txt"),
            ("mail.EML", Kind::Text, "mail.EML"),
            (
                "e\u{301}te\u{301} 👩\u{200d}👩\u{200d}👧.pdf",
                Kind::Pdf,
                "e\u{301}te\u{301} 👩\u{200d}👩\u{200d}👧.pdf",
            ),
            ("\u{2067}invoice\u{2069}\u{feff}.pdf", Kind::Pdf, "invoice.pdf"),
            ("a\u{2028}b\u{200b}.txt", Kind::Text, "ab.txt"),
            ("my \"best\"; name=x.txt", Kind::Text, "my \"best\"; name=x.txt"),
            ("naïve 写真.webp", Kind::Webp, "naïve 写真.webp"),
        ];
        for (given, kind, expected) in cases {
            assert_eq!(clean(given, kind).as_str(), expected, "{given:?}");
        }
        // What belongs to the container found stays, in whatever case, and nothing is doubled.
        for (kind, endings) in [
            (Kind::Jpeg, ["jpg", "jpeg", "jpe", "jfif", "JPG"].as_slice()),
            (Kind::Xlsx, &["xlsm", "xltx", "xltm", "xlsb", "xlam"]),
            (Kind::Docx, &["docm", "dotx", "dotm", "DOCX"]),
            (Kind::Pptx, &["pptm", "potx", "potm", "ppsx", "ppsm", "sldx"]),
            (Kind::Odt, &["ott", "odm"]),
            (Kind::Doc, &["dot"]),
            (Kind::Ppt, &["pps", "pot"]),
            (Kind::Zip, &["epub", "kmz", "cbz", "pages", "pkpass"]),
            (Kind::Wav, &["wave"]),
            (Kind::Tiff, &["tif", "tiff", "dng"]),
            (Kind::Heic, &["heif", "hif", "HEIC"]),
            (Kind::Ogg, &["oga", "opus", "spx"]),
            (Kind::M4a, &["m4a", "m4b", "mp4"]),
            (Kind::Mp4, &["m4v", "mov", "MP4"]),
            (Kind::Mov, &["mov", "qt", "mp4"]),
            (Kind::WebmAudio, &["webm", "weba"]),
            (Kind::Mkv, &["mkv", "webm", "mks"]),
        ] {
            for ending in endings {
                let name = format!("a.b.{ending}");
                assert_eq!(clean(&name, kind).as_str(), name);
            }
        }
        for kind in Kind::ALL {
            for foreign in ["exe", "html", "svg", "jar", "apk", "js", "lnk"] {
                if kind == Kind::Text && ["html", "svg", "js"].contains(&foreign) {
                    // Such a text is refused before it gets a name.
                    continue;
                }
                let given = format!("a.{foreign}");
                assert_eq!(clean(&given, kind).as_str(), format!("{given}.{}", kind.usual_ending()));
            }
        }
        let long = clean(&"ü".repeat(5000), Kind::Pdf);
        assert_eq!(long.as_str().chars().count(), STEM_MAX + 4);
    }
}
