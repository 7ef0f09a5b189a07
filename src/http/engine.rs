//! From a connection to a request and from an answer back to it, and what handlers read requests and write answers with.
//! The engine knows no route: the server hands it the table.

pub mod accept;
pub mod assets;
pub(crate) mod bearer;
pub mod body;
pub mod call;
pub mod cors;
pub mod etag;
pub(crate) mod multipart;
pub mod query;
pub mod range;
mod refusal;
pub mod reply;
mod service;
mod stream;
mod trace_context;
