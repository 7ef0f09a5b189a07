//! Records: versioned documents with unique keys: sites, teams, agents, visitors, tokens, canned responses.

use async_trait::async_trait;
use domain::{Agent, Canned, CannedScope, Site, Team, Timestamp, Visitor, Workspace, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{StoreError, envelope};

mod error;

pub use error::RecordError;

/// Keeps what belongs to the installation and to no workspace: its keys, and tokens whose workspace is not known before they
/// are read.
pub const INSTALLATION: WorkspaceId = WorkspaceId::from_uuid(Uuid::nil());

/// A kind of document. Its number is stored: append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// [`domain::Workspace`], kept under [`INSTALLATION`].
    Workspace = 1,
    /// [`domain::Site`].
    Site = 2,
    /// [`domain::Team`].
    Team = 3,
    /// [`domain::Agent`].
    Agent = 4,
    /// [`domain::Visitor`].
    Visitor = 5,
    /// [`domain::Canned`].
    Canned = 6,
    /// A visitor's token, kept under [`INSTALLATION`].
    VisitorToken = 7,
    /// An agent's log-in: a family of tokens, kept under [`INSTALLATION`].
    Session = 8,
    /// An uploaded file.
    File = 9,
    /// The installation's own keys, kept under [`INSTALLATION`].
    Key = 10,
    /// An admin request that was answered, by its `Idempotency-Key`.
    Idempotency = 11,
    /// What a demo made, with its log-ins, kept under [`INSTALLATION`].
    Demo = 12,
    /// That a refresh token was exchanged, for as long as it may be once more; kept under [`INSTALLATION`].
    SpentRefresh = 13,
    /// The addresses from which an agent logged in lately.
    KnownAddresses = 14,
    /// How often a command changed people beside a server, kept under [`INSTALLATION`].
    Staffing = 15,
    /// How many bytes of uploads a day brought.
    UploadedBytes = 16,
    /// Which nodes are members and what each of them owns, kept under [`INSTALLATION`].
    View = 17,
    /// That a member lives, and which others it accuses, kept under [`INSTALLATION`].
    Heartbeat = 18,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [RecordKind; 18] = [
        Self::Workspace,
        Self::Site,
        Self::Team,
        Self::Agent,
        Self::Visitor,
        Self::Canned,
        Self::VisitorToken,
        Self::Session,
        Self::File,
        Self::Key,
        Self::Idempotency,
        Self::Demo,
        Self::SpentRefresh,
        Self::KnownAddresses,
        Self::Staffing,
        Self::UploadedBytes,
        Self::View,
        Self::Heartbeat,
    ];

    /// The kind that is stored as this number.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Whether documents of this kind can be listed: a workspace has few of them. There are many of the other kinds, and a
    /// store may keep each where only its id leads.
    pub const fn is_listed(self) -> bool {
        match self {
            Self::Workspace | Self::Site | Self::Team | Self::Agent | Self::Canned | Self::Heartbeat => true,
            Self::Visitor
            | Self::VisitorToken
            | Self::Session
            | Self::File
            | Self::Key
            | Self::Idempotency
            | Self::Demo
            | Self::SpentRefresh
            | Self::KnownAddresses
            | Self::Staffing
            | Self::UploadedBytes
            | Self::View => false,
        }
    }
}

/// How far a unique key reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UniqueScope {
    /// One document of the workspace and kind has it.
    Workspace,
    /// One document of the kind in the whole installation has it.
    Installation,
}

/// A key that only one document may have, such as `email:ann@example.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unique {
    /// How far it reaches.
    pub scope: UniqueScope,
    /// At most 512 bytes.
    pub key: String,
}

/// What can be kept as a record.
pub trait Document: Serialize + DeserializeOwned + Send + Sync {
    /// Its kind.
    const KIND: RecordKind;
    /// Names it within its workspace and kind: at most 128 bytes. Lists are in this order.
    fn id(&self) -> String;
    /// The keys that only it may have.
    fn unique(&self) -> Vec<Unique> {
        Vec::new()
    }
    /// When it expires. Reads after that may still find it for a while; or for good, when that is more than a year after its
    /// last version was written.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A document as stored: its bytes are an [`envelope`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub workspace: WorkspaceId,
    /// Names it there.
    pub id: String,
    /// 1 at first, one more with each change.
    pub version: u64,
    /// When version 1 was written.
    pub created_at: Timestamp,
    /// When this version was written.
    pub updated_at: Timestamp,
    /// When it is gone by itself.
    pub expires_at: Option<Timestamp>,
    /// The document.
    pub body: Vec<u8>,
}

/// A document with what the store knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// Where it is.
    pub workspace: WorkspaceId,
    /// 1 at first, one more with each change.
    pub version: u64,
    /// When version 1 was written.
    pub created_at: Timestamp,
    /// When this version was written.
    pub updated_at: Timestamp,
    /// The document.
    pub document: T,
}

/// Versioned documents by (workspace, kind, id). Each call concerns one document, which is durable when the call returns.
///
/// Callers use the free functions ([`insert`], [`get`] ...), which take and return [`Document`]s; backends see bytes alone.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// Writes a new document, of version 1 unless it was moved here from another store.
    ///
    /// # Errors
    ///
    /// [`RecordError::Taken`]: another document has its id or one of the keys, and nothing was written. [`RecordError::Unknown`]:
    /// it may have been written; read before anything else. [`RecordError::Store`]: nothing was written.
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError>;

    /// Writes `record.version` if the stored version is exactly one less; `unique` are all its keys from now on.
    ///
    /// # Errors
    ///
    /// [`RecordError::Changed`]: the stored version is another, or there is none; nothing was written, and the caller reads
    /// again. [`RecordError::Taken`], [`RecordError::Unknown`], [`RecordError::Store`]: as of [`Records::insert`].
    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError>;

    /// Removes a document and its keys, if its version is `version` or no version is given.
    ///
    /// # Errors
    ///
    /// [`RecordError::Changed`]: the version is another, or there is no such document. [`RecordError::Unknown`],
    /// [`RecordError::Store`]: as of [`Records::insert`].
    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError>;

    /// The newest version; none when there is no such document.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError>;

    /// The document that has this key. An installation-wide key finds it in whatever workspace it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError>;

    /// Documents by id, after `after`, at most `limit`. Only of kinds that are listed ([`RecordKind::is_listed`]).
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Removes documents that expired before `now`, at most `limit`, and returns how many it removed. A store whose documents
    /// go by themselves, soon after their end, returns 0 and needs no call; it counts from [`Record::updated_at`] on, by its
    /// own clock. A document's keys are free once it is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some may be gone, and the caller may call again.
    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Whether expired documents go by themselves, soon after their end ([`Records::expire`]). A store in which they do not
    /// belongs to one server alone.
    fn expires_by_itself(&self) -> bool {
        false
    }
}

/// Holds a caller of `list` to the contract: a list that one store cannot give is given by none.
pub(crate) fn check_listed(kind: RecordKind) {
    assert!(kind.is_listed(), "documents of the kind {kind:?} are not listed");
}

fn open<T: Document>(record: Record) -> Result<Versioned<T>, StoreError> {
    Ok(Versioned {
        workspace: record.workspace,
        version: record.version,
        created_at: record.created_at,
        updated_at: record.updated_at,
        document: envelope::open(&record.body)?,
    })
}

/// Keeps a new document.
///
/// # Errors
///
/// As of [`Records::insert`].
pub async fn insert<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    document: T,
    at: Timestamp,
) -> Result<Versioned<T>, RecordError> {
    let record = Record {
        workspace,
        id: document.id(),
        version: 1,
        created_at: at,
        updated_at: at,
        expires_at: document.expires_at(),
        body: envelope::seal(&document),
    };
    records.insert(T::KIND, record, &document.unique()).await?;
    Ok(Versioned { workspace, version: 1, created_at: at, updated_at: at, document })
}

/// Keeps a changed document: `seen` is the document as it was read, with the changes made.
///
/// # Errors
///
/// As of [`Records::update`].
pub async fn update<T: Document>(
    records: &dyn Records,
    seen: Versioned<T>,
    at: Timestamp,
) -> Result<Versioned<T>, RecordError> {
    let changed = Versioned { version: seen.version + 1, updated_at: at, ..seen };
    let record = Record {
        workspace: changed.workspace,
        id: changed.document.id(),
        version: changed.version,
        created_at: changed.created_at,
        updated_at: changed.updated_at,
        expires_at: changed.document.expires_at(),
        body: envelope::seal(&changed.document),
    };
    records.update(T::KIND, record, &changed.document.unique()).await?;
    Ok(changed)
}

/// The document of this id; none when there is no such document.
///
/// # Errors
///
/// As of [`Records::get`]; also [`StoreError::Corrupt`] when its bytes cannot be read as a `T`.
pub async fn get<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    id: &str,
) -> Result<Option<Versioned<T>>, StoreError> {
    records.get(workspace, T::KIND, id).await?.map(open).transpose()
}

/// The document that has this key; none when no document has it.
///
/// # Errors
///
/// As of [`Records::find`]; also [`StoreError::Corrupt`] when its bytes cannot be read as a `T`.
pub async fn find<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    unique: &Unique,
) -> Result<Option<Versioned<T>>, StoreError> {
    records.find(workspace, T::KIND, unique).await?.map(open).transpose()
}

/// A page of documents, by id, after `after`. It does not compile for kinds that are not listed.
///
/// # Errors
///
/// As of [`Records::list`]; also [`StoreError::Corrupt`] when the bytes of one cannot be read as a `T`.
pub async fn list<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Versioned<T>>, StoreError> {
    const { assert!(T::KIND.is_listed(), "documents of this kind are not listed") };
    records.list(workspace, T::KIND, after, limit).await?.into_iter().map(open).collect()
}

/// Changes a document, however often others change it meanwhile. `change` returns whether it changed anything; when it did
/// not, nothing is written. Returns what `change` returned, or none when there is no such document.
///
/// # Errors
///
/// As of [`Records::update`], but never [`RecordError::Changed`].
pub async fn change<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    id: &str,
    now: Timestamp,
    change: impl Fn(&mut T) -> bool,
) -> Result<Option<bool>, RecordError> {
    loop {
        let Some(mut found) = get::<T>(records, workspace, id).await? else { return Ok(None) };
        if !change(&mut found.document) {
            return Ok(Some(false));
        }
        match update(records, found, now).await {
            Ok(_) => return Ok(Some(true)),
            Err(RecordError::Changed) => {}
            Err(error) => return Err(error),
        }
    }
}

/// All documents of a kind that is listed, by id.
///
/// # Errors
///
/// As of [`list`].
pub async fn all<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
) -> Result<Vec<Versioned<T>>, StoreError> {
    const PAGE: usize = 200;
    let mut all: Vec<Versioned<T>> = Vec::new();
    loop {
        let after = all.last().map(|last| last.document.id());
        let page = list::<T>(records, workspace, after.as_deref(), PAGE).await?;
        let full = page.len() == PAGE;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

impl Unique {
    /// A key that no other document of its kind in the installation may have.
    pub fn everywhere(key: String) -> Self {
        Self { scope: UniqueScope::Installation, key }
    }

    /// A key that no other document of its kind in the workspace may have.
    pub fn in_workspace(key: String) -> Self {
        Self { scope: UniqueScope::Workspace, key }
    }
}

impl Document for Workspace {
    const KIND: RecordKind = RecordKind::Workspace;
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Document for Site {
    const KIND: RecordKind = RecordKind::Site;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn unique(&self) -> Vec<Unique> {
        self.keys().map(|key| Unique::everywhere(format!("key:{}", key.as_str()))).collect()
    }
}

impl Document for Team {
    const KIND: RecordKind = RecordKind::Team;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn unique(&self) -> Vec<Unique> {
        vec![Unique::in_workspace(format!("name:{}", self.name.as_str()))]
    }
}

impl Document for Agent {
    const KIND: RecordKind = RecordKind::Agent;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn unique(&self) -> Vec<Unique> {
        vec![Unique::everywhere(format!("email:{}", self.email.as_str()))]
    }
}

impl Document for Visitor {
    const KIND: RecordKind = RecordKind::Visitor;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn unique(&self) -> Vec<Unique> {
        // One person on all sites of a workspace.
        let subject = self.subject.as_ref().map(|sub| format!("sub:{}", sub.as_str()));
        subject.map(Unique::in_workspace).into_iter().collect()
    }
}

impl Document for Canned {
    const KIND: RecordKind = RecordKind::Canned;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn unique(&self) -> Vec<Unique> {
        let scope = match self.scope {
            CannedScope::Workspace => "workspace".to_owned(),
            CannedScope::Team(team) => team.to_string(),
            CannedScope::Own(agent) => agent.to_string(),
        };
        vec![Unique::in_workspace(format!("{scope}:{}", self.shortcut.as_str()))]
    }
}
