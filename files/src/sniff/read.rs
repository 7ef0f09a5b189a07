//! Reads a few bytes of a file, where they lie.

use std::io::{self, Read, Seek, SeekFrom};

/// At most `length` bytes from `at`; fewer at the end of the file.
pub(super) fn read_at(file: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
