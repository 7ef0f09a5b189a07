//! The text of every statement, prepared by all servers: one file for each of the tables' neighbourhoods. Used by
//! [`super::shared`], which prepares them, and by the verbs, which run them.

mod feed;
mod heads;
mod log;
mod pointers;
mod records;
mod series;
mod windows;

pub(super) use feed::FeedStatements;
pub(super) use heads::HeadStatements;
pub(super) use log::{LogStatements, SEALED};
pub(super) use pointers::PointerStatements;
pub(super) use records::RecordStatements;
pub(super) use series::SeriesStatements;
pub(super) use windows::WindowStatements;
