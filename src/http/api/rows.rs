//! The rows of a resource that is a record with a version: list, make, read, change and remove, said once.

use http::Method;
use utoipa::ToSchema;

use super::conversations::{CURSOR_DOC, LIMIT_DOC};
use crate::errors::ErrorCode;
use crate::http::table::{
    AnswerDoc, BodyKind, Doc, Handler, HeaderDoc, Rate, Route, Row, SchemaOf, Target, Who,
};

/// What the rows of one path share.
#[derive(Clone, Copy)]
pub(super) struct Resource {
    pub(super) path: &'static str,
    pub(super) who: Who,
    /// The group of the API document.
    pub(super) tag: &'static str,
}

/// What a change or removal that obeys `If-Match` may be refused with.
pub(super) const VERSIONED: &[ErrorCode] = &[ErrorCode::PreconditionFailed];
/// The same, of what may be in use or have a key that another one has.
pub(super) const VERSIONED_OR_TAKEN: &[ErrorCode] = &[ErrorCode::PreconditionFailed, ErrorCode::Conflict];

/// `GET` of a list in pages.
pub(super) const fn list<Page: ToSchema>(place: Resource, summary: &'static str, handler: Handler) -> Route {
    let doc = Doc {
        query: &[LIMIT_DOC, CURSOR_DOC],
        answers: const { &[answer(200, "A page.", Some(SchemaOf::of::<Page>()))] },
        errors: &[ErrorCode::InvalidCursor],
        ..Doc::NONE
    };
    row(Method::GET, &[Rate::Reads], place, BodyKind::None, summary, doc, handler)
}

/// `POST` that makes one, with an `Idempotency-Key` once.
pub(super) const fn create<Json: ToSchema>(
    place: Resource,
    summary: &'static str,
    new: SchemaOf,
    handler: Handler,
) -> Route {
    let doc = Doc {
        headers: &[HeaderDoc::IdempotencyKey],
        request: Some(new),
        answers: const {
            &[
                answer(201, "Made.", Some(SchemaOf::of::<Json>())),
                answer(200, "Made before, by the same request.", Some(SchemaOf::of::<Json>())),
            ]
        },
        errors: &[ErrorCode::Conflict, ErrorCode::IdempotencyConflict, ErrorCode::InvalidHeader],
        ..Doc::NONE
    };
    row(Method::POST, &[Rate::Changes], place, BodyKind::Json, summary, doc, handler)
}

/// `GET` of one.
pub(super) const fn read<Json: ToSchema>(place: Resource, summary: &'static str, handler: Handler) -> Route {
    let doc = Doc {
        headers: &[HeaderDoc::IfNoneMatch],
        answers: const { &[answer(200, "Its ETag is its version.", Some(SchemaOf::of::<Json>()))] },
        ..Doc::NONE
    };
    row(Method::GET, &[Rate::Reads], place, BodyKind::None, summary, doc, handler)
}

/// `PATCH` of one.
pub(super) const fn change<Change: ToSchema, Json: ToSchema>(
    place: Resource,
    summary: &'static str,
    errors: &'static [ErrorCode],
    handler: Handler,
) -> Route {
    let doc = Doc {
        headers: &[HeaderDoc::IfMatch],
        request: Some(SchemaOf::of::<Change>()),
        answers: const { &[answer(200, "As it is now.", Some(SchemaOf::of::<Json>()))] },
        errors,
        ..Doc::NONE
    };
    row(Method::PATCH, &[Rate::Changes], place, BodyKind::Json, summary, doc, handler)
}

/// `DELETE` of one.
pub(super) const fn remove(
    place: Resource,
    summary: &'static str,
    errors: &'static [ErrorCode],
    handler: Handler,
) -> Route {
    let doc = Doc {
        headers: &[HeaderDoc::IfMatch],
        answers: const { &[answer(204, "Gone.", None)] },
        errors,
        ..Doc::NONE
    };
    row(Method::DELETE, &[Rate::Changes], place, BodyKind::None, summary, doc, handler)
}

const fn answer(status: u16, description: &'static str, body: Option<SchemaOf>) -> AnswerDoc {
    AnswerDoc { status, description, body }
}

const fn row(
    method: Method,
    rates: &'static [Rate],
    place: Resource,
    body: BodyKind,
    summary: &'static str,
    doc: Doc,
    handler: Handler,
) -> Route {
    let Resource { path, who, tag } = place;
    Route {
        row: Row { method, path, target: Target::Open, who, rates, body, doc: Doc { summary, tag, ..doc } },
        handler,
    }
}
