//! Agents: people who answer, their roles, and the teams that they are in.

use std::collections::BTreeSet;

use domain::{Agent, AgentId, Email, Line, Name, Role, Team, TeamId, WorkspaceId};
use identity::{AccountError, Identity, NewAgent, Password};
use serde::{Deserialize, Serialize};
use store::Clock;
use store::{HeadFilter, HeadView, RecordError, Records, Versioned};
use utoipa::ToSchema;

use super::super::fields::{Few, Given, NewPassword, Text, Whole, put, required};
use super::super::once::{Making, Secrecy, overloaded};
use super::super::rows::{self, Resource};
use super::super::versioned::{
    self, StampsJson, changed_reply, found, named_there, no_query, page, workspace_of,
};
use super::LanguageTag;
use crate::app::App;
use crate::conversations::people;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::reply::Reply;
use crate::http::table::{Route, SchemaOf, Who};
use crate::schema::{self, words};
use crate::strict_json;

mod departure;

pub(super) use departure::dismiss;
pub(crate) use departure::{is_admin, keeps_an_admin};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    rows::list::<AgentPage>(AGENTS, "List agents", |call| Box::pin(list(call))),
    rows::create::<AgentJson>(
        AGENTS,
        "Make an agent; with an Idempotency-Key once, however often it is repeated",
        SchemaOf::new::<AgentWriteJson>(&["email", "name", "password"]),
        |call| Box::pin(create(call)),
    ),
    rows::read::<AgentJson>(AGENT, "Read an agent", |call| Box::pin(get(call))),
    rows::change::<AgentWriteJson, AgentJson>(
        AGENT,
        "Change what is given of an agent; a new password ends the agent's log-ins",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(patch(call)),
    ),
    rows::remove(
        AGENT,
        "Remove an agent who holds no conversation and is not the last admin",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(delete(call)),
    ),
];

const AGENTS: Resource = Resource { path: "/api/v1/admin/agents", who: Who::ADMIN, tag: "admin" };
const AGENT: Resource = Resource { path: "/api/v1/admin/agents/{id}", ..AGENTS };

const TEAMS_MAX: usize = 200;
const SKILLS_MAX: usize = 50;
const LANGUAGES_MAX: usize = 50;
const CAPACITY_MAX: u32 = 1000;

words! {
    /// How many conversations an agent may hold at once.
    Capacity: schema::whole(0, CAPACITY_MAX.into());
    /// The teams that an agent is in.
    TeamIds: schema::list::<schema::TeamId>(TEAMS_MAX).unique_items(true);
    /// What an agent knows, for routing.
    Skills: schema::list::<schema::Skill>(SKILLS_MAX).unique_items(true);
    /// What an agent speaks, for routing.
    Languages: schema::list::<schema::LanguageTag>(LANGUAGES_MAX).unique_items(true);
}
const TAKEN: &str = "somebody has this e-mail already";

/// An agent.
#[derive(Serialize, ToSchema)]
pub struct AgentJson {
    /// Names the agent.
    #[schema(value_type = schema::AgentId)]
    id: String,
    /// The agent logs in with it; nobody else in the installation has it.
    #[schema(value_type = schema::Email)]
    email: String,
    /// For people, visitors too.
    #[schema(value_type = schema::Name)]
    name: String,
    /// `agent`, `supervisor` or `admin`.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// How many conversations the agent may hold at once.
    #[schema(value_type = Capacity)]
    capacity: u32,
    /// The teams that the agent is in.
    #[schema(value_type = TeamIds)]
    team_ids: Vec<String>,
    /// For routing by skill.
    #[schema(value_type = Skills)]
    skills: Vec<String>,
    /// BCP 47 tags.
    #[schema(value_type = Languages)]
    languages: Vec<String>,
    /// May not log in.
    disabled: bool,
    /// May make workspaces; left out when not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    operator: bool,
    #[serde(flatten)]
    stamps: StampsJson,
}

impl AgentJson {
    /// With the agent's teams among `teams`, which are all of the workspace.
    pub(crate) fn of(record: &Versioned<Agent>, teams: &[Team]) -> Self {
        let agent = &record.document;
        let own = teams.iter().filter(|team| team.agents.contains(&agent.id));
        Self {
            id: agent.id.to_string(),
            email: agent.email.as_str().to_owned(),
            name: agent.name.as_str().to_owned(),
            role: agent.role,
            capacity: agent.capacity,
            team_ids: own.map(|team| team.id.to_string()).collect(),
            skills: agent.skills.iter().map(|skill| skill.as_str().to_owned()).collect(),
            languages: agent.languages.iter().map(|language| language.as_str().to_owned()).collect(),
            disabled: agent.disabled,
            operator: agent.operator,
            stamps: StampsJson::of(record),
        }
    }
}

/// A page of agents.
#[derive(Serialize, ToSchema)]
pub struct AgentPage {
    data: Vec<AgentJson>,
    /// To go on; null at the end.
    #[schema(value_type = Option<schema::Cursor>)]
    next_cursor: Option<String>,
}

/// What is given of an agent. A new one needs `email`, `name` and `password`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ann@example.org", "name": "Ann", "password": "correct horse", "languages": ["en", "pt-BR"]}))]
#[serde(deny_unknown_fields)]
pub struct AgentWriteJson {
    /// The agent logs in with it; nobody else in the installation may have it.
    #[serde(default)]
    #[schema(value_type = schema::Email)]
    email: Given<Text<Email>>,
    /// For people, visitors too; at most 200 characters.
    #[serde(default)]
    #[schema(value_type = schema::Name)]
    name: Given<Text<Name>>,
    /// `agent` (at first), `supervisor` or `admin`.
    #[serde(default)]
    #[schema(value_type = schema::Role)]
    role: Given<Role>,
    /// 0 to 1000; 5 at first.
    #[serde(default)]
    #[schema(value_type = Capacity)]
    capacity: Given<Whole<0, CAPACITY_MAX>>,
    /// At most 200 teams of this workspace; the agent leaves all others.
    #[serde(default)]
    #[schema(value_type = TeamIds)]
    team_ids: Given<Few<Text<TeamId>, TEAMS_MAX>>,
    /// At most 50, of 64 characters.
    #[serde(default)]
    #[schema(value_type = Skills)]
    skills: Given<Few<Text<Line<64>>, SKILLS_MAX>>,
    /// At most 50 BCP 47 tags.
    #[serde(default)]
    #[schema(value_type = Languages)]
    languages: Given<Few<Text<LanguageTag>, LANGUAGES_MAX>>,
    /// The agent may not log in, and gives back what they hold.
    #[serde(default)]
    #[schema(value_type = bool)]
    disabled: Given<bool>,
    /// 8 to 1024 bytes; never shown.
    #[serde(default)]
    #[schema(value_type = NewPassword)]
    password: Given<Text<Password>>,
}

/// What was given of the agent's record, by the rules of its fields.
#[derive(Debug, Default)]
struct Change {
    email: Option<Email>,
    name: Option<Name>,
    role: Option<Role>,
    capacity: Option<u32>,
    skills: Option<Vec<Line<64>>>,
    languages: Option<Vec<Line<35>>>,
    disabled: Option<bool>,
    password_hash: Option<Box<str>>,
}

/// What was given beside the agent's record.
#[derive(Debug)]
struct Beside {
    teams: Option<Vec<TeamId>>,
    password: Option<Password>,
}

impl Change {
    fn parse(body: AgentWriteJson) -> Result<(Self, Beside), ApiError> {
        let languages = body.languages.value("languages")?.map(Few::texts);
        let change = Self {
            email: body.email.value("email")?.map(|Text(email)| email),
            name: body.name.value("name")?.map(|Text(name)| name),
            role: body.role.value("role")?,
            capacity: body.capacity.value("capacity")?.map(|Whole(count)| count),
            skills: body.skills.value("skills")?.map(Few::texts),
            languages: languages.map(|tags| tags.into_iter().map(|LanguageTag(tag)| tag).collect()),
            disabled: body.disabled.value("disabled")?,
            password_hash: None,
        };
        let beside = Beside {
            teams: body.team_ids.value("team_ids")?.map(Few::texts),
            password: body.password.value("password")?.map(|Text(password)| password),
        };
        Ok((change, beside))
    }

    fn new_agent(self) -> Result<NewAgent, ApiError> {
        let (email, name) = (required(self.email, "email")?, required(self.name, "name")?);
        let mut new = NewAgent::new(email, name, self.role.unwrap_or(Role::Agent));
        put(&self.capacity, &mut new.capacity);
        put(&self.skills, &mut new.skills);
        put(&self.languages, &mut new.languages);
        put(&self.disabled, &mut new.disabled);
        Ok(new)
    }

    fn apply(&self, agent: &mut Agent) {
        put(&self.email, &mut agent.email);
        put(&self.name, &mut agent.name);
        put(&self.role, &mut agent.role);
        put(&self.capacity, &mut agent.capacity);
        put(&self.skills, &mut agent.skills);
        put(&self.languages, &mut agent.languages);
        if let Some(disabled) = self.disabled {
            agent.set_disabled(disabled);
        }
        put(&self.password_hash, &mut agent.password_hash);
    }
}

/// A new agent as a request gives it, by the rules of its fields. Used by the admin API and by the command line.
#[derive(Debug)]
pub(crate) struct Draft {
    new: NewAgent,
    password: Password,
    teams: Vec<TeamId>,
}

impl Draft {
    /// Reads a body of `POST /admin/agents`.
    ///
    /// # Errors
    /// What the API answers to it, with the field and its rule.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let (change, beside) = Change::parse(strict_json::parse(body)?)?;
        let new = change.new_agent()?;
        let password = required(beside.password, "password")?;
        Ok(Self { new, password, teams: beside.teams.unwrap_or_default() })
    }

    /// Whether the new agent may make workspaces; no request can say so.
    pub(crate) fn with_operator(mut self, operator: bool) -> Self {
        self.new.operator = operator;
        self
    }

    /// Holds what it names to what there is.
    pub(crate) async fn check(&self, records: &dyn Records, workspace: WorkspaceId) -> Result<(), ApiError> {
        check_teams(records, workspace, Some(&self.teams)).await
    }

    /// Makes the agent, unless a repeat has made it under the same id, and puts it into its teams.
    pub(crate) async fn make(
        self,
        identity: &Identity,
        records: &dyn Records,
        clock: &Clock,
        workspace: WorkspaceId,
        id: AgentId,
    ) -> Result<Versioned<Agent>, ApiError> {
        let made = make(identity, records, workspace, id, self.new, self.password).await?;
        join(identity, records, clock, workspace, id, &self.teams).await?;
        Ok(made)
    }
}

/// Lets an agent log in or not, by the same change that a `PATCH` of `disabled` is.
pub(crate) fn set_disabled(agent: &mut Agent, disabled: bool) {
    Change { disabled: Some(disabled), ..Change::default() }.apply(agent);
}

/// The teams that are named must be there.
async fn check_teams(
    records: &dyn Records,
    workspace: WorkspaceId,
    teams: Option<&[TeamId]>,
) -> Result<(), ApiError> {
    for (index, id) in teams.unwrap_or_default().iter().enumerate() {
        let (id, field) = (id.to_string(), format!("team_ids[{index}]"));
        named_there::<Team>(records, workspace, &id, &field, "must be a team of this workspace").await?;
    }
    Ok(())
}

/// Puts the agent into exactly these teams, and notifies the routers. A team that goes meanwhile is left out.
async fn move_to(
    app: &App,
    workspace: WorkspaceId,
    agent: AgentId,
    wanted: &[TeamId],
) -> Result<(), ApiError> {
    join(&app.identity, app.store.records.as_ref(), &app.clock, workspace, agent, wanted).await?;
    app.cluster.teams_changed(workspace);
    Ok(())
}

/// Puts the agent into exactly these teams. A team that goes meanwhile is left out.
async fn join(
    identity: &Identity,
    records: &dyn Records,
    clock: &Clock,
    workspace: WorkspaceId,
    agent: AgentId,
    wanted: &[TeamId],
) -> Result<(), ApiError> {
    let known = identity.teams(workspace).await?;
    // A team that was made elsewhere a moment ago may not be among those that are known.
    let all: BTreeSet<TeamId> = known.iter().map(|team| team.id).chain(wanted.iter().copied()).collect();
    for id in all {
        while let Some(mut team) = store::get::<Team>(records, workspace, &id.to_string()).await? {
            let members = &mut team.document.agents;
            match (members.contains(&agent), wanted.contains(&id)) {
                (false, true) => members.push(agent),
                (true, false) => members.retain(|member| *member != agent),
                (true, true) | (false, false) => break,
            }
            match store::update(records, team, clock.now()).await {
                Ok(_) => break,
                Err(RecordError::Changed) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    identity.teams_changed(workspace);
    Ok(())
}

async fn list(call: Call) -> Result<Reply, ApiError> {
    let workspace = workspace_of(&call)?;
    let (rows, next_cursor) = page::<Agent>(&call, workspace, "agents").await?;
    let teams = call.app.identity.teams(workspace).await?;
    let data = rows.iter().map(|row| AgentJson::of(row, &teams)).collect();
    Ok(Reply::ok(&AgentPage { data, next_cursor }))
}

async fn create(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let workspace = workspace_of(&call)?;
    let body = call.body_bytes().await?;
    let mut making = Making::begin(&call, &body, Secrecy::Password).await?;
    if let Some(reply) = making.repeated() {
        return Ok(reply);
    }
    let app = &call.app;
    let draft = Draft::parse(&body)?;
    let records = app.store.records.as_ref();
    draft.check(records, workspace).await?;
    let id = making.keep(app, app.fresh_id()).await?;
    let made = draft.make(&app.identity, records, &app.clock, workspace, id).await?;
    app.cluster.teams_changed(workspace);
    changed(app, &made);
    let json = AgentJson::of(&made, &app.identity.teams(workspace).await?);
    making.answer(app, made.version, &json).await
}

/// Makes the agent, unless a repeat of the request has made one under the same id.
pub(super) async fn make(
    identity: &Identity,
    records: &dyn Records,
    workspace: WorkspaceId,
    id: AgentId,
    new: NewAgent,
    password: Password,
) -> Result<Versioned<Agent>, ApiError> {
    match identity.create_agent_as(workspace, id, new, password).await {
        Ok(made) => Ok(made),
        Err(AccountError::Record(RecordError::Taken(_))) => {
            let made_before = store::get(records, workspace, &id.to_string()).await?;
            made_before.ok_or_else(|| ApiError::new(ErrorCode::Conflict, TAKEN))
        }
        Err(error) => Err(error.into()),
    }
}

/// A page that knows the agent's version does not know their teams, which are other records: so it always gets the whole.
async fn get(call: Call) -> Result<Reply, ApiError> {
    let agent = asked(&call).await?;
    no_query(&call)?;
    let teams = call.app.identity.teams(agent.workspace).await?;
    Ok(changed_reply(agent.version, &AgentJson::of(&agent, &teams)))
}

async fn patch(mut call: Call) -> Result<Reply, ApiError> {
    let seen = asked(&call).await?;
    no_query(&call)?;
    let (mut change, beside) = Change::parse(call.json().await?)?;
    let app = &call.app;
    let (workspace, id) = (seen.workspace, seen.document.id);
    check_teams(app.store.records.as_ref(), workspace, beside.teams.as_deref()).await?;
    if let Some(password) = beside.password {
        change.password_hash = Some(app.identity.hash_password(password).await.map_err(overloaded)?);
    }
    let (before, mut after) = (seen.document.name.clone(), seen.document.clone());
    change.apply(&mut after);
    let _one_at_a_time = app.admins.lock().await;
    if is_admin(&seen.document) && !is_admin(&after) {
        keeps_an_admin(app.store.records.as_ref(), workspace, id).await?;
    }
    let apply = |agent: &mut Agent| {
        change.apply(agent);
        Ok(())
    };
    // The agent's version also stands for their teams, so it goes up with them.
    let agent = versioned::update(&call, seen, beside.teams.is_some(), TAKEN, apply).await?;
    if let Some(teams) = &beside.teams {
        move_to(app, workspace, id, teams).await?;
    }
    changed(app, &agent);
    if agent.document.name != before {
        people::agent_renamed(app.store.heads.as_ref(), &app.cluster, workspace, id).await?;
    }
    let teams = app.identity.teams(workspace).await?;
    Ok(changed_reply(agent.version, &AgentJson::of(&agent, &teams)))
}

async fn delete(call: Call) -> Result<Reply, ApiError> {
    let agent = asked(&call).await?;
    no_query(&call)?;
    let app = &call.app;
    let (workspace, id) = (agent.workspace, agent.document.id);
    ETag::of_version(agent.version).check_if_match(&call.headers)?;
    let (view, filter) = (HeadView::HeldBy(id), HeadFilter::default());
    if !app.store.heads.list(workspace, &view, &filter, None, 1).await?.is_empty() {
        return Err(ApiError::new(ErrorCode::Conflict, "the agent holds conversations that are not ended"));
    }
    let _one_at_a_time = app.admins.lock().await;
    if is_admin(&agent.document) {
        keeps_an_admin(app.store.records.as_ref(), workspace, id).await?;
    }
    dismiss(app, &call.headers, agent).await?;
    Ok(Reply::no_content())
}

fn changed(app: &App, agent: &Versioned<Agent>) {
    app.identity.agent_changed(agent.workspace, agent.document.id);
    app.cluster.agent_changed(agent.workspace, &agent.document);
}

/// The agent in the path.
async fn asked(call: &Call) -> Result<Versioned<Agent>, ApiError> {
    let id: AgentId = call.id("id")?;
    found(&call.app, workspace_of(call)?, &id.to_string()).await
}

#[cfg(test)]
mod tests;
