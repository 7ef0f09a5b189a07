//! That somebody types.

use std::sync::Arc;

use domain::{Principal, TextError};
use store::ConversationKey;

use crate::app::App;
use crate::errors::ApiError;
use crate::strict_json::valid;

/// What a visitor is typing is shown up to so many characters.
const PREVIEW_CHARACTERS_MAX: usize = 500;

/// Says that `who` types, or stopped.
///
/// # Errors
/// `VALIDATION_FAILED` of a preview that is too long, or holds what no message may; else what the conversation refuses.
pub async fn typing(
    app: &App,
    key: ConversationKey,
    who: &Arc<Principal>,
    typing: bool,
    preview: Option<String>,
) -> Result<(), ApiError> {
    let preview = match preview {
        Some(text) if text.chars().count() > PREVIEW_CHARACTERS_MAX => {
            let rule = TextError::TooManyCharacters(PREVIEW_CHARACTERS_MAX).to_string();
            return Err(ApiError::invalid_field("preview", rule));
        }
        Some(text) => {
            valid("preview", domain::check_typed(&text))?;
            Some(Arc::from(text))
        }
        None => None,
    };
    let who = Arc::clone(who);
    Ok(app.cluster.ask(key, cluster::Typing { who, typing, preview }).await?)
}
