//! A row with the handler that does its work.

use futures_util::future::BoxFuture;

use super::row::Row;
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;

/// One route.
pub struct Route {
    /// What the table says of it.
    pub row: Row,
    /// Does it.
    pub handler: Handler,
}

/// Does what a route is for. Everything that [`Row`] says of the request holds already.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Reply, ApiError>>;
