//! Strict JSON from outside, for bodies and socket frames: parsed whole first, then made into a type.
//!
//! Two refusals, never mixed up: [`JsonError::Syntax`] is what cannot be parsed (bad UTF-8, broken off, deeper than
//! [`DEPTH_MAX`]), [`JsonError::Schema`] is what was parsed and is wrong (a key given twice, an unknown field, a wrong
//! type, a number out of range). A syntax error anywhere wins, so the answer does not depend on the order of fields.

mod decode;
mod node;
mod numbers;
mod optional;
mod path;
mod surrogates;

pub use node::{DEPTH_MAX, JsonError, Node, parse, valid};
pub use optional::{text_unless_blank, text_unless_empty, unless_null};
