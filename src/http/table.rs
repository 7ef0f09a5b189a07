//! The one table of routes: what there is, who may ask, how often, with what body, and how it is documented.
//!
//! The judge walks it before any handler runs; the API document, the labels of metrics and logs, and the test of who may
//! what are made of it. [`Row`] is plain data; [`Route`] adds the handler; `rows.rs` lists them all.

mod doc;
mod params;
pub mod paths;
mod route;
mod row;
mod rows;
mod target;
mod who;

pub(crate) use doc::JSON;
pub use doc::{AnswerDoc, Doc, HeaderDoc, QueryDoc, SchemaOf};
pub use params::Params;
pub use route::{Handler, Route};
pub use row::{BodyKind, Rate, Row};
pub use rows::{served, table};
pub use target::Target;
pub(crate) use who::Pages;
pub use who::Who;
