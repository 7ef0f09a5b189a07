//! Blobs in an object store that speaks S3: `<prefix>/<workspace>/<name>` in one bucket, for nodes that share it. What
//! is received lies in a local folder until it is put.

use std::fmt;
use std::ops::Range;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::{Timestamp, WorkspaceId};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutPayload, RetryConfig,
};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{
    BLOB_PIECE_BYTES_MAX, BlobEntry, BlobKey, BlobName, BlobStream, Blobs, failed_on_disk, folder_name,
    make_private, too_short, workspace_of,
};
use crate::StoreError;

/// What is larger is sent in parts of this size, one at a time: so much is in memory for each upload. S3 asks for at
/// least 5 MiB and takes 10,000 parts.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take, with its body: a part at 140 kB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A failed request is repeated so often, and not later than this after it began: somebody waits for the answer.
const RETRIES_MAX: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(10);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// Where a bucket is and how to get in.
#[derive(Clone)]
pub struct S3Bucket {
    /// Its name.
    pub bucket: String,
    /// Part of each request's signature.
    pub region: String,
    /// The server's URL; none: Amazon's of the region.
    pub endpoint: Option<String>,
    /// Stands before every key, with `/` between its parts; may be empty.
    pub prefix: String,
    /// Names the secret.
    pub access_key: String,
    /// Signs requests.
    pub secret_key: String,
    /// The endpoint may be one without TLS.
    pub allow_http: bool,
}

/// The secret stays out of logs.
impl fmt::Debug for S3Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, region, endpoint, prefix, access_key: _, secret_key: _, allow_http } = self;
        f.debug_struct("S3Bucket")
            .field("bucket", bucket)
            .field("region", region)
            .field("endpoint", endpoint)
            .field("prefix", prefix)
            .field("allow_http", allow_http)
            .finish_non_exhaustive()
    }
}

/// Blobs in an object store.
#[derive(Debug)]
pub struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    incoming: PathBuf,
}

impl ObjectBlobs {
    /// Sends no request yet; makes the folder for incoming files. Blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the folder could not be made, or the bucket's settings cannot be used; the operator must act.
    pub fn in_s3(bucket: S3Bucket, incoming: PathBuf) -> Result<Self, StoreError> {
        make_private(&incoming).map_err(|error| failed_on_disk(&incoming, &error))?;
        let retry = RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_FOR,
            backoff: BackoffConfig { max_backoff: RETRY_AFTER_MAX, ..BackoffConfig::default() },
        };
        let options =
            ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
        let builder = AmazonS3Builder::new()
            .with_client_options(options)
            .with_retry(retry)
            .with_bucket_name(bucket.bucket)
            .with_region(bucket.region)
            .with_access_key_id(bucket.access_key)
            .with_secret_access_key(bucket.secret_key)
            .with_allow_http(bucket.allow_http)
            // Not every server that speaks S3 deletes several at once, and no caller needs it.
            .with_disable_bulk_delete(true);
        let builder = match bucket.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint),
            None => builder,
        };
        let objects = Arc::new(builder.build().map_err(|error| failed(&error))?);
        let prefix = Path::parse(bucket.prefix).map_err(|error| failed(&error.into()))?;
        Ok(Self { objects, prefix, incoming })
    }

    /// In memory, for tests. `incoming` is a folder that is there.
    pub fn in_memory(prefix: &str, incoming: PathBuf) -> Self {
        Self { objects: Arc::new(InMemory::new()), prefix: prefix.into(), incoming }
    }

    fn home(&self, workspace: WorkspaceId) -> Path {
        self.prefix.clone().join(folder_name(workspace))
    }

    fn path(&self, key: &BlobKey) -> Path {
        self.home(key.workspace).join(key.name.as_str())
    }

    async fn put_whole(&self, path: &Path, mut file: Local<'_>, size: u64) -> Result<(), StoreError> {
        let bytes = file.read(size).await?;
        self.objects.put(path, PutPayload::from_bytes(bytes)).await.map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn put_in_parts(&self, path: &Path, mut file: Local<'_>, size: u64) -> Result<(), StoreError> {
        let mut upload = self.objects.put_multipart(path).await.map_err(|error| failed(&error))?;
        let sent = send_parts(&mut *upload, &mut file, size).await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "the parts of an upload that failed are left in the bucket");
        }
        sent
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    fn incoming(&self) -> &LocalPath {
        &self.incoming
    }

    async fn put(&self, key: &BlobKey, file: &LocalPath) -> Result<(), StoreError> {
        let (file, size) = Local::open(file).await?;
        let path = self.path(key);
        if size <= PART_BYTES {
            self.put_whole(&path, file, size).await
        } else {
            self.put_in_parts(&path, file, size).await
        }
    }

    /// Each piece is asked for when the one before has gone: a slow reader holds no connection, and a request
    /// has an end.
    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<Option<BlobStream<Bytes>>, StoreError> {
        let reading = Reading { objects: Arc::clone(&self.objects), path: self.path(key), key: key.clone() };
        if range.is_empty() {
            return match reading.size().await? {
                None => Ok(None),
                Some(size) if size < range.end => Err(too_short(key)),
                Some(_) => Ok(Some(stream::empty().boxed())),
            };
        }
        let (first, rest) = split(range);
        let Some(first) = reading.piece(first).await? else { return Ok(None) };
        let rest = stream::try_unfold((reading, rest), |(reading, left)| async move {
            if left.is_empty() {
                return Ok(None);
            }
            let (next, rest) = split(left);
            let piece = reading.piece(next).await?.ok_or_else(|| too_short(&reading.key))?;
            Ok(Some((piece, (reading, rest))))
        });
        Ok(Some(stream::once(future::ready(Ok(first))).chain(rest).boxed()))
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), StoreError> {
        match self.objects.delete(&self.path(key)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    fn list(&self, workspace: WorkspaceId) -> BlobStream<BlobEntry> {
        let home = self.home(workspace);
        let objects = self.objects.list(Some(&home));
        let entries = objects.try_filter_map(move |object| future::ok(entry_of(&home, &object)));
        entries.map_err(|error| failed(&error)).boxed()
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceId>, StoreError> {
        let listed = self.objects.list_with_delimiter(Some(&self.prefix)).await;
        let folders = listed.map_err(|error| failed(&error))?.common_prefixes;
        Ok(folders.iter().filter_map(|folder| workspace_of(folder.filename()?)).collect())
    }
}

/// None when it is no blob of ours.
fn entry_of(home: &Path, object: &ObjectMeta) -> Option<BlobEntry> {
    let mut parts = object.location.prefix_match(home)?;
    let (Some(name), None) = (parts.next(), parts.next()) else { return None };
    let written_at_ms = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0);
    Some(BlobEntry {
        name: BlobName::parse(name.as_ref())?,
        size: object.size,
        written_at: Timestamp::from_ms(written_at_ms),
    })
}

/// A blob that is being read.
struct Reading {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    key: BlobKey,
}

impl Reading {
    /// All bytes of the range, which is not empty; none when there is no such blob.
    async fn piece(&self, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        match self.objects.get_range(&self.path, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(Some(bytes)),
            Ok(_) => Err(too_short(&self.key)),
            Err(Error::NotFound { .. }) => Ok(None),
            // A range behind the end has no error of its own.
            Err(error) => match self.size().await {
                Ok(Some(size)) if size < range.end => Err(too_short(&self.key)),
                Ok(_) | Err(_) => Err(failed(&error)),
            },
        }
    }

    async fn size(&self) -> Result<Option<u64>, StoreError> {
        match self.objects.head(&self.path).await {
            Ok(object) => Ok(Some(object.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The first piece of a range that is not empty, and what is left.
fn split(range: Range<u64>) -> (Range<u64>, Range<u64>) {
    let middle = range.end.min(range.start + BLOB_PIECE_BYTES_MAX as u64);
    (range.start..middle, middle..range.end)
}

async fn send_parts(
    upload: &mut dyn MultipartUpload,
    file: &mut Local<'_>,
    size: u64,
) -> Result<(), StoreError> {
    let mut left = size;
    while left > 0 {
        let part = file.read(left.min(PART_BYTES)).await?;
        left -= part.len() as u64;
        upload.put_part(PutPayload::from_bytes(part)).await.map_err(|error| failed(&error))?;
    }
    upload.complete().await.map_err(|error| failed(&error))?;
    Ok(())
}

/// A file that is being put.
struct Local<'a> {
    file: File,
    path: &'a LocalPath,
}

impl<'a> Local<'a> {
    /// With its size.
    async fn open(path: &'a LocalPath) -> Result<(Self, u64), StoreError> {
        let opened = File::open(path).await;
        let file = opened.map_err(|error| failed_on_disk(path, &error))?;
        let metadata = file.metadata().await.map_err(|error| failed_on_disk(path, &error))?;
        Ok((Self { file, path }, metadata.len()))
    }

    /// The next bytes, so many.
    async fn read(&mut self, count: u64) -> Result<Bytes, StoreError> {
        let mut bytes = BytesMut::zeroed(count as usize);
        self.file.read_exact(&mut bytes).await.map_err(|error| failed_on_disk(self.path, &error))?;
        Ok(bytes.freeze())
    }
}

fn failed(error: &Error) -> StoreError {
    let mut told = error.to_string();
    // Servers that can be full say it so: by the status (MinIO, Garage) or by a code (Ceph).
    if told.contains("507 Insufficient Storage") || told.contains("<Code>QuotaExceeded</Code>") {
        return StoreError::StorageFull;
    }
    // What went wrong with the connection stands deeper, such as a certificate that is not trusted.
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let deeper_told = deeper.to_string();
        if !told.contains(&deeper_told) {
            told = format!("{told}: {deeper_told}");
        }
        cause = deeper.source();
    }
    StoreError::Unavailable(format!("the object store: {told}"))
}
