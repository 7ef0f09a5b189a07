//! Secrets in files, which settings and flags name.

use std::io;
use std::path::Path;

/// What a file holds; the line end that an editor leaves is no part of it. An error too when that is nothing,
/// or only blanks.
pub fn read_secret(file: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let secret =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.trim().is_empty() { Err(io::Error::other("it is empty")) } else { Ok(secret.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_file_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        for (written, read) in [
            ("s e\n", Some("s e")),
            ("x\r\n", Some("x")),
            ("y", Some("y")),
            (" z\n\n", Some(" z\n")),
            ("\n", None),
            ("\r\n", None),
            ("", None),
            (" \n", None),
        ] {
            std::fs::write(&file, written).unwrap();
            assert_eq!(read_secret(&file).ok().as_deref(), read, "{written:?}");
        }
        let missing = read_secret(&dir.path().join("nowhere")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
