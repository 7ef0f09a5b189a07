//! Blobs in a server that speaks S3, and in one that does not do what it should.

use std::fs;
use std::path::Path;

use domain::WorkspaceId;
use driver::S3Server;
use futures_util::TryStreamExt;
use store::{BlobEntry, BlobKey, BlobName, Blobs, ObjectBlobs, S3Bucket, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::play::some_workspace;

/// Blobs in a bucket of the server at `address`.
pub(crate) fn blobs_at(address: &str, bucket: &str, dir: &Path) -> ObjectBlobs {
    let bucket = S3Bucket {
        bucket: bucket.to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: Some(format!("http://{address}")),
        prefix: "chat/files".to_owned(),
        access_key: "an-access-key".to_owned(),
        secret_key: "a-secret-key".to_owned(),
        allow_http: true,
    };
    ObjectBlobs::in_s3(bucket, dir.join("incoming")).unwrap()
}

fn some_key(workspace: WorkspaceId) -> BlobKey {
    BlobKey { workspace, name: BlobName::parse("file").unwrap() }
}

async fn put(blobs: &ObjectBlobs, key: &BlobKey) -> Result<(), StoreError> {
    let file = blobs.incoming().join("a-file");
    fs::write(&file, b"bytes").unwrap();
    blobs.put(key, &file).await
}

#[tokio::test]
async fn what_is_not_ours_in_a_bucket_is_not_listed() {
    let (server, dir) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    server.put("/uploads").await.unwrap();
    let (blobs, workspace) = (blobs_at(server.address(), "uploads", dir.path()), some_workspace());
    put(&blobs, &some_key(workspace)).await.unwrap();
    let home = workspace.uuid().simple();
    for name in [
        format!("chat/files/{home}/below/file"),
        format!("chat/files/{home}/NOT-OURS"),
        format!("chat/files/{home}-2/file"),
        "chat/files/other/file".to_owned(),
        "chat/files/file".to_owned(),
        "elsewhere".to_owned(),
    ] {
        server.put(&format!("/uploads/{name}")).await.unwrap();
    }
    let listed: Vec<BlobEntry> = blobs.list(workspace).try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["file"]);
    assert_eq!(blobs.workspaces().await.unwrap(), [workspace]);
}

#[tokio::test]
async fn a_server_or_bucket_that_is_not_there_is_unavailable() {
    let (server, dir) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    for address in [server.address(), &nobody] {
        let (blobs, key) = (blobs_at(address, "no-such-bucket", dir.path()), some_key(some_workspace()));
        let put = put(&blobs, &key).await;
        assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
        let listed: Result<Vec<BlobEntry>, _> = blobs.list(key.workspace).try_collect().await;
        assert!(matches!(listed, Err(StoreError::Unavailable(_))), "{listed:?}");
        let workspaces = blobs.workspaces().await;
        assert!(matches!(workspaces, Err(StoreError::Unavailable(_))), "{workspaces:?}");
    }
    let read = blobs_at(&nobody, "no-such-bucket", dir.path());
    let read = read.read(&some_key(some_workspace()), 0..5).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{:?}", read.err());
}

#[tokio::test]
async fn a_server_that_is_full_says_so() {
    for (status, body) in
        [("507 Insufficient Storage", ""), ("403 Forbidden", "<Error><Code>QuotaExceeded</Code></Error>")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let full = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"bytes") {
                    connection.read_buf(&mut request).await.unwrap();
                }
                let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n{body}");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let put = put(&blobs_at(&address, "uploads", dir.path()), &some_key(some_workspace())).await;
        full.abort();
        assert!(matches!(put, Err(StoreError::StorageFull)), "{put:?}");
    }
}
