//! The installation's own secret, made once and kept in the store, and the keys that are derived from it: one for each
//! use, so that what is signed for one is worth nothing for another.

use domain::{AgentId, ClientId, ConversationId, Timestamp, VisitorId, WorkspaceId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use store::{Document, INSTALLATION, RecordError, RecordKind, Records};

use crate::token::Bytes32;

/// A key for one use. It never shows itself.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// Made of a secret.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// HMAC-SHA-256 of `parts`, in this order. The caller makes sure that the bounds between parts cannot be shifted.
    pub fn sign(&self, parts: &[impl AsRef<[u8]>]) -> [u8; 32] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether `signature` is the signature of `parts`; in constant time.
    pub fn verify(&self, parts: &[impl AsRef<[u8]>], signature: &[u8]) -> bool {
        self.mac(parts).verify_slice(signature).is_ok()
    }

    fn mac(&self, parts: &[impl AsRef<[u8]>]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part.as_ref());
        }
        mac
    }
}

/// The installation's keys.
#[derive(Clone)]
pub struct Keys {
    /// Signs the cursors of lists.
    pub cursor: Key,
    /// Signs links to files.
    pub file_link: Key,
    conversation: Key,
    known_address: Key,
}

/// What is stored: only the secret, from which every key is made.
#[derive(Serialize, Deserialize)]
struct InstallationSecret {
    secret: Bytes32,
}

impl Document for InstallationSecret {
    const KIND: RecordKind = RecordKind::Key;
    fn id(&self) -> String {
        "installation".to_owned()
    }
}

impl Keys {
    /// Reads the installation's keys, or makes them when the installation is new. Nodes that start at once all get the same
    /// keys.
    ///
    /// # Errors
    /// The store did not answer, or did not say whether the keys were written: call again.
    pub async fn load(records: &dyn Records, now: Timestamp) -> Result<Self, RecordError> {
        let fresh = InstallationSecret { secret: Bytes32(rand::random()) };
        let id = fresh.id();
        let kept = match store::get::<InstallationSecret>(records, INSTALLATION, &id).await? {
            Some(kept) => kept.document,
            None => match store::insert(records, INSTALLATION, fresh, now).await {
                Ok(inserted) => inserted.document,
                Err(RecordError::Taken(_)) => {
                    let won = store::get(records, INSTALLATION, &id).await?;
                    won.ok_or(RecordError::Changed)?.document
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Self::derive(&kept))
    }

    fn derive(secret: &InstallationSecret) -> Self {
        let installation = Key(secret.secret.0);
        let key = |purpose: &str| Key(installation.sign(&[purpose.as_bytes()]));
        Self {
            cursor: key("switchboard cursor 1"),
            file_link: key("switchboard file link 1"),
            conversation: key("switchboard conversation 1"),
            known_address: key("switchboard known address 1"),
        }
    }

    /// What is kept of an address from which an agent logged in. Nobody finds the address without the installation's secret.
    pub fn known_address(&self, agent: AgentId, address: &[u8; 16]) -> [u8; 32] {
        self.known_address.sign(&[agent.uuid().as_bytes().as_slice(), address])
    }

    /// The one id of the conversation that a visitor starts under this `client_id`: the same on every node and at
    /// every repeat.
    pub fn conversation_id(
        &self,
        workspace: WorkspaceId,
        visitor: VisitorId,
        client_id: &ClientId,
    ) -> ConversationId {
        let workspace = workspace.uuid();
        let visitor = visitor.uuid();
        let parts = [workspace.as_bytes().as_slice(), visitor.as_bytes(), client_id.as_str().as_bytes()];
        let hash = self.conversation.sign(&parts);
        ConversationId::from_hash(*hash.first_chunk().expect("32 bytes have a first 16"))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(secret)")
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

#[cfg(test)]
mod tests {
    use store::golden::Golden;

    use super::*;
    use crate::tests::Fixture;

    #[tokio::test]
    async fn the_keys_are_made_once_and_differ_by_use() {
        let fixture = Fixture::start().await;
        let records = fixture.store.records.as_ref();
        let first = Keys::load(records, Timestamp::from_ms(1)).await.unwrap();
        let again = Keys::load(records, Timestamp::from_ms(2)).await.unwrap();
        assert_eq!(first.cursor.0, again.cursor.0);
        assert_ne!(first.cursor.0, first.file_link.0);
        assert_ne!(first.file_link.0, first.conversation.0);
        assert!(first.cursor.verify(&[b"a", b"b"], &again.cursor.sign(&[b"ab"])));
        assert!(!first.cursor.verify(&[b"ab"], &again.file_link.sign(&[b"ab"])));
    }

    #[tokio::test]
    async fn a_conversation_s_id_follows_from_workspace_visitor_and_client_id() {
        let fixture = Fixture::start().await;
        let keys = Keys::load(fixture.store.records.as_ref(), Timestamp::from_ms(1)).await.unwrap();
        let id = |workspace: u8, visitor: u8, client_id: &str| {
            let client_id = ClientId::parse(client_id).unwrap();
            keys.conversation_id(
                WorkspaceId::from_hash([workspace; 16]),
                VisitorId::from_hash([visitor; 16]),
                &client_id,
            )
        };
        assert_eq!(id(1, 1, "a"), id(1, 1, "a"));
        let different = [id(1, 1, "a"), id(1, 1, "b"), id(1, 2, "a"), id(2, 1, "a")];
        assert!((1..different.len()).all(|n| !different[..n].contains(&different[n])));
        assert_eq!(id(1, 1, "a").uuid().get_version_num(), 8);
    }

    #[test]
    fn the_stored_secret_is_read_for_ever() {
        let mut golden = Golden::new(include_str!("keys/golden.txt"));
        golden.check("installation", &InstallationSecret { secret: Bytes32([7; 32]) });
        golden.finish();
    }
}
