//! How anything is stored: a versioned, checksummed envelope around self-describing JSON.
//!
//! ```text
//! byte 0      the format of the envelope: 1
//! bytes 1, 2  the schema of what is inside, big-endian: 1
//! bytes 3..7  CRC-32 of all other bytes, big-endian
//! the rest    JSON
//! ```
//!
//! Adding a field that has a default changes neither number. A change that an older binary would misread takes the
//! next schema, and [`open`] then reads both; a binary that meets a newer schema says so instead of guessing.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

const FORMAT: u8 = 1;
const SCHEMA: u16 = 1;
const HEADER_BYTES: usize = 7;

/// `value` in an envelope.
pub fn seal<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(FORMAT);
    bytes.extend(SCHEMA.to_be_bytes());
    bytes.extend([0; 4]);
    serde_json::to_writer(&mut bytes, value)
        .expect("memory takes every write, and our maps have texts as keys");
    let checksum = checksum(&bytes);
    bytes[3..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The value in an envelope.
///
/// # Errors
///
/// [`StoreError::Corrupt`]: the bytes were changed, or a newer program wrote them. A person must act.
pub fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt(reason);
    let Some((&[format, schema_0, schema_1, crc_0, crc_1, crc_2, crc_3], json)) =
        bytes.split_first_chunk::<HEADER_BYTES>()
    else {
        return Err(corrupt(format!("{} bytes are too short for an envelope", bytes.len())));
    };
    if format != FORMAT {
        return Err(corrupt(format!("format {format} is not known")));
    }
    if checksum(bytes) != u32::from_be_bytes([crc_0, crc_1, crc_2, crc_3]) {
        return Err(corrupt("the checksum is another".into()));
    }
    let schema = u16::from_be_bytes([schema_0, schema_1]);
    if schema > SCHEMA {
        return Err(corrupt(format!("schema {schema} is newer than this program's {SCHEMA}")));
    }
    serde_json::from_slice(json).map_err(|error| corrupt(format!("the JSON inside: {error}")))
}

/// The checksum of a whole envelope, without the place where it stands.
fn checksum(envelope: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&envelope[..3]);
    crc.update(&envelope[HEADER_BYTES..]);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(bytes: &[u8]) -> String {
        match open::<Vec<u32>>(bytes) {
            Err(StoreError::Corrupt(reason)) => reason,
            other => panic!("opened as {other:?}"),
        }
    }

    #[test]
    fn what_is_sealed_opens() {
        assert_eq!(open::<Vec<u32>>(&seal(&[1, 2])).unwrap(), [1, 2]);
    }

    #[test]
    fn whatever_byte_is_changed_it_does_not_open() {
        let sealed = seal(&vec![1234u32, 5678]);
        for place in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[place] ^= 1 << bit;
                reason(&changed);
            }
            reason(&sealed[..place]);
        }
    }

    #[test]
    fn the_reason_is_told() {
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = seal(&vec![1u32]);
            change(&mut bytes);
            let checksum = checksum(&bytes);
            bytes[3..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
            reason(&bytes)
        };
        assert_eq!(with(|bytes| bytes[0] = 9), "format 9 is not known");
        assert_eq!(with(|bytes| bytes[2] = 2), "schema 2 is newer than this program's 1");
        assert!(with(|bytes| bytes.truncate(HEADER_BYTES + 1)).starts_with("the JSON inside: "));
        assert_eq!(reason(&[1, 0]), "2 bytes are too short for an envelope");
        assert_eq!(reason(&[1, 0, 1, 0, 0, 0, 0, b'1']), "the checksum is another");
    }
}
