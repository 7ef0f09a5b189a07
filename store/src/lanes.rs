//! Lanes over a database with conditional statements: how a node appends, is fenced, and settles what it does not know.

pub(crate) mod segments;
