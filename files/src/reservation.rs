//! Reserves files for the message that uses them, before the message is appended. So a file is used once, and a message
//! gets all of its files or none.

use domain::{ClientId, ConversationId, FileCard, FileId, Seq, WorkspaceId};
use store::{RecordError, StoreError};

use crate::files::Files;
use crate::record::{FileRecord, Uploader};

/// The files of a message were not reserved, none of them.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The file is not there, was uploaded by another person or to another conversation, is used already, or is named twice.
    #[error("file {0} cannot be used here")]
    NotUsable(FileId),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Files {
    /// Reserves the files for the message that `uploader` sends to `conversation` under `client_id`, all or none, before the
    /// message is appended. From then on no other message can have the files, and they do not expire any more. The same
    /// message may reserve them again, so a repeat passes. When the rules refuse the message, the caller must
    /// [`Files::release`] the files; when the outcome of the message is unknown, they stay reserved. `after` is the
    /// conversation's last event now, or an earlier one.
    ///
    /// # Errors
    /// [`ReserveError::NotUsable`] names the first file that the message cannot have; [`ReserveError::Store`] when the store
    /// did not answer: reserve again.
    pub async fn reserve(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        uploader: Uploader,
        client_id: &ClientId,
        after: Seq,
        ids: &[FileId],
    ) -> Result<Vec<FileCard>, ReserveError> {
        let mut cards = Vec::with_capacity(ids.len());
        let mut taken = Vec::new();
        for (at, &id) in ids.iter().enumerate() {
            let reserved = if ids[..at].contains(&id) {
                Err(ReserveError::NotUsable(id))
            } else {
                self.reserve_one(workspace, conversation, uploader, (client_id, after), id).await
            };
            match reserved {
                Ok((card, newly)) => {
                    cards.push(card);
                    taken.extend(newly.then_some(id));
                }
                Err(error) => {
                    self.release(workspace, client_id, &taken).await?;
                    return Err(error);
                }
            }
        }
        Ok(cards)
    }

    /// The card of the file, and whether the file was not reserved before.
    async fn reserve_one(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        uploader: Uploader,
        (client_id, after): (&ClientId, Seq),
        id: FileId,
    ) -> Result<(FileCard, bool), ReserveError> {
        loop {
            let record = self.read(workspace, id).await?.filter(|record| {
                record.document.conversation == conversation && record.document.uploader == uploader
            });
            let mut record = record.ok_or(ReserveError::NotUsable(id))?;
            let card = record.document.card();
            match &record.document.used_by {
                Some(by) if by == client_id => return Ok((card, false)),
                Some(_) => return Err(ReserveError::NotUsable(id)),
                None => record.document.used_by = Some(client_id.clone()),
            }
            record.document.used_after = Some(after);
            match store::update(self.records.as_ref(), record, self.clock.now()).await {
                Ok(_) => return Ok((card, true)),
                Err(RecordError::Changed) => {}
                Err(error) => return Err(error.or_unavailable().into()),
            }
        }
    }

    /// Gives back files that were reserved for a message which the rules then refused.
    ///
    /// # Errors
    /// The store did not answer: release again, or the files stay reserved for that message.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        client_id: &ClientId,
        ids: &[FileId],
    ) -> Result<(), StoreError> {
        for id in ids {
            loop {
                let record =
                    store::get::<FileRecord>(self.records.as_ref(), workspace, &id.to_string()).await?;
                let reserved = record.filter(|record| record.document.used_by.as_ref() == Some(client_id));
                let Some(mut record) = reserved else { break };
                record.document.used_by = None;
                record.document.used_after = None;
                match store::update(self.records.as_ref(), record, self.clock.now()).await {
                    Ok(_) => break,
                    Err(RecordError::Changed) => {}
                    Err(error) => return Err(error.or_unavailable()),
                }
            }
        }
        Ok(())
    }
}
