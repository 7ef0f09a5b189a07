//! A person who asks.

use serde::{Deserialize, Serialize};

use crate::{Attributes, Email, Name, SiteId, Timestamp, VisitorId};

/// A person who asks, as the workspace knows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visitor {
    /// Names the visitor.
    pub id: VisitorId,
    /// Where they came first.
    pub site: SiteId,
    /// As the visitor or the site's owner gave it.
    pub name: Option<Name>,
    /// As the visitor or the site's owner gave it.
    pub email: Option<Email>,
    /// The `sub` that the site's owner signed for; only a verified visitor has one.
    pub subject: Option<Name>,
    /// What the page told of the visitor.
    pub attributes: Attributes,
    /// Their new conversations and messages are refused.
    pub blocked: bool,
    /// When the visitor was made.
    pub first_seen_at: Timestamp,
    /// Raised when all tokens that were given so far end: at each proof of an identity, and at a log-out. A token of an
    /// earlier generation is worth nothing.
    #[serde(default)]
    pub generation: u64,
    /// The verified visitor that this anonymous one proved to be. Nobody is this one any more.
    #[serde(default)]
    pub became: Option<VisitorId>,
}

impl Visitor {
    /// Whether the site's owner signed who the visitor is.
    pub fn verified(&self) -> bool {
        self.subject.is_some()
    }

    /// Ends all tokens that were given so far.
    pub fn end_tokens(&mut self) {
        self.generation += 1;
    }

    /// The visitor as a conversation's log keeps them.
    pub fn card(&self) -> VisitorCard {
        VisitorCard {
            id: self.id,
            name: self.name.clone(),
            email: self.email.clone(),
            verified: self.verified(),
        }
    }
}

/// A visitor as they were when their conversation started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorCard {
    /// Names the visitor.
    pub id: VisitorId,
    /// As given.
    pub name: Option<Name>,
    /// As given.
    pub email: Option<Email>,
    /// Whether the site's owner signed who the visitor is.
    pub verified: bool,
}
