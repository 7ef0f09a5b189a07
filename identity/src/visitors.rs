//! Visitors and their tokens: a visitor is made, renews a token, and proves who they are, all in one request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{
    Attribute, Attributes, Email, Name, Site, Timestamp, Visitor, VisitorId, WorkspaceId, WrongAttribute,
};
use store::{INSTALLATION, RecordError, StoreError, Unique, Versioned};

use crate::caller::AuthError;
use crate::identity::Identity;
use crate::token::{Token, VisitorToken};
use crate::visitor_jwt::{Claims, JwtError, verify};

/// What a page says of its visitor, parsed.
#[derive(Clone, Debug, Default)]
pub struct VisitorRequest {
    /// A JWT that the site's owner signed.
    pub identity: Option<String>,
    /// Unsigned: taken for a visitor who is not verified, and left aside for one who is.
    pub name: Option<Name>,
    /// Unsigned, as `name`.
    pub email: Option<Email>,
    /// Set over those that the visitor has, key by key.
    pub attributes: Attributes,
    /// The keys of the attributes that are removed.
    pub removed: BTreeSet<String>,
}

/// A visitor with a fresh token.
#[derive(Clone)]
pub struct KnownVisitor {
    /// The visitor's record as it is now.
    pub visitor: Arc<Visitor>,
    /// For the client alone.
    pub token: String,
    /// When the token ends; it can be renewed for 30 days after that.
    pub expires_at: Timestamp,
    /// The visitor did not exist before.
    pub created: bool,
    /// The anonymous visitor who became `visitor` by this proof, when `visitor` existed before. Open conversations still belong
    /// to the anonymous visitor: the handler of the request moves them.
    pub was: Option<VisitorId>,
}

/// A visitor was not made, renewed or proven.
#[derive(Debug, thiserror::Error)]
pub enum VisitorError {
    /// The old token is worth nothing here, or ended more than 30 days ago.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// The signed identity is worth nothing.
    #[error(transparent)]
    Identity(#[from] JwtError),
    /// The site takes only visitors with a signed identity.
    #[error("this site takes only visitors whose identity is signed")]
    IdentityRequired,
    /// Together with those that the visitor has there are too many attributes.
    #[error("attributes {0}")]
    Attributes(WrongAttribute),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The visitor of an old token.
struct Renewing {
    visitor: Versioned<Visitor>,
    /// The token ended: at a log-out, or when an identity was proven.
    ended: bool,
}

/// A visitor as the store has them now.
struct Found {
    visitor: Visitor,
    created: bool,
    was: Option<VisitorId>,
}

impl Identity {
    /// Makes a visitor of `site`. With an old token, renews that token; with a signed identity, finds the visitor who has that
    /// identity. An anonymous visitor who proves an identity becomes the visitor who has it, and keeps the id when no visitor
    /// has it yet. Two verified visitors never merge: the identity alone says who a person is from now on.
    ///
    /// Each proof ends all tokens that the visitor was given before it, and those of the anonymous visitor: a person who
    /// holds one of them need not be the person who proved the identity. Without an identity nothing ends: other tabs keep
    /// their tokens. A token that ended is refused, except together with an identity that its visitor has proven already:
    /// then the answer to that proof was lost, and the client asks again.
    ///
    /// # Errors
    /// [`VisitorError::Token`] and [`VisitorError::Identity`] when a credential is worth nothing;
    /// [`VisitorError::IdentityRequired`] and [`VisitorError::Attributes`] when the request breaks a rule;
    /// [`VisitorError::Store`] when the store did not answer: ask again.
    pub async fn visitor_for(
        &self,
        workspace: WorkspaceId,
        site: &Site,
        old_token: Option<&str>,
        request: &VisitorRequest,
    ) -> Result<KnownVisitor, VisitorError> {
        let known = match old_token {
            Some(token) => Some(self.visitor_to_renew(workspace, site, token).await?),
            None => None,
        };
        let claims =
            request.identity.as_deref().map(|token| self.signed_identity(site, token)).transpose()?;
        let known = match known {
            Some(known) if known.ended && !self.has_proven(&known.visitor, claims.as_ref()).await? => {
                return Err(AuthError::Revoked.into());
            }
            Some(known) => Some(known.visitor),
            None => None,
        };
        let verified = claims.is_some() || known.as_ref().is_some_and(|known| known.document.verified());
        if site.identity_required && !verified {
            return Err(VisitorError::IdentityRequired);
        }
        let found = match (claims, known) {
            (Some(claims), known) => self.proven(workspace, site, known, &claims, request).await?,
            (None, Some(known)) => {
                let generation = known.document.generation;
                let renew = |visitor: &mut Visitor| {
                    // Tokens that end meanwhile must not go on in the new one.
                    let ended = visitor.generation != generation;
                    if ended { Ok(false) } else { tell(visitor, request).map(|()| true) }
                };
                let visitor = self.change_visitor(known, renew).await?.ok_or(AuthError::Revoked)?;
                Found { visitor, created: false, was: None }
            }
            (None, None) => {
                let mut visitor = self.new_visitor(site);
                tell(&mut visitor, request)?;
                let kept = store::insert(self.records.as_ref(), workspace, visitor, self.clock.now()).await;
                Found {
                    visitor: kept.map_err(RecordError::or_unavailable)?.document,
                    created: true,
                    was: None,
                }
            }
        };
        let now = self.clock.now();
        let (record, token) = VisitorToken::make(workspace, site.id, &found.visitor, now);
        let expires_at = record.expires_at;
        store::insert(self.records.as_ref(), INSTALLATION, record, now)
            .await
            .map_err(RecordError::or_unavailable)?;
        Ok(KnownVisitor {
            visitor: Arc::new(found.visitor),
            token,
            expires_at,
            created: found.created,
            was: found.was,
        })
    }

    /// Ends all tokens of a visitor, and with them the sockets.
    ///
    /// # Errors
    /// The store did not say that the tokens were ended: ask again.
    pub async fn log_out_visitor(&self, workspace: WorkspaceId, id: VisitorId) -> Result<(), StoreError> {
        let end = |visitor: &mut Visitor| {
            visitor.end_tokens();
            true
        };
        let (records, now) = (self.records.as_ref(), self.clock.now());
        // A visitor who is not there any more has no token that is worth anything.
        store::change(records, workspace, &id.to_string(), now, end)
            .await
            .map_err(RecordError::or_unavailable)?;
        self.visitor_changed(workspace, id);
        Ok(())
    }

    /// The visitor of an old token, if the token is of this site and may still be renewed.
    async fn visitor_to_renew(
        &self,
        workspace: WorkspaceId,
        site: &Site,
        token: &str,
    ) -> Result<Renewing, VisitorError> {
        let Some(Token::Visitor(id, secret)) = Token::parse(token) else {
            return Err(AuthError::Invalid.into());
        };
        let record = store::get::<VisitorToken>(self.records.as_ref(), INSTALLATION, &id.to_string()).await?;
        let record = record.map(|record| record.document).filter(|record| {
            record.hash.is_of(&secret) && record.workspace == workspace && record.site == site.id
        });
        let record = record.ok_or(AuthError::Invalid)?;
        if !record.renewable(self.clock.now()) {
            return Err(AuthError::Expired.into());
        }
        let id = record.visitor.to_string();
        let visitor = store::get::<Visitor>(self.records.as_ref(), workspace, &id).await?;
        let visitor = visitor.ok_or(AuthError::Revoked)?;
        let ended = visitor.document.generation != record.generation;
        Ok(Renewing { visitor, ended })
    }

    /// Whether this visitor has proven this identity before, or became the visitor who has it.
    async fn has_proven(
        &self,
        visitor: &Versioned<Visitor>,
        claims: Option<&Claims>,
    ) -> Result<bool, StoreError> {
        let (Some(claims), Visitor { subject, became, .. }) = (claims, &visitor.document) else {
            return Ok(false);
        };
        match became {
            None => Ok(subject.as_ref() == Some(&claims.subject)),
            Some(became) => {
                let holder = self.visitor_with(visitor.workspace, &claims.subject).await?;
                Ok(holder.is_some_and(|holder| holder.document.id == *became))
            }
        }
    }

    fn signed_identity(&self, site: &Site, token: &str) -> Result<Claims, JwtError> {
        let secret = site.identity_secret.as_deref().ok_or(JwtError::NoSecret)?;
        verify(token, secret.as_bytes(), self.clock.now())
    }

    /// The visitor whose identity this is: the one who has it, or the anonymous one who brings it, or a new one.
    async fn proven(
        &self,
        workspace: WorkspaceId,
        site: &Site,
        known: Option<Versioned<Visitor>>,
        claims: &Claims,
        request: &VisitorRequest,
    ) -> Result<Found, VisitorError> {
        let mut anonymous = known.filter(|known| !known.document.verified());
        let prove = |visitor: &mut Visitor| {
            if !visitor.verified() {
                // What the page said before was not signed, and would now look as if it were.
                (visitor.name, visitor.email) = (None, None);
            }
            visitor.subject = Some(claims.subject.clone());
            visitor.name = claims.name.clone().or(visitor.name.take());
            visitor.email = claims.email.clone().or(visitor.email.take());
            visitor.end_tokens();
            tell(visitor, request)
        };
        loop {
            if let Some(holder) = self.visitor_with(workspace, &claims.subject).await? {
                // First the anonymous visitor's tokens end, which a repeat of the request finds done.
                let was = match &anonymous {
                    Some(anonymous) => self.become_other(anonymous.clone(), holder.document.id).await?,
                    None => None,
                };
                if let Some(visitor) =
                    self.change_visitor(holder, |visitor| prove(visitor).map(|()| true)).await?
                {
                    return Ok(Found { visitor, created: false, was });
                }
            } else if let Some(anonymous) = &anonymous
                && anonymous.document.became.is_none()
            {
                let prove_first = |visitor: &mut Visitor| {
                    // Another request may have proven another identity meanwhile.
                    let free = !visitor.verified() && visitor.became.is_none();
                    if free { prove(visitor).map(|()| true) } else { Ok(false) }
                };
                if let Some(visitor) = self.change_visitor(anonymous.clone(), prove_first).await? {
                    return Ok(Found { visitor, created: false, was: None });
                }
            } else {
                let mut visitor = self.new_visitor(site);
                prove(&mut visitor)?;
                match store::insert(self.records.as_ref(), workspace, visitor, self.clock.now()).await {
                    Ok(kept) => return Ok(Found { visitor: kept.document, created: true, was: None }),
                    Err(RecordError::Taken(_)) => {}
                    Err(error) => return Err(error.or_unavailable().into()),
                }
            }
            // Another request changed a record between the read and the write: read both again.
            if let Some(seen) = anonymous {
                let id = seen.document.id.to_string();
                let newer = store::get::<Visitor>(self.records.as_ref(), workspace, &id).await?;
                anonymous = newer.filter(|newer| !newer.document.verified());
            }
        }
    }

    /// Ends the tokens of an anonymous visitor who proved to be `other`. Returns the anonymous visitor's id, or none when
    /// that visitor has proven to be somebody else meanwhile.
    async fn become_other(
        &self,
        anonymous: Versioned<Visitor>,
        other: VisitorId,
    ) -> Result<Option<VisitorId>, VisitorError> {
        let end = |visitor: &mut Visitor| {
            if !visitor.verified() && visitor.became.is_none() {
                visitor.became = Some(other);
                visitor.end_tokens();
            }
            Ok(true)
        };
        let ended = self.change_visitor(anonymous, end).await?;
        Ok(ended.filter(|visitor| visitor.became == Some(other)).map(|visitor| visitor.id))
    }

    async fn visitor_with(
        &self,
        workspace: WorkspaceId,
        subject: &Name,
    ) -> Result<Option<Versioned<Visitor>>, StoreError> {
        let unique = Unique::in_workspace(format!("sub:{}", subject.as_str()));
        store::find(self.records.as_ref(), workspace, &unique).await
    }

    /// Changes a visitor's record, however often other requests change it meanwhile, and writes it only when it differs. None
    /// when `change` says that there is nothing to be changed any more, or when another visitor has the identity that it sets.
    async fn change_visitor(
        &self,
        mut seen: Versioned<Visitor>,
        change: impl Fn(&mut Visitor) -> Result<bool, VisitorError>,
    ) -> Result<Option<Visitor>, VisitorError> {
        let (workspace, id) = (seen.workspace, seen.document.id);
        loop {
            let before = seen.document.clone();
            if !change(&mut seen.document)? {
                return Ok(None);
            }
            if seen.document == before {
                return Ok(Some(before));
            }
            match store::update(self.records.as_ref(), seen, self.clock.now()).await {
                Ok(kept) => {
                    self.visitor_changed(workspace, id);
                    return Ok(Some(kept.document));
                }
                Err(RecordError::Taken(_)) => return Ok(None),
                Err(RecordError::Changed) => {
                    let newer = store::get(self.records.as_ref(), workspace, &id.to_string()).await?;
                    seen = newer.ok_or(AuthError::Revoked)?;
                }
                Err(error) => return Err(error.or_unavailable().into()),
            }
        }
    }

    fn new_visitor(&self, site: &Site) -> Visitor {
        let now = self.clock.now();
        Visitor {
            id: VisitorId::new(now, rand::random()),
            site: site.id,
            name: None,
            email: None,
            subject: None,
            attributes: Attributes::default(),
            blocked: false,
            first_seen_at: now,
            generation: 0,
            became: None,
        }
    }
}

/// Puts into `visitor` what the page says of them. The page cannot change name and e-mail of a verified visitor: people
/// would take for proven what was not.
fn tell(visitor: &mut Visitor, request: &VisitorRequest) -> Result<(), VisitorError> {
    if !visitor.verified() {
        visitor.name = request.name.clone().or(visitor.name.take());
        visitor.email = request.email.clone().or(visitor.email.take());
    }
    let before = visitor.attributes.iter().filter(|(key, _)| !request.removed.contains(*key));
    let both = before.chain(request.attributes.iter());
    let merged: BTreeMap<String, Attribute> =
        both.map(|(key, value)| (key.to_owned(), value.clone())).collect();
    visitor.attributes = Attributes::parse(merged).map_err(VisitorError::Attributes)?;
    Ok(())
}
