//! What the demo is tried with: a workspace, a team with two agents, an admin, and a site. Made once in a data folder
//! and kept beside the store, so that a restart has the same ids and log-ins.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use actors::Clock;
use domain::{AgentId, Email, Line, Name, Origin, Role, Site, SiteId, Team, TeamId, Workspace, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::{INSTALLATION, RecordError, Records, StoreError};
use tempfile::NamedTempFile;

use crate::identity::{AccountError, Identity, NewAgent, Password, fresh_site_key};

/// In the data folder, readable by its owner alone: it holds passwords.
const FILE: &str = "demo.json";
/// What the demo's agents are called.
const AGENT_NAMES: [&str; 2] = ["Ann", "Bob"];

/// The ids and log-ins of a demo, as `--ready-json` prints them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    /// The workspace.
    pub workspace_id: String,
    /// The site.
    pub site_id: String,
    /// The site's public key.
    pub site_key: String,
    /// An origin that the site lists: the server's own.
    pub origin: String,
    /// The team, of both agents.
    pub team_id: String,
    /// Who may change everything.
    pub admin: LogIn,
    /// Two agents of the team.
    pub agents: Vec<AgentLogIn>,
}

/// What the demo's page is given: it logs in as these agents, and shows the site's visitor.
#[derive(Debug, Serialize)]
pub struct DemoSession<'a> {
    site_key: &'a str,
    agents: Vec<DemoAgent<'a>>,
}

#[derive(Debug, Serialize)]
struct DemoAgent<'a> {
    name: &'static str,
    #[serde(flatten)]
    log_in: &'a AgentLogIn,
}

impl Demo {
    /// For the demo's page.
    pub fn session(&self) -> DemoSession<'_> {
        let named = |(log_in, name)| DemoAgent { name, log_in };
        DemoSession {
            site_key: &self.site_key,
            agents: self.agents.iter().zip(AGENT_NAMES).map(named).collect(),
        }
    }
}

/// How somebody logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// His e-mail.
    pub email: String,
    /// His password.
    pub password: String,
}

/// How an agent logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLogIn {
    /// Names him.
    pub agent_id: String,
    /// His e-mail.
    pub email: String,
    /// His password.
    pub password: String,
}

/// What is kept: the demo, and who its admin is.
#[derive(Serialize, Deserialize)]
struct Kept {
    admin_id: String,
    demo: Demo,
}

/// The demo was not made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Its file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Its file is not as it was written.
    #[error("{}: not the file of a demo: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store refused: the folder holds something else, or it failed.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<RecordError> for DemoError {
    fn from(error: RecordError) -> Self {
        Self::Account(error.into())
    }
}

impl From<StoreError> for DemoError {
    fn from(error: StoreError) -> Self {
        Self::Account(error.into())
    }
}

/// Makes in the store what is not there yet; `origin` is how the server is reached this time. May be stopped anywhere
/// and called again: ids and passwords are on disk before the first record is.
pub async fn seed(
    records: &dyn Records,
    identity: &Identity,
    clock: &Clock,
    data_dir: &Path,
    origin: &Origin,
) -> Result<Demo, DemoError> {
    let path = data_dir.join(FILE);
    let kept = match read(&path)? {
        Some(kept) => kept,
        None => {
            let fresh = fresh(clock, origin);
            write(data_dir, &fresh)?;
            fresh
        }
    };
    let demo = &kept.demo;
    let workspace: WorkspaceId = id(&path, &demo.workspace_id)?;
    make_workspace(records, clock, workspace).await?;

    let admin = (id(&path, &kept.admin_id)?, "Ada", Role::Admin, &demo.admin.email, &demo.admin.password);
    let mut people = vec![admin];
    for (agent, name) in demo.agents.iter().zip(AGENT_NAMES) {
        people.push((id(&path, &agent.agent_id)?, name, Role::Agent, &agent.email, &agent.password));
    }
    for (id, name, role, email, password) in &people {
        make_agent(identity, &path, workspace, *id, name, *role, (email, password)).await?;
    }
    let members = people[1..].iter().map(|person| person.0).collect();
    let team: TeamId = id(&path, &demo.team_id)?;
    make_team(records, clock, workspace, team, members).await?;
    let key = make_site(records, clock, &path, workspace, team, demo, origin).await?;

    let (site_key, origin) = (key.as_str().to_owned(), origin.as_str().to_owned());
    let now = Kept { demo: Demo { site_key, origin, ..kept.demo.clone() }, ..kept };
    // Last: until the site lists the new origin, the file names the one to be taken off its list.
    write(data_dir, &now)?;
    Ok(now.demo)
}

fn fresh(clock: &Clock, origin: &Origin) -> Kept {
    let now = clock.now();
    let agent = |email: &str| AgentLogIn {
        agent_id: AgentId::new(now, rand::random()).to_string(),
        email: email.to_owned(),
        password: Password::generate().as_str().to_owned(),
    };
    let admin = agent("admin@demo.example");
    let demo = Demo {
        workspace_id: WorkspaceId::new(now, rand::random()).to_string(),
        site_id: SiteId::new(now, rand::random()).to_string(),
        site_key: fresh_site_key().as_str().to_owned(),
        origin: origin.as_str().to_owned(),
        team_id: TeamId::new(now, rand::random()).to_string(),
        admin: LogIn { email: admin.email, password: admin.password },
        agents: vec![agent("ann@demo.example"), agent("bob@demo.example")],
    };
    Kept { admin_id: admin.agent_id, demo }
}

fn read(path: &Path) -> Result<Option<Kept>, DemoError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(DemoError::File { path: path.to_owned(), cause }),
    }
}

/// All or nothing, and on the disk when it returns.
fn write(data_dir: &Path, kept: &Kept) -> Result<(), DemoError> {
    let path = data_dir.join(FILE);
    let json = serde_json::to_vec_pretty(kept).expect("it is a struct of strings and lists");
    let written = (|| {
        // Temporary files are made for their owner alone, and stay so under their new name.
        let mut file = NamedTempFile::new_in(data_dir)?;
        file.write_all(&json)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        fs::File::open(data_dir)?.sync_all()
    })();
    written.map_err(|cause| DemoError::File { path, cause })
}

async fn make_workspace(records: &dyn Records, clock: &Clock, id: WorkspaceId) -> Result<(), DemoError> {
    if store::get::<Workspace>(records, INSTALLATION, &id.to_string()).await?.is_none() {
        let workspace = Workspace { id, name: name("Demo"), time_zone: name("UTC") };
        store::insert(records, INSTALLATION, workspace, clock.now()).await?;
    }
    Ok(())
}

async fn make_agent(
    identity: &Identity,
    path: &Path,
    workspace: WorkspaceId,
    id: AgentId,
    called: &str,
    role: Role,
    (email, password): (&str, &str),
) -> Result<(), DemoError> {
    if identity.agent(workspace, id).await?.is_some() {
        return Ok(());
    }
    let email = Email::parse(email).map_err(|error| damaged(path, error))?;
    let password = Password::parse(password).map_err(|error| damaged(path, error))?;
    let new = NewAgent { operator: role == Role::Admin, ..NewAgent::new(email, name(called), role) };
    identity.create_agent_as(workspace, id, new, password).await?;
    Ok(())
}

async fn make_team(
    records: &dyn Records,
    clock: &Clock,
    workspace: WorkspaceId,
    id: TeamId,
    agents: Vec<AgentId>,
) -> Result<(), DemoError> {
    if store::get::<Team>(records, workspace, &id.to_string()).await?.is_none() {
        let team = Team { agents, ..Team::new(id, name("Support")) };
        store::insert(records, workspace, team, clock.now()).await?;
    }
    Ok(())
}

/// Or puts this run's origin on the list of the site that is there, instead of the last run's. Gives the site's key,
/// which may have been replaced since.
async fn make_site(
    records: &dyn Records,
    clock: &Clock,
    path: &Path,
    workspace: WorkspaceId,
    team: TeamId,
    demo: &Demo,
    origin: &Origin,
) -> Result<Line<64>, DemoError> {
    let id: SiteId = id(path, &demo.site_id)?;
    let Some(mut site) = store::get::<Site>(records, workspace, &id.to_string()).await? else {
        let key = Line::parse(&demo.site_key).map_err(|error| damaged(path, error))?;
        let site = Site { origins: vec![origin.clone()], ..Site::new(id, key, name("Demo"), team) };
        return Ok(store::insert(records, workspace, site, clock.now()).await?.document.key);
    };
    if !site.document.origins.contains(origin) {
        site.document.origins.retain(|listed| listed.as_str() != demo.origin);
        site.document.origins.push(origin.clone());
        site = store::update(records, site, clock.now()).await?;
    }
    Ok(site.document.key)
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("the demo's names are names")
}

fn id<T: std::str::FromStr>(path: &Path, text: &str) -> Result<T, DemoError>
where
    T::Err: ToString,
{
    text.parse().map_err(|error| damaged(path, error))
}

fn damaged(path: &Path, why: impl ToString) -> DemoError {
    DemoError::Damaged { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::identity::Caller;
    use crate::identity::tests::Fixture;

    async fn seeded(fixture: &Fixture, folder: &Path, origin: &str) -> Result<Demo, DemoError> {
        let origin = Origin::parse(origin).unwrap();
        seed(fixture.store.records.as_ref(), &fixture.identity, &fixture.clock, folder, &origin).await
    }

    #[tokio::test]
    async fn a_demo_has_the_same_ids_and_log_ins_after_a_restart() {
        let (fixture, folder) = (Fixture::start().await, tempfile::TempDir::new().unwrap());
        let first = seeded(&fixture, folder.path(), "http://127.0.0.1:1111").await.unwrap();
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = seeded(&fixture, folder.path(), "http://127.0.0.1:2222").await.unwrap();
        assert_eq!(second, Demo { origin: "http://127.0.0.1:2222".into(), ..first.clone() });

        let login = fixture.identity.login(&first.admin.email, &first.admin.password).await.unwrap();
        assert!(login.agent.role == Role::Admin && login.agent.operator);
        for agent in &first.agents {
            let login = fixture.identity.login(&agent.email, &agent.password).await.unwrap();
            assert_eq!(login.agent.id.to_string(), agent.agent_id);
            let teams = fixture.identity.teams_of(login.workspace, login.agent.id).await.unwrap();
            assert_eq!(teams.iter().map(ToString::to_string).collect::<Vec<_>>(), [first.team_id.as_str()]);
        }
        let Ok(Caller::Site { site, .. }) = fixture.identity.site(&first.site_key).await else {
            panic!("the site has its key");
        };
        let origins: Vec<&str> = site.origins.iter().map(Origin::as_str).collect();
        assert_eq!(origins, ["http://127.0.0.1:2222"]);

        // A key that was replaced meanwhile is the one that is told.
        let records = fixture.store.records.as_ref();
        let workspace: WorkspaceId = first.workspace_id.parse().unwrap();
        let mut kept = store::get::<Site>(records, workspace, &first.site_id).await.unwrap().unwrap();
        let now = fixture.clock.now();
        kept.document.rotate_key(Line::parse("pk_new").unwrap(), now, now);
        store::update(records, kept, now).await.unwrap();
        let third = seeded(&fixture, folder.path(), "http://127.0.0.1:2222").await.unwrap();
        assert_eq!(third, Demo { site_key: "pk_new".into(), ..second });
    }

    #[tokio::test]
    async fn a_seed_that_was_stopped_goes_on_where_it_was() {
        let (fixture, folder) = (Fixture::start().await, tempfile::TempDir::new().unwrap());
        let kept = fresh(&fixture.clock, &Origin::parse("http://127.0.0.1:1111").unwrap());
        write(folder.path(), &kept).unwrap();
        let id: WorkspaceId = kept.demo.workspace_id.parse().unwrap();
        make_workspace(fixture.store.records.as_ref(), &fixture.clock, id).await.unwrap();
        let demo = seeded(&fixture, folder.path(), "http://127.0.0.1:1111").await.unwrap();
        assert_eq!(demo, kept.demo);
        assert!(fixture.identity.login(&demo.admin.email, &demo.admin.password).await.is_ok());
    }

    #[tokio::test]
    async fn a_damaged_file_is_named() {
        let (fixture, folder) = (Fixture::start().await, tempfile::TempDir::new().unwrap());
        fs::write(folder.path().join(FILE), "{}").unwrap();
        let error = seeded(&fixture, folder.path(), "http://127.0.0.1:1").await.unwrap_err().to_string();
        assert!(error.contains("demo.json: not the file of a demo"), "{error}");
    }
}
