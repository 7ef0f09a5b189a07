//! What a file is called: what the uploader called it, less everything that could mislead the one who saves it.

use domain::Name;

use super::sniff::Kind;

/// In characters, so that an extension still fits into a [`Name`].
const STEM_MAX: usize = 150;
const EXTENSION_MAX: usize = 10;

/// Without folders, control and direction characters, and with an extension that fits what the file is: `a/b.exe`
/// that is an image becomes `b.exe.png`.
pub(super) fn clean(given: &str, kind: Kind) -> Name {
    let kept = readable(given);
    let (stem, extension) = match kept.rsplit_once('.') {
        Some((stem, extension)) if fits(kind, extension) => (stem, extension),
        _ => (kept.as_str(), kind.extensions()[0]),
    };
    let stem: String = stem.chars().take(STEM_MAX).collect();
    let stem = if stem.trim().is_empty() { "file" } else { &stem };
    Name::parse(&format!("{stem}.{extension}"))
        .expect("it is short, not blank, and has no control characters")
}

/// The extension that the file would be saved with if its name were believed, in lower case.
pub(super) fn extension(given: &str) -> String {
    readable(given).rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_lowercase())
}

fn readable(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|&c| !c.is_control() && !changes_direction(c)).collect();
    kept.trim_matches(|c: char| c.is_whitespace() || c == '.').to_owned()
}

fn fits(kind: Kind, extension: &str) -> bool {
    let plain = extension.len() <= EXTENSION_MAX && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    let listed = kind.extensions().iter().any(|listed| listed.eq_ignore_ascii_case(extension));
    // Text of any other name was looked at by name before: it is none that runs.
    listed || (kind == Kind::Text && plain && !extension.is_empty())
}

/// Characters that make `gnp.exe` look like `exe.png`.
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
            ("naïve 写真.webp", Kind::Webp, "naïve 写真.webp"),
        ];
        for (given, kind, expected) in cases {
            assert_eq!(clean(given, kind).as_str(), expected, "{given:?}");
        }
        let long = clean(&"ü".repeat(5000), Kind::Pdf);
        assert_eq!(long.as_str().chars().count(), STEM_MAX + 4);
    }
}
