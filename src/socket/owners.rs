//! Subscribing again after the owner of a conversation was lost: beside the socket's turn, for all conversations at once.

use std::sync::Arc;
use std::time::Duration;

use cluster::{ExecuteError, Viewing};
use domain::Rejection;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};

use super::close::Close;
use super::searches::Found;
use super::session::Session;

/// How soon a lost owner is looked for again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long one try may take; a late answer subscribes nobody.
const TRY_WITHIN: Duration = Duration::from_secs(1);

impl Session {
    /// Begins a search for each lost owner. Never waits.
    pub(super) fn find_owners(&mut self) {
        self.find_owner_at = Instant::now() + AGAIN;
        for conversation in self.subscriptions.take_lost() {
            let (app, key) = (Arc::clone(&self.app), self.key(conversation));
            let (who, sender) = (Arc::clone(&self.who), self.sender.clone());
            let written = self.subscriptions.written(conversation);
            let viewing = self.subscriptions.is_viewing(conversation);
            self.searches.spawn(async move {
                let subscribed = app.cluster.subscribe(key, Arc::clone(&who), sender, written);
                let sought = async {
                    let subscription = subscribed.await?;
                    let listener = subscription.id();
                    if viewing && let Err(error) = app.cluster.ask(key, Viewing { listener, viewing }).await {
                        tracing::debug!(%conversation, %error, "others miss that an agent has it open");
                    }
                    Ok(subscription)
                };
                let subscription = match timeout(TRY_WITHIN, sought).await {
                    Ok(answer) => answer,
                    Err(_) => Err(ExecuteError::Unknown),
                };
                Found { conversation, who, viewing, subscription }
            });
        }
    }

    pub(super) async fn take_found(&mut self, found: Result<Found, JoinError>) -> Result<(), Close> {
        let Found { conversation, who, viewing, subscription } = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "a search for an owner crashed");
                self.subscriptions.lose_unowned();
                return Ok(());
            }
        };
        // Since then the client subscribed anew or gave it up, or became another person, who has a search of their own.
        if !self.subscriptions.is_unowned(conversation) || !Arc::ptr_eq(&who, &self.who) {
            return Ok(());
        }
        match subscription {
            // That owner is gone already, and the next search is due.
            Ok(_) if self.subscriptions.is_lost(conversation) => {}
            Ok(subscription) => {
                self.subscriptions.found_owner(conversation, subscription);
                if viewing != self.subscriptions.is_viewing(conversation) {
                    self.view_again(conversation).await;
                }
            }
            Err(ExecuteError::Rejected(Rejection::NotFound)) => {
                self.lose_sight(conversation).await?;
                self.flush().await?;
            }
            // Not found yet.
            Err(
                ExecuteError::Rejected(_)
                | ExecuteError::Overloaded
                | ExecuteError::Moved
                | ExecuteError::Contended
                | ExecuteError::Unknown
                | ExecuteError::Poisoned
                | ExecuteError::Unavailable(_),
            ) => self.subscriptions.lose_owner(conversation),
        }
        Ok(())
    }
}
