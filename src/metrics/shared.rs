//! One text for all who ask at once. Making it goes through every counter and asks the system about the process, and anybody
//! may ask: so it is made at most every [`PAUSE`], those who ask meanwhile get the next, and nobody gets one that is older than
//! the question.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// From the beginning of one text to that of the next.
const PAUSE: Duration = Duration::from_millis(100);

/// The text that was made last, and when that began.
#[derive(Default)]
pub(super) struct Shared(Mutex<Option<(Instant, Bytes)>>);

impl Shared {
    /// A text that began to be made after this was called.
    pub(super) async fn text(&self, make: impl FnOnce() -> String) -> Bytes {
        let asked_at = Instant::now();
        // Held while it waits and works: the others wait here, in order, for what comes of it.
        let mut made = self.0.lock().await;
        if let Some((began_at, text)) = &*made {
            if *began_at > asked_at {
                return text.clone();
            }
            sleep_until(*began_at + PAUSE).await;
        }
        let began_at = Instant::now();
        let text = Bytes::from(make());
        *made = Some((began_at, text.clone()));
        text
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_a_text_that_is_newer_than_their_question() {
        let (shared, made) = (Shared::default(), Cell::new(0));
        let make = || {
            made.set(made.get() + 1);
            made.get().to_string()
        };
        assert_eq!(shared.text(make).await, "1");
        tokio::time::advance(Duration::from_millis(1)).await;
        let began = Instant::now();
        let texts = join_all((0..1000).map(|_| shared.text(make))).await;
        assert!(texts.iter().all(|text| text == "2"), "{texts:?}");
        assert!(began.elapsed() <= PAUSE, "{:?}", began.elapsed());
        // After a while nobody waits.
        tokio::time::advance(PAUSE).await;
        let began = Instant::now();
        assert_eq!((shared.text(make).await, began.elapsed()), ("3".into(), Duration::ZERO));
    }
}
