//! A request's body: limited in bytes, in time, and in what all bodies together may hold in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::http::error::{ApiError, ErrorCode};

/// What all bodies that are being read may hold together.
const MEMORY_KIB_MAX: usize = 64 * 1024;
/// What each body may hold without asking: most never ask.
const UNASKED_BYTES: usize = 16 * 1024;

/// The memory that all bodies share. Slow senders of large bodies fill it, and then are refused; nothing grows.
#[derive(Clone)]
pub struct BodyMemory(Arc<Semaphore>);

impl Default for BodyMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_KIB_MAX)))
    }
}

impl BodyMemory {
    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.0).try_acquire_many_owned(kib);
        taken.map_err(|_| ApiError::overloaded("too many large bodies are being read"))
    }
}

/// The chunks as they come in; the error is the connection's.
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// A body that nobody has read yet. Nothing of it is read before somebody asks, so who is refused first costs nothing.
pub struct Body {
    chunks: Chunks,
    /// How many bytes may still come.
    left: u64,
    /// When all of it must be there.
    deadline: Instant,
    memory: BodyMemory,
    /// What this body took of the shared memory.
    taken: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// At most `bytes_max` bytes, all within `timeout` from now.
    pub(crate) fn new<S, B>(chunks: S, bytes_max: u64, timeout: Duration, memory: BodyMemory) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
        B: Buf,
    {
        let chunks = chunks.map(|chunk| chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining())));
        Self {
            chunks: Box::pin(chunks),
            left: bytes_max,
            deadline: Instant::now() + timeout,
            memory,
            taken: None,
        }
    }

    /// The next piece; none at the end. For uploads, which go to a file.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let next = tokio::time::timeout_at(self.deadline, self.chunks.next());
        let chunk = match next.await {
            Err(_) => return Err(ApiError::new(ErrorCode::RequestTimeout, "the body did not come in time")),
            Ok(None) => return Ok(None),
            Ok(Some(Err(broken))) => {
                return Err(ApiError::new(ErrorCode::InvalidRequest, "the body broke off").caused_by(broken));
            }
            Ok(Some(Ok(chunk))) => chunk,
        };
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
        Ok(Some(chunk))
    }

    /// All of it. A body that came in one piece is not copied.
    pub async fn read(&mut self) -> Result<Bytes, ApiError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        self.account(first.len())?;
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            self.account(whole.len() + chunk.len())?;
            whole.reserve(chunk.len());
            // It grows by doubling: what was taken counts, not only what is filled.
            self.account(whole.capacity())?;
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }

    /// Holds `bytes` now; what is over [`UNASKED_BYTES`] must be free in the shared memory.
    fn account(&mut self, bytes: usize) -> Result<(), ApiError> {
        let held = self.taken.as_ref().map_or(0, |permit| permit.num_permits() * 1024);
        let Some(missing) = bytes.checked_sub(UNASKED_BYTES + held).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let more = self.memory.take(missing)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

/// The body is larger than its route takes.
pub(crate) fn too_large() -> ApiError {
    ApiError::new(ErrorCode::PayloadTooLarge, "the body is larger than this route takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(chunks: Vec<usize>, max: u64, memory: &BodyMemory) -> Body {
        let chunks =
            futures_util::stream::iter(chunks.into_iter().map(|size| Ok(Bytes::from(vec![b'x'; size]))));
        Body::new(chunks, max, Duration::from_secs(30), memory.clone())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_not_a_byte_further() {
        let memory = BodyMemory::default();
        assert_eq!(body(vec![], 5, &memory).read().await.unwrap().len(), 0);
        assert_eq!(body(vec![2, 3], 5, &memory).read().await.unwrap().len(), 5);
        assert_eq!(body(vec![2, 3], 4, &memory).read().await.unwrap_err().code(), ErrorCode::PayloadTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_times_out() {
        let chunks =
            futures_util::stream::iter([Ok(Bytes::from_static(b"{"))]).chain(futures_util::stream::pending());
        let mut slow = Body::new(chunks, 100, Duration::from_secs(30), BodyMemory::default());
        let started = Instant::now();
        assert_eq!(slow.read().await.unwrap_err().code(), ErrorCode::RequestTimeout);
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test]
    async fn large_bodies_share_one_memory_and_give_it_back() {
        let memory = BodyMemory(Arc::new(Semaphore::new(100)));
        let mut first = body(vec![50 * 1024, 50 * 1024], 1 << 20, &memory);
        first.read().await.unwrap();
        let refused = body(vec![50 * 1024], 1 << 20, &memory).read().await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        assert!(body(vec![16 * 1024], 1 << 20, &memory).read().await.is_ok());
        drop(first);
        assert!(body(vec![50 * 1024], 1 << 20, &memory).read().await.is_ok());
        assert_eq!(memory.0.available_permits(), 100);
    }
}
