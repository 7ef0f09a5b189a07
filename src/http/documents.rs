//! What the server says of itself, made of the route table at the start.

mod build;
pub mod openapi;
mod page;
mod served;

pub use build::build;
pub use served::Documents;
pub(crate) use served::SESSION;
