//! HTTP. A request's way: [`engine`] (the connection and its limits, then one request), `judge` (whether it may be), the
//! [`table`]'s row with its handler in [`api`], and back through the engine, which puts on the headers that every answer
//! carries. [`documents`] shows the table to people and machines.

pub mod api;
pub mod documents;
pub mod engine;
mod judge;
pub mod table;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
