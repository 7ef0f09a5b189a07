//! Who makes a request: credentials in, [`Caller`]s out. What a caller may do is not decided here (`http/judge.rs` and
//! [`domain::may`]); HTTP is not known here.
//!
//! What was read is kept for a moment ([`TOKEN_STALE`], [`RECORD_STALE`]), so a revocation holds on the node where it
//! was made at once and on every other within five seconds. Who changes a record that this keeps calls the
//! `..._changed` function of it afterwards.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Agent, AgentId, Line, Principal, Site, SiteId, Team, TeamId, Timestamp, Visitor, VisitorId, WorkspaceId,
};
use store::Clock;
use store::{INSTALLATION, RecordError, Records, StoreError, Unique};
use tokio::sync::broadcast;
use uuid::Uuid;

mod accounts;
mod boot;
mod cache;
mod grace;
mod keys;
mod known_addresses;
mod password;
mod sessions;
mod token;
mod visitor_jwt;
mod visitors;

pub use accounts::{AccountError, NewAgent};
pub use keys::{Key, Keys};
pub use password::{Overloaded, Password, Passwords, WeakPassword};
pub use sessions::{LoggedIn, LoginError, PasswordError};
pub use token::{REFRESHES_MAX, SessionId};
pub use visitor_jwt::JwtError;
pub use visitors::{KnownVisitor, VisitorError, VisitorRequest};

use boot::Boot;
use cache::Cache;
use token::{Session, Token, TokenId, VisitorToken};

/// A token's own record is read again after this: how long another node's revocation may go unseen.
const TOKEN_STALE: Duration = Duration::from_secs(4);
/// Sites, teams, agents and visitors are read again after this: within a second an agent who left a team no longer
/// sees its conversations.
const RECORD_STALE: Duration = Duration::from_millis(900);

/// Who made a request, proven.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Gave no credential; only routes open to all take him.
    Anonymous,
    /// A page that embeds a widget, by its public key.
    Site {
        /// Whose site it is.
        workspace: WorkspaceId,
        /// The site.
        site: Arc<Site>,
    },
    /// A person who asks.
    Visitor {
        /// Where he asks.
        workspace: WorkspaceId,
        /// The site that his token is bound to.
        site: SiteId,
        /// Himself, at most a second old.
        visitor: Arc<Visitor>,
        /// The generation of the visitor's tokens that this one is of.
        generation: u64,
        /// When his token ends.
        expires_at: Timestamp,
        /// The site takes only visitors whose identity is signed, and this one's is not: reads and ends what there is, and
        /// begins and writes nothing.
        unproven: bool,
    },
    /// A person who answers.
    Agent {
        /// Where he answers.
        workspace: WorkspaceId,
        /// Himself, at most a second old.
        agent: Arc<Agent>,
        /// The teams that name him, at most a second old.
        teams: Arc<[TeamId]>,
        /// Names his log-in.
        session: SessionId,
        /// When his access token ends.
        expires_at: Timestamp,
    },
}

impl Caller {
    /// Whose data he may ask for.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Self::Anonymous => None,
            Self::Site { workspace, .. }
            | Self::Visitor { workspace, .. }
            | Self::Agent { workspace, .. } => Some(*workspace),
        }
    }

    /// As the rules know him; none for who takes no part in conversations.
    pub fn principal(&self) -> Option<Principal> {
        match self {
            Self::Anonymous | Self::Site { .. } => None,
            Self::Visitor { site, visitor, .. } => {
                Some(Principal::Visitor { id: visitor.id, site: *site, name: visitor.name.clone() })
            }
            Self::Agent { agent, teams, .. } => {
                Some(Principal::Agent { card: agent.card(), role: agent.role, teams: teams.to_vec() })
            }
        }
    }
}

/// A credential proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It is malformed, or nobody's.
    #[error("the token is not a valid one")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its log-in was ended, or who it stands for is gone or disabled.
    #[error("the token was revoked")]
    Revoked,
    /// Whether it is valid cannot be said now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something was revoked or changed on this node: who holds a [`Caller`] that it names asks
/// [`Identity::still_valid`] at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// A log-in ended.
    Session(SessionId),
    /// An agent was changed: his password, role or teams, or he was disabled or removed.
    Agent(AgentId),
    /// A visitor was changed.
    Visitor(VisitorId),
    /// A site was changed.
    Site(SiteId),
    /// A workspace's teams were changed, and with them what its agents see.
    Teams(WorkspaceId),
}

/// Knows everybody. Shared in an `Arc`.
pub struct Identity {
    records: Arc<dyn Records>,
    clock: Clock,
    boot: Boot,
    passwords: Passwords,
    visitor_tokens: Cache<TokenId, Arc<VisitorToken>>,
    sessions: Cache<SessionId, Arc<Session>>,
    sites_by_key: Cache<String, (WorkspaceId, Arc<Site>)>,
    sites: Cache<(WorkspaceId, SiteId), Arc<Site>>,
    visitors: Cache<(WorkspaceId, VisitorId), Arc<Visitor>>,
    agents: Cache<(WorkspaceId, AgentId), Arc<Agent>>,
    teams: Cache<WorkspaceId, Arc<[Team]>>,
    revocations: broadcast::Sender<Revoked>,
}

impl Identity {
    /// Reads and writes through `records`.
    pub fn new(records: Arc<dyn Records>, clock: Clock) -> Self {
        Self {
            records,
            boot: Boot::begin(clock.monotonic_ms()),
            clock,
            passwords: Passwords::default(),
            visitor_tokens: Cache::new(TOKEN_STALE, 50_000),
            sessions: Cache::new(TOKEN_STALE, 10_000),
            sites_by_key: Cache::new(RECORD_STALE, 5000),
            sites: Cache::new(RECORD_STALE, 5000),
            visitors: Cache::new(RECORD_STALE, 50_000),
            agents: Cache::new(RECORD_STALE, 10_000),
            teams: Cache::new(RECORD_STALE, 2000),
            revocations: broadcast::channel(1024).0,
        }
    }

    /// What is revoked on this node from now on. A receiver that lags asks [`Identity::still_valid`] for everybody;
    /// what other nodes revoke is not told, so who holds a caller for long asks every four seconds.
    pub fn revocations(&self) -> broadcast::Receiver<Revoked> {
        self.revocations.subscribe()
    }

    /// The site that takes this public key now.
    pub async fn site(&self, key: &str) -> Result<Caller, AuthError> {
        let (workspace, site) = match self.sites_by_key.get(&key.to_owned()) {
            Some(found) => found,
            None => {
                let reading = self.sites_by_key.reading();
                // A key that no site can have is not worth a read; the store takes keys of at most 512 bytes.
                let site_key = Line::<64>::parse(key).map_err(|_| AuthError::Invalid)?;
                let unique = Unique::everywhere(format!("key:{}", site_key.as_str()));
                let found = store::find::<Site>(self.records.as_ref(), INSTALLATION, &unique).await?;
                let found = found.ok_or(AuthError::Invalid)?;
                let entry = (found.workspace, Arc::new(found.document));
                self.sites_by_key.keep(&reading, key.to_owned(), entry.clone());
                entry
            }
        };
        // A key that was replaced is still the site's own in the store when its time is over.
        if !site.takes_key(key, self.clock.now()) {
            return Err(AuthError::Invalid);
        }
        Ok(Caller::Site { workspace, site })
    }

    /// Whoever a bearer token stands for. A refresh token stands for nobody.
    pub async fn bearer(&self, token: &str) -> Result<Caller, AuthError> {
        match Token::parse(token).ok_or(AuthError::Invalid)? {
            Token::Visitor(id, secret) => {
                let token = self.visitor_token(id).await?.filter(|token| token.hash.is_of(&secret));
                let token = token.ok_or(AuthError::Invalid)?;
                if self.clock.now() >= token.expires_at {
                    return Err(AuthError::Expired);
                }
                let VisitorToken { workspace, site, visitor, generation, expires_at, .. } = *token;
                self.visitor_caller((workspace, site), visitor, generation, expires_at).await
            }
            Token::Access(id, secret) => {
                let kept = self.sessions.get(&id);
                let session = match kept.filter(|session| session.access_expires_at(&secret).is_some()) {
                    Some(session) => session,
                    // Another node may have refreshed it since it was read.
                    None => self.read_session(id).await?.ok_or(AuthError::Invalid)?,
                };
                let expires_at = session.access_expires_at(&secret).ok_or(AuthError::Invalid)?;
                if session.ended {
                    return Err(AuthError::Revoked);
                }
                if self.clock.now() >= expires_at {
                    return Err(AuthError::Expired);
                }
                self.agent_caller(&session, expires_at).await
            }
            Token::Refresh(..) => Err(AuthError::Invalid),
        }
    }

    /// The caller as he is now, or why he is nobody any more. That his token's time is over is not looked at: who
    /// holds a caller watches `expires_at` himself.
    pub async fn still_valid(&self, caller: &Caller) -> Result<Caller, AuthError> {
        match caller {
            Caller::Anonymous => Ok(Caller::Anonymous),
            Caller::Site { workspace, site } => {
                let site = self.find_site(*workspace, site.id).await?.ok_or(AuthError::Revoked)?;
                Ok(Caller::Site { workspace: *workspace, site })
            }
            Caller::Visitor { workspace, site, visitor, generation, expires_at, .. } => {
                self.visitor_caller((*workspace, *site), visitor.id, *generation, *expires_at).await
            }
            Caller::Agent { session, expires_at, .. } => {
                // Never as it was kept: what is up to four seconds old, asked for each four seconds, would be twice as old.
                let session = self.read_session(*session).await?.ok_or(AuthError::Revoked)?;
                self.agent_caller(&session, *expires_at).await
            }
        }
    }

    /// The visitor of a token of this generation, if the visitor's tokens have not ended since.
    async fn visitor_caller(
        &self,
        (workspace, site_id): (WorkspaceId, SiteId),
        id: VisitorId,
        generation: u64,
        expires_at: Timestamp,
    ) -> Result<Caller, AuthError> {
        let site = self.find_site(workspace, site_id).await?.ok_or(AuthError::Revoked)?;
        let mut visitor = self.visitor(workspace, id).await?.ok_or(AuthError::Revoked)?;
        if visitor.generation < generation {
            // The token was given on another node, after the visitor was read here.
            self.visitors.forget(&(workspace, id));
            visitor = self.visitor(workspace, id).await?.ok_or(AuthError::Revoked)?;
        }
        if visitor.generation != generation {
            return Err(AuthError::Revoked);
        }
        let unproven = site.identity_required && !visitor.verified();
        Ok(Caller::Visitor { workspace, site: site_id, visitor, generation, expires_at, unproven })
    }

    async fn agent_caller(&self, session: &Session, expires_at: Timestamp) -> Result<Caller, AuthError> {
        let agent = self.live_agent(session).await?;
        let workspace = session.workspace;
        let teams = self.teams_of(workspace, agent.id).await?;
        Ok(Caller::Agent { workspace, agent, teams, session: session.id, expires_at })
    }

    /// The agent whose log-in this is, if it still holds.
    async fn live_agent(&self, session: &Session) -> Result<Arc<Agent>, AuthError> {
        if session.ended {
            return Err(AuthError::Revoked);
        }
        let key = (session.workspace, session.agent);
        let mut agent = self.agent(key.0, key.1).await?.ok_or(AuthError::Revoked)?;
        if !session.is_of(&agent) {
            // The log-in may have been begun since the agent was read, after a change.
            self.agents.forget(&key);
            agent = self.agent(key.0, key.1).await?.ok_or(AuthError::Revoked)?;
        }
        let holds = !agent.disabled && session.is_of(&agent);
        holds.then_some(agent).ok_or(AuthError::Revoked)
    }

    async fn visitor_token(&self, id: TokenId) -> Result<Option<Arc<VisitorToken>>, StoreError> {
        self.through(&self.visitor_tokens, id, INSTALLATION, id.to_string()).await
    }

    async fn read_session(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        self.sessions.forget(&id);
        self.through(&self.sessions, id, INSTALLATION, id.to_string()).await
    }

    /// The site, at most a second old.
    pub async fn find_site(
        &self,
        workspace: WorkspaceId,
        id: SiteId,
    ) -> Result<Option<Arc<Site>>, StoreError> {
        self.through(&self.sites, (workspace, id), workspace, id.to_string()).await
    }

    /// The visitor, at most a second old.
    pub async fn visitor(
        &self,
        workspace: WorkspaceId,
        id: VisitorId,
    ) -> Result<Option<Arc<Visitor>>, StoreError> {
        self.through(&self.visitors, (workspace, id), workspace, id.to_string()).await
    }

    /// The agent, at most a second old.
    pub async fn agent(&self, workspace: WorkspaceId, id: AgentId) -> Result<Option<Arc<Agent>>, StoreError> {
        self.through(&self.agents, (workspace, id), workspace, id.to_string()).await
    }

    /// All teams of the workspace, at most a second old.
    pub async fn teams(&self, workspace: WorkspaceId) -> Result<Arc<[Team]>, StoreError> {
        if let Some(teams) = self.teams.get(&workspace) {
            return Ok(teams);
        }
        let reading = self.teams.reading();
        let teams = store::all::<Team>(self.records.as_ref(), workspace).await?;
        let teams: Arc<[Team]> = teams.into_iter().map(|team| team.document).collect();
        self.teams.keep(&reading, workspace, Arc::clone(&teams));
        Ok(teams)
    }

    /// The teams that name this agent, at most a second old.
    pub async fn teams_of(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
    ) -> Result<Arc<[TeamId]>, StoreError> {
        let teams = self.teams(workspace).await?;
        Ok(teams.iter().filter(|team| team.agents.contains(&agent)).map(|team| team.id).collect())
    }

    /// From the cache, or from the store into it. What is not there is not remembered.
    async fn through<K: Eq + std::hash::Hash, T: store::Document>(
        &self,
        cache: &Cache<K, Arc<T>>,
        key: K,
        workspace: WorkspaceId,
        id: String,
    ) -> Result<Option<Arc<T>>, StoreError> {
        if let Some(kept) = cache.get(&key) {
            return Ok(Some(kept));
        }
        let reading = cache.reading();
        let found = store::get::<T>(self.records.as_ref(), workspace, &id).await?;
        Ok(found.map(|found| {
            let document = Arc::new(found.document);
            cache.keep(&reading, key, Arc::clone(&document));
            document
        }))
    }

    /// To be called after an agent was changed, disabled or removed.
    pub fn agent_changed(&self, workspace: WorkspaceId, id: AgentId) {
        self.agents.forget(&(workspace, id));
        self.tell(Revoked::Agent(id));
    }

    /// To be called after a team was made, changed or removed.
    pub fn teams_changed(&self, workspace: WorkspaceId) {
        self.teams.forget(&workspace);
        self.tell(Revoked::Teams(workspace));
    }

    /// To be called after a site was made, changed or removed, with the site as it was before the change.
    pub fn site_changed(&self, workspace: WorkspaceId, before: &Site) {
        self.sites.forget(&(workspace, before.id));
        for key in before.keys() {
            self.sites_by_key.forget(&key.as_str().to_owned());
        }
        self.tell(Revoked::Site(before.id));
    }

    /// To be called after a visitor was changed, blocked or erased.
    pub fn visitor_changed(&self, workspace: WorkspaceId, id: VisitorId) {
        self.visitors.forget(&(workspace, id));
        self.tell(Revoked::Visitor(id));
    }

    fn tell(&self, revoked: Revoked) {
        // It fails only when nobody listens, and then nobody holds a caller that it could matter to.
        let _heard_by = self.revocations.send(revoked).unwrap_or(0);
    }
}

/// A key for a new site. It is public, so it need not be secret; it must not be guessed from another's.
pub fn fresh_site_key() -> Line<64> {
    site_key_of(fresh_seed())
}

/// What a site's key is made of.
pub(crate) fn fresh_seed() -> Uuid {
    Uuid::from_bytes(rand::random())
}

/// The same seed makes the same key.
pub(crate) fn site_key_of(seed: Uuid) -> Line<64> {
    Line::parse(&format!("pk_{}", seed.simple())).expect("it is 35 visible characters")
}

/// For callers who have no use for the difference: an outcome that is not known is one that they must ask for again.
pub(crate) fn unavailable(error: RecordError) -> StoreError {
    match error {
        RecordError::Store(error) => error,
        RecordError::Taken(_) | RecordError::Changed | RecordError::Unknown => {
            StoreError::Unavailable(error.to_string())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
