//! Where a list goes on, as clients carry it: opaque, signed, and good for the same query only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{ApiError, ErrorCode};

/// Bytes of the signature, which stands behind the position.
const SIGNATURE_BYTES: usize = 32;

/// Makes and opens cursors with a key of the installation, so that every node opens what another made.
#[derive(Clone)]
pub struct Cursors {
    key: Key,
}

impl Cursors {
    /// With the installation's key for cursors.
    pub fn new(key: Key) -> Self {
        Self { key }
    }

    /// A cursor to `position`, good for the query that `bound_to` names: the route, whose list it is, and every
    /// parameter that changes what is listed.
    pub fn seal<T: Serialize>(&self, bound_to: &[&str], position: &T) -> String {
        let mut bytes = serde_json::to_vec(position).expect("a position has text keys");
        let signature = self.key.sign(&[&bound(bound_to), &bytes]);
        bytes.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position in a cursor, if it was made here for this query.
    ///
    /// # Errors
    /// `INVALID_CURSOR`.
    pub fn open<T: DeserializeOwned>(&self, bound_to: &[&str], cursor: &str) -> Result<T, ApiError> {
        let refused = || ApiError::new(ErrorCode::InvalidCursor, "this cursor is not one of this query");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let split = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or_else(refused)?;
        let (position, signature) = bytes.split_at(split);
        if !self.key.verify(&[&bound(bound_to), position], signature) {
            return Err(refused());
        }
        serde_json::from_slice(position).map_err(|_| refused())
    }
}

/// The parts with their number and lengths, so that no two queries are the same bytes.
fn bound(parts: &[&str]) -> Vec<u8> {
    let mut bytes = (parts.len() as u64).to_be_bytes().to_vec();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cursor_opens_for_its_own_query_and_unchanged_only() {
        let server = crate::http::testing::Server::start(|_| {}).await;
        let cursors = Cursors::new(server.app.keys.cursor.clone());
        let sealed = cursors.seal(&["conversations", "ws_1", "mine"], &(17u64, "cnv_1"));
        let position: (u64, String) = cursors.open(&["conversations", "ws_1", "mine"], &sealed).unwrap();
        assert_eq!(position, (17, "cnv_1".to_owned()));

        for other in [&["conversations", "ws_1", "all"][..], &["conversationsws_1", "mine"], &[]] {
            assert!(cursors.open::<(u64, String)>(other, &sealed).is_err(), "{other:?}");
        }
        let bound = ["conversations", "ws_1", "mine"];
        let other_key = Cursors::new(server.app.keys.file_link.clone());
        assert!(other_key.open::<(u64, String)>(&bound, &sealed).is_err());
        let mut changed = sealed.clone().into_bytes();
        changed[3] ^= 1;
        for wrong in [String::from_utf8(changed).unwrap(), sealed[..10].into(), String::new(), "%".into()] {
            let refused = cursors.open::<(u64, String)>(&bound, &wrong).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidCursor, "{wrong}");
        }
    }
}
