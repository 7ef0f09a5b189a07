//! What the demo is tried with: a workspace, a team with two agents, an admin, and a site. Made once in a store and kept
//! there, so that a restart, or another server of the same store, has the same ids and log-ins.

use std::fs;
use std::io;
use std::path::Path;

use domain::{AgentId, Email, Line, Name, Origin, Role, Site, SiteId, Team, TeamId, Workspace, WorkspaceId};
use identity::{AccountError, Identity, NewAgent, Password, fresh_site_key};
use serde::{Deserialize, Serialize};
use store::Clock;
use store::{Document, INSTALLATION, RecordError, RecordKind, Records, StoreError, Versioned};

/// In the data folder, where earlier versions kept it.
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
    /// The agent's e-mail.
    pub email: String,
    /// The agent's password.
    pub password: String,
}

/// How an agent logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLogIn {
    /// Names the agent.
    pub agent_id: String,
    /// The agent's e-mail.
    pub email: String,
    /// The agent's password.
    pub password: String,
}

/// What is kept: the demo, and who its admin is.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    admin_id: String,
    demo: Demo,
}

impl Document for Kept {
    const KIND: RecordKind = RecordKind::Demo;
    fn id(&self) -> String {
        "demo".to_owned()
    }
}

/// The demo was not made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The file of an earlier version cannot be read.
    #[error("{FILE} in the data folder: {0}")]
    File(io::Error),
    /// It is not as it was written.
    #[error("what was kept of the demo is damaged: {0}")]
    Damaged(String),
    /// The store refused: it holds something else, or it failed.
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
/// and called again, by several servers at once too: ids and passwords are kept before anything else is made.
pub async fn seed(
    records: &dyn Records,
    identity: &Identity,
    clock: &Clock,
    data_dir: &Path,
    origin: &Origin,
) -> Result<Demo, DemoError> {
    let kept = match store::get::<Kept>(records, INSTALLATION, "demo").await? {
        Some(kept) => kept,
        None => {
            let new = earlier(data_dir)?.unwrap_or_else(|| fresh(clock, origin));
            keep(records, new, clock).await?
        }
    };
    let demo = &kept.document.demo;
    let workspace: WorkspaceId = id(&demo.workspace_id)?;
    make_workspace(records, clock, workspace).await?;

    let admin = (id(&kept.document.admin_id)?, "Ada", Role::Admin, &demo.admin.email, &demo.admin.password);
    let mut people = vec![admin];
    for (agent, name) in demo.agents.iter().zip(AGENT_NAMES) {
        people.push((id(&agent.agent_id)?, name, Role::Agent, &agent.email, &agent.password));
    }
    for (id, name, role, email, password) in &people {
        make_agent(identity, workspace, *id, name, *role, (email, password)).await?;
    }
    let members = people[1..].iter().map(|person| person.0).collect();
    let team: TeamId = id(&demo.team_id)?;
    make_team(records, clock, workspace, team, members).await?;
    let key = make_site(records, clock, workspace, team, demo, origin).await?;

    let now = Demo { site_key: key.as_str().to_owned(), origin: origin.as_str().to_owned(), ..demo.clone() };
    if now != *demo {
        // Last: until the site lists the new origin, what is kept names the one to be taken off its list. Of several
        // servers that start at once one is kept; the others' origins stay on the list.
        let change = |kept: &mut Kept| {
            kept.demo = now.clone();
            true
        };
        store::change::<Kept>(records, INSTALLATION, "demo", clock.now(), change).await?;
    }
    Ok(now)
}

/// What an earlier version kept in the data folder.
fn earlier(data_dir: &Path) -> Result<Option<Kept>, DemoError> {
    match fs::read(data_dir.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DemoError::File(error)),
    }
}

/// Or gives what another server has kept meanwhile.
async fn keep(records: &dyn Records, new: Kept, clock: &Clock) -> Result<Versioned<Kept>, DemoError> {
    match store::insert(records, INSTALLATION, new, clock.now()).await {
        Ok(kept) => Ok(kept),
        Err(RecordError::Taken(_)) => {
            let kept = store::get::<Kept>(records, INSTALLATION, "demo").await?;
            kept.ok_or_else(|| damaged("it was there and went"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing is wrong when another server has made it meanwhile.
fn made<T>(outcome: Result<T, RecordError>) -> Result<(), RecordError> {
    match outcome {
        Ok(_) | Err(RecordError::Taken(_)) => Ok(()),
        Err(error) => Err(error),
    }
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

async fn make_workspace(records: &dyn Records, clock: &Clock, id: WorkspaceId) -> Result<(), DemoError> {
    if store::get::<Workspace>(records, INSTALLATION, &id.to_string()).await?.is_none() {
        let workspace = Workspace { id, name: name("Demo"), time_zone: name("UTC") };
        made(store::insert(records, INSTALLATION, workspace, clock.now()).await)?;
    }
    Ok(())
}

async fn make_agent(
    identity: &Identity,
    workspace: WorkspaceId,
    id: AgentId,
    called: &str,
    role: Role,
    (email, password): (&str, &str),
) -> Result<(), DemoError> {
    if identity.agent(workspace, id).await?.is_some() {
        return Ok(());
    }
    let email = Email::parse(email).map_err(damaged)?;
    let password = Password::parse(password).map_err(damaged)?;
    let new = NewAgent { operator: role == Role::Admin, ..NewAgent::new(email, name(called), role) };
    match identity.create_agent_as(workspace, id, new, password).await {
        Ok(_) => Ok(()),
        // Another server has made the agent meanwhile.
        Err(_) if identity.agent(workspace, id).await?.is_some() => Ok(()),
        Err(error) => Err(error.into()),
    }
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
        made(store::insert(records, workspace, team, clock.now()).await)?;
    }
    Ok(())
}

/// Or puts this run's origin on the list of the site that is there, instead of the last run's. Gives the site's key,
/// which may have been replaced since.
async fn make_site(
    records: &dyn Records,
    clock: &Clock,
    workspace: WorkspaceId,
    team: TeamId,
    demo: &Demo,
    origin: &Origin,
) -> Result<Line<64>, DemoError> {
    let id: SiteId = id(&demo.site_id)?;
    let Some(site) = store::get::<Site>(records, workspace, &id.to_string()).await? else {
        let key = Line::parse(&demo.site_key).map_err(damaged)?;
        let site = Site { origins: vec![origin.clone()], ..Site::new(id, key, name("Demo"), team) };
        let key = site.key.clone();
        made(store::insert(records, workspace, site, clock.now()).await)?;
        return Ok(key);
    };
    if !site.document.origins.contains(origin) {
        let change = |site: &mut Site| {
            site.origins.retain(|listed| listed.as_str() != demo.origin);
            site.origins.push(origin.clone());
            true
        };
        store::change::<Site>(records, workspace, &demo.site_id, clock.now(), change).await?;
    }
    Ok(site.document.key)
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("the demo's names are names")
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, DemoError>
where
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| damaged(error.to_string()))
}

fn damaged(why: impl ToString) -> DemoError {
    DemoError::Damaged(why.to_string())
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use identity::Caller;
    use store::Store;
    use store::sqlite::{Access, SqliteOptions, SqliteStore};
    use tempfile::TempDir;

    use super::*;

    /// An empty store in a temporary folder.
    struct Fixture {
        store: Store,
        clock: Clock,
        identity: Identity,
        // Dropped in this order.
        _sqlite: SqliteStore,
        _dir: TempDir,
    }

    impl Fixture {
        fn start() -> Self {
            let dir = TempDir::new().unwrap();
            let sqlite = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
            let store = sqlite.store();
            let clock = Clock::by_hand(Timestamp::from_ms(1_700_000_000_000));
            let identity = Identity::new(store.records.clone(), clock.clone());
            Self { store, clock, identity, _sqlite: sqlite, _dir: dir }
        }
    }

    async fn seeded(fixture: &Fixture, folder: &Path, origin: &str) -> Result<Demo, DemoError> {
        let origin = Origin::parse(origin).unwrap();
        seed(fixture.store.records.as_ref(), &fixture.identity, &fixture.clock, folder, &origin).await
    }

    #[tokio::test]
    async fn a_demo_has_the_same_ids_and_log_ins_after_a_restart() {
        let (fixture, folder) = (Fixture::start(), TempDir::new().unwrap());
        let first = seeded(&fixture, folder.path(), "http://127.0.0.1:1111").await.unwrap();
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
        let (fixture, folder) = (Fixture::start(), TempDir::new().unwrap());
        let kept = fresh(&fixture.clock, &Origin::parse("http://127.0.0.1:1111").unwrap());
        keep(fixture.store.records.as_ref(), kept.clone(), &fixture.clock).await.unwrap();
        let id: WorkspaceId = kept.demo.workspace_id.parse().unwrap();
        make_workspace(fixture.store.records.as_ref(), &fixture.clock, id).await.unwrap();
        let demo = seeded(&fixture, folder.path(), "http://127.0.0.1:1111").await.unwrap();
        assert_eq!(demo, kept.demo);
        assert!(fixture.identity.login(&demo.admin.email, &demo.admin.password).await.is_ok());
    }

    #[tokio::test]
    async fn what_an_earlier_version_kept_in_the_folder_is_taken_over() {
        let (fixture, folder) = (Fixture::start(), TempDir::new().unwrap());
        let origin = Origin::parse("http://127.0.0.1:1111").unwrap();
        let kept = fresh(&fixture.clock, &origin);
        fs::write(folder.path().join(FILE), serde_json::to_vec(&kept).unwrap()).unwrap();
        assert_eq!(seeded(&fixture, folder.path(), origin.as_str()).await.unwrap(), kept.demo);
        fs::write(folder.path().join(FILE), "{}").unwrap();
        assert_eq!(seeded(&fixture, folder.path(), origin.as_str()).await.unwrap(), kept.demo, "once");

        let other = Fixture::start();
        let error = seeded(&other, folder.path(), origin.as_str()).await.unwrap_err().to_string();
        assert!(error.starts_with("what was kept of the demo is damaged: "), "{error}");
    }

    #[tokio::test]
    async fn two_servers_that_start_at_once_make_one_demo() {
        let (fixture, folder) = (Fixture::start(), TempDir::new().unwrap());
        let (a, b) = tokio::join!(
            seeded(&fixture, folder.path(), "http://127.0.0.1:1111"),
            seeded(&fixture, folder.path(), "http://127.0.0.1:2222"),
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(Demo { origin: a.origin.clone(), ..b }, a);
        assert!(fixture.identity.login(&a.admin.email, &a.admin.password).await.is_ok());
    }
}
