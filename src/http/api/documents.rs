//! What the server says of itself: the API document, the page that shows it, the front page, and in a demo its files.

use http::Method;

use crate::http::call::Call;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::http::routes::{AnswerDoc, BodyKind, Doc, Route, Who};

/// The rows of these pages.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/",
        who: Who::Open,
        rates: &[],
        body: BodyKind::None,
        handler: |call| Box::pin(async move { Ok(call.app.documents.home.reply(&call.headers)) }),
        doc: Doc {
            summary: "Show what runs here",
            tag: "documents",
            answers: &[AnswerDoc { status: 200, description: "A page; in a demo, the demo.", body: None }],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::GET,
        path: "/docs",
        who: Who::Open,
        rates: &[],
        body: BodyKind::None,
        handler: |call| Box::pin(async move { Ok(call.app.documents.docs.reply(&call.headers)) }),
        doc: Doc {
            summary: "Show the API",
            tag: "documents",
            answers: &[AnswerDoc { status: 200, description: "A page.", body: None }],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/openapi.json",
        who: Who::Open,
        rates: &[],
        body: BodyKind::None,
        handler: |call| Box::pin(async move { Ok(call.app.documents.openapi.reply(&call.headers)) }),
        doc: Doc {
            summary: "Read the API document",
            tag: "documents",
            answers: &[AnswerDoc { status: 200, description: "OpenAPI 3.1.", body: None }],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::GET,
        path: "/demo/{file}",
        who: Who::Open,
        rates: &[],
        body: BodyKind::None,
        handler: |call| Box::pin(async move { demo_file(&call) }),
        doc: Doc {
            summary: "Read a file of the demo's page",
            tag: "documents",
            answers: &[AnswerDoc { status: 200, description: "The file; only in a demo.", body: None }],
            ..Doc::NONE
        },
    },
];

fn demo_file(call: &Call) -> Result<Reply, ApiError> {
    let name = call.params.get("file").unwrap_or_default();
    let file = call.app.documents.demo_file(name).ok_or_else(ApiError::not_found)?;
    Ok(file.reply(&call.headers))
}
