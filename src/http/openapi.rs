//! The API document (OpenAPI 3.1), made of the route table and the schemas of the public types: what is not in the
//! table is not in the document, and the other way round. The same table gives the same bytes.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    PathItem, Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder, SecurityRequirement,
};

use crate::config::Config;
use crate::http::error::ErrorCode;
use crate::http::paths::Paths;
use crate::http::routes::{self, BodyKind, QueryDoc, Route, SchemaOf, Who};

const JSON: &str = "application/json";
const ERROR: &str = "Error";
const BEARER: &str = "bearer";
const SITE_KEY: &str = "site_key";
const SITE_IN_QUERY: &str = "site_in_query";

/// The document of what a server with this config serves, as it is served and printed.
pub fn text(config: &Config) -> String {
    let rows = Paths::new(routes::served(config)).rows();
    document(rows).to_pretty_json().expect("a document has text keys")
}

/// The document of these rows.
pub(crate) fn document<'a>(rows: impl IntoIterator<Item = &'a Route>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut tags: BTreeMap<&str, ()> = BTreeMap::new();
    schemas.insert(ERROR.to_owned(), error_schema());
    for row in rows {
        let item = PathItem::new(method(&row.method), operation(row));
        paths = paths.path(row.path, item);
        tags.insert(row.doc.tag, ());
        let bodies = row.doc.answers.iter().filter_map(|answer| answer.body);
        for schema in row.doc.request.into_iter().chain(bodies) {
            collect(&schema, &mut schemas);
        }
    }
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema))
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
fn collect(schema: &SchemaOf, schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut inner = Vec::new();
    (schema.collect)(&mut inner);
    schemas.extend(inner);
    schemas.insert((schema.name)().into_owned(), (schema.schema)());
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

fn operation(row: &Route) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .summary(Some(row.doc.summary))
        .tag(row.doc.tag)
        .operation_id(Some(operation_id(row)))
        .request_body(request_body(row))
        .responses(responses(row));
    let in_path = row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for parameter in in_path.map(path_parameter).chain(row.doc.query.iter().map(query_parameter)) {
        operation = operation.parameter(parameter);
    }
    match row.who {
        Who::Open | Who::LogIn | Who::Socket => operation,
        Who::Site { in_query: false } => operation.security(requirement(SITE_KEY)),
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
fn operation_id(row: &Route) -> String {
    let path = row.path.strip_prefix("/api/v1").unwrap_or(row.path);
    let words =
        path.split(['/', '-', '.']).map(|part| part.trim_matches(['{', '}'])).filter(|part| !part.is_empty());
    let method = row.method.as_str().to_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn path_parameter(name: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn query_parameter(query: &QueryDoc) -> Parameter {
    ParameterBuilder::new()
        .name(query.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(query.description))
        .schema(Some((query.schema)()))
        .build()
}

fn request_body(row: &Route) -> Option<RequestBody> {
    let (media_type, schema) = match (row.body, row.doc.request) {
        (BodyKind::None, _) | (BodyKind::Json | BodyKind::OptionalJson, None) => return None,
        (BodyKind::Json | BodyKind::OptionalJson, Some(schema)) => (JSON, reference(&(schema.name)())),
        (BodyKind::Multipart, _) => ("multipart/form-data", ObjectBuilder::new().into()),
    };
    let required = if row.body.is_required() { Required::True } else { Required::False };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    Some(RequestBodyBuilder::new().required(Some(required)).content(media_type, content).build())
}

fn reference(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn responses(row: &Route) -> ResponsesBuilder {
    let mut responses = ResponsesBuilder::new();
    for answer in row.doc.answers {
        let mut response = ResponseBuilder::new().description(answer.description);
        if let Some(body) = answer.body {
            response =
                response.content(JSON, ContentBuilder::new().schema(Some(reference(&(body.name)()))).build());
        }
        responses = responses.response(answer.status.to_string(), response.build());
    }
    for (status, codes) in errors(row) {
        let description =
            codes.iter().map(|code| format!("`{}`", code.as_str())).collect::<Vec<_>>().join(", ");
        let content = ContentBuilder::new().schema(Some(reference(ERROR))).build();
        let response = ResponseBuilder::new().description(description).content(JSON, content);
        responses = responses.response(status.to_string(), response.build());
    }
    responses
}

/// The codes that a route may answer with, by status: its own, and those that follow from its row.
pub fn errors(row: &Route) -> BTreeMap<u16, Vec<ErrorCode>> {
    use ErrorCode as E;
    let mut codes =
        vec![E::InvalidHeader, E::UriTooLong, E::HeadersTooLarge, E::PayloadTooLarge, E::Internal];
    match row.who {
        Who::Open => {}
        Who::LogIn | Who::Socket => codes.push(E::OriginNotAllowed),
        Who::Site { .. } => {
            codes.extend([E::Unauthenticated, E::InvalidToken, E::OriginNotAllowed, E::Unavailable]);
        }
        Who::BearerOrLink => codes.extend([
            E::InvalidToken,
            E::TokenExpired,
            E::TokenRevoked,
            E::InvalidSignature,
            E::OriginNotAllowed,
            E::Unavailable,
        ]),
        Who::Bearer { .. } => codes.extend([
            E::Unauthenticated,
            E::InvalidToken,
            E::TokenExpired,
            E::TokenRevoked,
            E::Forbidden,
            E::OriginNotAllowed,
            E::Unavailable,
        ]),
    }
    if !row.rates.is_empty() {
        codes.push(E::RateLimited);
    }
    if row.path.contains('{') {
        codes.push(E::NotFound);
    }
    if !row.doc.query.is_empty() {
        codes.push(E::ValidationFailed);
    }
    match row.body {
        BodyKind::None => {}
        BodyKind::Json | BodyKind::OptionalJson | BodyKind::Multipart => {
            codes.extend([
                E::InvalidRequest,
                E::RequestTimeout,
                E::UnsupportedMediaType,
                E::ValidationFailed,
            ]);
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
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let codes = ErrorCode::ALL.iter().map(|code| json!(code.as_str()));
    let detail = ObjectBuilder::new()
        .property(
            "field",
            text().description(Some("The field's path, or the parameter; empty: the body itself.")),
        )
        .property("rule", text().description(Some("What it must be, for people.")))
        .required("field")
        .required("rule");
    let error = ObjectBuilder::new()
        .property("code", text().enum_values(Some(codes)).description(Some("New codes may be added.")))
        .property("message", text().description(Some("For people; may change.")))
        .property("details", ArrayBuilder::new().items(detail))
        .property("request_id", text())
        .property(
            "retry_after_ms",
            ObjectBuilder::new().schema_type(Type::Integer).description(Some("When to try again.")),
        )
        .required("code")
        .required("message")
        .required("request_id");
    ObjectBuilder::new().property("error", error).required("error").into()
}
