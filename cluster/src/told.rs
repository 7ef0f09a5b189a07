//! What a node tells its peers over links: it may be lost, and nothing rests on it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{StoreError, envelope};

use crate::link::codec::{self, CodecError};
use crate::link::shapes::Opaque;
use crate::membership::View;

/// What is told. Append-only: a variant is written by its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Words {
    /// A view in the store's envelope: who has an older one takes it over.
    View(Opaque),
}

/// What a peer told is not known here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToldError {
    /// The outer shape.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// What is in it.
    #[error(transparent)]
    Inner(#[from] StoreError),
}

/// The view as it is told.
pub(crate) fn tell_view(view: &View) -> Bytes {
    codec::encode(&Words::View(Opaque(envelope::seal(view).into()))).into()
}

/// The view that a peer told.
///
/// # Errors
/// [`ToldError`]: a fault of the peer, or a release that this one does not know; it is logged.
pub(crate) fn told_view(payload: &[u8]) -> Result<View, ToldError> {
    let Words::View(Opaque(view)) = codec::decode(payload)?;
    Ok(envelope::open(&view)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_crosses_as_it_is_and_junk_does_not() {
        let view = View::default().after(|_| true).unwrap();
        let told = tell_view(&view);
        assert_eq!(told_view(&told).unwrap(), view);
        assert!(told_view(&told[..told.len() - 1]).is_err());
        let junk = codec::encode(&Words::View(Opaque(Bytes::from_static(b"junk"))));
        assert!(matches!(told_view(&junk), Err(ToldError::Inner(_))));
    }

    /// Lines as nodes of other releases write them.
    #[test]
    fn what_was_once_told_is_read_and_written_as_before() {
        let words = Words::View(Opaque(Bytes::from_static(b"view")));
        assert_eq!(codec::encode(&words), [0, 4, b'v', b'i', b'e', b'w']);
        assert_eq!(codec::decode::<Words>(&[0, 4, b'v', b'i', b'e', b'w']), Ok(words));
        assert_eq!(codec::decode::<Words>(&[1]), Err(CodecError::Malformed), "of a later release");
    }
}
