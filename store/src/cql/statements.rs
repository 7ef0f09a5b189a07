//! The text of every statement, prepared by all servers: one file for each of the tables' neighbourhoods. Used by
//! [`super::shared`], which prepares them, and by the verbs, which run them.

mod marks;
mod records;
mod rows;
mod segments;
mod series;
mod windows;

pub(super) use marks::MarkStatements;
pub(super) use records::RecordStatements;
pub(super) use rows::{RowStatements, Table};
pub(super) use segments::SegmentStatements;
pub(super) use series::SeriesStatements;
pub(super) use windows::WindowStatements;
