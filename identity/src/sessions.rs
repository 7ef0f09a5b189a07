//! Agents' log-ins. How often a person may try is not decided here: the HTTP layer counts wrong passwords.

use std::sync::Arc;

use domain::{Agent, AgentId, Email, Timestamp, WorkspaceId};
use store::{INSTALLATION, RecordError, StoreError, Unique, Versioned};

use crate::accounts::AccountError;
use crate::caller::{AuthError, Revoked};
use crate::identity::Identity;
use crate::password::{Overloaded, Password, WeakPassword};
use crate::token::{ACCESS_TOKEN_MS, Secret, Session, SessionId, Standing, Token, TokenPair};

/// The tokens of a log-in, for the client alone.
#[derive(Clone)]
pub struct LoggedIn {
    /// Proves who the agent is, until `expires_at`.
    pub access_token: String,
    /// To be exchanged for the next pair within 30 days. It may be used again for 30 s after its first use.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// How long the access token lasts, in seconds from now.
    pub expires_in_s: u64,
    /// The agent's workspace.
    pub workspace: WorkspaceId,
    /// The agent's record.
    pub agent: Arc<Agent>,
    /// The log-in that both tokens belong to.
    pub session: SessionId,
}

/// A log-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No agent has this e-mail with this password, or the agent is disabled: which of the two is not said.
    #[error("the e-mail or the password is wrong")]
    Credentials,
    /// Too many passwords are being checked: try again in a second.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A password was not changed by its owner.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The present password was not the one that was given.
    #[error("the current password is wrong")]
    Credentials,
    /// The new password breaks the rules.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// Too many passwords are being checked: try again in a second.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The agent's log-in ended meanwhile.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Begins a log-in. A wrong password and an unknown e-mail take the same time and get the same answer.
    ///
    /// # Errors
    /// [`LoginError::Credentials`] when e-mail or password is wrong; [`LoginError::Overloaded`]: try again in a second;
    /// [`LoginError::Store`] when the store did not answer: ask again.
    pub async fn login(&self, email: &str, password: &str) -> Result<LoggedIn, LoginError> {
        let found = match Email::parse(email) {
            Ok(email) => self.find_agent(&email).await?,
            Err(_) => None,
        };
        let hash = found.as_ref().map(|found| &*found.document.password_hash);
        let right = self.passwords.verify(password, hash).await?;
        let agent = found.filter(|found| right && !found.document.disabled).ok_or(LoginError::Credentials)?;
        let workspace = agent.workspace;
        let agent = Arc::new(agent.document);
        let now = self.clock.now();
        let (session, pair) = Session::begin(workspace, &agent, now);
        let id = session.id;
        let kept = store::insert(self.records.as_ref(), INSTALLATION, session, now)
            .await
            .map_err(RecordError::or_unavailable)?;
        self.sessions.replace(id, Arc::new(kept.document));
        Ok(logged_in(pair, workspace, agent, id))
    }

    /// Exchanges a refresh token for a new pair. The token may be used again for 30 s after its first use (`grace.rs`), each
    /// time for one more pair of the same log-in. A later use is a replay: either it comes from a thief, or the thief's use
    /// was the first one. Then the whole log-in ends.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the token is nobody's, [`AuthError::Expired`] when its time is over,
    /// [`AuthError::Revoked`] when the log-in has ended or ends now; [`AuthError::Store`] when the store did not answer: ask
    /// again.
    pub async fn refresh(&self, refresh_token: &str) -> Result<LoggedIn, AuthError> {
        let (id, secret) = refresh_parts(refresh_token)?;
        loop {
            let (session, standing) = self.session_of(id, &secret).await?;
            if session.document.ended {
                return Err(AuthError::Revoked);
            }
            match standing {
                Standing::Current(expires_at) if self.clock.now() >= expires_at => {
                    return Err(AuthError::Expired);
                }
                Standing::Current(_) => self.begin_grace(&secret).await?,
                Standing::Spent if self.in_grace(&secret).await? => {}
                Standing::Spent => {
                    self.end(id).await?;
                    return Err(AuthError::Revoked);
                }
            }
            let agent = self.live_agent(&session.document).await?;
            if let Some(pair) = self.rotate(session, agent, &secret).await? {
                return Ok(pair);
            }
            // Another request exchanged a token, or changed the password: the newer record says what holds now.
        }
    }

    /// Writes a new pair into the log-in. None when the log-in was changed since it was read.
    async fn rotate(
        &self,
        mut session: Versioned<Session>,
        agent: Arc<Agent>,
        secret: &Secret,
    ) -> Result<Option<LoggedIn>, AuthError> {
        let now = self.clock.now();
        let (id, workspace) = (session.document.id, session.document.workspace);
        let pair = session.document.rotate(secret, now);
        match store::update(self.records.as_ref(), session, now).await {
            Ok(kept) => {
                self.sessions.replace(id, Arc::new(kept.document));
                Ok(Some(logged_in(pair, workspace, agent, id)))
            }
            Err(RecordError::Changed) => Ok(None),
            Err(error) => Err(error.or_unavailable().into()),
        }
    }

    /// Ends the log-in that this refresh token belongs to, with its tokens and its sockets. A spent or expired token will do.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the token is nobody's; [`AuthError::Store`] when the store did not say that the log-in was
    /// ended: ask again.
    pub async fn logout(&self, refresh_token: &str) -> Result<(), AuthError> {
        let (id, secret) = refresh_parts(refresh_token)?;
        self.session_of(id, &secret).await?;
        self.end(id).await
    }

    /// Sets an agent's password, for the agent, who must know the present one. All other log-ins of the agent end.
    ///
    /// # Errors
    /// [`PasswordError::Credentials`] when the present password is another; [`PasswordError::Weak`] when the new one breaks
    /// the rules; [`PasswordError::Auth`] when the agent or the log-in is gone; [`PasswordError::Overloaded`]: try again in a
    /// second; [`PasswordError::Store`] when the store did not say that the password was set: set it again.
    pub async fn change_password(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
        session: SessionId,
        current: &str,
        new: &str,
    ) -> Result<(), PasswordError> {
        let new = Password::parse(new)?;
        let found = store::get::<Agent>(self.records.as_ref(), workspace, &agent.to_string()).await?;
        let old_hash = found.ok_or(AuthError::Revoked)?.document.password_hash;
        if !self.passwords.verify(current, Some(&old_hash)).await? {
            return Err(PasswordError::Credentials);
        }
        let new_hash = self.passwords.hash(new).await?;
        // First the log-in that stays learns the new password, then it holds: between the two nothing is lost.
        self.change_session(session, |session| session.learn_password(&new_hash)).await?;
        let changed = self
            .change_agent(workspace, agent, |agent| {
                let unchanged = agent.password_hash == old_hash;
                if unchanged {
                    agent.password_hash.clone_from(&new_hash);
                }
                unchanged
            })
            .await;
        match changed {
            Ok(true) => Ok(()),
            Ok(false) => Err(PasswordError::Credentials),
            Err(AccountError::NotFound) => Err(AuthError::Revoked.into()),
            Err(AccountError::Overloaded(error)) => Err(error.into()),
            Err(AccountError::Record(error)) => Err(error.or_unavailable().into()),
        }
    }

    /// The agent with this e-mail, in any workspace.
    ///
    /// # Errors
    /// The store did not answer: ask again.
    pub async fn find_agent(&self, email: &Email) -> Result<Option<Versioned<Agent>>, StoreError> {
        let unique = Unique::everywhere(format!("email:{}", email.as_str()));
        store::find(self.records.as_ref(), INSTALLATION, &unique).await
    }

    async fn end(&self, id: SessionId) -> Result<(), AuthError> {
        self.change_session(id, |session| session.ended = true).await?;
        self.tell(Revoked::Session(id));
        Ok(())
    }

    /// Changes the record of a log-in, however often other requests change it meanwhile.
    async fn change_session(&self, id: SessionId, change: impl Fn(&mut Session)) -> Result<(), AuthError> {
        loop {
            let found = store::get::<Session>(self.records.as_ref(), INSTALLATION, &id.to_string()).await?;
            let mut session = found.ok_or(AuthError::Revoked)?;
            change(&mut session.document);
            match store::update(self.records.as_ref(), session, self.clock.now()).await {
                Ok(kept) => {
                    self.sessions.replace(id, Arc::new(kept.document));
                    return Ok(());
                }
                Err(RecordError::Changed) => {}
                Err(error) => return Err(error.or_unavailable().into()),
            }
        }
    }

    /// The newest record of the log-in that this refresh token belongs to, and what the token is to it.
    async fn session_of(
        &self,
        id: SessionId,
        secret: &Secret,
    ) -> Result<(Versioned<Session>, Standing), AuthError> {
        let found = store::get::<Session>(self.records.as_ref(), INSTALLATION, &id.to_string()).await?;
        let session = found.ok_or(AuthError::Invalid)?;
        let standing = session.document.standing(secret).ok_or(AuthError::Invalid)?;
        Ok((session, standing))
    }
}

fn refresh_parts(token: &str) -> Result<(SessionId, Secret), AuthError> {
    match Token::parse(token) {
        Some(Token::Refresh(id, secret)) => Ok((id, secret)),
        Some(Token::Visitor(..) | Token::Access(..)) | None => Err(AuthError::Invalid),
    }
}

fn logged_in(pair: TokenPair, workspace: WorkspaceId, agent: Arc<Agent>, session: SessionId) -> LoggedIn {
    LoggedIn {
        access_token: pair.access,
        refresh_token: pair.refresh,
        expires_at: pair.access_expires_at,
        expires_in_s: ACCESS_TOKEN_MS / 1000,
        workspace,
        agent,
        session,
    }
}
