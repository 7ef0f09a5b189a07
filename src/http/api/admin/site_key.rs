//! A site's public key, replaced: by one that nobody has, while the old one is taken for a while yet, so that pages can
//! be changed one by one.

use domain::{Site, SiteId};
use http::Method;
use identity::{fresh_seed, site_key_of};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::fields::{Given, Whole};
use super::super::once::{Making, Secrecy};
use super::super::versioned::{self, found, no_query, workspace_of};
use super::sites::{SiteJson, TAKEN, changed};
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, HeaderDoc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema::{self, words};
use crate::strict_json;

/// The row of this verb.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::POST,
        path: "/api/v1/admin/sites/{id}/rotate-key",
        target: Target::Open,
        who: Who::ADMIN,
        rates: &[Rate::Changes],
        body: BodyKind::OptionalJson,
        doc: Doc {
            summary: "Replace a site's key; with an Idempotency-Key once, however often it is repeated",
            tag: "admin",
            headers: &[HeaderDoc::IdempotencyKey, HeaderDoc::IfMatch],
            request: Some(SchemaOf::of::<RotateKeyJson>()),
            answers: &[AnswerDoc {
                status: 200,
                description: "The site with its new key, and the old one while that is taken.",
                body: Some(SchemaOf::of::<SiteJson>()),
            }],
            errors: &[ErrorCode::Conflict, ErrorCode::IdempotencyConflict, ErrorCode::PreconditionFailed],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(rotate(call)),
}];

/// A week: pages that have not been changed by then are nobody's.
const OVERLAP_S_MAX: u32 = 7 * 24 * 60 * 60;

words! {
    /// For how many seconds the old key is taken beside the new one.
    OverlapS: schema::whole(0, OVERLAP_S_MAX.into());
}

/// For how long the old key is taken beside the new one.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"overlap_s": 3600}))]
#[serde(deny_unknown_fields)]
pub struct RotateKeyJson {
    /// 0 to 604800 seconds; 0 when it is left out: the old key ends at once. A key that was replaced before and is
    /// still taken ends at once in any case.
    #[serde(default)]
    #[schema(value_type = OverlapS)]
    overlap_s: Given<Whole<0, OVERLAP_S_MAX>>,
}

async fn rotate(mut call: Call) -> Result<Reply, ApiError> {
    let id: SiteId = call.id("id")?;
    let site = found::<Site>(&call.app, workspace_of(&call)?, &id.to_string()).await?;
    no_query(&call)?;
    let body = call.body_bytes().await?;
    let mut making = Making::begin(&call, &body, Secrecy::Open).await?;
    if let Some(reply) = making.repeated() {
        return Ok(reply);
    }
    let RotateKeyJson { overlap_s } = strict_json::parse(&body)?;
    let Whole(overlap_s) = overlap_s.value("overlap_s")?.unwrap_or(Whole(0));

    let key = site_key_of(making.keep_seed(&call.app, fresh_seed()).await?);
    let before = site.document.clone();
    let now = call.app.clock.now();
    let until = now.plus_ms(u64::from(overlap_s) * 1000);
    let rotate = |site: &mut Site| {
        // A repeat of the request may have given it this key already.
        if !site.keys().any(|known| *known == key) {
            site.rotate_key(key.clone(), until, now);
        }
        Ok(())
    };
    let site = versioned::update(&call, site, false, TAKEN, rotate).await?;
    changed(&call.app, site.workspace, &before).await;
    making.answer_changed(&call.app, site.version, &SiteJson::of(&site)).await
}
