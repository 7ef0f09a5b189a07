//! Visitors: made, renewed, proven.

use std::collections::BTreeMap;

use cluster::ExecuteError;
use domain::{Command, Email, Name, Principal, Rejection, Request, State, WorkspaceId};
use http::{Method, StatusCode, header};
use identity::{Caller, KnownVisitor, VisitorRequest};
use serde::{Deserialize, Serialize};
use store::{ConversationKey, HeadFilter, HeadView};
use utoipa::ToSchema;

use super::attributes::{AttributeJson, GivenAttributes, attributes};
use crate::app::App;
use crate::conversations::people;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::bearer::bearer;
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::json::Rfc3339;
use crate::schema;
use crate::strict_json::{text_unless_blank, text_unless_empty, valid};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/visitors",
            target: Target::Open,
            who: Who::Site { in_query: false },
            rates: &[Rate::Visitors],
            body: BodyKind::OptionalJson,
            doc: Doc {
                summary: "Make a visitor; or, with an old token, renew it; or, with a signed identity, prove who the visitor is, \
                      which ends all tokens that the visitor had before",
                tag: "visitors",
                request: Some(SchemaOf::of::<EnterJson>()),
                answers: &[
                    AnswerDoc {
                        status: 201,
                        description: "A new visitor.",
                        body: Some(SchemaOf::of::<EnteredJson>()),
                    },
                    AnswerDoc {
                        status: 200,
                        description: "A visitor who was known.",
                        body: Some(SchemaOf::of::<EnteredJson>()),
                    },
                ],
                errors: &[
                    ErrorCode::TokenExpired,
                    ErrorCode::TokenRevoked,
                    ErrorCode::InvalidToken,
                    ErrorCode::InvalidSignature,
                ],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(enter(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/visitors/logout",
            target: Target::Open,
            who: Who::VISITOR,
            rates: &[Rate::Changes],
            body: BodyKind::OptionalJson,
            doc: Doc {
                summary: "Log out: all tokens and sockets of the visitor end, on all devices",
                tag: "visitors",
                request: Some(SchemaOf::of::<LogOutJson>()),
                answers: &[AnswerDoc { status: 204, description: "They have ended.", body: None }],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(log_out(call)),
    },
];

/// Nothing is needed.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({}))]
#[serde(deny_unknown_fields)]
pub struct LogOutJson {}

/// What a page says of its visitor.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Bo", "email": "bo@example.org", "attributes": {"plan": "gold"}}))]
#[serde(deny_unknown_fields)]
pub struct EnterJson {
    /// Who the visitor is, signed by the site's owner.
    #[serde(default)]
    identity: Option<IdentityJson>,
    /// Unsigned.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::OptionalName>)]
    name: Option<String>,
    /// Unsigned.
    #[serde(default, deserialize_with = "text_unless_blank")]
    #[schema(value_type = Option<schema::OptionalEmail>)]
    email: Option<String>,
    /// Set over those of before, key by key; null removes one. At most 32 keys, 4 KiB in all.
    #[serde(default)]
    #[schema(value_type = Option<schema::Attributes>)]
    attributes: Option<BTreeMap<String, AttributeJson>>,
}

/// A JWT, signed by HS256, HS384 or HS512 with the site's `identity_secret`. `sub` (a text or a whole number) and `exp` (seconds
/// since 1970) are needed, `name` and `email` may be there; with `iat` it is good for at most 30 days after that. Each proof
/// ends the tokens that the visitor had before: send it when the visitor has none, or when one was refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityJson {
    #[schema(value_type = schema::IdentityToken)]
    token: String,
}

/// A visitor's token.
#[derive(Serialize, ToSchema)]
pub struct EnteredJson {
    #[schema(value_type = schema::VisitorId)]
    visitor_id: String,
    /// For the `Authorization` header; it is shown once.
    #[schema(value_type = schema::Token)]
    token: String,
    /// It can be renewed with itself, until 30 days after.
    #[schema(value_type = schema::Time)]
    expires_at: Rfc3339,
    /// The site's owner signed who the visitor is.
    verified: bool,
}

async fn enter(mut call: Call) -> Result<Reply, ApiError> {
    Query::parse(&call.query)?.finish()?;
    let Caller::Site { workspace, site } = call.caller.clone() else { return Err(ApiError::not_found()) };
    let invalid = || ApiError::new(ErrorCode::InvalidToken, "the old token is not valid here");
    let old_token = match call.headers.get(header::AUTHORIZATION) {
        Some(value) => Some(bearer(value).ok_or_else(invalid)?.to_owned()),
        None => None,
    };
    let EnterJson { identity, name, email, attributes: given } = call.json().await?;
    let GivenAttributes { set, removed } = attributes(given)?;
    let request = VisitorRequest {
        identity: identity.map(|identity| identity.token),
        name: name.as_deref().map(|text| valid("name", Name::parse(text))).transpose()?,
        email: email.as_deref().map(|text| valid("email", Email::parse(text))).transpose()?,
        attributes: set,
        removed,
    };
    let known = call.app.identity.visitor_for(workspace, &site, old_token.as_deref(), &request).await?;
    if request.identity.is_some() && !known.created {
        tell_conversations(&call.app, workspace, &known).await?;
    }
    let may_be_renamed = request.identity.is_some() || request.name.is_some() || request.email.is_some();
    if may_be_renamed && !known.created {
        let App { store, cluster, .. } = &*call.app;
        people::visitor_renamed(store.heads.as_ref(), cluster, workspace, known.visitor.id).await?;
    }
    let status = if known.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::json(
        status,
        &EnteredJson {
            visitor_id: known.visitor.id.to_string(),
            token: known.token,
            expires_at: Rfc3339(known.expires_at),
            verified: known.visitor.verified(),
        },
    ))
}

async fn log_out(mut call: Call) -> Result<Reply, ApiError> {
    Query::parse(&call.query)?.finish()?;
    let LogOutJson {} = call.json().await?;
    let Caller::Visitor { workspace, visitor, .. } = &call.caller else { return Err(ApiError::not_found()) };
    call.app.identity.log_out_visitor(*workspace, visitor.id).await?;
    Ok(Reply::no_content())
}

/// How many conversations are read at once.
const PAGE: usize = 100;

/// A visitor who has proved who they are keeps their open conversations: they are the proven one's from now on. When it fails half way,
/// the client asks again with its old token, and what is left is told then.
async fn tell_conversations(app: &App, workspace: WorkspaceId, known: &KnownVisitor) -> Result<(), ApiError> {
    let visitor = known.visitor.card();
    let (view, filter) = (HeadView::OfVisitor(known.was.unwrap_or(visitor.id)), HeadFilter::default());
    let mut open = Vec::new();
    let mut after = None;
    loop {
        let page = app.store.heads.list(workspace, &view, &filter, after, PAGE).await?;
        after = page.last().map(|row| row.position);
        let is_last = page.len() < PAGE;
        open.extend(
            page.into_iter().filter(|row| row.head.state != State::Ended && row.head.visitor != visitor),
        );
        if is_last {
            break;
        }
    }
    for row in open {
        let key = ConversationKey { workspace, conversation: row.conversation };
        let command = Command::Identify { visitor: visitor.clone() };
        match app.cluster.execute(key, Request { by: Principal::System, client_id: None, command }).await {
            // One that ended meanwhile stays as it is.
            Ok(_) | Err(ExecuteError::Rejected(Rejection::ConversationEnded)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
