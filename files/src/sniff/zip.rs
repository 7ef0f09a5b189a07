//! Zip files (APPNOTE 6.3), among them office files, which are told apart by the names in the directory. The directory is
//! read where it lies, however large it is. Nothing is unpacked: a compressed type of an ODF file is known by its checksum.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::read::read_at;
use crate::kind::Kind;

/// The record at the end: without its comment, and the longest with it.
const END_BYTES: usize = 22;
const END_BYTES_MAX: u64 = 22 + 65_535;
/// The record at the end of a ZIP64, and what says where it is.
const END64_BYTES: u64 = 56;
const LOCATOR_BYTES: u64 = 20;
/// How many names are read of one file.
const ENTRIES_MAX: u32 = 200_000;
/// Before the name, in the directory and before an entry.
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// The longest type of an ODF file has about 70.
const TYPE_BYTES_MAX: u64 = 100;

/// What follows the type of an ODF file that is more than a plain one.
const ODF_FORMS: [&str; 5] = ["", "-template", "-master", "-master-template", "-web"];

/// Where the directory is, and by how much everything lies further back than it says.
struct Directory {
    start: u64,
    end: u64,
    shift: u64,
}

/// The kind of a file that begins like a zip.
pub(super) fn kind(file: &mut (impl Read + Seek), length: u64) -> io::Result<Kind> {
    // ODF wants its type to be the first entry.
    if let Some(kind) = open_document(file, 0)? {
        return Ok(kind);
    }
    let Some(directory) = directory(file, length)? else { return Ok(Kind::Zip) };
    let (mut has_types, mut office, mut type_at, mut packed) = (false, None, None, None);
    file.seek(SeekFrom::Start(directory.start))?;
    let mut entries = BufReader::new(&mut *file).take(directory.end - directory.start);
    for _ in 0..ENTRIES_MAX {
        let mut header = [0; ENTRY_BYTES];
        if read_whole(&mut entries, &mut header)?.is_none() || !header.starts_with(b"PK\x01\x02") {
            break;
        }
        let mut name = vec![0; le16(&header, 28)];
        if read_whole(&mut entries, &mut name)?.is_none() {
            break;
        }
        let skipped = (le16(&header, 30) + le16(&header, 32)) as u64;
        if io::copy(&mut entries.by_ref().take(skipped), &mut io::sink())? < skipped {
            break;
        }
        // Some writers take the separator of Windows, or begin with one; names of parts have no case.
        let name = name.strip_prefix(b"/").unwrap_or(&name).to_ascii_lowercase();
        let part = |folder: &[u8]| {
            name.strip_prefix(folder).is_some_and(|rest| matches!(rest, [b'/' | b'\\', _, ..]))
        };
        has_types |= name == b"[content_types].xml";
        let folders: [(&[u8], Kind); 3] = [(b"word", Kind::Docx), (b"xl", Kind::Xlsx), (b"ppt", Kind::Pptx)];
        office = office.or(folders.into_iter().find(|(folder, _)| part(folder)).map(|(_, kind)| kind));
        if name == b"mimetype" {
            type_at = Some(directory.shift + le32(&header, 42));
            packed = packed_type(le32(&header, 16), le32(&header, 24));
        }
        if let (true, Some(kind)) = (has_types, office) {
            return Ok(kind);
        }
    }
    drop(entries);
    let Some(at) = type_at else { return Ok(Kind::Zip) };
    Ok(open_document(file, at)?.or(packed).unwrap_or(Kind::Zip))
}

/// The kind that the directory says for the type. Programs that pack an ODF file again may compress the type like the rest.
fn packed_type(checksum: u64, length: u64) -> Option<Kind> {
    let kinds = [Kind::Odt, Kind::Ods, Kind::Odp, Kind::Odg].into_iter();
    let mut all = kinds.flat_map(|kind| ODF_FORMS.map(|form| (kind, format!("{}{form}", kind.mime()))));
    let is_this =
        |name: &str| name.len() as u64 == length && u64::from(crc32fast::hash(name.as_bytes())) == checksum;
    all.find(|(_, name)| is_this(name)).map(|(kind, _)| kind)
}

/// The kind that the entry at `at` says, if that entry is the type of an ODF file and is not compressed. Templates and parts
/// of larger works are of the same kind.
fn open_document(file: &mut (impl Read + Seek), at: u64) -> io::Result<Option<Kind>> {
    let header = read_at(file, at, LOCAL_BYTES as u64 + 8)?;
    let is_whole = header.len() == LOCAL_BYTES + 8 && le16(&header, 26) == 8 && le16(&header, 8) == 0;
    if !is_whole || &header[LOCAL_BYTES..] != b"mimetype" {
        return Ok(None);
    }
    let start = at + (LOCAL_BYTES + 8 + le16(&header, 28)) as u64;
    let named = read_at(file, start, TYPE_BYTES_MAX)?;
    let kinds = [Kind::Odt, Kind::Ods, Kind::Odp, Kind::Odg];
    Ok(kinds.into_iter().find(|kind| named.starts_with(kind.mime().as_bytes())))
}

/// Finds the directory by the record at the end. A comment may stand behind the record, and other bytes before the zip.
fn directory(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Directory>> {
    let tail_at = length.saturating_sub(END_BYTES_MAX);
    let tail = read_at(file, tail_at, END_BYTES_MAX)?;
    let ends = (0..tail.len().saturating_sub(END_BYTES - 1)).rev();
    let mut ends = ends.filter(|at| tail[*at..].starts_with(b"PK\x05\x06"));
    let Some(last) = ends.clone().next() else { return Ok(None) };
    // A comment may look like a record, but not like a record whose comment ends where the file does.
    let at = ends.find(|at| at + END_BYTES + le16(&tail, at + 20) == tail.len()).unwrap_or(last);
    let record = &tail[at..at + END_BYTES];
    let (mut size, mut said) = (le32(record, 12), le32(record, 16));
    let mut end = tail_at + at as u64;
    let is_64 = size == u64::from(u32::MAX) || said == u64::from(u32::MAX) || le16(record, 10) == 0xffff;
    if is_64 && let Some((end64, size64, said64)) = directory64(file, end)? {
        (end, size, said) = (end64, size64, said64);
    }
    let Some(start) = end.checked_sub(size) else { return Ok(None) };
    Ok(Some(Directory { start, end, shift: start.saturating_sub(said) }))
}

/// Of a ZIP64 whose other record is at `end`: where its own is, how large the directory is, and where it says it is.
fn directory64(file: &mut (impl Read + Seek), end: u64) -> io::Result<Option<(u64, u64, u64)>> {
    let Some(locator_at) = end.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let locator = read_at(file, locator_at, LOCATOR_BYTES)?;
    if locator.len() < LOCATOR_BYTES as usize || !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    for at in [Some(le64(&locator, 8)), locator_at.checked_sub(END64_BYTES)].into_iter().flatten() {
        let record = read_at(file, at, END64_BYTES)?;
        if record.len() == END64_BYTES as usize && record.starts_with(b"PK\x06\x06") {
            return Ok(Some((at, le64(&record, 40), le64(&record, 48))));
        }
    }
    Ok(None)
}

/// None at the end.
fn read_whole(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<Option<()>> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn le16(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn le32(bytes: &[u8], at: usize) -> u64 {
    le16(bytes, at) as u64 | (le16(bytes, at + 2) as u64) << 16
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    le32(bytes, at) | le32(bytes, at + 4) << 32
}
