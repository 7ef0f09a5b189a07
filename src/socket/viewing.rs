//! An agent who has a conversation open: the others who listen to it are notified.

use domain::ConversationId;

use super::frames::Viewing;
use super::requests::{Stop, parse_id};
use super::session::Session;
use crate::errors::{ApiError, ErrorCode};

impl Session {
    pub(super) async fn viewing(&mut self, frame: Viewing) -> Result<(), Stop> {
        let Viewing { id, conversation_id, viewing, .. } = frame;
        let conversation = parse_id(&conversation_id)?;
        if !self.subscriptions.contains(conversation) {
            let head = self.app.store.heads.get(self.key(conversation)).await.map_err(ApiError::from)?;
            let sees = head.is_some_and(|head| head.seen_by(&self.who));
            let unheard = || ApiError::new(ErrorCode::Conflict, "subscribe to the conversation first");
            return Err(if sees { unheard().into() } else { ApiError::not_found().into() });
        }
        self.subscriptions.view(conversation, viewing);
        self.notify_viewing(conversation).await?;
        self.ok_if_asked(id.as_deref()).await
    }

    /// After a new subscription that knows it otherwise.
    pub(super) async fn view_again(&mut self, conversation: ConversationId) {
        if let Err(error) = self.notify_viewing(conversation).await {
            // Others miss that the agent looks on; the agent is told nothing of it.
            error.log(&self.request_id);
        }
    }

    /// While the owner is being found again, that is left to the search.
    async fn notify_viewing(&self, conversation: ConversationId) -> Result<(), ApiError> {
        let Some(listener) = self.subscriptions.id_of(conversation) else { return Ok(()) };
        let viewing = self.subscriptions.is_viewing(conversation);
        Ok(self.app.cluster.ask(self.key(conversation), cluster::Viewing { listener, viewing }).await?)
    }
}
