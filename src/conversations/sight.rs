//! What one caller sees of a conversation.

use domain::{Head, Principal, WorkspaceId};
use store::ConversationKey;

use crate::app::App;
use crate::errors::ApiError;
use crate::json::Show;

/// How events are shown to `who`.
pub(crate) fn show_to<'a>(app: &'a App, workspace: WorkspaceId, who: &Principal) -> Show<'a> {
    Show { audience: who.audience(), workspace, links: &app.file_links, now: app.clock.now() }
}

/// The conversation, if `who` sees it.
///
/// # Errors
/// `NOT_FOUND`, whether there is none or `who` does not see it; what the store says when it cannot be read.
pub(crate) async fn seen_head(app: &App, key: ConversationKey, who: &Principal) -> Result<Head, ApiError> {
    let head = app.store.heads.get(key).await?;
    head.filter(|head| head.seen_by(who)).ok_or_else(ApiError::not_found)
}
