//! The documents of what a server with one config serves.

use super::served::Documents;
use super::{openapi, page};
use crate::config::Config;
use crate::http::table;
use crate::http::table::paths::Paths;

/// Makes them, once, at the start.
pub fn build(config: &Config) -> Documents {
    let rows = Paths::new(table::served(config)).rows();
    Documents::of(openapi::text(config), page::page(&rows))
}
