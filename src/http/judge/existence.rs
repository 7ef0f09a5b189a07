//! Existence comes before what is wrong with a request: a caller who does not see the conversation in the path is told that
//! there is none, whatever they sent. The table's rows say which paths name one; no handler needs to remember it.

use identity::Caller;
use store::ConversationKey;

use crate::app::App;
use crate::conversations::seen_head;
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::table::Target;

/// The conversation that a request is about, and its caller, kept while the handler works.
pub(crate) struct Existence {
    caller: Caller,
    /// None: the path holds no id.
    key: Option<ConversationKey>,
}

impl Existence {
    /// None: the row's path names nothing that is hidden.
    pub(crate) fn of(call: &Call) -> Option<Self> {
        match call.row.target {
            Target::Open => None,
            Target::Conversation => Some(Self { caller: call.caller.clone(), key: call.conversation().ok() }),
        }
    }

    /// The refusal as the caller may be told it. The conversation is read only when the refusal is about what the caller
    /// sent, so a request that is right costs no look.
    pub(crate) async fn before(self, app: &App, refusal: ApiError) -> ApiError {
        if !refusal.code().is_about_what_was_sent() {
            return refusal;
        }
        let (Some(key), Some(who)) = (self.key, self.caller.principal()) else {
            return ApiError::not_found();
        };
        match seen_head(app, key, &who).await {
            Ok(_) => refusal,
            Err(unseen) => unseen,
        }
    }
}

#[cfg(test)]
mod tests;
