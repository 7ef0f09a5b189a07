//! The state of identity: the records of sites, teams, agents and visitors, and a cache of each. What is done with the state
//! stands in other files by subject: credentials in `bearer.rs`, log-ins in `sessions.rs`, visitors in `visitors.rs`, agents'
//! records in `accounts.rs`.

use std::sync::Arc;
use std::time::Duration;

use domain::{Agent, AgentId, Site, SiteId, Team, TeamId, Visitor, VisitorId, WorkspaceId};
use store::{Clock, Records, StoreError};
use tokio::sync::broadcast;

use crate::boot::Boot;
use crate::cache::Cache;
use crate::caller::Revoked;
use crate::password::Passwords;
use crate::token::{Session, SessionId, TokenId, VisitorToken};

/// The record of a token is read again after this time: so long a revocation on another node may go unseen.
const TOKEN_STALE: Duration = Duration::from_secs(4);
/// Sites, teams, agents and visitors are read again after this time: within a second an agent who left a team no longer
/// sees the team's conversations.
const RECORD_STALE: Duration = Duration::from_millis(900);

/// Knows sites, visitors and agents by their credentials. Shared in an `Arc`.
pub struct Identity {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) clock: Clock,
    pub(crate) boot: Boot,
    pub(crate) passwords: Passwords,
    pub(crate) visitor_tokens: Cache<TokenId, Arc<VisitorToken>>,
    pub(crate) sessions: Cache<SessionId, Arc<Session>>,
    pub(crate) sites_by_key: Cache<String, (WorkspaceId, Arc<Site>)>,
    pub(crate) sites: Cache<(WorkspaceId, SiteId), Arc<Site>>,
    pub(crate) visitors: Cache<(WorkspaceId, VisitorId), Arc<Visitor>>,
    pub(crate) agents: Cache<(WorkspaceId, AgentId), Arc<Agent>>,
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

    /// What is revoked on this node from now on. A receiver that lags asks [`Identity::still_valid`] for all its callers.
    /// Those of commands beside the server come within 2 s of them.
    pub fn revocations(&self) -> broadcast::Receiver<Revoked> {
        self.revocations.subscribe()
    }

    /// The site, at most a second old.
    ///
    /// # Errors
    /// The store did not answer: ask again.
    pub async fn find_site(
        &self,
        workspace: WorkspaceId,
        id: SiteId,
    ) -> Result<Option<Arc<Site>>, StoreError> {
        self.through(&self.sites, (workspace, id), workspace, id.to_string()).await
    }

    /// The visitor, at most a second old.
    ///
    /// # Errors
    /// The store did not answer: ask again.
    pub async fn visitor(
        &self,
        workspace: WorkspaceId,
        id: VisitorId,
    ) -> Result<Option<Arc<Visitor>>, StoreError> {
        self.through(&self.visitors, (workspace, id), workspace, id.to_string()).await
    }

    /// The agent, at most a second old.
    ///
    /// # Errors
    /// The store did not answer: ask again.
    pub async fn agent(&self, workspace: WorkspaceId, id: AgentId) -> Result<Option<Arc<Agent>>, StoreError> {
        self.through(&self.agents, (workspace, id), workspace, id.to_string()).await
    }

    /// All teams of the workspace, at most a second old.
    ///
    /// # Errors
    /// The store did not answer: ask again.
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
    ///
    /// # Errors
    /// The store did not answer: ask again.
    pub async fn teams_of(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
    ) -> Result<Arc<[TeamId]>, StoreError> {
        let teams = self.teams(workspace).await?;
        Ok(teams.iter().filter(|team| team.agents.contains(&agent)).map(|team| team.id).collect())
    }

    /// The record from the cache, or from the store into the cache. That a record is missing is not remembered.
    pub(crate) async fn through<K: Eq + std::hash::Hash, T: store::Document>(
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

    pub(crate) fn tell(&self, revoked: Revoked) {
        // It fails only when nobody listens, and then nobody holds a caller that it could matter to.
        let _heard_by = self.revocations.send(revoked).unwrap_or(0);
    }
}
