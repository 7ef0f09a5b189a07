//! Texts of people and clients, parsed once at the edge: a value of one of these types needs no further check.

use serde::{Deserialize, Serialize};

/// Why a text was refused. [`TextError::rule`] is what a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing that anybody would see.
    #[error("must not be blank")]
    Blank,
    /// A control character (C0, DEL, C1), or one that breaks a line (U+2028, U+2029), that this text does not take.
    #[error("must not contain control characters")]
    Control,
    /// A character that turns the direction of the text around it: a name would look like another one.
    #[error(
        "must not contain characters that turn the direction of text (U+202A to U+202E, U+2066 to U+206F)"
    )]
    Direction,
    /// More than this many characters.
    #[error("must be at most {0} characters")]
    TooManyCharacters(usize),
    /// More than this many bytes of UTF-8.
    #[error("must be at most {0} bytes of UTF-8")]
    TooManyBytes(usize),
    /// Not of the form that the named thing has.
    #[error("must be {0}")]
    Form(&'static str),
}

fn is_line_control(c: char) -> bool {
    // The line and the paragraph separator are no controls in Unicode's own terms, and break a line all the same.
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn is_paragraph_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Takes no place on a screen: zero-width spaces and joiners, soft hyphens, marks and overrides of direction.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// Embeddings, overrides, isolates, and the old characters that shaped digits and brackets. Marks (U+200E, U+200F, U+061C)
/// and joiners turn nothing around them, and real names need them.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Leaves a screen empty: white space, what is invisible, tags, and fillers of alphabets and of Braille, which have a place
/// and no picture.
fn is_blank(c: char) -> bool {
    let is_filler = matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
    );
    c.is_whitespace()
        || is_invisible(c)
        || is_filler
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

fn check_characters(text: &str, max: usize, refused: fn(char) -> bool) -> Result<(), TextError> {
    if text.chars().all(is_blank) {
        return Err(TextError::Blank);
    }
    if text.chars().any(refused) {
        return Err(TextError::Control);
    }
    // A text of fewer bytes has fewer characters: most texts are never counted.
    if text.len() > max && text.chars().count() > max {
        return Err(TextError::TooManyCharacters(max));
    }
    Ok(())
}

/// Whether this is a text in the middle of being typed: blank or not, without the control characters that no text takes.
///
/// # Errors
///
/// [`TextError::Control`] when it holds one.
pub fn check_typed(text: &str) -> Result<(), TextError> {
    if text.chars().any(is_paragraph_control) { Err(TextError::Control) } else { Ok(()) }
}

/// Text a person typed, kept exactly as sent: not blank, no control characters but tab, newline and carriage return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageText(Box<str>);

impl MessageText {
    /// In UTF-8 bytes: no configuration may allow more, so that one event always fits one cluster frame.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// `bytes_max` is the installation's own limit, at most [`Self::BYTES_MAX`].
    ///
    /// # Errors
    ///
    /// [`TextError::TooManyBytes`], [`TextError::Blank`] or [`TextError::Control`]: the caller tells the client.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Self, TextError> {
        let bytes_max = bytes_max.min(Self::BYTES_MAX);
        if text.len() > bytes_max {
            return Err(TextError::TooManyBytes(bytes_max));
        }
        check_characters(text, usize::MAX, is_paragraph_control)?;
        Ok(Self(text.into()))
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One line of at most `CHARACTERS` characters: not blank, no control characters at all, and nothing that turns the direction
/// of what stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line<const CHARACTERS: usize>(Box<str>);

impl<const CHARACTERS: usize> Line<CHARACTERS> {
    /// How long it may be.
    pub const CHARACTERS_MAX: usize = CHARACTERS;

    /// Keeps the text as it is.
    ///
    /// # Errors
    ///
    /// [`TextError::Blank`], [`TextError::Control`], [`TextError::Direction`] or [`TextError::TooManyCharacters`]: the caller
    /// tells the client.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        check_characters(text, CHARACTERS, is_line_control)?;
        if text.chars().any(turns_direction) {
            return Err(TextError::Direction);
        }
        Ok(Self(text.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lines of together at most `CHARACTERS` characters: not blank, no control characters but tab, newline, return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paragraph<const CHARACTERS: usize>(Box<str>);

impl<const CHARACTERS: usize> Paragraph<CHARACTERS> {
    /// How long it may be.
    pub const CHARACTERS_MAX: usize = CHARACTERS;

    /// Keeps the text as it is.
    ///
    /// # Errors
    ///
    /// [`TextError::Blank`], [`TextError::Control`] or [`TextError::TooManyCharacters`]: the caller tells the client.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        check_characters(text, CHARACTERS, is_paragraph_control)?;
        Ok(Self(text.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a person or a thing.
pub type Name = Line<200>;
/// What a conversation is about.
pub type Subject = Line<200>;
/// A word that a conversation is marked with, in lower case.
pub type Tag = Line<40>;
/// Why a conversation was ended.
pub type Reason = Paragraph<500>;

/// A client's own name for one request, unique per sender and conversation: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// How long it may be.
    pub const BYTES_MAX: usize = 128;

    /// Keeps the text as it is.
    ///
    /// # Errors
    ///
    /// [`TextError::Form`] when it breaks a rule: the caller tells the client.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let visible = text.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if (1..=Self::BYTES_MAX).contains(&text.len()) && visible {
            Ok(Self(text.into()))
        } else {
            Err(TextError::Form("1 to 128 visible ASCII characters"))
        }
    }

    /// As the client sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address, kept in lower case so that it can be compared: something, `@`, something, at most 254 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(Box<str>);

impl Email {
    /// How long it may be.
    pub const BYTES_MAX: usize = 254;

    /// Only the form is checked: whether mail arrives there is not known. What comes along when an address is copied
    /// (spaces and invisible characters around it) is left out.
    ///
    /// # Errors
    ///
    /// [`TextError::Form`] when it cannot be an address: the caller tells the client.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
        let plausible = text.len() <= Self::BYTES_MAX
            && !text.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c))
            && text.rsplit_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        if plausible {
            Ok(Self(text.to_lowercase().into()))
        } else {
            Err(TextError::Form("an e-mail address"))
        }
    }

    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_texts_are_kept_exactly_or_refused() {
        for kept in ["hi", "  hi  ", "a\tb\r\nc", "\u{feff}x", "👩‍👩‍👧", "\u{200f}שלום"] {
            assert_eq!(MessageText::parse(kept, 100).map(|t| t.as_str().to_owned()), Ok(kept.to_owned()));
        }
        for blank in [
            "",
            " ",
            "\n\t\r ",
            "\u{3000}",
            "\u{200b}",
            " \u{feff}\u{2060} ",
            "\u{ad}",
            "\u{200d}\u{fe0f}",
            "\u{3164}",
            "\u{2800}\u{2800}",
            "\u{200f}\n",
            "\u{e0041}\u{e007f}",
        ] {
            assert_eq!(MessageText::parse(blank, 100), Err(TextError::Blank), "{blank:?}");
            assert_eq!(Name::parse(blank), Err(TextError::Blank), "{blank:?}");
        }
        for seen in ["❤\u{fe0f}", "🏴\u{e0067}\u{e0062}\u{e007f}", "\u{200b}x", "e\u{34f}", ".", "\u{2801}"]
        {
            assert!(Name::parse(seen).is_ok(), "{seen:?}");
        }
        for control in ["a\0", "a\u{7}b", "\u{1b}[31m", "a\u{7f}", "a\u{85}", "a\u{9f}"] {
            assert_eq!(MessageText::parse(control, 100), Err(TextError::Control), "{control:?}");
        }
    }

    #[test]
    fn the_limit_of_a_message_is_in_bytes_and_that_of_a_line_in_characters() {
        assert!(MessageText::parse(&"é".repeat(50), 100).is_ok());
        assert_eq!(MessageText::parse(&"é".repeat(51), 100), Err(TextError::TooManyBytes(100)));
        assert!(Line::<3>::parse("ééé").is_ok());
        assert_eq!(Line::<3>::parse("éééé"), Err(TextError::TooManyCharacters(3)));
        for broken in ["a\nb", "a\rb", "a\tb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b", "a\u{2028}"] {
            assert_eq!(Line::<9>::parse(broken), Err(TextError::Control), "{broken:?}");
        }
        assert!(Paragraph::<9>::parse("a\nb").is_ok() && Paragraph::<9>::parse("a\u{2028}b").is_ok());
    }

    #[test]
    fn a_line_turns_no_direction_and_takes_what_real_names_need() {
        let old = '\u{206a}'..='\u{206f}';
        for turning in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain(old) {
            for text in [format!("{turning}Ann"), format!("A{turning}nn"), format!("Ann{turning}")] {
                assert_eq!(Line::<9>::parse(&text), Err(TextError::Direction), "{text:?}");
                assert!(MessageText::parse(&text, 100).is_ok() && Paragraph::<9>::parse(&text).is_ok());
            }
            assert!(Email::parse(&format!("A{turning}nn@example.org")).is_err(), "{turning:?}");
        }
        let real = [
            "שלום\u{200f}",
            "Ann\u{200e}",
            "محمد\u{61c}",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "👩\u{200d}🚀",
        ];
        for name in real {
            assert!(Name::parse(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn client_ids_are_visible_ascii() {
        assert!(ClientId::parse("a").is_ok() && ClientId::parse(&"~".repeat(128)).is_ok());
        for wrong in [String::new(), "~".repeat(129), "a b".into(), "é".into(), "a\n".into()] {
            assert!(ClientId::parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn e_mails_compare_without_case() {
        assert_eq!(Email::parse("Ann@Example.org"), Email::parse("ann@example.ORG"));
        for wrong in ["", "ann", "@x", "ann@", "a b@x", "a@b\0", "a\u{200b}nn@b", "ann@b\n@c", " "] {
            assert!(Email::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_was_copied_around_an_e_mail_is_left_out() {
        let (long, spaces) = (format!("{}@x", "a".repeat(252)), " ".repeat(50));
        for around in
            [" ", "\t", "\r\n", "\u{a0}", "\u{200b}", "\u{feff}", "\u{3000}\u{2060}", "\u{202a}", &spaces]
        {
            for given in
                [format!("{around}{long}"), format!("{long}{around}"), format!("{around}{long}{around}")]
            {
                assert_eq!(Email::parse(&given).map(|email| email.as_str().to_owned()), Ok(long.clone()));
            }
        }
    }
}
