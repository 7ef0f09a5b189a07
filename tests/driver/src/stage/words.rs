//! What the clients say: texts that would show a server that cuts, re-encodes or trims them.

use rand::RngExt;
use rand::rngs::StdRng;

/// The longest text in bytes, just below the server's limit.
const TEXT_BYTES_MAX: usize = 16 * 1024 - 64;
const PIECES: [&str; 8] = ["hello ", "where is it? ", "\n", "  ", "\t", "Grüße ", "你好 ", "👋🏽 "];

/// A text that begins with `name`, so that no two are the same: mostly a line, now and then as long as it may be.
pub(super) fn text(name: &str, random: &mut StdRng) -> String {
    let bytes_max = if random.random_ratio(1, 50) { TEXT_BYTES_MAX } else { random.random_range(1..400) };
    let mut text = name.to_owned();
    while text.len() < bytes_max {
        text.push_str(PIECES[random.random_range(0..PIECES.len())]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn no_text_is_longer_than_the_server_takes() {
        let mut random = StdRng::seed_from_u64(1);
        let longest = (0..1_000).map(|n| text(&format!("m{n}"), &mut random).len()).max();
        assert!(longest.is_some_and(|bytes| bytes > 16_000 && bytes <= 16 * 1024), "{longest:?}");
    }
}
