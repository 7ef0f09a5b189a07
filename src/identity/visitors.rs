//! Visitors and their tokens: the one route that makes, renews and proves them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{
    Attribute, Attributes, Email, Name, Site, Timestamp, Visitor, VisitorId, WorkspaceId, WrongAttribute,
};
use store::{INSTALLATION, RecordError, StoreError, Unique, Versioned};

use super::token::{Token, VisitorToken};
use super::visitor_jwt::{Claims, verify};
use super::{AuthError, Identity, JwtError, unavailable};

/// What a page says of its visitor, parsed.
#[derive(Clone, Debug, Default)]
pub struct VisitorRequest {
    /// A JWT that the site's owner signed.
    pub identity: Option<String>,
    /// Unsigned: taken from a visitor who is not verified, and left aside for one who is.
    pub name: Option<Name>,
    /// Unsigned, as `name`.
    pub email: Option<Email>,
    /// Set over those that he has, key by key.
    pub attributes: Attributes,
    /// The keys of those that are removed.
    pub removed: BTreeSet<String>,
}

/// A visitor with a fresh token.
#[derive(Clone)]
pub struct KnownVisitor {
    /// Himself, as he is now.
    pub visitor: Arc<Visitor>,
    /// For the client alone.
    pub token: String,
    /// When it ends; it can be renewed for 30 days after.
    pub expires_at: Timestamp,
    /// He did not exist before.
    pub created: bool,
    /// The anonymous visitor that he was until he proved to be this one, who existed already. His open
    /// conversations are still the other's: who serves the request moves them.
    pub was: Option<VisitorId>,
}

/// A visitor was not made, renewed or proven.
#[derive(Debug, thiserror::Error)]
pub enum VisitorError {
    /// The old token is worth nothing here, or it ended more than 30 days ago.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// The signed identity is worth nothing.
    #[error(transparent)]
    Identity(#[from] JwtError),
    /// The site takes only visitors with a signed identity.
    #[error("this site takes only visitors whose identity is signed")]
    IdentityRequired,
    /// With those that he has there are too many attributes.
    #[error("attributes {0}")]
    Attributes(WrongAttribute),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A visitor as the store has him now.
struct Found {
    visitor: Visitor,
    created: bool,
    was: Option<VisitorId>,
}

impl Identity {
    /// Makes a visitor of `site`; or, with his old token, renews it; or, with a signed identity, finds the visitor
    /// whose it is. An anonymous visitor who proves himself becomes that visitor, and keeps his id when nobody has
    /// the identity yet. Two verified ones never merge: the identity alone says who he is from now on.
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
        let verified = claims.is_some() || known.as_ref().is_some_and(|known| known.document.verified());
        if site.identity_required && !verified {
            return Err(VisitorError::IdentityRequired);
        }
        let found = match (claims, known) {
            (Some(claims), known) => self.proven(workspace, site, known, &claims, request).await?,
            (None, Some(known)) => {
                let visitor = self.change_visitor(known, |visitor| tell(visitor, request)).await?;
                // Only a new identity can be taken by somebody else, and there is none here.
                let visitor = visitor.ok_or_else(|| unavailable(RecordError::Changed))?;
                Found { visitor, created: false, was: None }
            }
            (None, None) => {
                let mut visitor = self.new_visitor(site);
                tell(&mut visitor, request)?;
                let kept = store::insert(self.records.as_ref(), workspace, visitor, self.clock.now()).await;
                Found { visitor: kept.map_err(unavailable)?.document, created: true, was: None }
            }
        };
        let now = self.clock.now();
        let (record, token) = VisitorToken::make(workspace, site.id, found.visitor.id, now);
        let expires_at = record.expires_at;
        store::insert(self.records.as_ref(), INSTALLATION, record, now).await.map_err(unavailable)?;
        Ok(KnownVisitor {
            visitor: Arc::new(found.visitor),
            token,
            expires_at,
            created: found.created,
            was: found.was,
        })
    }

    /// Whose old token this is, if it is of this site and can still be renewed.
    async fn visitor_to_renew(
        &self,
        workspace: WorkspaceId,
        site: &Site,
        token: &str,
    ) -> Result<Versioned<Visitor>, VisitorError> {
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
        Ok(visitor.ok_or(AuthError::Revoked)?)
    }

    fn signed_identity(&self, site: &Site, token: &str) -> Result<Claims, JwtError> {
        let secret = site.identity_secret.as_deref().ok_or(JwtError::NoSecret)?;
        verify(token, secret.as_bytes(), self.clock.now())
    }

    /// The visitor whose identity this is: who has it, or the anonymous one who brings it, or a new one.
    async fn proven(
        &self,
        workspace: WorkspaceId,
        site: &Site,
        known: Option<Versioned<Visitor>>,
        claims: &Claims,
        request: &VisitorRequest,
    ) -> Result<Found, VisitorError> {
        let anonymous = known.filter(|known| !known.document.verified());
        let prove = |visitor: &mut Visitor| {
            if !visitor.verified() {
                // What he said of himself before was not signed, and would now look as if it were.
                (visitor.name, visitor.email) = (None, None);
            }
            visitor.subject = Some(claims.subject.clone());
            visitor.name = claims.name.clone().or(visitor.name.take());
            visitor.email = claims.email.clone().or(visitor.email.take());
            tell(visitor, request)
        };
        loop {
            if let Some(holder) = self.visitor_with(workspace, site, &claims.subject).await? {
                let was =
                    anonymous.as_ref().map(|known| known.document.id).filter(|id| *id != holder.document.id);
                if let Some(visitor) = self.change_visitor(holder, prove).await? {
                    return Ok(Found { visitor, created: false, was });
                }
            } else if let Some(anonymous) = &anonymous {
                if let Some(visitor) = self.change_visitor(anonymous.clone(), prove).await? {
                    return Ok(Found { visitor, created: false, was: None });
                }
            } else {
                let mut visitor = self.new_visitor(site);
                prove(&mut visitor)?;
                match store::insert(self.records.as_ref(), workspace, visitor, self.clock.now()).await {
                    Ok(kept) => return Ok(Found { visitor: kept.document, created: true, was: None }),
                    Err(RecordError::Taken(_)) => {}
                    Err(error) => return Err(unavailable(error).into()),
                }
            }
            // Somebody else got the identity between the look and the write: look again.
        }
    }

    async fn visitor_with(
        &self,
        workspace: WorkspaceId,
        site: &Site,
        subject: &Name,
    ) -> Result<Option<Versioned<Visitor>>, StoreError> {
        let unique = Unique::in_workspace(format!("sub:{}:{}", site.id, subject.as_str()));
        store::find(self.records.as_ref(), workspace, &unique).await
    }

    /// Changes a visitor's record, however often others change it meanwhile, and writes only what differs. None when
    /// somebody else has the identity that he would get.
    async fn change_visitor(
        &self,
        mut seen: Versioned<Visitor>,
        change: impl Fn(&mut Visitor) -> Result<(), VisitorError>,
    ) -> Result<Option<Visitor>, VisitorError> {
        let (workspace, id) = (seen.workspace, seen.document.id);
        loop {
            let before = seen.document.clone();
            change(&mut seen.document)?;
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
                Err(error) => return Err(unavailable(error).into()),
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
        }
    }
}

/// Puts into `visitor` what the page says of him. Of a verified one it cannot change name and e-mail: people would
/// take for proven what was not.
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
