//! Sites: where a widget may stand, how it looks, and who answers.

use domain::{Line, Name, Origin, PrechatField, Site, SiteId, Team, TeamId, Theme, Tracking, WorkspaceId};
use identity::fresh_site_key;
use serde::{Deserialize, Serialize};
use store::{HeadFilter, HeadView, Records, Versioned};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use super::super::fields::{Few, Given, Text, given_unless_empty, put, required, some_unless_empty};
use super::super::hours::{self, HoursIn, SpanJson};
use super::super::once::{Making, Secrecy};
use super::super::rows::{self, Resource};
use super::super::versioned::{
    self, StampsJson, changed_reply, found, named_there, no_query, page, remove, versioned_reply,
    workspace_of,
};
use crate::app::App;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::reply::Reply;
use crate::http::table::{Route, SchemaOf, Who};
use crate::json::Rfc3339;
use crate::schema::{self, words};
use crate::strict_json;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    rows::list::<SitePage>(SITES, "List sites", |call| Box::pin(list(call))),
    rows::create::<SiteJson>(
        SITES,
        "Make a site; with an Idempotency-Key once, however often it is repeated",
        SchemaOf::new::<SiteWriteJson>(&["name", "team_id"]).with(signed_or_not),
        |call| Box::pin(create(call)),
    ),
    rows::read::<SiteJson>(SITE, "Read a site", |call| Box::pin(get(call))),
    rows::change::<SiteWriteJson, SiteJson>(
        SITE,
        "Change what is given of a site; null clears",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(patch(call)),
    ),
    rows::remove(
        SITE,
        "Remove a site that has no open conversation; its visitors' tokens end",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(delete(call)),
    ),
];

const SITES: Resource = Resource { path: "/api/v1/admin/sites", who: Who::ADMIN, tag: "admin" };
const SITE: Resource = Resource { path: "/api/v1/admin/sites/{id}", ..SITES };

const ORIGINS_MAX: usize = 100;
const PRECHAT_MAX: usize = 20;

/// The spellings that browsers use, and all subdomains of a domain; others of the same origins are taken too.
fn origin_pattern() -> String {
    const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    let label = "[a-z0-9]{1,20}(-[a-z0-9]{1,20})?";
    let top = "[a-z]{2,20}";
    let host = format!(r"((\*\.)?({label}\.){{1,4}}{top}|{top}|{BYTE}(\.{BYTE}){{3}}|\[::1\])");
    let views = domain::Origin::WEB_VIEWS.join("|");
    format!("^(https?://{host}(:[1-9][0-9]{{0,3}})?|{views})$")
}

/// A site that requires identities needs the secret that signs them.
fn signed_or_not() -> Vec<ObjectBuilder> {
    vec![
        schema::may_have("identity_required", schema::only_false()),
        schema::has("identity_secret", schema::text(*SECRET_BYTES.end())),
    ]
}

words! {
    /// Where a page comes from, as browsers say it.
    SiteOrigin: schema::pattern(&origin_pattern(), 8, 200).examples(["https://shop.example"]);
    /// Where a site's widget may stand.
    Origins: schema::list::<SiteOrigin>(ORIGINS_MAX).unique_items(true);
    /// A colour.
    BrandColor: schema::pattern("^#[0-9A-Fa-f]{6}$", 7, 7);
    /// A colour; as if left out when it is empty.
    GivenColor: schema::or_empty(schema::pattern("^#[0-9A-Fa-f]{6}$", 7, 7));
    /// One line; as if left out when it is empty.
    GivenGreeting: schema::or_empty(<schema::Title as utoipa::PartialSchema>::schema());
    /// Signs visitors' identities; in bytes of UTF-8. As if left out when it is empty.
    GivenSecret: schema::or_empty(schema::text(*SECRET_BYTES.end()).min_length(Some(*SECRET_BYTES.start())));
    /// Where a site's widget may stand, as browsers say it.
    ShownOrigins: schema::list::<ShownOrigin>(ORIGINS_MAX);
    /// An origin, as browsers say it.
    ShownOrigin: schema::text(300);
    /// What is asked before the first message.
    AskedPrechat: schema::list::<PrechatIn>(PRECHAT_MAX).unique_items(true), of PrechatIn;
    /// What is asked before the first message.
    ShownPrechat: schema::list::<PrechatJson>(PRECHAT_MAX), of PrechatJson;
}
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=128;
pub(super) const TAKEN: &str = "another site has this key";

/// A site.
#[derive(Serialize, ToSchema)]
pub struct SiteJson {
    /// Names it.
    #[schema(value_type = schema::SiteId)]
    id: String,
    /// Public: it stands in the page that embeds the widget.
    #[schema(value_type = schema::SiteKey)]
    key: String,
    /// The key before that one, after it was replaced with an overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::SiteKey>)]
    previous_key: Option<String>,
    /// Until when it is taken; in the past: it is no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    previous_key_until: Option<Rfc3339>,
    /// For people.
    #[schema(value_type = schema::Name)]
    name: String,
    /// Where it may stand.
    #[schema(value_type = ShownOrigins)]
    origins: Vec<String>,
    /// The widget's language, a BCP 47 tag.
    #[schema(value_type = schema::LanguageTag)]
    locale: String,
    /// How the widget looks.
    theme: ThemeJson,
    /// The team that answers.
    #[schema(value_type = schema::TeamId)]
    team_id: String,
    /// When somebody is there; null: always.
    #[schema(value_type = Option<hours::Spans>)]
    hours: Option<Vec<SpanJson>>,
    /// Asked before the first message.
    #[schema(value_type = ShownPrechat)]
    prechat: Vec<PrechatJson>,
    /// `off`, `consent` or `always`: whether page views are told.
    #[schema(value_type = schema::Tracking)]
    tracking: Tracking,
    /// Only visitors whose identity is signed are taken.
    identity_required: bool,
    /// There is a secret to sign identities with; it is never shown.
    identity_secret_set: bool,
    #[serde(flatten)]
    stamps: StampsJson,
}

/// How the widget looks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ThemeJson {
    /// `#rrggbb`; null: the widget's own.
    #[schema(value_type = Option<BrandColor>)]
    color: Option<String>,
    /// The first words that a visitor sees; null: the widget's own.
    #[schema(value_type = Option<schema::Title>)]
    greeting: Option<String>,
}

/// A field that is asked before the first message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PrechatJson {
    /// `name`, `email`, or the key of an attribute.
    #[schema(value_type = schema::PrechatKey)]
    field: String,
    /// What the visitor reads.
    #[schema(value_type = schema::Name)]
    label: String,
    /// A visitor cannot start without it.
    required: bool,
}

impl ThemeJson {
    /// As the contract writes it.
    pub fn of(theme: &Theme) -> Self {
        Self {
            color: theme.color.as_ref().map(|color| color.as_str().to_owned()),
            greeting: theme.greeting.as_ref().map(|greeting| greeting.as_str().to_owned()),
        }
    }
}

impl PrechatJson {
    /// As the contract writes it.
    pub fn of(asked: &PrechatField) -> Self {
        Self {
            field: asked.field.as_str().to_owned(),
            label: asked.label.as_str().to_owned(),
            required: asked.required,
        }
    }
}

impl SiteJson {
    /// As the contract writes it.
    pub(crate) fn of(record: &Versioned<Site>) -> Self {
        let site = &record.document;
        let previous = site.previous_key.as_ref();
        Self {
            id: site.id.to_string(),
            key: site.key.as_str().to_owned(),
            previous_key: previous.map(|previous| previous.key.as_str().to_owned()),
            previous_key_until: previous.map(|previous| Rfc3339(previous.until)),
            name: site.name.as_str().to_owned(),
            origins: site.origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
            locale: site.locale.as_str().to_owned(),
            theme: ThemeJson::of(&site.theme),
            team_id: site.team.to_string(),
            hours: hours::shown(site.hours.as_ref()),
            prechat: site.prechat.iter().map(PrechatJson::of).collect(),
            tracking: site.tracking,
            identity_required: site.identity_required,
            identity_secret_set: site.identity_secret.is_some(),
            stamps: StampsJson::of(record),
        }
    }
}

/// A page of sites.
#[derive(Serialize, ToSchema)]
pub struct SitePage {
    data: Vec<SiteJson>,
    /// To go on; null at the end.
    #[schema(value_type = Option<schema::Cursor>)]
    next_cursor: Option<String>,
}

/// What is given of a site. A new one needs `name` and `team_id`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Shop", "team_id": "team_018f0c2e6b7d7a4c9d3e5f60718293a4", "origins": ["https://shop.example"]}))]
#[serde(deny_unknown_fields)]
pub struct SiteWriteJson {
    /// For people, at most 200 characters.
    #[serde(default)]
    #[schema(value_type = schema::Name)]
    name: Given<Text<Name>>,
    /// Where it may stand: at most 100 origins, none at first. `https://*.example.org` is any subdomain; the web views
    /// `capacitor://localhost`, `ionic://localhost` and `tauri://localhost` may be listed.
    #[serde(default)]
    #[schema(value_type = Origins)]
    origins: Given<Few<Text<Origin>, ORIGINS_MAX>>,
    /// A BCP 47 tag; `en` at first.
    #[serde(default, deserialize_with = "given_unless_empty")]
    #[schema(value_type = schema::OptionalLanguageTag)]
    locale: Given<Text<super::LanguageTag>>,
    /// How the widget looks, as a whole.
    #[serde(default)]
    #[schema(value_type = Option<ThemeIn>)]
    theme: Given<ThemeIn>,
    /// The team that answers; of this workspace.
    #[serde(default)]
    #[schema(value_type = schema::TeamId)]
    team_id: Given<Text<TeamId>>,
    /// When somebody is there; null: always.
    #[serde(default)]
    #[schema(value_type = Option<hours::Spans>)]
    hours: Given<HoursIn>,
    /// Asked before the first message: at most 20 fields.
    #[serde(default)]
    #[schema(value_type = AskedPrechat)]
    prechat: Given<Few<PrechatIn, PRECHAT_MAX>>,
    /// `off`, `consent` (at first) or `always`.
    #[serde(default)]
    #[schema(value_type = schema::Tracking)]
    tracking: Given<Tracking>,
    /// 32 to 128 bytes; null: nobody can sign.
    #[serde(default, deserialize_with = "given_unless_empty")]
    #[schema(value_type = Option<GivenSecret>)]
    identity_secret: Given<String>,
    /// Needs an `identity_secret`.
    #[serde(default)]
    #[schema(value_type = bool)]
    identity_required: Given<bool>,
}

/// How the widget looks.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewTheme)]
#[serde(deny_unknown_fields)]
struct ThemeIn {
    #[serde(default, deserialize_with = "some_unless_empty")]
    #[schema(value_type = Option<GivenColor>)]
    color: Option<Text<Color>>,
    #[serde(default, deserialize_with = "some_unless_empty")]
    #[schema(value_type = Option<GivenGreeting>)]
    greeting: Option<Text<Line<300>>>,
}

/// What is asked before the first message.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[schema(as = NewPrechat)]
#[serde(deny_unknown_fields)]
struct PrechatIn {
    #[schema(value_type = schema::PrechatKey)]
    field: Text<Line<64>>,
    #[schema(value_type = schema::Name)]
    label: Text<Line<200>>,
    #[serde(default)]
    required: bool,
}

/// `#rrggbb`.
#[derive(Clone)]
struct Color(Line<7>);

impl super::super::fields::FromText for Color {
    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let plain = digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let line = Line::parse(text).ok().filter(|_| plain);
        line.map(Self).ok_or_else(|| "must be a colour such as #1a2b3c".to_owned())
    }
}

/// What was given, by the rules of its fields.
#[derive(Debug, Default)]
struct Change {
    name: Option<Name>,
    origins: Option<Vec<Origin>>,
    locale: Option<Line<35>>,
    theme: Option<Theme>,
    team: Option<TeamId>,
    hours: Option<Option<domain::Hours>>,
    prechat: Option<Vec<PrechatField>>,
    tracking: Option<Tracking>,
    identity_secret: Option<Option<Box<str>>>,
    identity_required: Option<bool>,
}

impl Change {
    fn parse(body: SiteWriteJson) -> Result<Self, ApiError> {
        let theme = |given: ThemeIn| Theme {
            color: given.color.map(|Text(Color(color))| color),
            greeting: given.greeting.map(|Text(greeting)| greeting),
        };
        let asked = |given: PrechatIn| PrechatField {
            field: given.field.0,
            label: given.label.0,
            required: given.required,
        };
        let secret = match body.identity_secret.optional() {
            Some(Some(secret)) if !SECRET_BYTES.contains(&secret.len()) => {
                return Err(ApiError::invalid_field("identity_secret", "must be 32 to 128 bytes"));
            }
            Some(secret) => Some(secret.map(String::into_boxed_str)),
            None => None,
        };
        Ok(Self {
            name: body.name.value("name")?.map(|Text(name)| name),
            origins: body.origins.value("origins")?.map(Few::texts),
            locale: body.locale.value("locale")?.map(|Text(tag)| tag.0),
            theme: body.theme.optional().map(|given| given.map(theme).unwrap_or_default()),
            team: body.team_id.value("team_id")?.map(|Text(team)| team),
            hours: body.hours.optional().map(|given| given.map(hours::parsed)),
            prechat: body
                .prechat
                .value("prechat")?
                .map(|Few(fields)| fields.into_iter().map(asked).collect()),
            tracking: body.tracking.value("tracking")?,
            identity_secret: secret,
            identity_required: body.identity_required.value("identity_required")?,
        })
    }

    /// What it names must be there.
    async fn check(&self, records: &dyn Records, workspace: WorkspaceId) -> Result<(), ApiError> {
        let Some(team) = self.team else { return Ok(()) };
        let rule = "must be a team of this workspace";
        named_there::<Team>(records, workspace, &team.to_string(), "team_id", rule).await
    }

    fn new_site(&self, id: SiteId) -> Result<Site, ApiError> {
        let (name, team) = (required(self.name.clone(), "name")?, required(self.team, "team_id")?);
        let mut site = Site::new(id, fresh_site_key(), name, team);
        self.apply(&mut site)?;
        Ok(site)
    }

    fn apply(&self, site: &mut Site) -> Result<(), ApiError> {
        put(&self.name, &mut site.name);
        put(&self.origins, &mut site.origins);
        put(&self.locale, &mut site.locale);
        put(&self.theme, &mut site.theme);
        put(&self.team, &mut site.team);
        put(&self.hours, &mut site.hours);
        put(&self.prechat, &mut site.prechat);
        put(&self.tracking, &mut site.tracking);
        put(&self.identity_secret, &mut site.identity_secret);
        put(&self.identity_required, &mut site.identity_required);
        if site.identity_required && site.identity_secret.is_none() {
            return Err(ApiError::invalid_field("identity_required", "needs an identity_secret"));
        }
        Ok(())
    }
}

/// A new site as a request gives it, by the rules of its fields. Used by the admin API and by the command line.
#[derive(Debug)]
pub(crate) struct Draft(Change);

impl Draft {
    /// Reads a body of `POST /admin/sites`, or says what the API answers to it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        Ok(Self(Change::parse(strict_json::parse(body)?)?))
    }

    /// The site under this id, if the team that it names is there.
    pub(crate) async fn site(
        &self,
        records: &dyn Records,
        workspace: WorkspaceId,
        id: SiteId,
    ) -> Result<Site, ApiError> {
        let site = self.0.new_site(id)?;
        self.0.check(records, workspace).await?;
        Ok(site)
    }
}

async fn list(call: Call) -> Result<Reply, ApiError> {
    let workspace = workspace_of(&call)?;
    let (rows, next_cursor) = page::<Site>(&call, workspace, "sites").await?;
    Ok(Reply::ok(&SitePage { data: rows.iter().map(SiteJson::of).collect(), next_cursor }))
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
    let draft = Draft::parse(&body)?.site(app.store.records.as_ref(), workspace, app.fresh_id()).await?;
    let site = Site { id: making.keep(app, draft.id).await?, ..draft };
    let made = versioned::insert(app, workspace, site, TAKEN).await?;
    changed(app, workspace, &made.document).await;
    making.answer(app, made.version, &SiteJson::of(&made)).await
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let site = asked(&call).await?;
    no_query(&call)?;
    Ok(versioned_reply(&call, site.version, &SiteJson::of(&site)))
}

async fn patch(mut call: Call) -> Result<Reply, ApiError> {
    let site = asked(&call).await?;
    no_query(&call)?;
    let change = Change::parse(call.json().await?)?;
    change.check(call.app.store.records.as_ref(), site.workspace).await?;
    let site = versioned::update(&call, site, false, TAKEN, |site| change.apply(site)).await?;
    changed(&call.app, site.workspace, &site.document).await;
    Ok(changed_reply(site.version, &SiteJson::of(&site)))
}

async fn delete(call: Call) -> Result<Reply, ApiError> {
    let site = asked(&call).await?;
    no_query(&call)?;
    ETag::of_version(site.version).check_if_match(&call.headers)?;
    if has_open_conversation(&call.app, site.workspace, site.document.id).await? {
        return Err(ApiError::new(ErrorCode::Conflict, "the site has conversations that are not ended"));
    }
    remove(&call.app, &call.headers, &site).await?;
    changed(&call.app, site.workspace, &site.document).await;
    Ok(Reply::no_content())
}

/// The site in the path.
async fn asked(call: &Call) -> Result<Versioned<Site>, ApiError> {
    let id: SiteId = call.id("id")?;
    found(&call.app, workspace_of(call)?, &id.to_string()).await
}

/// To be called after a site was made, changed or removed, with the site as it was before the change.
pub(super) async fn changed(app: &App, workspace: WorkspaceId, before: &Site) {
    app.identity.site_changed(workspace, before);
    app.origins.changed().await;
}

async fn has_open_conversation(app: &App, workspace: WorkspaceId, site: SiteId) -> Result<bool, ApiError> {
    const PAGE: usize = 200;
    let (view, filter) = (HeadView::Open(None), HeadFilter::default());
    let mut after = None;
    loop {
        let rows = app.store.heads.list(workspace, &view, &filter, after, PAGE).await?;
        if rows.iter().any(|row| row.head.site == site) {
            return Ok(true);
        }
        if rows.len() < PAGE {
            return Ok(false);
        }
        after = rows.last().map(|row| row.position);
    }
}

#[cfg(test)]
mod tests;
