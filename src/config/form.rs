//! How a setting is written.

/// How a variable's text becomes a value.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    WholeNumber,
    /// `true` or `false`.
    Truth,
    /// As JSON.
    List,
}
