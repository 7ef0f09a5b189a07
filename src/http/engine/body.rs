//! A request's body: limited in bytes, in time, and in what all bodies together may hold in memory.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;

use crate::errors::{ApiError, ErrorCode};
use crate::late::fired_late;
use crate::rates::Key;
use crate::rates::memory::{BodyMemory, Full, Held};

/// What each body may hold without asking: most never ask.
const UNASKED_BYTES: usize = 16 * 1024;

/// The chunks as they come in; the error is the connection's.
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// A body that nobody has read yet. Nothing of it is read before somebody asks, so a request that is refused first costs
/// nothing.
pub struct Body {
    chunks: Chunks,
    /// How many bytes may still come.
    left: u64,
    bytes_max: u64,
    /// How long all of it may take, and until when.
    patience: Duration,
    deadline: Instant,
    /// What this body took of the shared memory.
    held: Held,
}

impl Body {
    /// At most `bytes_max` bytes, all within `patience` from now; `address` is whose share of the memory it takes.
    pub(crate) fn new<S, B>(
        chunks: S,
        bytes_max: u64,
        patience: Duration,
        memory: &BodyMemory,
        address: Key,
    ) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
        B: Buf,
    {
        let chunks = chunks.map(|chunk| chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining())));
        Self {
            chunks: Box::pin(chunks),
            left: bytes_max,
            bytes_max,
            patience,
            deadline: Instant::now() + patience,
            held: memory.of(address),
        }
    }

    /// The next piece; none at the end. For uploads, which go to a file.
    ///
    /// # Errors
    /// `REQUEST_TIMEOUT` when it does not come in time or other bodies needed the memory, `INVALID_REQUEST` when the body broke off,
    /// `PAYLOAD_TOO_LARGE` over the limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let next = tokio::select! {
            () = self.held.displaced() => {
                let message = "other bodies needed the memory, and this one came too slowly";
                return Err(ApiError::new(ErrorCode::RequestTimeout, message));
            }
            next = next_until(&mut self.chunks, &mut self.deadline, self.patience) => next?,
        };
        let chunk = match next {
            None => return Ok(None),
            Some(Err(broken)) => {
                return Err(ApiError::new(ErrorCode::InvalidRequest, "the body broke off").caused_by(broken));
            }
            Some(Ok(chunk)) => chunk,
        };
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(|| too_large(self.bytes_max))?;
        self.held.received(chunk.len());
        Ok(Some(chunk))
    }

    /// All of it. A body that came in one piece is not copied.
    ///
    /// # Errors
    /// Those of [`Self::chunk`], and `OVERLOADED` when the shared memory is taken.
    pub async fn read(&mut self) -> Result<Bytes, ApiError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        self.account(first.len()).await?;
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            self.account(whole.len() + chunk.len()).await?;
            whole.reserve(chunk.len());
            // It grows by doubling: what was taken counts, not only what is filled.
            self.account(whole.capacity()).await?;
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }

    /// Holds `bytes` now; what is over [`UNASKED_BYTES`] must be free in the shared memory.
    async fn account(&mut self, bytes: usize) -> Result<(), ApiError> {
        let grown = self.held.grow_to(bytes.saturating_sub(UNASKED_BYTES)).await;
        grown.map_err(|Full| ApiError::overloaded("too many large bodies are being read"))
    }
}

/// The next piece, unless it is not there in time. A process that was stopped meanwhile waits once more.
async fn next_until(
    chunks: &mut Chunks,
    deadline: &mut Instant,
    patience: Duration,
) -> Result<Option<Result<Bytes, warp::Error>>, ApiError> {
    loop {
        match tokio::time::timeout_at(*deadline, chunks.next()).await {
            Ok(next) => return Ok(next),
            Err(_) if fired_late(*deadline) => *deadline = Instant::now() + patience,
            Err(_) => return Err(ApiError::new(ErrorCode::RequestTimeout, "the body did not come in time")),
        }
    }
}

/// The body is larger than its route takes.
pub(crate) fn too_large(bytes_max: u64) -> ApiError {
    let message = format!("the body is larger than this route takes, which is {bytes_max} bytes");
    ApiError::new(ErrorCode::PayloadTooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Key = Key::NODE;

    fn body(chunks: Vec<usize>, max: u64, memory: &BodyMemory) -> Body {
        let chunks =
            futures_util::stream::iter(chunks.into_iter().map(|size| Ok(Bytes::from(vec![b'x'; size]))));
        Body::new(chunks, max, Duration::from_secs(30), memory, ANN)
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_not_a_byte_further() {
        let memory = BodyMemory::default();
        assert_eq!(body(vec![], 5, &memory).read().await.unwrap().len(), 0);
        assert_eq!(body(vec![2, 3], 5, &memory).read().await.unwrap().len(), 5);
        assert_eq!(body(vec![2, 3], 4, &memory).read().await.unwrap_err().code(), ErrorCode::PayloadTooLarge);
    }

    /// Sends its first bytes and then nothing more.
    fn stalled(bytes: usize, memory: &BodyMemory, address: Key) -> Body {
        let first = futures_util::stream::iter([Ok(Bytes::from(vec![b'x'; bytes]))]);
        let chunks = first.chain(futures_util::stream::pending());
        Body::new(chunks, 1 << 20, Duration::from_secs(30), memory, address)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_times_out() {
        let memory = BodyMemory::default();
        let started = Instant::now();
        let refused = stalled(1, &memory, ANN).read().await.unwrap_err();
        assert_eq!((refused.code(), started.elapsed().as_secs()), (ErrorCode::RequestTimeout, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_not_held_to_the_time_in_which_nobody_read() {
        let memory = BodyMemory::default();
        let mut slow = stalled(1, &memory, ANN);
        tokio::time::advance(Duration::from_secs(40)).await;
        let started = Instant::now();
        assert_eq!(slow.read().await.unwrap_err().code(), ErrorCode::RequestTimeout);
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_share_one_memory_and_give_it_back() {
        let memory = BodyMemory::of_kib(100, 100);
        let mut first = body(vec![50 * 1024, 50 * 1024], 1 << 20, &memory);
        first.read().await.unwrap();
        let refused = body(vec![50 * 1024], 1 << 20, &memory).read().await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        assert!(body(vec![16 * 1024], 1 << 20, &memory).read().await.is_ok());
        drop(first);
        assert!(body(vec![50 * 1024], 1 << 20, &memory).read().await.is_ok());
        assert!(memory.is_free());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_share_and_leaves_the_rest_to_others() {
        let memory = BodyMemory::of_kib(200, 100);
        let bob = Key::of_address([192, 0, 2, 2].into());
        let mut first = body(vec![100 * 1024], 1 << 20, &memory);
        first.read().await.unwrap();
        let refused = body(vec![100 * 1024], 1 << 20, &memory).read().await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        let chunks = futures_util::stream::iter([Ok(Bytes::from(vec![b'x'; 100 * 1024]))]);
        let mut others = Body::new(chunks, 1 << 20, Duration::from_secs(30), &memory, bob);
        assert!(others.read().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn when_memory_is_short_the_slowest_goes_first() {
        let memory = BodyMemory::of_kib(300, 300);
        let slow = [40, 30, 50, 60].map(|kib| {
            let mut body =
                stalled(kib * 1024 + UNASKED_BYTES, &memory, Key::of_address([192, 0, 2, 1].into()));
            tokio::spawn(async move { body.read().await.map(|_| ()).map_err(|error| error.code()) })
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        // 120 KiB are free: two must go, and both are those that sent least.
        let mut quick = body(vec![180 * 1024 + UNASKED_BYTES], 1 << 20, &memory);
        assert!(quick.read().await.is_ok());
        let ended = slow.each_ref().map(tokio::task::JoinHandle::is_finished);
        assert_eq!(ended, [true, true, false, false]);
        for task in slow {
            assert_eq!(task.await.unwrap(), Err(ErrorCode::RequestTimeout));
        }
        drop(quick);
        assert!(memory.is_free());
    }
}
