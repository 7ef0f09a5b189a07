//! What a path names.

/// What a row's path names, as far as callers may see it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing that is hidden from the callers that the row admits; or the handler looks it up before anything else.
    Open,
    /// The conversation `{id}`. To a caller who does not see it there is none: what is wrong with their request is not told,
    /// also where a handler finds it before the conversation was read.
    Conversation,
}
