//! Tokens and what is stored of them. A token is a prefix, the id of its record and a secret; the record holds only the
//! secret's hash, so a person who reads the store can use nothing of what they find.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Agent, AgentId, SiteId, Timestamp, Visitor, VisitorId, WorkspaceId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest, Sha256};
use store::{Document, RecordKind};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// How long a token proves who its visitor is.
pub(super) const VISITOR_TOKEN_MS: u64 = 24 * 60 * 60 * 1000;
/// How long after its end a visitor's token can still be renewed.
pub(super) const VISITOR_RENEWAL_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// How long an access token proves who its agent is.
pub(super) const ACCESS_TOKEN_MS: u64 = 15 * 60 * 1000;
/// How long a refresh token can be exchanged.
pub(super) const REFRESH_TOKEN_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// How many access tokens, and how many refresh tokens that can be exchanged, one log-in remembers before it forgets the
/// oldest: so many answers may be lost, or so many tabs go on side by side. The number is larger than what a log-in may ask for
/// while a token can be used again, so that no token is forgotten which the client has just been given.
const TOKENS_MAX: usize = 64;
const _: () = assert!(TOKENS_MAX > 2 * REFRESHES_MAX as usize);
/// A log-in may exchange its refresh tokens so many times at once, and as many again while one of them may be used again. Tabs
/// never need as many. The limits on requests (`src/rates/`) hold a log-in to it.
pub const REFRESHES_MAX: u32 = 24;

/// 32 bytes, stored as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes32(pub(super) [u8; 32]);

impl Serialize for Bytes32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

/// The SHA-256 of a secret. The secrets are random, so nothing slower is needed.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SecretHash(Bytes32);

impl SecretHash {
    pub(super) fn of(secret: &[u8]) -> Self {
        Self(Bytes32(Sha256::digest(secret).into()))
    }

    /// Names the secret without telling it.
    pub(super) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.0)
    }

    /// In constant time.
    pub(super) fn is_of(&self, secret: &[u8]) -> bool {
        Self::of(secret).0.0.ct_eq(&self.0.0).into()
    }
}

/// Names a visitor's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TokenId(Uuid);

/// Names an agent's log-in: the family of its access and refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// The bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of the log-in that a refresh token names, whether or not there is such a log-in. None for any other text.
    pub fn named_by(refresh_token: &str) -> Option<Self> {
        match Token::parse(refresh_token)? {
            Token::Refresh(id, _) => Some(id),
            Token::Visitor(..) | Token::Access(..) => None,
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// The secret part of a token.
pub(super) type Secret = [u8; 32];

/// A token as a client sends it, taken apart. Whether it is worth anything only its record says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Visitor(TokenId, Secret),
    Access(SessionId, Secret),
    Refresh(SessionId, Secret),
}

impl Token {
    /// Accepts exactly what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_at_checked(4)?;
        if rest.len() != 64 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(rest).ok()?;
        let (id, secret) = bytes.split_first_chunk()?;
        let id = Uuid::from_bytes(*id);
        let secret = secret.try_into().ok()?;
        match prefix {
            "sbv_" => Some(Self::Visitor(TokenId(id), secret)),
            "sba_" => Some(Self::Access(SessionId(id), secret)),
            "sbr_" => Some(Self::Refresh(SessionId(id), secret)),
            _ => None,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, id, secret) = match self {
            Self::Visitor(TokenId(id), secret) => ("sbv_", id, secret),
            Self::Access(SessionId(id), secret) => ("sba_", id, secret),
            Self::Refresh(SessionId(id), secret) => ("sbr_", id, secret),
        };
        let bytes = [id.as_bytes().as_slice(), secret].concat();
        write!(f, "{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// What is stored of a visitor's token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct VisitorToken {
    pub(super) id: TokenId,
    pub(super) workspace: WorkspaceId,
    pub(super) site: SiteId,
    pub(super) visitor: VisitorId,
    pub(super) hash: SecretHash,
    pub(super) expires_at: Timestamp,
    /// The generation of the visitor when the token was given ([`domain::Visitor::generation`]).
    #[serde(default)]
    pub(super) generation: u64,
}

impl VisitorToken {
    /// The record of a fresh token, and the token itself, which is not kept.
    pub(super) fn make(
        workspace: WorkspaceId,
        site: SiteId,
        visitor: &Visitor,
        now: Timestamp,
    ) -> (Self, String) {
        let id = TokenId(Uuid::from_bytes(rand::random()));
        let secret: Secret = rand::random();
        let hash = SecretHash::of(&secret);
        let expires_at = now.plus_ms(VISITOR_TOKEN_MS);
        let (generation, visitor) = (visitor.generation, visitor.id);
        let record = Self { id, workspace, site, visitor, hash, expires_at, generation };
        (record, Token::Visitor(id, secret).to_string())
    }

    /// Whether the token can still be exchanged for a new one.
    pub(super) fn renewable(&self, now: Timestamp) -> bool {
        now <= self.expires_at.plus_ms(VISITOR_RENEWAL_MS)
    }
}

impl Document for VisitorToken {
    const KIND: RecordKind = RecordKind::VisitorToken;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at.plus_ms(VISITOR_RENEWAL_MS))
    }
}

/// What is stored of an agent's log-in: a family of tokens, all of which end together.
///
/// The first half of a refresh token's secret stays the same for the whole family, the second is new with each
/// refresh. So a token that was spent is known as one of the family without keeping the hash of each. Several can be
/// exchanged at once: a token that is used again while it may be (`grace.rs`) gives one more pair each time.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) workspace: WorkspaceId,
    pub(super) agent: AgentId,
    family: SecretHash,
    /// The hash of the refresh token that was given last.
    refresh: SecretHash,
    refresh_expires_at: Timestamp,
    /// The refresh tokens that were given before that one and are not spent, oldest first.
    #[serde(default)]
    refresh_before: Vec<Expiring>,
    access: Vec<Expiring>,
    /// The hashes of the password hashes under which the log-in was begun or went on. A new password ends all log-ins that do
    /// not know it.
    passwords: Vec<SecretHash>,
    pub(super) ended: bool,
    /// The generation of the agent when the log-in was begun ([`domain::Agent::generation`]).
    #[serde(default)]
    generation: u64,
}

/// A token of a log-in.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Expiring {
    hash: SecretHash,
    expires_at: Timestamp,
}

/// What a log-in or a refresh gives to the client; none of it is kept.
pub(super) struct TokenPair {
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) access_expires_at: Timestamp,
}

/// What a refresh token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The token can be exchanged until this time.
    Current(Timestamp),
    /// The token was exchanged before.
    Spent,
}

impl Session {
    pub(super) fn begin(workspace: WorkspaceId, agent: &Agent, now: Timestamp) -> (Self, TokenPair) {
        let family: [u8; 16] = rand::random();
        let mut session = Self {
            id: SessionId(Uuid::from_bytes(rand::random())),
            workspace,
            agent: agent.id,
            family: SecretHash::of(&family),
            // Replaced below: nobody has the secret of this one.
            refresh: SecretHash::of(&rand::random::<Secret>()),
            refresh_expires_at: now,
            refresh_before: Vec::new(),
            access: Vec::new(),
            passwords: vec![SecretHash::of(agent.password_hash.as_bytes())],
            ended: false,
            generation: agent.generation,
        };
        let pair = session.issue(family, now);
        (session, pair)
    }

    /// New tokens in exchange for one of the family, which is spent from now on.
    pub(super) fn rotate(&mut self, spent: &Secret, now: Timestamp) -> TokenPair {
        self.refresh_before.retain(|before| !before.hash.is_of(spent));
        if !self.refresh.is_of(spent) {
            if self.refresh_before.len() + 1 >= TOKENS_MAX {
                self.refresh_before.remove(0);
            }
            self.refresh_before.push(Expiring { hash: self.refresh, expires_at: self.refresh_expires_at });
        }
        self.issue(family_half(spent), now)
    }

    fn issue(&mut self, family: [u8; 16], now: Timestamp) -> TokenPair {
        let mut refresh: Secret = rand::random();
        refresh[..16].copy_from_slice(&family);
        let access: Secret = rand::random();
        let access_expires_at = now.plus_ms(ACCESS_TOKEN_MS);
        // An expired one is kept while there is room: its client is told that it has expired.
        if self.access.len() >= TOKENS_MAX {
            self.access.remove(0);
        }
        self.access.push(Expiring { hash: SecretHash::of(&access), expires_at: access_expires_at });
        self.refresh = SecretHash::of(&refresh);
        self.refresh_expires_at = now.plus_ms(REFRESH_TOKEN_MS);
        TokenPair {
            access: Token::Access(self.id, access).to_string(),
            refresh: Token::Refresh(self.id, refresh).to_string(),
            access_expires_at,
        }
    }

    /// None for a token that is not of this family.
    pub(super) fn standing(&self, refresh: &Secret) -> Option<Standing> {
        if self.refresh.is_of(refresh) {
            return Some(Standing::Current(self.refresh_expires_at));
        }
        match self.refresh_before.iter().find(|before| before.hash.is_of(refresh)) {
            Some(before) => Some(Standing::Current(before.expires_at)),
            None => self.family.is_of(&family_half(refresh)).then_some(Standing::Spent),
        }
    }

    /// When this access token ends or ended; none when the session does not remember it.
    pub(super) fn access_expires_at(&self, secret: &Secret) -> Option<Timestamp> {
        self.access.iter().find(|access| access.hash.is_of(secret)).map(|access| access.expires_at)
    }

    /// Whether the log-in still holds for the agent: it knows the present password, and the agent was not disabled since.
    pub(super) fn is_of(&self, agent: &Agent) -> bool {
        self.generation == agent.generation
            && self.passwords.iter().any(|known| known.is_of(agent.password_hash.as_bytes()))
    }

    /// Lets the log-in go on under this password, and still under the last one, until that is replaced.
    pub(super) fn learn_password(&mut self, password_hash: &str) {
        self.passwords.push(SecretHash::of(password_hash.as_bytes()));
        let forgotten = self.passwords.len().saturating_sub(2);
        self.passwords.drain(..forgotten);
    }
}

fn family_half(refresh: &Secret) -> [u8; 16] {
    *refresh.first_chunk().expect("32 bytes have a first 16")
}

impl Document for Session {
    const KIND: RecordKind = RecordKind::Session;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.refresh_expires_at)
    }
}

#[cfg(test)]
mod tests;
