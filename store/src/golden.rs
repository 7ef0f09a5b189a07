//! Golden samples: what lies on the disk, kept for ever, held against what this program reads and writes. For the tests
//! of every crate that stores something.
//!
//! A line of samples is a name, the envelope's seven bytes in hexadecimal, and its JSON. What a program once wrote must
//! be read by every later one, so lines are added, never changed: all lines of a name are read as the same value, and
//! the last one is how it is written today.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope;

/// An envelope's header in hexadecimal.
const HEADER_DIGITS: usize = 14;

/// Samples that are held against values, one after the other.
pub struct Golden {
    lines: BTreeMap<&'static str, Vec<&'static str>>,
    missing: Vec<String>,
}

impl Golden {
    /// Of all lines of a file.
    pub fn new(samples: &'static str) -> Self {
        let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in samples.lines() {
            let (name, envelope) = line.split_once(' ').expect("a line is a name and an envelope");
            lines.entry(name).or_default().push(envelope);
        }
        Self { lines, missing: Vec::new() }
    }

    /// Panics when a line of this name is not read as `value`. Values are compared as they are written, so that a type
    /// which holds secrets need not be shown to be compared.
    pub fn check<T: Serialize + DeserializeOwned>(&mut self, name: &str, value: &T) {
        let kept = self.lines.remove(name).unwrap_or_default();
        let written = line(value);
        for sample in &kept {
            let read = envelope::open::<T>(&bytes(sample));
            let read = read.unwrap_or_else(|error| panic!("{name} is not read any more: {error}: {sample}"));
            assert_eq!(line(&read), written, "{name} is read as before: {sample}");
        }
        if kept.last() != Some(&written.as_str()) {
            self.missing.push(format!("{name} {written}"));
        }
    }

    /// Panics when a line was compared with nothing, or a value is not written as its last line.
    pub fn finish(self) {
        assert!(self.lines.is_empty(), "no sample was made for {:?}", self.lines.keys());
        assert!(self.missing.is_empty(), "written otherwise; the samples lack:\n{}", self.missing.join("\n"));
    }
}

/// A value as its line has it.
fn line<T: Serialize>(value: &T) -> String {
    let sealed = envelope::seal(value);
    let (header, json) = sealed.split_at(HEADER_DIGITS / 2);
    let header: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{header} {}", std::str::from_utf8(json).expect("JSON is UTF-8"))
}

/// The envelope of a line.
fn bytes(line: &str) -> Vec<u8> {
    let (header, json) = line.split_at(HEADER_DIGITS);
    let digits = (0..HEADER_DIGITS).step_by(2).map(|at| &header[at..at + 2]);
    let mut bytes: Vec<u8> =
        digits.map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits")).collect();
    bytes.extend(json.trim_start().bytes());
    bytes
}
