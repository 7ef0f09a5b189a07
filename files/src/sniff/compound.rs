//! Microsoft's compound files (MS-CFB): old office files, protected ones, and installers. They are told apart by the
//! names of the streams right below the root; what is embedded in them has names of its own, further down.

use std::io::{self, Read, Seek};

use super::read::read_at;
use crate::kind::Kind;
use crate::name;

/// What no sector has as its number: the end of a chain, or none at all.
const SECTORS_MAX: u32 = 0xffff_fffa;
/// Of the directory, and of the list of the table's sectors, that are read. A longer chain runs in a circle, or has
/// more streams than any document.
const CHAIN_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Of an entry of the directory.
const ENTRY_BYTES: usize = 128;

/// A compound file, as far as it is read here.
struct Sectors<'f, F> {
    file: &'f mut F,
    sector_bytes: u64,
    /// Where the table lies that says which sector follows which.
    table: Vec<u32>,
}

/// The kind of an office file; none for any other compound file.
pub(super) fn kind(file: &mut (impl Read + Seek), given_name: &str) -> io::Result<Option<Kind>> {
    let header = read_at(file, 0, 512)?;
    let sector_bytes: u64 = match header.get(30..32) {
        Some([9, 0]) if header.len() == 512 => 512,
        Some([12, 0]) if header.len() == 512 => 4096,
        Some(_) | None => return Ok(None),
    };
    let mut sectors = Sectors { file, sector_bytes, table: Vec::new() };
    sectors.read_table(&header)?;
    let directory = sectors.chain(le32(&header, 48))?;
    let names = below_root(&directory);
    let has = |name: &str| names.iter().any(|found| found.eq_ignore_ascii_case(name));
    // Of rights management there is no description beside the package.
    if has("EncryptedPackage") && (has("EncryptionInfo") || has("\u{6}DataSpaces")) {
        return Ok(Some(protected(given_name)));
    }
    let streams = [
        ("WordDocument", Kind::Doc),
        ("Workbook", Kind::Xls),
        ("Book", Kind::Xls),
        ("PowerPoint Document", Kind::Ppt),
    ];
    Ok(streams.into_iter().find(|(name, _)| has(name)).map(|(_, kind)| kind))
}

/// The kind of a file that a password protects, by its name, because nobody can read what is in it.
fn protected(given_name: &str) -> Kind {
    let ending = name::ending(given_name);
    let kinds = [Kind::Docx, Kind::Xlsx, Kind::Pptx, Kind::Doc, Kind::Xls, Kind::Ppt];
    kinds.into_iter().find(|kind| kind.endings().contains(&ending.as_str())).unwrap_or(Kind::Protected)
}

/// The names of what lies right below the root: a tree of entries that are one another's left and right.
fn below_root(directory: &[u8]) -> Vec<String> {
    let (entries, _) = directory.as_chunks::<ENTRY_BYTES>();
    let mut seen = vec![false; entries.len()];
    let mut names = Vec::new();
    let mut next: Vec<u32> = entries.first().map(|root| le32(root, 76)).into_iter().collect();
    while let Some(number) = next.pop() {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let (Some(entry), Some(seen @ false)) = (entries.get(at), seen.get_mut(at)) else { continue };
        *seen = true;
        // With the zero at its end, in bytes.
        let length = usize::from(u16::from_le_bytes([entry[64], entry[65]])).saturating_sub(2).min(62);
        let units = entry[..length].as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
        names.push(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect());
        next.extend([le32(entry, 68), le32(entry, 72)]);
    }
    names
}

impl<F: Read + Seek> Sectors<'_, F> {
    fn sector(&mut self, number: u32) -> io::Result<Vec<u8>> {
        read_at(self.file, (u64::from(number) + 1) * self.sector_bytes, self.sector_bytes)
    }

    /// The first places are in the header, the others in a chain of sectors, each with the next one's number last.
    fn read_table(&mut self, header: &[u8]) -> io::Result<()> {
        self.table = numbers(&header[76..512]).collect();
        let mut next = le32(header, 68);
        while next < SECTORS_MAX && self.table.len() * 4 < CHAIN_BYTES_MAX {
            let sector = self.sector(next)?;
            let Some((places, last)) = sector.split_last_chunk::<4>() else { break };
            self.table.extend(numbers(places));
            next = u32::from_le_bytes(*last);
        }
        Ok(())
    }

    /// All bytes of the chain of sectors that begins with this one.
    fn chain(&mut self, first: u32) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut next = first;
        while next < SECTORS_MAX && bytes.len() < CHAIN_BYTES_MAX {
            let sector = self.sector(next)?;
            if sector.is_empty() {
                break;
            }
            bytes.extend(sector);
            next = self.after(next)?;
        }
        Ok(bytes)
    }

    fn after(&mut self, sector: u32) -> io::Result<u32> {
        let places = u32::try_from(self.sector_bytes / 4).expect("a sector has at most 4096 bytes");
        let table = usize::try_from(sector / places).ok().and_then(|at| self.table.get(at).copied());
        let Some(table) = table.filter(|number| *number < SECTORS_MAX) else { return Ok(u32::MAX) };
        let at = (u64::from(table) + 1) * self.sector_bytes + u64::from(sector % places) * 4;
        Ok(read_at(self.file, at, 4)?.as_array().map_or(u32::MAX, |four| u32::from_le_bytes(*four)))
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
