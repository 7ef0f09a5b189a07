//! Search in what was said. On CQL servers there is no index of words, and the answer says so instead of that the route
//! is not known.

use http::Method;

use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{BodyKind, Doc, QueryDoc, Rate, Route, Row, Target, Who};
use crate::schema;

/// How long a client should wait before it asks again, in milliseconds: nothing changes soon.
const ASK_AGAIN_MS: u64 = 3_600_000;

/// The row where the store has no index of words.
pub const UNAVAILABLE: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/search",
        target: Target::Open,
        who: Who::AGENT,
        rates: &[Rate::Reads],
        body: BodyKind::None,
        doc: Doc {
            summary: "Search in conversations (not on this store)",
            tag: "agents",
            query: &[
                QueryDoc::of::<schema::Words>("q", "Words."),
                QueryDoc::of::<schema::Cursor>("cursor", "Where a page before ended."),
            ],
            errors: &[ErrorCode::Unavailable],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(unavailable(call)),
}];

async fn unavailable(_call: Call) -> Result<Reply, ApiError> {
    let error = ApiError::new(ErrorCode::Unavailable, "search is not available on the CQL store");
    Err(error.retry_after_ms(ASK_AGAIN_MS))
}
