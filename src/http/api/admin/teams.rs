//! Teams: agents who answer together, and how a waiting conversation finds one of them.

use domain::{
    Agent, AgentId, AssignmentMode, Canned, CannedScope, Name, Site, Strategy, Team, TeamId, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use store::{HeadFilter, HeadView, Records, Versioned};
use utoipa::ToSchema;

use super::super::fields::{Few, Given, Text, Whole, put, required};
use super::super::hours::{self, HoursIn, SpanJson};
use super::super::once::{Making, Secrecy};
use super::super::rows::{self, Resource};
use super::super::versioned::{
    self, StampsJson, any, changed_reply, found, named_there, no_query, page, remove, versioned_reply,
    workspace_of,
};
use crate::app::App;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::reply::Reply;
use crate::http::table::{Route, SchemaOf, Who};
use crate::schema::{self, words};
use crate::strict_json;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    rows::list::<TeamPage>(TEAMS, "List teams", |call| Box::pin(list(call))),
    rows::create::<TeamJson>(
        TEAMS,
        "Make a team; with an Idempotency-Key once, however often it is repeated",
        SchemaOf::new::<TeamWriteJson>(&["name"]),
        |call| Box::pin(create(call)),
    ),
    rows::read::<TeamJson>(TEAM, "Read a team", |call| Box::pin(get(call))),
    rows::change::<TeamWriteJson, TeamJson>(
        TEAM,
        "Change what is given of a team; null clears",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(patch(call)),
    ),
    rows::remove(
        TEAM,
        "Remove a team that has no site, no open conversation and no canned response",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(delete(call)),
    ),
];

const TEAMS: Resource = Resource { path: "/api/v1/admin/teams", who: Who::ADMIN, tag: "admin" };
const TEAM: Resource = Resource { path: "/api/v1/admin/teams/{id}", ..TEAMS };

const AGENTS_MAX: usize = 1000;
/// A week, in minutes: a team that leaves conversations open for longer should end them by hand.
const IDLE_END_MIN_MAX: u32 = 7 * 24 * 60;
const ACCEPT_TIMEOUT_S_MAX: u32 = 3600;
const QUEUE_MAX_MAX: u32 = 1_000_000;

words! {
    /// Seconds until an offer goes to the next.
    AcceptTimeoutS: schema::whole(1, ACCEPT_TIMEOUT_S_MAX.into());
    /// Minutes of silence, with the visitor gone, until a conversation ends by itself.
    IdleEndMin: schema::whole(1, IDLE_END_MIN_MAX.into());
    /// How many may wait.
    QueueMax: schema::whole(0, QUEUE_MAX_MAX.into());
    /// A team's members.
    AgentIds: schema::list::<schema::AgentId>(AGENTS_MAX).unique_items(true);
}

pub(crate) const TAKEN: &str = "another team has this name";

/// A team.
#[derive(Serialize, ToSchema)]
pub struct TeamJson {
    /// Names it.
    #[schema(value_type = schema::TeamId)]
    id: String,
    /// For people; no other team of the workspace has it.
    #[schema(value_type = schema::Name)]
    name: String,
    /// `offer`, `auto` or `manual`.
    #[schema(value_type = schema::Assignment)]
    assignment: AssignmentMode,
    /// `least_busy` or `round_robin`.
    #[schema(value_type = schema::Strategy)]
    strategy: Strategy,
    /// Seconds until an offer goes to the next.
    #[schema(value_type = AcceptTimeoutS)]
    accept_timeout_s: u32,
    /// Minutes of silence, with the visitor gone, until a conversation ends by itself.
    #[schema(value_type = IdleEndMin)]
    idle_end_min: u32,
    /// How many may wait; left out: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<QueueMax>)]
    queue_max: Option<u32>,
    /// Its members.
    #[schema(value_type = AgentIds)]
    agent_ids: Vec<String>,
    /// When somebody is there; null: always.
    #[schema(value_type = Option<hours::Spans>)]
    hours: Option<Vec<SpanJson>>,
    #[serde(flatten)]
    stamps: StampsJson,
}

impl TeamJson {
    /// With the installation's `accept_timeout_s` for a team that sets none.
    pub(crate) fn of(accept_timeout_s: u32, record: &Versioned<Team>) -> Self {
        let team = &record.document;
        Self {
            id: team.id.to_string(),
            name: team.name.as_str().to_owned(),
            assignment: team.assignment,
            strategy: team.strategy,
            accept_timeout_s: team.accept_timeout_s.unwrap_or(accept_timeout_s),
            idle_end_min: team.idle_end_min,
            queue_max: team.queue_max,
            agent_ids: team.agents.iter().map(ToString::to_string).collect(),
            hours: hours::shown(team.hours.as_ref()),
            stamps: StampsJson::of(record),
        }
    }
}

/// A page of teams.
#[derive(Serialize, ToSchema)]
pub struct TeamPage {
    data: Vec<TeamJson>,
    /// To go on; null at the end.
    #[schema(value_type = Option<schema::Cursor>)]
    next_cursor: Option<String>,
}

/// What is given of a team. A new one needs a `name`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Returns", "assignment": "offer", "accept_timeout_s": 30}))]
#[serde(deny_unknown_fields)]
pub struct TeamWriteJson {
    /// For people, at most 200 characters; no other team of the workspace may have it.
    #[serde(default)]
    #[schema(value_type = schema::Name)]
    name: Given<Text<Name>>,
    /// `offer` (at first), `auto` or `manual`.
    #[serde(default)]
    #[schema(value_type = schema::Assignment)]
    assignment: Given<AssignmentMode>,
    /// `least_busy` (at first) or `round_robin`.
    #[serde(default)]
    #[schema(value_type = schema::Strategy)]
    strategy: Given<Strategy>,
    /// 1 to 3600 seconds; null: as the installation is configured.
    #[serde(default)]
    #[schema(value_type = Option<AcceptTimeoutS>)]
    accept_timeout_s: Given<Whole<1, ACCEPT_TIMEOUT_S_MAX>>,
    /// 1 to 10080 minutes; 60 at first.
    #[serde(default)]
    #[schema(value_type = IdleEndMin)]
    idle_end_min: Given<Whole<1, IDLE_END_MIN_MAX>>,
    /// 0 to 1000000; null: any number.
    #[serde(default)]
    #[schema(value_type = Option<QueueMax>)]
    queue_max: Given<Whole<0, QUEUE_MAX_MAX>>,
    /// Its members: at most 1000 agents of this workspace.
    #[serde(default)]
    #[schema(value_type = AgentIds)]
    agent_ids: Given<Few<Text<AgentId>, AGENTS_MAX>>,
    /// When somebody is there; null: always.
    #[serde(default)]
    #[schema(value_type = Option<hours::Spans>)]
    hours: Given<HoursIn>,
}

/// What was given, by the rules of its fields.
#[derive(Debug, Default)]
struct Change {
    name: Option<Name>,
    assignment: Option<AssignmentMode>,
    strategy: Option<Strategy>,
    accept_timeout_s: Option<Option<u32>>,
    idle_end_min: Option<u32>,
    queue_max: Option<Option<u32>>,
    agents: Option<Vec<AgentId>>,
    hours: Option<Option<domain::Hours>>,
}

impl Change {
    fn parse(body: TeamWriteJson) -> Result<Self, ApiError> {
        Ok(Self {
            name: body.name.value("name")?.map(|Text(name)| name),
            assignment: body.assignment.value("assignment")?,
            strategy: body.strategy.value("strategy")?,
            accept_timeout_s: body
                .accept_timeout_s
                .optional()
                .map(|given| given.map(|Whole(seconds)| seconds)),
            idle_end_min: body.idle_end_min.value("idle_end_min")?.map(|Whole(minutes)| minutes),
            queue_max: body.queue_max.optional().map(|given| given.map(|Whole(count)| count)),
            agents: body.agent_ids.value("agent_ids")?.map(Few::texts),
            hours: body.hours.optional().map(|given| given.map(hours::parsed)),
        })
    }

    /// The agents that it names must be there.
    async fn check(&self, records: &dyn Records, workspace: WorkspaceId) -> Result<(), ApiError> {
        for (index, id) in self.agents.iter().flatten().enumerate() {
            let (id, field) = (id.to_string(), format!("agent_ids[{index}]"));
            let rule = "must be an agent of this workspace";
            named_there::<Agent>(records, workspace, &id, &field, rule).await?;
        }
        Ok(())
    }

    fn new_team(&self, id: TeamId) -> Result<Team, ApiError> {
        let mut team = Team::new(id, required(self.name.clone(), "name")?);
        self.apply(&mut team);
        Ok(team)
    }

    fn apply(&self, team: &mut Team) {
        put(&self.name, &mut team.name);
        put(&self.assignment, &mut team.assignment);
        put(&self.strategy, &mut team.strategy);
        put(&self.accept_timeout_s, &mut team.accept_timeout_s);
        put(&self.idle_end_min, &mut team.idle_end_min);
        put(&self.queue_max, &mut team.queue_max);
        put(&self.agents, &mut team.agents);
        put(&self.hours, &mut team.hours);
    }
}

/// A new team as a request gives it, by the rules of its fields. Used by the admin API and by the command line.
#[derive(Debug)]
pub(crate) struct Draft(Change);

impl Draft {
    /// Reads a body of `POST /admin/teams`.
    ///
    /// # Errors
    /// What the API answers to it, with the field and its rule.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        Ok(Self(Change::parse(strict_json::parse(body)?)?))
    }

    /// The team under this id, if the agents that it names are there.
    pub(crate) async fn team(
        &self,
        records: &dyn Records,
        workspace: WorkspaceId,
        id: TeamId,
    ) -> Result<Team, ApiError> {
        let team = self.0.new_team(id)?;
        self.0.check(records, workspace).await?;
        Ok(team)
    }
}

fn shown(app: &App, team: &Versioned<Team>) -> TeamJson {
    TeamJson::of(app.config.routing.accept_timeout_s, team)
}

async fn list(call: Call) -> Result<Reply, ApiError> {
    let workspace = workspace_of(&call)?;
    let (rows, next_cursor) = page::<Team>(&call, workspace, "teams").await?;
    let data = rows.iter().map(|row| shown(&call.app, row)).collect();
    Ok(Reply::ok(&TeamPage { data, next_cursor }))
}

async fn create(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let workspace = workspace_of(&call)?;
    let body = call.body_bytes().await?;
    let mut making = Making::begin(&call, &body, Secrecy::Open).await?;
    if let Some(reply) = making.repeated() {
        return Ok(reply);
    }
    let app = &call.app;
    let draft = Draft::parse(&body)?.team(app.store.records.as_ref(), workspace, app.fresh_id()).await?;
    let team = Team { id: making.keep(app, draft.id).await?, ..draft };
    let made = versioned::insert(app, workspace, team, TAKEN).await?;
    app.identity.teams_changed(workspace);
    app.cluster.teams_changed(workspace);
    making.answer(app, made.version, &shown(app, &made)).await
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let team = asked(&call).await?;
    no_query(&call)?;
    Ok(versioned_reply(&call, team.version, &shown(&call.app, &team)))
}

async fn patch(mut call: Call) -> Result<Reply, ApiError> {
    let team = asked(&call).await?;
    no_query(&call)?;
    let change = Change::parse(call.json().await?)?;
    change.check(call.app.store.records.as_ref(), team.workspace).await?;
    let apply = |team: &mut Team| {
        change.apply(team);
        Ok(())
    };
    let team = versioned::update(&call, team, false, TAKEN, apply).await?;
    call.app.identity.teams_changed(team.workspace);
    call.app.cluster.teams_changed(team.workspace);
    Ok(changed_reply(team.version, &shown(&call.app, &team)))
}

async fn delete(call: Call) -> Result<Reply, ApiError> {
    let team = asked(&call).await?;
    no_query(&call)?;
    ETag::of_version(team.version).check_if_match(&call.headers)?;
    if let Some(why) = in_use(&call.app, team.workspace, team.document.id).await? {
        return Err(ApiError::new(ErrorCode::Conflict, why));
    }
    remove(&call.app, &call.headers, &team).await?;
    call.app.identity.teams_changed(team.workspace);
    call.app.cluster.teams_changed(team.workspace);
    Ok(Reply::no_content())
}

/// What would be left without its team.
async fn in_use(app: &App, workspace: WorkspaceId, id: TeamId) -> Result<Option<&'static str>, ApiError> {
    if any::<Site>(app, workspace, |site| site.team == id).await? {
        return Ok(Some("a site has this team"));
    }
    if any::<Canned>(app, workspace, |canned| canned.scope == CannedScope::Team(id)).await? {
        return Ok(Some("the team has canned responses"));
    }
    let (view, filter) = (HeadView::Open(Some(vec![id])), HeadFilter::default());
    let open = app.store.heads.list(workspace, &view, &filter, None, 1).await?;
    Ok((!open.is_empty()).then_some("the team has conversations that are not ended"))
}

/// The team in the path.
async fn asked(call: &Call) -> Result<Versioned<Team>, ApiError> {
    let id: TeamId = call.id("id")?;
    found(&call.app, workspace_of(call)?, &id.to_string()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> Result<Change, ApiError> {
        Change::parse(strict_json::parse(text.as_bytes())?)
    }

    #[test]
    fn a_new_team_has_the_defaults_and_only_what_is_given_changes() {
        let id = TeamId::from_hash([1; 16]);
        assert_eq!(change("{}").unwrap().new_team(id).unwrap_err().details()[0].field, "name");
        let mut team = change(r#"{"name":"Support","queue_max":9}"#).unwrap().new_team(id).unwrap();
        assert_eq!((team.idle_end_min, team.accept_timeout_s, team.queue_max), (60, None, Some(9)));
        assert_eq!((team.assignment, team.strategy), (AssignmentMode::Offer, Strategy::LeastBusy));
        let agent = AgentId::from_hash([2; 16]);
        let text = format!(
            r#"{{"queue_max":null,"accept_timeout_s":5,"agent_ids":["{agent}"],"strategy":"round_robin"}}"#
        );
        change(&text).unwrap().apply(&mut team);
        assert_eq!(
            (team.queue_max, team.accept_timeout_s, team.agents.as_slice()),
            (None, Some(5), &[agent][..])
        );
        assert_eq!((team.name.as_str(), team.strategy), ("Support", Strategy::RoundRobin));
    }

    #[test]
    fn what_breaks_a_rule_names_its_field() {
        for (text, field) in [
            (r#"{"name":null}"#, "name"),
            (r#"{"assignment":"magic"}"#, "assignment"),
            (r#"{"accept_timeout_s":0}"#, "accept_timeout_s"),
            (r#"{"idle_end_min":null}"#, "idle_end_min"),
            (r#"{"queue_max":-1}"#, "queue_max"),
            (r#"{"agent_ids":["ann"]}"#, "agent_ids[0]"),
            (r#"{"id":"team_1"}"#, "id"),
        ] {
            assert_eq!(change(text).unwrap_err().details()[0].field, field, "{text}");
        }
    }
}
