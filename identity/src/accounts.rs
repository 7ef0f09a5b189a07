//! The records of agents, as far as identity changes them: it makes them and sets their passwords. Everything else of an
//! agent is changed by the admin's routes, which then call [`Identity::agent_changed`].

use domain::{Agent, AgentId, Email, Line, Name, Role, Status, WorkspaceId};
use store::{RecordError, StoreError, Versioned};

use crate::identity::Identity;
use crate::password::{Overloaded, Password};

/// What is given of a new agent.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Names the agent in the whole installation.
    pub email: Email,
    /// What people call the agent.
    pub name: Name,
    /// What the agent may do.
    pub role: Role,
    /// How many conversations the agent may hold at once.
    pub capacity: u32,
    /// For routing by skill.
    pub skills: Vec<Line<64>>,
    /// For routing by language.
    pub languages: Vec<Line<35>>,
    /// The agent may not log in.
    pub disabled: bool,
    /// The agent may make workspaces.
    pub operator: bool,
}

impl NewAgent {
    /// An agent with the defaults of everything else.
    pub fn new(email: Email, name: Name, role: Role) -> Self {
        Self {
            email,
            name,
            role,
            capacity: Agent::CAPACITY,
            skills: Vec::new(),
            languages: Vec::new(),
            disabled: false,
            operator: false,
        }
    }
}

/// An agent was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such agent.
    #[error("there is no such agent")]
    NotFound,
    /// Too many passwords are being checked: try again in a second.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store did not do it: [`RecordError::Taken`] when another agent has the e-mail.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        Self::Record(error.into())
    }
}

impl Identity {
    /// Makes an agent, offline, in no team.
    ///
    /// # Errors
    /// As [`Identity::create_agent_as`].
    pub async fn create_agent(
        &self,
        workspace: WorkspaceId,
        new: NewAgent,
        password: Password,
    ) -> Result<Versioned<Agent>, AccountError> {
        let now = self.clock.now();
        let id = AgentId::new(now, rand::random());
        self.create_agent_as(workspace, id, new, password).await
    }

    /// Makes an agent as [`Identity::create_agent`], under an id that was chosen before, so that a repeat finds what the first
    /// call made.
    ///
    /// # Errors
    /// [`AccountError::Overloaded`]: try again in a second. [`AccountError::Record`] with [`RecordError::Taken`] when another
    /// agent has the e-mail or the id; with [`RecordError::Unknown`] when the agent may have been made: read before anything
    /// else; with [`RecordError::Store`] when no agent was made.
    pub async fn create_agent_as(
        &self,
        workspace: WorkspaceId,
        id: AgentId,
        new: NewAgent,
        password: Password,
    ) -> Result<Versioned<Agent>, AccountError> {
        // Asked before the hash, which is dear. The store checks it again, and it alone can be sure.
        if self.find_agent(&new.email).await?.is_some() {
            return Err(RecordError::Taken(format!("email:{}", new.email.as_str())).into());
        }
        let password_hash = self.passwords.hash(password).await?;
        let agent = Agent {
            id,
            email: new.email,
            name: new.name,
            role: new.role,
            capacity: new.capacity,
            skills: new.skills,
            languages: new.languages,
            disabled: new.disabled,
            operator: new.operator,
            password_hash,
            status: Status::default(),
            generation: 0,
        };
        Ok(store::insert(self.records.as_ref(), workspace, agent, self.clock.now()).await?)
    }

    /// The hash to write when an admin changes an agent's password together with other fields.
    ///
    /// # Errors
    /// Too many passwords are being checked: try again in a second.
    pub async fn hash_password(&self, password: Password) -> Result<Box<str>, Overloaded> {
        self.passwords.hash(password).await
    }

    /// Whether `password` has this hash, which [`Identity::hash_password`] made.
    ///
    /// # Errors
    /// Too many passwords are being checked: try again in a second.
    pub async fn is_password(&self, password: &str, hash: &str) -> Result<bool, Overloaded> {
        self.passwords.verify(password, Some(hash)).await
    }

    /// Sets an agent's password, for a person who may do so, and ends all log-ins of the agent.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when there is no such agent; [`AccountError::Overloaded`]: try again in a second;
    /// [`AccountError::Record`] when the store did not say that the password was set: set it again.
    pub async fn set_password(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
        password: Password,
    ) -> Result<(), AccountError> {
        let hash = self.passwords.hash(password).await?;
        self.change_agent(workspace, agent, |agent| {
            agent.password_hash.clone_from(&hash);
            true
        })
        .await?;
        Ok(())
    }

    /// Changes an agent's record, however often other requests change it meanwhile. `change` says whether it changed
    /// anything; when it did not, nothing is written, and the answer is false.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when there is no such agent; [`AccountError::Record`] when the store did not say that the
    /// change was written.
    pub(super) async fn change_agent(
        &self,
        workspace: WorkspaceId,
        id: AgentId,
        change: impl Fn(&mut Agent) -> bool,
    ) -> Result<bool, AccountError> {
        let (records, now) = (self.records.as_ref(), self.clock.now());
        let change = |agent: &mut Agent| {
            let (was_disabled, generation) = (agent.disabled, agent.generation);
            let changed = change(agent);
            // However the agent was disabled, their log-ins end for good.
            if agent.disabled && !was_disabled && agent.generation == generation {
                agent.generation += 1;
            }
            changed
        };
        let changed = store::change(records, workspace, &id.to_string(), now, change).await?;
        let changed = changed.ok_or(AccountError::NotFound)?;
        if changed {
            self.agent_changed(workspace, id);
        }
        Ok(changed)
    }
}
