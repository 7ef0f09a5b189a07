//! What commands print: a table for people, JSON for scripts.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

/// Columns under their titles, two blanks apart, as wide as what stands in them; the last is not padded.
pub(super) fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut titles.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// A word on standard error, beside what a command prints. Nobody may be reading it, or its disk may be full: the work
/// goes on all the same, which `eprintln!` would end.
pub fn aside(words: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// What a command made or found, for people and for scripts.
pub(super) fn json(made: &impl Serialize) -> String {
    serde_json::to_string_pretty(made).expect("it is structs of strings, numbers and lists")
}

/// The word that the API has for a value of an enum.
pub(super) fn word(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

/// The names of what there is, for a message.
pub(super) fn listed(names: &[impl ToString]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["Zoë", "1", "x"]), row(["Al", "1000", ""])];
        assert_eq!(table(&["NAME", "N", "TEAMS"], &rows), "NAME  N     TEAMS\nZoë   1     x\nAl    1000");
        assert_eq!(table(&["A", "B"], &[]), "A  B");
    }
}
