//! Words as they are compared: one spelling for what people take for the same. Pure.

use std::borrow::Cow;

use domain::is_invisible;
use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// A tag in the one spelling that is kept: no space around it, composed (NFC), in lower case, without characters that
/// nobody sees.
///
/// A dot over an `i` is no letter of its own to a reader: `İ` in lower case is `i`.
pub(crate) fn tag(text: &str) -> String {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let seen = without_invisible(text);
    let lower = nfc.normalize(&seen).to_lowercase().replace("i\u{307}", "i");
    nfc.normalize(lower.trim()).into_owned()
}

/// A joiner between two pictures makes them one, and stays.
fn without_invisible(text: &str) -> String {
    let picture = |c: char| !c.is_alphanumeric() && !c.is_ascii() && !c.is_whitespace() && !is_invisible(c);
    let mut seen = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let joins = c == '\u{200d}'
            && seen.chars().last().is_some_and(picture)
            && rest.peek().is_some_and(|next| picture(*next));
        if joins || !is_invisible(c) {
            seen.push(c);
        }
    }
    seen
}

/// A text as a search compares it: in any normal form (NFKC), in any case (`ß` is `ss`), with or without accents;
/// white space of any kind and length is one space, at the ends none.
pub(crate) fn folded(text: &str) -> String {
    let plain: Cow<'_, str> = if text.is_ascii() {
        text.to_ascii_lowercase().into()
    } else {
        let (nfkd, case) = (DecomposingNormalizerBorrowed::new_nfkd(), CaseMapper::new());
        let once = nfkd.normalize(text);
        let once = case.fold_string(&once);
        // What a fold makes of a letter may be decomposed again, and folded.
        let twice = nfkd.normalize(&once);
        let twice = case.fold_string(&twice);
        let seen = twice.chars().filter(|c| !is_accent(*c) && !is_invisible(*c));
        seen.map(without_stroke).collect::<String>().into()
    };
    let mut folded = String::with_capacity(plain.len());
    for word in plain.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// Marks that people leave out: over Latin, Greek and Cyrillic letters, and the vowels of Hebrew and Arabic. Marks that
/// make another letter elsewhere (as in Japanese and in Indic scripts) stay.
fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{487}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'
            | '\u{5c2}'
            | '\u{5c4}'
            | '\u{5c5}'
            | '\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Letters with a stroke, and the `i` without its dot, have no decomposition.
fn without_stroke(c: char) -> char {
    match c {
        'đ' => 'd',
        'ħ' => 'h',
        'ı' => 'i',
        'ł' => 'l',
        'ø' => 'o',
        'ŧ' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_that_look_alike_are_one() {
        for (given, kept) in [
            (" VIP ", "vip"),
            ("\u{a0}Vip\t", "vip"),
            ("v\u{200b}ip\u{feff}", "vip"),
            ("\u{202e}vip\u{200f}", "vip"),
            (" \u{200b} vip", "vip"),
            ("re\u{301}sume\u{301}", "résumé"),
            ("RÉSUMÉ", "résumé"),
            ("\u{212b}ngström", "ångström"),
            ("İADE", "iade"),
            ("I\u{307}ade", "iade"),
            ("ΟΔΟΣ", "οδος"),
            ("Straße", "straße"),
            ("two  words", "two  words"),
            ("👩\u{200d}💻", "👩\u{200d}💻"),
            ("a\u{200d}b", "ab"),
            ("\u{200d}", ""),
        ] {
            assert_eq!(tag(given), kept, "{given:?}");
        }
    }

    #[test]
    fn what_is_looked_for_is_found_however_it_is_written() {
        for (words, q) in [
            ("Café", "cafe"),
            ("Cafe\u{301}", "café"),
            ("cafe", "CAFÉ"),
            ("Grüße", "GRÜSSE"),
            ("GRUSSE", "grüße"),
            ("ﬁnance", "finance"),
            ("Ｖｉｐ", "vip"),
            ("İstanbul", "istanbul"),
            ("ISTANBUL", "ıstanbul"),
            ("Łódź", "lodz"),
            ("Smørrebrød", "smorrebrod"),
            ("ΟΔΟΣ", "οδός"),
            ("①", "1"),
            ("good\n day", "good\u{a0}day "),
            ("Ёлка", "елка"),
            ("soft\u{ad}ware", "software"),
            ("שָׁלוֹם", "שלום"),
        ] {
            let (words, q) = (folded(words), folded(q));
            assert!(words.contains(&q), "{words:?} {q:?}");
        }
        for (words, q) in [("cafe", "cafes"), ("が", "か"), ("o", "0"), ("ab", "a b")] {
            assert_ne!(folded(words), folded(q), "{words:?} {q:?}");
        }
        assert_eq!(folded(" \u{3000}\u{200b} "), "");
    }

    proptest! {
        #[test]
        fn one_spelling_stays_as_it_is(text in "\\PC{0,20}") {
            let kept = tag(&text);
            prop_assert_eq!(tag(&kept), kept.clone());
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once.clone());
        }
    }
}
