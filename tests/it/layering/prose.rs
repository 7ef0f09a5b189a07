//! Plain English in comments, documents and the API's texts: people are *they*, and the subject of a sentence is a noun
//! that stands in it.

use std::fs;

use super::{root, sources};

/// Words that make a reader look for who is meant.
const RIDDLES: [&str; 5] = ["he", "him", "his", "whoever", "whom"];

/// This file names them.
const ITSELF: &str = "tests/it/layering/prose.rs";

/// The folders whose sources are read.
const FOLDERS: [&str; 8] = ["domain", "store", "actors", "cluster", "files", "identity", "src", "tests"];

#[test]
fn no_sentence_is_a_riddle() {
    let mut read = sources(&FOLDERS);
    read.retain(|path| path != ITSELF);
    read.extend(files(&["web/demo"], &["js", "css", "html"]));
    read.extend(documents());
    let counted = read.iter().map(|path| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        (path, riddles(&if path.ends_with(".rs") { said(&text) } else { text }))
    });
    let found: Vec<(&String, usize)> = counted.filter(|(_, count)| *count > 0).collect();
    assert!(found.is_empty(), "say who is meant instead of {RIDDLES:?}: {found:?}");
}

#[test]
fn comments_and_texts_are_read_and_code_is_not() {
    let text = r##"
        //! he
        /// him
        fn his(whom: char) -> &'static str { let _ = '"'; "whoever \" he" } // his
        const RAW: &str = r#"him "he" "#; /* whom */ let life: &'a str = he;
    "##;
    assert_eq!(riddles(&said(text)), 8);
    assert_eq!(riddles("The theme, there, he-man; Whoever. HIS\nwhomever"), 3);
}

fn documents() -> Vec<String> {
    let mut found = files(&["docs", "deploy"], &["md"]);
    found.extend(["README.md", "ARCHITECTURE.md"].map(str::to_owned));
    found
}

fn files(folders: &[&str], extensions: &[&str]) -> Vec<String> {
    let is_one = |path: &String| extensions.iter().any(|extension| path.ends_with(&format!(".{extension}")));
    super::files(folders).into_iter().filter(is_one).collect()
}

fn riddles(text: &str) -> usize {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| RIDDLES.iter().any(|riddle| word.eq_ignore_ascii_case(riddle))).count()
}

/// The comments and the literal texts of a Rust source.
fn said(source: &str) -> String {
    let mut said = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            said.push_str(&rest[..end]);
            end
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            said.push_str(&rest[..end]);
            end
        } else if let Some(length) = text_length(rest) {
            said.push_str(&rest[..length]);
            length
        } else if first == 'r' || first == '_' || first.is_alphanumeric() {
            // A whole word, so that the `r` of `for"` begins no raw text.
            rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len())
        } else if let Some(length) = char_length(rest) {
            length
        } else {
            first.len_utf8()
        };
        said.push('\n');
        rest = &rest[taken..];
    }
    said
}

/// The length in bytes of the literal text that `code` begins with.
fn text_length(code: &str) -> Option<usize> {
    let raw = code.strip_prefix('r').map(|after| after.trim_start_matches('#'));
    if let Some(after) = raw.filter(|after| after.starts_with('"')) {
        let hashes = code.len() - 1 - after.len();
        let end = format!("\"{}", "#".repeat(hashes));
        let length = after[1..].find(&end)?;
        return Some(1 + hashes + 1 + length + end.len());
    }
    let mut escaped = false;
    for (place, c) in code.strip_prefix('"')?.char_indices() {
        match c {
            '"' if !escaped => return Some(place + 2),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// The length in bytes of the character that `code` begins with; none for a lifetime.
fn char_length(code: &str) -> Option<usize> {
    let after = code.strip_prefix('\'')?;
    if let Some(escape) = after.strip_prefix('\\') {
        // The character after the backslash is never the closing quote.
        return escape.get(1..)?.find('\'').map(|end| end + 4);
    }
    let c = after.chars().next()?;
    after[c.len_utf8()..].starts_with('\'').then(|| c.len_utf8() + 2)
}
