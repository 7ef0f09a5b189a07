//! What every [`Blobs`] promises.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use domain::{Timestamp, WorkspaceId};
use futures_util::{StreamExt, TryStreamExt, future, poll, stream};
use uuid::Uuid;

use crate::{BLOB_PIECE_BYTES_MAX, BlobEntry, BlobKey, BlobName, Blobs, StoreError};

/// More than any backend sends, or has in memory, at once.
const LARGE: usize = 9 * 1024 * 1024;
/// Clocks that tell when bytes were written are as coarse as a second.
const CLOCK_MS: u64 = 1000;

/// Checks the whole contract; `fresh` gives blobs.
pub async fn check(fresh: impl AsyncFn() -> Arc<dyn Blobs>) {
    what_was_put_is_read_in_any_range(&*fresh().await).await;
    what_is_not_there_is_not_read(&*fresh().await).await;
    a_range_that_is_not_there_is_an_error(&*fresh().await).await;
    what_was_put_may_be_put_again(&*fresh().await).await;
    a_blob_appears_as_a_whole(fresh().await).await;
    a_put_that_was_dropped_may_be_repeated(&*fresh().await).await;
    what_was_deleted_is_gone(&*fresh().await).await;
    a_list_has_every_blob_of_its_workspace(&*fresh().await).await;
    workspaces_are_those_with_blobs(&*fresh().await).await;
}

fn some_workspace() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::new_v4())
}

fn key(workspace: WorkspaceId, name: &str) -> BlobKey {
    BlobKey { workspace, name: BlobName::parse(name).expect("a name of a case is one") }
}

/// No two pieces of it are alike.
fn bytes(count: usize) -> Bytes {
    let words = (0..count.div_ceil(8) as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(count);
    bytes.into()
}

/// A file that is to be put.
fn received(blobs: &dyn Blobs, bytes: &[u8]) -> PathBuf {
    let file = blobs.incoming().join(Uuid::new_v4().to_string());
    fs::write(&file, bytes).expect("the folder for what comes in is there");
    file
}

async fn put(blobs: &dyn Blobs, key: &BlobKey, bytes: &[u8]) {
    let file = received(blobs, bytes);
    blobs.put(key, &file).await.expect("the store is there");
    // It may be gone.
    let _ = fs::remove_file(file);
}

/// None when there is no such blob.
async fn read(blobs: &dyn Blobs, key: &BlobKey, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
    let Some(pieces) = blobs.read(key, range).await? else { return Ok(None) };
    let pieces: Vec<Bytes> = pieces.try_collect().await?;
    let largest = pieces.iter().map(Bytes::len).max();
    assert!(largest <= Some(BLOB_PIECE_BYTES_MAX), "a piece is small enough: {largest:?}");
    Ok(Some(pieces.concat().into()))
}

async fn whole(blobs: &dyn Blobs, key: &BlobKey, size: usize) -> Option<Bytes> {
    read(blobs, key, 0..size as u64).await.expect("the store is there")
}

async fn list(blobs: &dyn Blobs, workspace: WorkspaceId) -> Vec<BlobEntry> {
    let mut entries: Vec<BlobEntry> = blobs.list(workspace).try_collect().await.expect("the store is there");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

fn is_missing(read: &Result<Option<Bytes>, StoreError>) -> bool {
    matches!(read, Ok(None))
}

async fn what_was_put_is_read_in_any_range(blobs: &dyn Blobs) {
    let piece = BLOB_PIECE_BYTES_MAX;
    for size in [0, 1, piece, piece + 1, LARGE] {
        let (key, bytes) = (key(some_workspace(), "a-file"), bytes(size));
        put(blobs, &key, &bytes).await;
        let ends = [0, 1, 7, piece - 1, piece, piece + 1, 2 * piece, size.saturating_sub(1), size];
        for first in ends {
            for end in ends.into_iter().filter(|end| (first..=size).contains(end)) {
                let read = read(blobs, &key, first as u64..end as u64).await;
                let read = read.expect("the store is there").expect("it was put");
                assert!(read == bytes.slice(first..end), "of {size} bytes, those from {first} to {end}");
            }
        }
    }
}

async fn what_is_not_there_is_not_read(blobs: &dyn Blobs) {
    let workspace = some_workspace();
    put(blobs, &key(workspace, "file"), b"bytes").await;
    for other in [key(workspace, "file-2"), key(workspace, "fil"), key(some_workspace(), "file")] {
        for range in [0..0, 0..1, 2..5] {
            let read = read(blobs, &other, range).await;
            assert!(is_missing(&read), "a key has its own blob: {read:?}");
        }
    }
}

async fn a_range_that_is_not_there_is_an_error(blobs: &dyn Blobs) {
    for size in [0, 5, BLOB_PIECE_BYTES_MAX, BLOB_PIECE_BYTES_MAX + 5] {
        let key = key(some_workspace(), "file");
        put(blobs, &key, &bytes(size)).await;
        let size = size as u64;
        for range in [0..size + 1, size..size + 1, size + 1..size + 2, size + 1..size + 1] {
            let read = read(blobs, &key, range.clone()).await;
            assert!(matches!(read, Err(StoreError::Corrupt(_))), "{range:?} of {size}: {read:?}");
        }
    }
}

async fn what_was_put_may_be_put_again(blobs: &dyn Blobs) {
    let (key, bytes) = (key(some_workspace(), "file"), bytes(1000));
    for _ in 0..2 {
        put(blobs, &key, &bytes).await;
        assert_eq!(whole(blobs, &key, 1000).await, Some(bytes.clone()));
    }
    assert_eq!(list(blobs, key.workspace).await.len(), 1);
}

async fn a_blob_appears_as_a_whole(blobs: Arc<dyn Blobs>) {
    let (key, bytes) = (key(some_workspace(), "file"), bytes(LARGE));
    let file = received(&*blobs, &bytes);
    let mut putting = pin!(blobs.put(&key, &file));
    // Reads go on all the while; the last one begins when it was put.
    loop {
        let done = poll!(putting.as_mut());
        let read = whole(&*blobs, &key, LARGE).await;
        assert!(read.as_ref().is_none_or(|read| *read == bytes), "a read gets all or none");
        if done.is_ready() {
            assert!(read.is_some(), "what was put is there");
            break;
        }
        tokio::task::yield_now().await;
    }
}

async fn a_put_that_was_dropped_may_be_repeated(blobs: &dyn Blobs) {
    for size in [10, LARGE] {
        let (key, bytes) = (key(some_workspace(), "file"), bytes(size));
        let file = received(blobs, &bytes);
        {
            let mut dropped = pin!(blobs.put(&key, &file));
            let _ = poll!(dropped.as_mut());
        }
        let read = whole(blobs, &key, size).await;
        assert!(read.is_none_or(|read| read == bytes), "all of it is there, or nothing");
        put(blobs, &key, &bytes).await;
        assert_eq!(whole(blobs, &key, size).await, Some(bytes));
        let _ = fs::remove_file(file);
    }
}

async fn what_was_deleted_is_gone(blobs: &dyn Blobs) {
    let workspace = some_workspace();
    let (gone, kept) = (key(workspace, "file"), key(workspace, "file-thumbnail"));
    put(blobs, &gone, b"bytes").await;
    put(blobs, &kept, b"small").await;
    for times in ["once", "twice"] {
        blobs.delete(&gone).await.unwrap_or_else(|error| panic!("deleted {times}: {error}"));
        let read = read(blobs, &gone, 0..5).await;
        assert!(is_missing(&read), "deleted {times}: {read:?}");
    }
    assert_eq!(whole(blobs, &kept, 5).await.as_deref(), Some(&b"small"[..]), "another one stays");
    assert_eq!(list(blobs, workspace).await.len(), 1);
    let never = blobs.delete(&key(some_workspace(), "file")).await;
    never.expect("what was never there counts as removed");
}

async fn a_list_has_every_blob_of_its_workspace(blobs: &dyn Blobs) {
    let (workspace, other) = (some_workspace(), some_workspace());
    let before = now(blobs);
    // More than a backend may look at in one go.
    let names: Vec<String> = (100..400).map(|n| format!("file-{n}")).collect();
    let puts = names.iter().map(|name| async {
        let key = key(workspace, name);
        put(blobs, &key, name.as_bytes()).await;
    });
    stream::iter(puts).buffer_unordered(8).collect::<Vec<()>>().await;
    put(blobs, &key(other, "of-another"), b"bytes").await;
    let after = now(blobs);

    let entries = list(blobs, workspace).await;
    let told: Vec<(&str, u64)> = entries.iter().map(|entry| (entry.name.as_str(), entry.size)).collect();
    let expected: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), name.len() as u64)).collect();
    assert_eq!(told, expected, "each once, and none of another workspace");
    let when = before.as_ms() - CLOCK_MS..=after.as_ms() + CLOCK_MS;
    let strange = entries.iter().find(|entry| !when.contains(&entry.written_at.as_ms()));
    assert_eq!(strange, None, "it is told when they were written, here within {when:?}");
    assert_eq!(list(blobs, some_workspace()).await, [], "of a workspace without blobs");
}

async fn workspaces_are_those_with_blobs(blobs: &dyn Blobs) {
    let (one, two, none) = (some_workspace(), some_workspace(), some_workspace());
    let workspaces = async || blobs.workspaces().await.expect("the store is there");
    assert!(!workspaces().await.contains(&one));
    let keys = [key(one, "file"), key(one, "file-2"), key(two, "file")];
    future::join_all(keys.iter().map(|key| put(blobs, key, b"bytes"))).await;
    let told = workspaces().await;
    let times = |workspace| told.iter().filter(|told| **told == workspace).count();
    assert_eq!((times(one), times(two), times(none)), (1, 1, 0));
}

/// The machine's time, as its disk writes it down.
fn now(blobs: &dyn Blobs) -> Timestamp {
    let file = received(blobs, b"now");
    let written = fs::metadata(&file).and_then(|metadata| metadata.modified()).expect("it was just written");
    fs::remove_file(file).expect("it was just written");
    let since_1970 = written.duration_since(UNIX_EPOCH).expect("the clock is right");
    Timestamp::from_ms(since_1970.as_millis() as u64)
}
