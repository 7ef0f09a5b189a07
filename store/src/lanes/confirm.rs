//! One look for all who wait. A question that comes while a look is on its way shares the next one, since the moment of a
//! look must be after the question.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// Looks, numbered as they begin.
#[derive(Debug)]
pub(super) struct Looks<T> {
    begun: AtomicU64,
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone> Looks<T> {
    /// The answer of a look that began after this was called.
    pub(super) async fn share<F: Future<Output = T>>(&self, look: impl FnOnce() -> F) -> T {
        let needed = self.begun.load(Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number >= needed
        {
            return answer.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = look().await;
        *last = Some((number, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn all_who_ask_during_a_look_share_the_next_one() {
        let (looks, gate, made) = (Looks::default(), Semaphore::new(0), AtomicU64::new(0));
        let look = || async {
            gate.acquire().await.unwrap().forget();
            made.fetch_add(1, Ordering::SeqCst) + 1
        };
        let mut first = pin!(looks.share(look));
        assert_eq!(first.as_mut().now_or_never(), None);
        let (mut second, mut third) = (pin!(looks.share(look)), pin!(looks.share(look)));
        assert_eq!((second.as_mut().now_or_never(), third.as_mut().now_or_never()), (None, None));
        gate.add_permits(1);
        assert_eq!(first.await, 1);
        assert_eq!((second.as_mut().now_or_never(), third.as_mut().now_or_never()), (None, None));
        gate.add_permits(1);
        assert_eq!((second.await, third.await), (2, 2));
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }
}
