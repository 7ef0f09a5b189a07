//! Where a command's password comes from: a file, standard input, or the keyboard; or it is made and printed once. Never
//! from the command line, where other users of the machine could read it.

use std::io::{ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use identity::Password;

use super::error::CliError;
use crate::config::read_secret;

/// The most that is read of standard input: more than any password.
const STDIN_BYTES_MAX: u64 = 64 * 1024;

/// The flags; at most one of them.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct PasswordArgs {
    /// A file with the password ('-': standard input); without any of these flags a password is made and printed once
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Ask for the password at the keyboard, twice, without showing it
    #[arg(long)]
    password_prompt: bool,
}

/// A password, and its text when it was made here and must be shown.
pub(super) struct Chosen {
    pub(super) password: Password,
    pub(super) shown: Option<String>,
}

impl PasswordArgs {
    /// Reads or makes it. Blocks while a person types.
    ///
    /// # Errors
    /// [`CliError::Usage`] with the source and the rule.
    pub(super) fn choose(&self) -> Result<Chosen, CliError> {
        let text = match &self.password_file {
            Some(file) if file != Path::new("-") => {
                let unreadable =
                    |error| CliError::Usage(format!("--password-file {}: {error}", file.display()));
                read_secret(file).map_err(unreadable)?
            }
            Some(_) => from_stdin()?,
            None if self.password_stdin => from_stdin()?,
            None if self.password_prompt => from_keyboard()?,
            None => {
                let password = Password::generate();
                let shown = Some(password.as_str().to_owned());
                return Ok(Chosen { password, shown });
            }
        };
        // What a password manager writes below a password is no part of it.
        if text.contains(['\n', '\r']) {
            let todo = "give the password alone, such as its first line";
            return Err(CliError::Usage(format!("the password has more than one line: {todo}")));
        }
        let password =
            Password::parse(&text).map_err(|error| CliError::Usage(format!("the password {error}")))?;
        Ok(Chosen { password, shown: None })
    }
}

/// All of it, but for the line end that `echo` leaves.
fn from_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(STDIN_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| CliError::Usage(format!("the password on standard input: {error}")))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.to_owned())
}

fn from_keyboard() -> Result<String, CliError> {
    if !std::io::stdin().is_terminal() {
        let todo = "needs a terminal: in a script use --password-file or --password-stdin";
        return Err(CliError::Usage(format!("--password-prompt {todo}")));
    }
    let first = typed("Password: ")?;
    if typed("Once more: ")? != first {
        return Err(CliError::Usage("the two passwords differ: nothing was done".into()));
    }
    Ok(first)
}

fn typed(prompt: &str) -> Result<String, CliError> {
    rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => CliError::Usage("no password was typed: nothing was done".into()),
        _ => error.into(),
    })
}
