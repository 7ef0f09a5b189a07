//! An agent's colleagues: who is there, who has room, and what waits for the agent's teams.

use std::collections::BTreeMap;

use cluster::AgentKey;
use domain::{Agent, AgentId, Role, Status, Team, WorkspaceId};
use futures_util::future::try_join_all;
use http::Method;
use identity::Caller;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::app::App;
use crate::conversations;
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema::{self, words};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/chat/agent/colleagues",
        target: Target::Open,
        who: Who::AGENT,
        rates: &[Rate::Reads],
        body: BodyKind::None,
        doc: Doc {
            summary: "List one's teams and their agents; for supervisors those of the workspace",
            tag: "agents",
            answers: &[AnswerDoc {
                status: 200,
                description: "Agents and teams by name. Who may not log in is left out.",
                body: Some(SchemaOf::of::<ColleaguesJson>()),
            }],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(get(call)),
}];

words! {
    /// Agents.
    Colleagues: schema::list::<ColleagueJson>(schema::MANY), of ColleagueJson;
    /// Teams.
    TeamBriefs: schema::list::<TeamBriefJson>(schema::MANY), of TeamBriefJson;
    /// The teams that an agent is in.
    TeamIdsOfAgent: schema::list::<schema::TeamId>(schema::MANY);
}

/// An agent's colleagues and teams.
#[derive(Serialize, ToSchema)]
pub struct ColleaguesJson {
    /// The caller too.
    #[schema(value_type = Colleagues)]
    agents: Vec<ColleagueJson>,
    #[schema(value_type = TeamBriefs)]
    teams: Vec<TeamBriefJson>,
}

/// An agent, as colleagues see them.
#[derive(Serialize, ToSchema)]
pub struct ColleagueJson {
    /// Names the agent.
    #[schema(value_type = schema::AgentId)]
    agent_id: String,
    /// For people.
    #[schema(value_type = schema::Name)]
    name: String,
    /// The chosen status: `online`, `away` or `offline`.
    #[schema(value_type = schema::Status)]
    status: Status,
    /// A socket of the agent is open, or the agent asked for something a moment ago.
    present: bool,
    /// How many conversations the agent holds, is about to hold, or is offered.
    #[schema(value_type = schema::Count)]
    load: u32,
    /// How many conversations the agent may hold.
    #[schema(value_type = schema::Count)]
    capacity: u32,
    /// Those of the teams below that the agent is in.
    #[schema(value_type = TeamIdsOfAgent)]
    team_ids: Vec<String>,
}

/// A team, as its agents see it.
#[derive(Serialize, ToSchema)]
pub struct TeamBriefJson {
    /// Names it.
    #[schema(value_type = schema::TeamId)]
    id: String,
    /// For people.
    #[schema(value_type = schema::Name)]
    name: String,
    /// How many of its agents are online and present.
    #[schema(value_type = schema::Count)]
    online: usize,
    /// How many wait for it.
    #[schema(value_type = schema::Count)]
    waiting: usize,
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let Caller::Agent { workspace, agent: me, .. } = &call.caller else { return Err(ApiError::not_found()) };
    Query::parse(&call.query)?.finish()?;
    let app = &call.app;
    let everything = me.role >= Role::Supervisor;
    let all = app.identity.teams(*workspace).await?;
    let mut teams: Vec<&Team> =
        all.iter().filter(|team| everything || team.agents.contains(&me.id)).collect();
    teams.sort_by_key(|team| (&team.name, team.id));
    let mut agents = if everything {
        let all = store::all::<Agent>(app.store.records.as_ref(), *workspace).await?;
        all.into_iter().map(|agent| agent.document).collect()
    } else {
        members(app, *workspace, me.id, &teams).await?
    };
    agents.retain(|agent| !agent.disabled);
    agents.sort_by_key(|agent| (agent.name.clone(), agent.id));
    let waiting =
        try_join_all(teams.iter().map(|team| conversations::waiting(app, *workspace, team.id))).await?;
    let agents: Vec<ColleagueJson> =
        agents.iter().map(|agent| ColleagueJson::of(app, *workspace, agent, &teams)).collect();
    let teams = teams.iter().zip(waiting).map(|(team, waiting)| TeamBriefJson::of(team, waiting, &agents));
    let teams = teams.collect();
    Ok(Reply::ok(&ColleaguesJson { agents, teams }))
}

/// The agents of these teams, and the caller.
async fn members(
    app: &App,
    workspace: WorkspaceId,
    me: AgentId,
    teams: &[&Team],
) -> Result<Vec<Agent>, StoreError> {
    let mut found = BTreeMap::new();
    for id in teams.iter().flat_map(|team| &team.agents).chain([&me]) {
        if !found.contains_key(id)
            && let Some(agent) = app.identity.agent(workspace, *id).await?
        {
            found.insert(*id, Agent::clone(&agent));
        }
    }
    Ok(found.into_values().collect())
}

impl ColleagueJson {
    fn of(app: &App, workspace: WorkspaceId, agent: &Agent, teams: &[&Team]) -> Self {
        // An agent who is not in memory has asked for nothing for long.
        let brief = app.cluster.agent_brief(AgentKey { workspace, agent: agent.id });
        let own = teams.iter().filter(|team| team.agents.contains(&agent.id));
        Self {
            agent_id: agent.id.to_string(),
            name: agent.name.as_str().to_owned(),
            status: brief.map_or(agent.status, |brief| brief.status),
            present: brief.is_some_and(|brief| brief.present),
            load: brief.map_or(0, |brief| brief.load),
            capacity: agent.capacity,
            team_ids: own.map(|team| team.id.to_string()).collect(),
        }
    }
}

impl TeamBriefJson {
    fn of(team: &Team, waiting: usize, agents: &[ColleagueJson]) -> Self {
        let id = team.id.to_string();
        let there = |agent: &&ColleagueJson| {
            agent.present && agent.status == Status::Online && agent.team_ids.contains(&id)
        };
        let online = agents.iter().filter(there).count();
        Self { id, name: team.name.as_str().to_owned(), online, waiting }
    }
}
