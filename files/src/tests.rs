//! Files as a whole, over a real store and a real folder.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use domain::{
    AgentId, ClientId, ConversationId, FileCard, FileId, Mime, Name, Seq, Timestamp, VisitorId, Workspace,
    WorkspaceId,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::Digest;
use store::golden::Golden;
use store::{BlobKey, Blobs, Clock, FolderBlobs, INSTALLATION, ObjectBlobs, StoreError};

use crate::blob;
use crate::files::{FileLimits, Files};
use crate::quota::QuotaLimits;
use crate::receive::{Upload, UploadError};
use crate::record::{FileRecord, Rendition, Thumbnail, Uploader};
use crate::reservation::ReserveError;
use crate::sniff::Refusal;
use crate::storage::Storage;
use crate::testing::Fixture;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

struct Shelf {
    fixture: Fixture,
    files: Files,
    root: tempfile::TempDir,
}

impl Shelf {
    async fn start() -> Self {
        Self::start_over(|root| Arc::new(FolderBlobs::open(root).unwrap())).await
    }

    async fn start_over(blobs: impl FnOnce(&Path) -> Arc<dyn Blobs>) -> Self {
        let fixture = Fixture::start();
        let (id, name) = (fixture.workspace, Name::parse("Acme").unwrap());
        let workspace = Workspace { id, name, time_zone: Name::parse("UTC").unwrap() };
        store::insert(&*fixture.store.records, INSTALLATION, workspace, fixture.clock.now()).await.unwrap();
        let root = tempfile::TempDir::new().unwrap();
        let files = Self::open(&fixture, blobs(root.path()));
        Self { fixture, files, root }
    }

    fn open(fixture: &Fixture, blobs: Arc<dyn Blobs>) -> Files {
        let limits = FileLimits { bytes_max: 1000, pixels_max: 1_000_000, quotas: QuotaLimits::default() };
        let storage = Storage::new(blobs.incoming().to_owned(), None, Some(0));
        Files::open(blobs, fixture.store.records.clone(), fixture.clock.clone(), limits, storage).unwrap()
    }

    /// The first `size` bytes of a file or its thumbnail.
    async fn read(&self, id: FileId, what: Rendition, size: u64) -> Result<Vec<u8>, StoreError> {
        let pieces = self.files.bytes(self.fixture.workspace, id, what, 0..size).await?;
        Ok(pieces.try_collect::<Vec<Bytes>>().await?.concat())
    }

    async fn is_kept(&self, file: &FileRecord) -> bool {
        match self.read(file.id, Rendition::Original, file.size).await {
            Ok(_) => true,
            Err(StoreError::Corrupt(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn upload(&self, name: &str) -> Upload {
        Upload {
            workspace: self.fixture.workspace,
            conversation: conversation(1),
            site: self.fixture.site,
            uploader: visitor(1),
            name: name.to_owned(),
        }
    }

    async fn receive(&self, name: &str, pieces: &[&str]) -> Result<FileRecord, UploadError> {
        let pieces: Vec<Result<Bytes, String>> =
            pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes()))).collect();
        self.files.receive(self.upload(name), stream::iter(pieces)).await.map(|record| record.document)
    }

    /// An image of 400x8 pixels, with a comment that has to go.
    async fn receive_image(&self) -> FileRecord {
        let mut bytes = std::io::Cursor::new(Vec::new());
        ::image::RgbImage::new(400, 8).write_to(&mut bytes, ::image::ImageFormat::Gif).unwrap();
        let mut bytes = bytes.into_inner();
        bytes.pop();
        bytes.extend(b"\x21\xfe\x06secret\0;");
        let body = stream::iter([Ok::<_, String>(Bytes::from(bytes))]);
        self.files.receive(self.upload("a.gif"), body).await.unwrap().document
    }

    async fn reserve(&self, client_id: &str, ids: &[FileId]) -> Result<Vec<FileCard>, ReserveError> {
        let client_id = ClientId::parse(client_id).unwrap();
        self.files.reserve(self.fixture.workspace, conversation(1), visitor(1), &client_id, Seq(7), ids).await
    }

    /// Everything under the folder that is not a folder.
    fn on_disk(&self) -> usize {
        let mut folders = vec![self.root.path().to_owned()];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { count += 1 }
            }
        }
        count
    }
}

fn conversation(n: u8) -> ConversationId {
    ConversationId::from_hash([n; 16])
}

fn visitor(n: u8) -> Uploader {
    Uploader::Visitor(VisitorId::from_hash([n; 16]))
}

#[tokio::test]
async fn a_file_is_kept_as_it_came_with_size_and_hash() {
    let shelf = Shelf::start().await;
    let record = shelf.receive("../notes.txt", &["hel", "", "lo"]).await.unwrap();
    assert_eq!((record.name.as_str(), record.mime.as_str(), record.size), ("notes.txt", "text/plain", 5));
    assert_eq!(&*record.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert!(!record.shown_inline());
    assert_eq!(shelf.read(record.id, Rendition::Original, 5).await.unwrap(), b"hello");
    assert_eq!(shelf.files.find(shelf.fixture.workspace, record.id).await.unwrap(), Some(record));
    assert_eq!(shelf.on_disk(), 1);
}

#[tokio::test]
async fn nothing_is_left_of_what_is_refused_or_breaks_off() {
    let shelf = Shelf::start().await;
    let long = "x".repeat(501);
    assert!(matches!(shelf.receive("a.txt", &[&long, &long]).await, Err(UploadError::TooLarge(1000))));
    assert!(matches!(shelf.receive("a.txt", &["<svg/>"]).await, Err(UploadError::Refused(Refusal::Kind))));
    assert!(matches!(shelf.receive("a.txt", &[]).await, Err(UploadError::Refused(Refusal::Empty))));
    let pieces = [Ok(Bytes::from_static(b"hi")), Err("the client left")];
    let broken = shelf.files.receive(shelf.upload("a.txt"), stream::iter(pieces)).await;
    assert!(matches!(broken, Err(UploadError::BrokeOff(why)) if why == "the client left"));
    assert_eq!(shelf.on_disk(), 0);
}

#[tokio::test]
async fn nothing_is_left_when_the_request_is_dropped() {
    let shelf = Shelf::start().await;
    let (started, mut has_started) = tokio::sync::mpsc::channel(1);
    let first = stream::once(async move {
        started.send(()).await.unwrap();
        Ok::<_, String>(Bytes::from_static(b"hi"))
    });
    let never_ends = shelf.files.receive(shelf.upload("a.txt"), first.chain(stream::pending()));
    {
        let mut receiving = std::pin::pin!(never_ends);
        tokio::select! {
            _ = &mut receiving => panic!("it never ends"),
            _ = has_started.recv() => assert_eq!(shelf.on_disk(), 1),
        }
    }
    assert_eq!(shelf.on_disk(), 0);
}

#[tokio::test]
async fn what_a_stopped_server_left_half_received_goes_at_the_next_start() {
    let shelf = Shelf::start().await;
    let kept = shelf.receive("a.txt", &["hi"]).await.unwrap();
    std::fs::write(shelf.root.path().join("incoming/.tmpXYZ"), b"half").unwrap();
    Shelf::open(&shelf.fixture, Arc::clone(&shelf.files.blobs));
    assert_eq!(shelf.on_disk(), 1);
    assert!(shelf.is_kept(&kept).await);
}

#[tokio::test]
async fn a_file_is_usable_once_by_its_uploader_where_it_was_uploaded() {
    let shelf = Shelf::start().await;
    let workspace = shelf.fixture.workspace;
    let a = shelf.receive("a.txt", &["a"]).await.unwrap();
    let b = shelf.receive("b.txt", &["b"]).await.unwrap();
    let id = ClientId::parse("m1").unwrap();
    let elsewhere = [
        (WorkspaceId::from_hash([9; 16]), conversation(1), visitor(1)),
        (workspace, conversation(2), visitor(1)),
        (workspace, conversation(1), visitor(2)),
        (workspace, conversation(1), Uploader::Agent(AgentId::from_hash([1; 16]))),
    ];
    for (workspace, conversation, uploader) in elsewhere {
        let refused = shelf.files.reserve(workspace, conversation, uploader, &id, Seq(7), &[a.id]).await;
        assert!(matches!(refused, Err(ReserveError::NotUsable(id)) if id == a.id));
    }
    assert_eq!(shelf.reserve("m1", &[b.id, a.id]).await.unwrap(), [b.card(), a.card()]);
    assert_eq!(shelf.reserve("m1", &[b.id, a.id]).await.unwrap().len(), 2, "a repeat passes");
    assert!(matches!(shelf.reserve("m2", &[a.id]).await, Err(ReserveError::NotUsable(_))));
    let used = async || shelf.files.find(workspace, a.id).await.unwrap().unwrap();
    assert_eq!(used().await.used_after, Some(Seq(7)), "where its message is looked for");
    shelf.files.release(workspace, &id, &[a.id, b.id]).await.unwrap();
    assert_eq!(used().await.used_after, None);
    assert!(shelf.reserve("m2", &[a.id]).await.is_ok());
}

#[tokio::test]
async fn all_files_of_a_message_are_reserved_or_none() {
    let shelf = Shelf::start().await;
    let a = shelf.receive("a.txt", &["a"]).await.unwrap();
    let unknown = FileId::from_hash([7; 16]);
    for ids in [[a.id, unknown], [a.id, a.id]] {
        assert!(matches!(shelf.reserve("m1", &ids).await, Err(ReserveError::NotUsable(_))));
    }
    assert!(shelf.reserve("m2", &[a.id]).await.is_ok());
}

#[tokio::test]
async fn of_two_messages_that_want_one_file_one_gets_it() {
    let shelf = Shelf::start().await;
    let a = shelf.receive("a.txt", &["a"]).await.unwrap();
    let ids = [a.id];
    let race = futures_util::future::join_all(["m1", "m2", "m3"].map(|id| shelf.reserve(id, &ids))).await;
    assert_eq!(race.iter().filter(|reserved| reserved.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_unused_file_goes_after_a_day_and_a_used_one_stays() {
    let shelf = Shelf::start().await;
    let workspace = shelf.fixture.workspace;
    let records = shelf.fixture.store.records.as_ref();
    // Bytes have the machine's time; records the clock of the test.
    shelf.fixture.clock.advance_ms(Clock::system().now().ms_since(shelf.fixture.clock.now()));
    let used = shelf.receive("a.txt", &["a"]).await.unwrap();
    let unused = shelf.receive("b.txt", &["b"]).await.unwrap();
    shelf.reserve("m1", &[used.id]).await.unwrap();
    assert_eq!(shelf.files.sweep().await.unwrap(), 0);

    shelf.fixture.clock.advance_ms(DAY_MS + 60_000);
    assert_eq!(shelf.files.find(workspace, unused.id).await.unwrap(), None);
    assert!(matches!(shelf.reserve("m2", &[unused.id]).await, Err(ReserveError::NotUsable(_))));
    records.expire(shelf.fixture.clock.now(), 100).await.unwrap();
    assert_eq!(shelf.files.sweep().await.unwrap(), 1);
    assert!(!shelf.is_kept(&unused).await && shelf.is_kept(&used).await);
    assert!(shelf.files.find(workspace, used.id).await.unwrap().is_some());
}

#[tokio::test]
async fn of_an_image_the_picture_is_kept_with_a_small_one_beside_it() {
    let shelf = Shelf::start().await;
    let record = shelf.receive_image().await;
    let bytes = shelf.read(record.id, Rendition::Original, record.size).await.unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    let sha256: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((record.size, &*record.sha256), (bytes.len() as u64, sha256.as_str()));
    let Some(Thumbnail::Made { mime, size }) = &record.thumbnail else { panic!("{record:?}") };
    let small = shelf.read(record.id, Rendition::Thumbnail, *size).await.unwrap();
    assert_eq!(mime.as_str(), "image/jpeg");
    let small = ::image::load_from_memory(&small).unwrap();
    assert_eq!((small.width(), small.height()), (320, 6));
    assert!(record.card().has_thumbnail && shelf.on_disk() == 2);
}

#[tokio::test]
async fn a_thumbnail_goes_with_its_file_and_also_without_one() {
    let shelf = Shelf::start().await;
    let workspace = shelf.fixture.workspace;
    shelf.fixture.clock.advance_ms(Clock::system().now().ms_since(shelf.fixture.clock.now()));
    let (used, unused) = (shelf.receive_image().await, shelf.receive_image().await);
    shelf.reserve("m1", &[used.id]).await.unwrap();
    let home = shelf.root.path().join(workspace.uuid().simple().to_string());
    std::fs::write(home.join(format!("{}-thumbnail", "7".repeat(32))), b"its file never came").unwrap();
    assert_eq!((shelf.files.sweep().await.unwrap(), shelf.on_disk()), (0, 5));

    shelf.fixture.clock.advance_ms(DAY_MS + 60_000);
    shelf.fixture.store.records.expire(shelf.fixture.clock.now(), 100).await.unwrap();
    assert_eq!((shelf.files.sweep().await.unwrap(), shelf.on_disk()), (3, 2));
    assert!(shelf.read(unused.id, Rendition::Thumbnail, 1).await.is_err());
    assert!(shelf.read(used.id, Rendition::Thumbnail, 1).await.is_ok());
}

#[tokio::test]
async fn an_object_store_is_swept_but_not_of_what_another_installation_keeps() {
    let shelf = Shelf::start_over(|root| Arc::new(ObjectBlobs::in_memory("", root.to_owned()))).await;
    shelf.fixture.clock.advance_ms(Clock::system().now().ms_since(shelf.fixture.clock.now()));
    let (used, unused) = (shelf.receive_image().await, shelf.receive_image().await);
    shelf.reserve("m1", &[used.id]).await.unwrap();
    assert_eq!(shelf.on_disk(), 0, "nothing is left of what was received");
    let name = blob::name_of(unused.id, Rendition::Original);
    let theirs = BlobKey { workspace: WorkspaceId::from_hash([9; 16]), name };
    let file = shelf.root.path().join("theirs");
    std::fs::write(&file, b"theirs").unwrap();
    shelf.files.blobs.put(&theirs, &file).await.unwrap();

    shelf.fixture.clock.advance_ms(DAY_MS + 60_000);
    shelf.fixture.store.records.expire(shelf.fixture.clock.now(), 100).await.unwrap();
    assert_eq!(shelf.files.sweep().await.unwrap(), 2);
    assert!(shelf.is_kept(&used).await && !shelf.is_kept(&unused).await);
    assert!(shelf.files.blobs.read(&theirs, 0..6).await.unwrap().is_some());
}

#[test]
fn what_is_stored_of_a_file_is_read_for_ever() {
    let unused = FileRecord {
        id: FileId::from_hash([9; 16]),
        conversation: conversation(1),
        uploader: visitor(1),
        name: Name::parse("a \"b\".png").unwrap(),
        mime: Mime::new("image/png"),
        is_utf8: false,
        size: 1234,
        sha256: "ab".repeat(32).into(),
        uploaded_at: Timestamp::from_ms(1_700_000_000_000),
        used_by: None,
        used_after: None,
        thumbnail: None,
    };
    let used = FileRecord {
        uploader: Uploader::Agent(AgentId::from_hash([3; 16])),
        used_by: Some(ClientId::parse("c-1").unwrap()),
        ..unused.clone()
    };
    let placed = FileRecord { used_after: Some(Seq(41)), ..used.clone() };
    let mut golden = Golden::new(include_str!("golden.txt"));
    golden.check("unused", &unused);
    golden.check("used", &used);
    golden.check("placed", &placed);
    golden.finish();
}
