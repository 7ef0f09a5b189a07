//! Records: versioned documents with unique keys: sites, teams, agents, visitors, tokens, canned responses.

use async_trait::async_trait;
use domain::{Agent, Canned, CannedScope, Site, Team, Timestamp, Visitor, Workspace, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{StoreError, envelope};

/// What belongs to the installation and to no workspace: its keys, tokens before they are known to be anybody's.
pub const INSTALLATION: WorkspaceId = WorkspaceId::from_uuid(Uuid::nil());

/// A sort of document. Its number is stored: append-only.
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
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [RecordKind; 16] = [
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
    ];

    /// The kind that is stored as this number.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// A workspace has few of them, and they can be listed. The others are many, and a store may keep each where only
    /// its id leads.
    pub const fn is_listed(self) -> bool {
        match self {
            Self::Workspace | Self::Site | Self::Team | Self::Agent | Self::Canned => true,
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
            | Self::UploadedBytes => false,
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
    /// Its sort.
    const KIND: RecordKind;
    /// Names it within its workspace and kind: at most 128 bytes. Lists are in this order.
    fn id(&self) -> String;
    /// The keys that only it may have.
    fn unique(&self) -> Vec<Unique> {
        Vec::new()
    }
    /// When it is gone by itself. Reads after that may still find it for a while; or for good, when that is more than
    /// a year after its last version was written.
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
    /// Itself.
    pub document: T,
}

/// A record was not written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another document has this id or this unique key.
    #[error("another document has {0}")]
    Taken(String),
    /// There is no such document, or its version is another.
    #[error("the document was changed or removed meanwhile")]
    Changed,
    /// It may have been written, or may yet be: read before anything else.
    #[error("whether it was written is unknown")]
    Unknown,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Versioned documents by (workspace, kind, id). One call is one document, durable when it is answered.
///
/// The free functions ([`insert`], [`get`] ...) speak in [`Document`]s; backends speak in bytes.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// Writes a new document, of version 1 unless it was moved here from elsewhere, unless its id or one of the keys is taken.
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError>;

    /// Writes `record.version` if the stored one is exactly one less; `unique` are all its keys from now on.
    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError>;

    /// Removes it and its keys, if its version is `version` or none is given.
    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError>;

    /// The newest version.
    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError>;

    /// The document that has this key; of an installation-wide key, whatever its workspace.
    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError>;

    /// By id, after `after`, at most `limit`. Only of kinds that are listed ([`RecordKind::is_listed`]).
    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Removes what expired before `now`, at most `limit` documents, and says how many went. A store that lets go of
    /// them by itself, soon after their end, says 0 and needs no call; it counts from [`Record::updated_at`] on, by
    /// its own clock. A document's keys are free once it is gone.
    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Whether it lets go of what has expired by itself, soon after its end ([`Records::expire`]). A store that does not is
    /// one server's alone.
    fn expires_by_itself(&self) -> bool {
        false
    }
}

/// Holds a caller of `list` to the contract: what one store cannot do, none does.
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

/// Keeps a changed document: `seen` is what was read, with the changes made; refused when it moved meanwhile.
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

/// The document of this id.
pub async fn get<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    id: &str,
) -> Result<Option<Versioned<T>>, StoreError> {
    records.get(workspace, T::KIND, id).await?.map(open).transpose()
}

/// The document that has this key.
pub async fn find<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    unique: &Unique,
) -> Result<Option<Versioned<T>>, StoreError> {
    records.find(workspace, T::KIND, unique).await?.map(open).transpose()
}

/// A page of documents, by id, after `after`. It does not compile for kinds that are not listed.
pub async fn list<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Versioned<T>>, StoreError> {
    const { assert!(T::KIND.is_listed(), "documents of this kind are not listed") };
    records.list(workspace, T::KIND, after, limit).await?.into_iter().map(open).collect()
}

/// Changes a document, however often others change it meanwhile. `change` says whether it changed anything; when it did
/// not, nothing is written. Tells what it said; none: there is no such document.
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
    /// Nobody else in the installation has it.
    pub fn everywhere(key: String) -> Self {
        Self { scope: UniqueScope::Installation, key }
    }

    /// Nobody else in the workspace has it.
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
