//! What the API document says of a route, beside what the row itself says.

use std::borrow::Cow;

use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::errors::ErrorCode;
use crate::schema::words;

/// What the API document says of a route beside what the row itself says.
pub struct Doc {
    /// One line, imperative.
    pub summary: &'static str,
    /// The group that it stands in.
    pub tag: &'static str,
    /// Query parameters.
    pub query: &'static [QueryDoc],
    /// Headers that change what it does, beside those of every request.
    pub headers: &'static [HeaderDoc],
    /// The body, when it is JSON.
    pub request: Option<SchemaOf>,
    /// What a success looks like.
    pub answers: &'static [AnswerDoc],
    /// Codes of its own, beside those that follow from the row.
    pub errors: &'static [ErrorCode],
}

impl Doc {
    /// Nothing but these; to be completed with `..Doc::NONE`.
    pub const NONE: Doc =
        Doc { summary: "", tag: "", query: &[], headers: &[], request: None, answers: &[], errors: &[] };
}

/// A query parameter.
pub struct QueryDoc {
    /// As it is sent.
    pub name: &'static str,
    /// What it does, with bounds and default.
    pub description: &'static str,
    /// Its type.
    pub schema: fn() -> RefOr<Schema>,
}

impl QueryDoc {
    /// One of the words that the API is made of.
    pub const fn of<T: PartialSchema>(name: &'static str, description: &'static str) -> Self {
        Self { name, description, schema: T::schema }
    }
}

/// A header of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderDoc {
    /// `Idempotency-Key`: the request is done once, however often it is sent.
    IdempotencyKey,
    /// `If-Match`: only this version is changed.
    IfMatch,
    /// `If-None-Match`: 304 when it is as the client has it.
    IfNoneMatch,
    /// `Range`: one range of the bytes.
    Range,
}

/// A success.
pub struct AnswerDoc {
    /// Its status.
    pub status: u16,
    /// When it comes.
    pub description: &'static str,
    /// Its body, if it has one.
    pub body: Option<SchemaOf>,
}

/// A body: its media type and its schema.
#[derive(Clone, Copy)]
pub struct SchemaOf {
    pub(crate) media: &'static str,
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    /// Of the types in it.
    pub(crate) collect: fn(&mut Vec<(String, RefOr<Schema>)>),
    /// Fields that what is made needs, beside those that the type requires.
    pub(crate) needs: &'static [&'static str],
    /// One of these holds too: what a type cannot say of its fields together.
    pub(crate) rules: fn() -> Vec<ObjectBuilder>,
}

impl SchemaOf {
    /// JSON of `T`, which is written once in the document and referred to.
    pub const fn of<T: ToSchema>() -> Self {
        Self {
            media: JSON,
            name: T::name,
            schema: <T as PartialSchema>::schema,
            collect: T::schemas,
            needs: &[],
            rules: Vec::new,
        }
    }

    /// The same of what is made, which has all fields of `needs`.
    pub const fn new<T: ToSchema>(needs: &'static [&'static str]) -> Self {
        Self { needs, ..Self::of::<T>() }
    }

    /// One of `rules` holds too.
    pub const fn with(self, rules: fn() -> Vec<ObjectBuilder>) -> Self {
        Self { rules, ..self }
    }

    /// Bytes of another media type.
    pub const fn bytes(media: &'static str) -> Self {
        Self { media, ..Self::of::<NoSchema>() }
    }

    /// It is JSON of a type.
    pub(crate) fn has_schema(&self) -> bool {
        (self.name)() != NoSchema::name()
    }
}

/// The media type of most bodies.
pub(crate) const JSON: &str = "application/json";

words! {
    /// Bytes.
    NoSchema: ObjectBuilder::new();
}
