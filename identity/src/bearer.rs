//! Credentials in, callers out: finds what a token or a public key stands for, and whether a caller is still valid.

use std::sync::Arc;

use domain::{Agent, Line, Site, SiteId, Timestamp, VisitorId, WorkspaceId};
use store::{INSTALLATION, StoreError, Unique};

use crate::caller::{AuthError, Caller};
use crate::identity::Identity;
use crate::token::{Session, SessionId, Token, TokenId, VisitorToken};

impl Identity {
    /// The site that takes this public key now.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when no site takes the key; [`AuthError::Store`] when the store did not answer: ask again.
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

    /// The visitor or agent that a bearer token stands for.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the token is nobody's, or a refresh token; [`AuthError::Expired`] when its time is over;
    /// [`AuthError::Revoked`] when it was ended before its time; [`AuthError::Store`] when the store did not answer: ask again.
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

    /// The caller, with the records as they are now. This does not look whether the token's time is over: a task that holds
    /// a caller watches `expires_at` itself.
    ///
    /// # Errors
    /// [`AuthError::Revoked`] when the credential was ended, or its site, visitor or agent is gone; [`AuthError::Store`] when
    /// the store did not answer: ask again.
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
                // Never from the cache: this is asked because something was changed, perhaps beside this server.
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

    /// The agent whose log-in this is, if the log-in still holds.
    pub(crate) async fn live_agent(&self, session: &Session) -> Result<Arc<Agent>, AuthError> {
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
}
