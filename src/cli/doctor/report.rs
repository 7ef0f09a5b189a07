//! What was found: a line each for people, and whether one of them tells of something that must be mended.

use std::fmt::Write;

use crate::cli::error::CliError;

/// Lines so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    text: String,
    failed: usize,
}

impl Report {
    pub(super) fn ok(&mut self, what: &str, says: impl AsRef<str>) {
        self.line("ok  ", what, says.as_ref());
    }

    /// It works, and something about it should be known or done.
    pub(super) fn warn(&mut self, what: &str, says: impl AsRef<str>) {
        self.line("warn", what, says.as_ref());
    }

    pub(super) fn fail(&mut self, what: &str, says: impl AsRef<str>) {
        self.failed += 1;
        self.line("fail", what, says.as_ref());
    }

    fn line(&mut self, mark: &str, what: &str, says: &str) {
        writeln!(self.text, "{mark}  {what}: {says}").expect("a string takes what is written to it");
    }

    #[cfg(test)]
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// All of it, for the command's end.
    ///
    /// # Errors
    /// [`CliError::Unwell`] when something failed: the program exits with 1.
    pub(super) fn end(self) -> Result<String, CliError> {
        match self.failed {
            0 => Ok(self.text.trim_end().to_owned()),
            count => Err(CliError::Unwell { report: self.text, count }),
        }
    }
}
