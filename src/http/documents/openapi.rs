//! The API document (OpenAPI 3.1), made of the route table and the schemas of the public types: what is not in the
//! table is not in the document, and the other way round. The same table gives the same bytes.

use std::collections::BTreeMap;

use http::Method;
use utoipa::PartialSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi,
    OpenApiBuilder, PathItem, Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder, SecurityRequirement,
};

use crate::config::{Config, Limits};
use crate::errors::ErrorCode;
use crate::http::engine::query::PAGE_DEFAULT;
use crate::http::table::paths::Paths;
use crate::http::table::{self, BodyKind, HeaderDoc, JSON, QueryDoc, Row, SchemaOf, Who};
use crate::schema;

const ERROR: &str = "Error";
const BEARER: &str = "bearer";
const SITE_KEY: &str = "site_key";
const SITE_IN_QUERY: &str = "site_in_query";
/// No error says more than this, in characters and in details: what a client sent stands in it at most once.
const TOLD_MAX: usize = 300_000;
const DETAILS_MAX: usize = 100;

/// The document of what a server with this config serves, as it is served and printed.
pub fn text(config: &Config) -> String {
    let rows = Paths::new(table::served(config)).rows();
    document(rows, &config.limits).to_pretty_json().expect("a document has text keys")
}

/// The document of these rows, with the bounds that these limits make.
pub(crate) fn document<'a>(rows: impl IntoIterator<Item = &'a Row>, limits: &Limits) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut tags: BTreeMap<&str, ()> = BTreeMap::new();
    schemas.insert(ERROR.to_owned(), error_schema());
    for row in rows {
        let item = PathItem::new(method(&row.method), operation(row, limits));
        paths = paths.path(row.path, item);
        tags.insert(row.doc.tag, ());
        let bodies = row.doc.answers.iter().filter_map(|answer| answer.body);
        for body in row.doc.request.into_iter().chain(bodies).filter(|body| body.has_schema()) {
            collect(&body, &mut schemas);
        }
    }
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| {
            let schema = bounded(&name, schema, limits);
            components.schema(name, schema)
        })
        .security_scheme(
            BEARER,
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        )
        .security_scheme(SITE_KEY, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Site-Key"))))
        .security_scheme(SITE_IN_QUERY, SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("site"))));
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Switchboard")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Live chat: visitors ask, agents answer. Times are RFC 3339 in UTC; ids are opaque.",
        ))
        .license(Some(license));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags.into_keys().map(|tag| TagBuilder::new().name(tag).build())))
        .build()
}

/// A type and those in it, each once.
fn collect(body: &SchemaOf, schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut inner = Vec::new();
    (body.collect)(&mut inner);
    schemas.extend(inner);
    schemas.insert(name(body), with_rules(body));
}

/// What is made may need more than what is changed, and so has a name of its own.
fn name(body: &SchemaOf) -> String {
    let name = (body.name)().into_owned();
    if body.needs.is_empty() { name } else { format!("New{name}") }
}

fn with_rules(body: &SchemaOf) -> RefOr<Schema> {
    let schema = schema::with_required((body.schema)(), body.needs);
    let rules = (body.rules)();
    if rules.is_empty() { schema } else { schema::with_any(schema, rules) }
}

/// The schema with the bounds that an installation sets itself: how long a text is, and how long a page.
fn bounded(name: &str, schema: RefOr<Schema>, limits: &Limits) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    if ["Text", "OptionalText"].contains(&name) {
        object.max_length = Some(limits.text_bytes_max);
    }
    let is_page = ["next_cursor", "has_more"].into_iter().any(|field| object.properties.contains_key(field));
    if let Some(RefOr::T(Schema::Array(data))) = object.properties.get_mut("data").filter(|_| is_page) {
        data.max_items = Some(limits.page_max);
    }
    RefOr::T(Schema::Object(object))
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(row: &Row, limits: &Limits) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .summary(Some(row.doc.summary))
        .tag(row.doc.tag)
        .operation_id(Some(operation_id(row)))
        .request_body(request_body(row))
        .responses(responses(row));
    let in_query = row.doc.query.iter().map(|query| query_parameter(query, limits));
    let in_head = row.doc.headers.iter().map(|header| header_parameter(*header));
    for parameter in path_parameters(row.path).chain(in_query).chain(in_head) {
        operation = operation.parameter(parameter);
    }
    match row.who {
        Who::Open | Who::LogIn | Who::Socket => operation,
        // With the visitor's own token it is renewed.
        Who::Site { in_query: false } => {
            operation.security(requirement(SITE_KEY)).security(requirement(SITE_KEY).add(BEARER, [""; 0]))
        }
        Who::Site { in_query: true } => {
            operation.security(requirement(SITE_KEY)).security(requirement(SITE_IN_QUERY))
        }
        Who::Bearer { .. } => operation.security(requirement(BEARER)),
        Who::BearerOrLink => operation.security(requirement(BEARER)).security(SecurityRequirement::default()),
    }
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

/// `post_chat_conversations_id_messages`: unique, since method and path are.
fn operation_id(row: &Row) -> String {
    let path = row.path.strip_prefix("/api/v1").unwrap_or(row.path);
    let words =
        path.split(['/', '-', '.']).map(|part| part.trim_matches(['{', '}'])).filter(|part| !part.is_empty());
    let method = row.method.as_str().to_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

/// What stands in braces, with what it names: what comes before it in the path says that.
fn path_parameters(path: &str) -> impl Iterator<Item = Parameter> {
    let parts = path.split('/');
    parts.clone().zip(parts.skip(1)).filter_map(|(before, part)| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let schema = match before {
            "conversations" => schema::ConversationId::schema(),
            "messages" => schema::MessageId::schema(),
            "files" => schema::FileId::schema(),
            "canned-responses" => schema::CannedId::schema(),
            "visitors" => schema::VisitorId::schema(),
            "workspaces" => schema::WorkspaceId::schema(),
            "sites" => schema::SiteId::schema(),
            "teams" => schema::TeamId::schema(),
            "agents" => schema::AgentId::schema(),
            _ => schema::text(FILE_NAME_MAX).min_length(Some(1)).into(),
        };
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
        Some(parameter.required(Required::True).schema(Some(schema)).build())
    })
}

/// A file of the demo has no longer name.
const FILE_NAME_MAX: usize = 64;

fn query_parameter(query: &QueryDoc, limits: &Limits) -> Parameter {
    let schema = match (query.schema)() {
        RefOr::T(Schema::Object(mut object)) if query.name == "limit" => {
            object.maximum = Some(limits.page_max.into());
            object.default = Some(PAGE_DEFAULT.min(limits.page_max as u64).into());
            RefOr::T(Schema::Object(object))
        }
        schema => schema,
    };
    ParameterBuilder::new()
        .name(query.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(query.description))
        .schema(Some(schema))
        .build()
}

/// A header that is obeyed is of a form; one that is only compared may be anything.
fn header_parameter(header: HeaderDoc) -> Parameter {
    let anything = || ObjectBuilder::new().schema_type(Type::String);
    let (name, description, schema) = match header {
        HeaderDoc::IdempotencyKey => (
            "Idempotency-Key",
            "The client's own name for the request: within 24 hours it is done once, however often it is sent.",
            schema::pattern("^[!-~]+$", 1, 255),
        ),
        HeaderDoc::IfMatch => ("If-Match", "Only when its ETag is this one, or one of a list.", anything()),
        HeaderDoc::IfNoneMatch => {
            ("If-None-Match", "304 when its ETag is this one, or one of a list.", anything())
        }
        HeaderDoc::Range => ("Range", "One range of bytes, such as `bytes=0-99`.", anything()),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn request_body(row: &Row) -> Option<RequestBody> {
    let media = match row.body {
        BodyKind::None => return None,
        BodyKind::Json | BodyKind::OptionalJson => JSON,
        BodyKind::Multipart => "multipart/form-data",
    };
    let schema = reference(&name(&row.doc.request?));
    let required = if row.body.is_required() { Required::True } else { Required::False };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    Some(RequestBodyBuilder::new().required(Some(required)).content(media, content).build())
}

fn reference(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn responses(row: &Row) -> ResponsesBuilder {
    let mut responses = ResponsesBuilder::new();
    let has_etag = row.doc.headers.contains(&HeaderDoc::IfNoneMatch);
    for answer in row.doc.answers {
        let mut response = named(ResponseBuilder::new().description(answer.description));
        if let Some(body) = answer.body {
            let schema = body.has_schema().then(|| reference(&name(&body)));
            response = response.content(body.media, ContentBuilder::new().schema(schema).build());
        }
        if has_etag {
            response = response.header("ETag", header("Its version.", schema::text(128)));
        }
        responses = responses.response(answer.status.to_string(), rated(row, response).build());
    }
    if has_etag {
        let unchanged = named(ResponseBuilder::new().description("It is as the client has it."));
        let unchanged = unchanged.header("ETag", header("Its version.", schema::text(128)));
        responses = responses.response("304", unchanged.build());
    }
    for (status, codes) in errors(row) {
        let description =
            codes.iter().map(|code| format!("`{}`", code.as_str())).collect::<Vec<_>>().join(", ");
        let content = ContentBuilder::new().schema(Some(reference(ERROR))).build();
        let mut response = named(ResponseBuilder::new().description(description)).content(JSON, content);
        if status == 401 {
            response = response.header("WWW-Authenticate", header("`Bearer`.", schema::one_of(&["Bearer"])));
        }
        if [429, 503].contains(&status) {
            let seconds = schema::whole(0, u32::MAX.into());
            response =
                response.header("Retry-After", header("Seconds until it may be tried again.", seconds));
        }
        responses = responses.response(status.to_string(), response.build());
    }
    responses
}

/// Every answer names its request.
fn named(response: ResponseBuilder) -> ResponseBuilder {
    response.header("X-Request-Id", header("Names the request, here and in the log.", request_id()))
}

/// With how often it may be asked, where that is bounded.
fn rated(row: &Row, response: ResponseBuilder) -> ResponseBuilder {
    if row.rates.is_empty() {
        return response;
    }
    let text = || schema::text(256);
    response
        .header("RateLimit-Policy", header("How often it may be asked.", text()))
        .header("RateLimit", header("What is left of that.", text()))
}

fn header(description: &str, schema: ObjectBuilder) -> Header {
    HeaderBuilder::new().description(Some(description)).schema(Some(schema)).build()
}

fn request_id() -> ObjectBuilder {
    schema::pattern("^[A-Za-z0-9._-]+$", 1, 64)
}

/// The codes that a route may answer with, by status: its own, and those that follow from its row.
pub fn errors(row: &Row) -> BTreeMap<u16, Vec<ErrorCode>> {
    use ErrorCode as E;
    let mut codes = vec![
        E::InvalidHeader,
        E::UriTooLong,
        E::HeadersTooLarge,
        E::PayloadTooLarge,
        E::ValidationFailed,
        E::Internal,
        E::Unavailable,
    ];
    if row.method != Method::GET {
        codes.extend([E::Overloaded, E::StorageFull]);
    }
    match row.who {
        Who::Open => {}
        Who::LogIn | Who::Socket => codes.push(E::OriginNotAllowed),
        Who::Site { .. } => {
            codes.extend([E::Unauthenticated, E::InvalidToken, E::OriginNotAllowed]);
        }
        Who::BearerOrLink => codes.extend([
            E::Unauthenticated,
            E::InvalidToken,
            E::TokenExpired,
            E::TokenRevoked,
            E::InvalidSignature,
            E::OriginNotAllowed,
        ]),
        Who::Bearer { .. } => codes.extend([
            E::Unauthenticated,
            E::InvalidToken,
            E::TokenExpired,
            E::TokenRevoked,
            E::Forbidden,
            E::OriginNotAllowed,
        ]),
    }
    if !row.rates.is_empty() {
        codes.push(E::RateLimited);
    }
    if row.path.contains('{') {
        codes.push(E::NotFound);
    }
    match row.body {
        BodyKind::None => {}
        BodyKind::Json | BodyKind::OptionalJson | BodyKind::Multipart => {
            codes.extend([E::InvalidRequest, E::RequestTimeout, E::UnsupportedMediaType]);
        }
    }
    match row.body {
        BodyKind::None | BodyKind::Multipart => {}
        BodyKind::Json | BodyKind::OptionalJson => codes.extend([E::InvalidJson, E::Overloaded]),
    }
    if row.body.is_required() {
        codes.push(E::LengthRequired);
    }
    codes.extend(row.doc.errors);
    codes.sort_unstable();
    codes.dedup();
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_u16()).or_default().push(code);
    }
    by_status
}

/// The body of every answer that is not a success.
fn error_schema() -> RefOr<Schema> {
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let detail = ObjectBuilder::new()
        .property(
            "field",
            schema::text(TOLD_MAX)
                .description(Some("The field's path, or the parameter; empty: the body itself.")),
        )
        .property("rule", schema::text(TOLD_MAX).description(Some("What it must be, for people.")))
        .required("field")
        .required("rule");
    let reason = schema::text(TOLD_MAX)
        .description(Some("Which of the code's causes it was, such as agent_gone; more may be added."));
    let details = OneOfBuilder::new()
        .item(ArrayBuilder::new().items(detail).max_items(Some(DETAILS_MAX)))
        .item(ObjectBuilder::new().property("reason", reason).required("reason"));
    let error = ObjectBuilder::new()
        .property("code", schema::one_of(&codes).description(Some("New codes may be added.")))
        .property("message", schema::text(TOLD_MAX).description(Some("For people; may change.")))
        .property("details", details)
        .property("request_id", request_id())
        .property(
            "retry_after_ms",
            schema::whole(0, schema::WHOLE_MAX).description(Some("When to try again.")),
        )
        .required("code")
        .required("message")
        .required("request_id");
    ObjectBuilder::new().property("error", error).required("error").into()
}

#[cfg(test)]
mod tests;
