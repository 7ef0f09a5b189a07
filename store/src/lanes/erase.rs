//! Removes a conversation for good. What the mover has read of it before, and puts home afterwards, is not read: see
//! [`super::segments::Segments::erase_home`].

use domain::Seq;

use crate::{ConversationKey, StoreError};

use super::rules::Rules;
use super::segments::Segments;

/// How often a conversation is erased until nothing of it is found.
const ROUNDS: u32 = 5;

impl<S: Segments> Rules<S> {
    /// As [`super::LaneLog::erase`]: the events first, the pointers to them last, so that a crash leaves nothing that is not
    /// found again.
    pub(super) async fn erase(&self, key: ConversationKey) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let pointers = self.ask(|| self.segments.pointers(key)).await?;
            for &segment in &pointers {
                self.write(|| self.segments.erase(segment, key)).await?;
            }
            #[cfg(test)]
            if super::mutant::is(super::mutant::Mutant::EraseForgotten)
                && self.ask(|| self.segments.home(key, Seq::ZERO, 1)).await?.is_empty()
            {
                return Ok(());
            }
            self.write(|| self.segments.erase_home(key)).await?;
            let mut is_gone = self.ask(|| self.segments.home(key, Seq::ZERO, 1)).await?.is_empty();
            for &segment in &pointers {
                is_gone &= self.ask(|| self.segments.slice(segment, key, Seq::ZERO, 1)).await?.is_empty();
            }
            if is_gone {
                for &segment in &pointers {
                    self.write(|| self.segments.unpoint(key, segment)).await?;
                }
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("an erased conversation is still found".into()))
    }
}
