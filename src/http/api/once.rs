//! `Idempotency-Key`: a POST that makes a record, or a new key of one, makes one, however often it is repeated within a
//! day.
//!
//! The key is kept first, with the id that the record is going to have; then the record is made under that id; then
//! the answer is kept. So a repeat finds the answer, or the record that a request which broke off has made, or goes
//! on from where it broke off.

use domain::{Id, Kind, Timestamp, WorkspaceId};
use http::{HeaderName, StatusCode, header};
use identity::Password;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Document, RecordError, RecordKind, Versioned};
use uuid::Uuid;

use super::versioned::{agent_of, workspace_of};
use crate::app::App;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::reply::Reply;

/// How long a request is known by its key.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
const KEY_BYTES_MAX: usize = 255;
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a body holds what must not be guessed from its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// It does not.
    Open,
    /// It may hold a password: its hash is as dear as a password's.
    Password,
}

/// One request under one key, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Once {
    id: String,
    body: Fingerprint,
    /// The id of the record that it makes, or the seed of what it makes instead.
    makes: Uuid,
    answer: Option<Answer>,
    expires_at: Timestamp,
}

/// Tells one body from another.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fingerprint {
    /// SHA-256, in hexadecimal digits.
    Plain(Box<str>),
    /// An argon2id hash of that.
    Slow(Box<str>),
}

/// What it was answered with.
#[derive(Clone, Serialize, Deserialize)]
struct Answer {
    version: u64,
    json: Box<str>,
}

impl Document for Once {
    const KIND: RecordKind = RecordKind::Idempotency;
    fn id(&self) -> String {
        self.id.clone()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// A request that makes a record. [`Making::begin`] comes before its body is judged, for a repeat needs no judgement.
pub(super) struct Making {
    workspace: WorkspaceId,
    key: Option<Keyed>,
}

struct Keyed {
    /// Of the request: its agent, its path, its key and its record.
    id: String,
    digest: String,
    secrecy: Secrecy,
    kept: Option<Versioned<Once>>,
}

impl Making {
    /// Looks whether the request came before; [`Making::repeated`] has its answer then.
    pub(super) async fn begin(call: &Call, body: &[u8], secrecy: Secrecy) -> Result<Self, ApiError> {
        let workspace = workspace_of(call)?;
        let Some(key) = idempotency_key(call)? else { return Ok(Self { workspace, key: None }) };
        let agent = agent_of(call)?.id.uuid();
        let route = call.row.path.as_bytes();
        let mut id = vec![agent.as_bytes().as_slice(), route, b"\0", key.as_bytes()];
        if let Some(of) = call.params.get("id") {
            id.extend([b"\0", of.as_bytes()]);
        }
        let id = hexadecimal(&id);
        let mut keyed = Keyed { id, digest: hexadecimal(&[body]), secrecy, kept: None };
        keyed.look(&call.app, workspace).await?;
        Ok(Self { workspace, key: Some(keyed) })
    }

    /// What the request was answered with before.
    pub(super) fn repeated(&self) -> Option<Reply> {
        let answer = self.key.as_ref()?.kept.as_ref()?.document.answer.as_ref()?;
        Some(answer.reply(StatusCode::OK))
    }

    /// Keeps the key, when there is one, with the id of the record that is to be made: `fresh`, or the one that an
    /// earlier request with this key had. To be called when nothing of the request can be refused any more.
    pub(super) async fn keep<K: Kind>(&mut self, app: &App, fresh: Id<K>) -> Result<Id<K>, ApiError> {
        Ok(Id::from_uuid(self.keep_seed(app, fresh.uuid()).await?))
    }

    /// The same for a request that makes no record, but something else of what is kept.
    pub(super) async fn keep_seed(&mut self, app: &App, fresh: Uuid) -> Result<Uuid, ApiError> {
        match &mut self.key {
            Some(keyed) => keyed.keep(app, self.workspace, fresh).await,
            None => Ok(fresh),
        }
    }

    /// 201 with the record's JSON; 200 with the earlier answer when a repeat of the request came first.
    pub(super) async fn answer<J: Serialize>(
        self,
        app: &App,
        version: u64,
        json: &J,
    ) -> Result<Reply, ApiError> {
        self.finish(app, StatusCode::CREATED, version, json).await
    }

    /// The same for a request that changes a record which is there: always 200.
    pub(super) async fn answer_changed<J: Serialize>(
        self,
        app: &App,
        version: u64,
        json: &J,
    ) -> Result<Reply, ApiError> {
        self.finish(app, StatusCode::OK, version, json).await
    }

    async fn finish<J: Serialize>(
        self,
        app: &App,
        status: StatusCode,
        version: u64,
        json: &J,
    ) -> Result<Reply, ApiError> {
        let json =
            serde_json::to_string(json).expect("the public types have text keys and no failing serializer");
        let answer = Answer { version, json: json.into() };
        let Some(Keyed { kept: Some(mut kept), .. }) = self.key else {
            return Ok(answer.reply(status));
        };
        let id = kept.document.id.clone();
        kept.document.answer = Some(answer.clone());
        let records = app.store.records.as_ref();
        match store::update(records, kept, app.clock.now()).await {
            Ok(_) => Ok(answer.reply(status)),
            Err(RecordError::Changed) => {
                let first = store::get::<Once>(records, self.workspace, &id).await?;
                let first = first.and_then(|first| first.document.answer).unwrap_or(answer);
                Ok(first.reply(StatusCode::OK))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Keyed {
    /// Reads what is kept under the key; another body is refused.
    async fn look(&mut self, app: &App, workspace: WorkspaceId) -> Result<(), ApiError> {
        let records = app.store.records.as_ref();
        let kept = store::get::<Once>(records, workspace, &self.id).await?;
        let Some(kept) = kept else { return Ok(()) };
        if kept.document.expires_at <= app.clock.now() {
            // The sweep has not been here yet. That another request removed it meanwhile is as good.
            match records.delete(workspace, Once::KIND, &self.id, Some(kept.version)).await {
                Ok(()) | Err(RecordError::Changed) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        let same = match &kept.document.body {
            Fingerprint::Plain(digest) => **digest == *self.digest,
            Fingerprint::Slow(hash) => {
                app.identity.is_password(&self.digest, hash).await.map_err(overloaded)?
            }
        };
        if !same {
            let message = "this Idempotency-Key was used before with another body";
            return Err(ApiError::new(ErrorCode::IdempotencyConflict, message));
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// Keeps the key, unless it is kept already, and gives the id of the record that it makes.
    async fn keep(&mut self, app: &App, workspace: WorkspaceId, fresh: Uuid) -> Result<Uuid, ApiError> {
        if let Some(kept) = &self.kept {
            return Ok(kept.document.makes);
        }
        let body = match self.secrecy {
            Secrecy::Open => Fingerprint::Plain(self.digest.as_str().into()),
            Secrecy::Password => {
                let digest = Password::parse(&self.digest).expect("64 digits are no weak password");
                Fingerprint::Slow(app.identity.hash_password(digest).await.map_err(overloaded)?)
            }
        };
        let now = app.clock.now();
        let once =
            Once { id: self.id.clone(), body, makes: fresh, answer: None, expires_at: now.plus_ms(KEPT_MS) };
        match store::insert(app.store.records.as_ref(), workspace, once, now).await {
            Ok(kept) => self.kept = Some(kept),
            // A repeat was quicker.
            Err(RecordError::Taken(_)) => self.look(app, workspace).await?,
            Err(error) => return Err(error.into()),
        }
        let kept = self.kept.as_ref().ok_or_else(|| ApiError::unavailable(RecordError::Changed))?;
        Ok(kept.document.makes)
    }
}

impl Answer {
    fn reply(&self, status: StatusCode) -> Reply {
        let json = bytes::Bytes::copy_from_slice(self.json.as_bytes());
        Reply::bytes(status, http::HeaderValue::from_static("application/json"), json)
            .with_header(header::ETAG, ETag::of_version(self.version).header_value())
    }
}

/// Too many passwords at once.
pub(super) fn overloaded(_: identity::Overloaded) -> ApiError {
    ApiError::overloaded("too many passwords are being checked")
}

/// The header's value: a client's own name for the request.
fn idempotency_key(call: &Call) -> Result<Option<&str>, ApiError> {
    let mut given = call.headers.get_all(&HEADER).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let visible = text.bytes().all(|b| b.is_ascii_graphic());
    if given.next().is_some() || !visible || !(1..=KEY_BYTES_MAX).contains(&text.len()) {
        let message = "Idempotency-Key must be one header of 1 to 255 visible ASCII characters";
        return Err(ApiError::new(ErrorCode::InvalidHeader, message));
    }
    Ok(Some(text))
}

fn hexadecimal(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use store::golden::Golden;

    use super::*;

    #[test]
    fn what_is_stored_of_a_request_is_read_for_ever() {
        let asked = Once {
            id: "ab".repeat(32),
            body: Fingerprint::Plain("cd".repeat(32).into()),
            makes: Uuid::from_bytes([1; 16]),
            answer: None,
            expires_at: Timestamp::from_ms(1_700_000_000_000),
        };
        let answered = Once {
            body: Fingerprint::Slow("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
            answer: Some(Answer { version: 2, json: r#"{"id":"site_1"}"#.into() }),
            ..asked.clone()
        };
        let mut golden = Golden::new(include_str!("once/golden.txt"));
        golden.check("asked", &asked);
        golden.check("answered", &answered);
        golden.finish();
    }
}
