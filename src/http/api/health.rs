//! What machines ask to know whether the server lives, wants traffic, and how it does.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Route, Row, SchemaOf, Target, Who};
use crate::metrics;
use crate::schema;

/// How long the store may take to answer the question whether it is there.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// Until a full disk is asked again, in milliseconds: a person must make room.
const FULL_RETRY_MS: u64 = 10_000;

/// The rows that every listener has.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::GET,
            path: "/healthz",
            target: Target::Open,
            who: Who::Open,
            rates: &[],
            body: BodyKind::None,
            doc: Doc {
                summary: "Say that the process lives",
                tag: "operation",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "It does.",
                    body: Some(SchemaOf::of::<Health>()),
                }],
                ..Doc::NONE
            },
        },
        handler: |_| Box::pin(async { Ok(Reply::ok(&Health::new("ok"))) }),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/readyz",
            target: Target::Open,
            who: Who::Open,
            rates: &[],
            body: BodyKind::None,
            doc: Doc {
                summary: "Say whether traffic is wanted",
                tag: "operation",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "It is: the server has started, does not drain, its store answers, and the disk has \
                              room for messages.",
                    body: Some(SchemaOf::of::<Health>()),
                }],
                errors: &[ErrorCode::Unavailable],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(readyz(call)),
    },
];

/// The row of `/metrics`, which may have a listener of its own.
pub const METRICS: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/metrics",
        target: Target::Open,
        who: Who::Open,
        rates: &[],
        body: BodyKind::None,
        doc: Doc {
            summary: "Read the node's counters",
            tag: "operation",
            answers: &[AnswerDoc {
                status: 200,
                description: "OpenMetrics text.",
                body: Some(SchemaOf::bytes(metrics::CONTENT_TYPE)),
            }],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(async move { Ok(metrics_text(&call).await) }),
}];

/// How the server is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`, `ready`, or `degraded`: traffic is wanted, and something is refused.
    #[schema(value_type = schema::Rule)]
    status: &'static str,
    /// Why it is degraded. `storage_reserve`: the disk is nearly full, so files are refused, and messages are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rule>)]
    reason: Option<&'static str>,
    /// The program's.
    #[schema(value_type = schema::Version)]
    version: &'static str,
}

impl Health {
    fn new(status: &'static str) -> Self {
        Self { status, reason: None, version: env!("CARGO_PKG_VERSION") }
    }
}

async fn readyz(call: Call) -> Result<Reply, ApiError> {
    if !call.app.readiness.get() {
        // Expected, and asked for again and again: not a line of the log.
        let error = ApiError::new(ErrorCode::Unavailable, "the server is starting or draining");
        return Err(error.retry_after_ms(1_000));
    }
    let read = call.app.store.records.get(store::INSTALLATION, store::RecordKind::Key, "readyz");
    match tokio::time::timeout(STORE_WAIT, read).await {
        Ok(answered) => answered?,
        Err(_) => return Err(ApiError::unavailable("the store does not answer")),
    };
    // A disk that does not say how it stands is judged by what it takes.
    let storage = call.app.files.storage();
    if storage.is_full() {
        let error = ApiError::new(ErrorCode::Unavailable, "the server's disk is full");
        return Err(error.retry_after_ms(FULL_RETRY_MS));
    }
    let health = match storage.room() {
        Ok(room) if room.is_reserve_reached() => {
            Health { reason: Some("storage_reserve"), ..Health::new("degraded") }
        }
        Ok(_) | Err(_) => Health::new("ready"),
    };
    Ok(Reply::ok(&health))
}

async fn metrics_text(call: &Call) -> Reply {
    let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
    Reply::bytes(StatusCode::OK, content_type, call.app.metrics.shared_text().await)
}
