//! Signed links: a person who has one reads one file for an hour, without a token in a URL.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{FileId, Timestamp, WorkspaceId};
use files::Rendition;
use identity::Key;

/// How long a link is good.
const LINK_MS: u64 = 60 * 60 * 1000;

/// A link is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It is not as it was signed.
    #[error("the link was changed")]
    Changed,
    /// Its hour is over.
    #[error("the link is too old")]
    Old,
}

/// What the path of a link has behind the file's id.
fn path_of(what: Rendition) -> &'static str {
    match what {
        Rendition::Original => "",
        Rendition::Thumbnail => "/thumbnail",
    }
}

/// Signs links and checks them.
#[derive(Clone, Debug)]
pub struct FileLinks {
    key: Key,
}

impl FileLinks {
    /// With the installation's key for this use, [`identity::Keys::file_link`].
    pub fn new(key: Key) -> Self {
        Self { key }
    }

    /// A link to a file, relative to `public_url`, for the next hour.
    pub fn sign(&self, workspace: WorkspaceId, file: FileId, what: Rendition, now: Timestamp) -> String {
        let expires_s = now.plus_ms(LINK_MS).as_ms() / 1000;
        let signature =
            URL_SAFE_NO_PAD.encode(self.key.sign(&signed_parts(workspace, file, what, expires_s)));
        let path = path_of(what);
        format!(
            "/api/v1/chat/files/{file}{path}?workspace={workspace}&expires={expires_s}&signature={signature}"
        )
    }

    /// The workspace of the file that a link to `file` with this query is for. Takes exactly what [`FileLinks::sign`] wrote.
    ///
    /// # Errors
    /// The link was changed, or its hour is over.
    pub fn verify(
        &self,
        file: FileId,
        what: Rendition,
        query: &str,
        now: Timestamp,
    ) -> Result<WorkspaceId, LinkError> {
        let (workspace, expires_s, signature) = parse(query).ok_or(LinkError::Changed)?;
        if !self.key.verify(&signed_parts(workspace, file, what, expires_s), &signature) {
            return Err(LinkError::Changed);
        }
        if now.as_ms() / 1000 >= expires_s {
            return Err(LinkError::Old);
        }
        Ok(workspace)
    }
}

/// All but the last of fixed length, so that nothing can be moved from one to the next.
fn signed_parts(workspace: WorkspaceId, file: FileId, what: Rendition, expires_s: u64) -> [Vec<u8>; 4] {
    [
        workspace.uuid().as_bytes().to_vec(),
        file.uuid().as_bytes().to_vec(),
        expires_s.to_be_bytes().to_vec(),
        path_of(what).as_bytes().to_vec(),
    ]
}

fn parse(query: &str) -> Option<(WorkspaceId, u64, Vec<u8>)> {
    let rest = query.strip_prefix("workspace=")?;
    let (workspace, rest) = rest.split_once("&expires=")?;
    let (expires_s, signature) = rest.split_once("&signature=")?;
    let canonical = expires_s.bytes().all(|b| b.is_ascii_digit()) && !expires_s.starts_with('0');
    let expires_s = expires_s.parse().ok().filter(|_| canonical)?;
    Some((workspace.parse().ok()?, expires_s, URL_SAFE_NO_PAD.decode(signature).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_an_hour_for_one_file_and_only_as_it_was_signed() {
        let (now, workspace) = (Timestamp::from_ms(1_700_000_000_000), WorkspaceId::from_hash([1; 16]));
        let links = FileLinks::new(Key::new([7; 32]));
        let (file, other) = (FileId::from_hash([1; 16]), FileId::from_hash([2; 16]));
        let link = links.sign(workspace, file, Rendition::Original, now);
        let (path, query) = link.split_once('?').unwrap();
        let verify = |file, query: &str, now| links.verify(file, Rendition::Original, query, now);
        assert_eq!(path, format!("/api/v1/chat/files/{file}"));

        assert_eq!(verify(file, query, now), Ok(workspace));
        assert_eq!(links.verify(file, Rendition::Thumbnail, query, now), Err(LinkError::Changed));
        let small = links.sign(workspace, file, Rendition::Thumbnail, now);
        let (path, small) = small.split_once('?').unwrap();
        assert_eq!(path, format!("/api/v1/chat/files/{file}/thumbnail"));
        assert_eq!(links.verify(file, Rendition::Thumbnail, small, now), Ok(workspace));
        assert_eq!(verify(file, small, now), Err(LinkError::Changed));
        let last = now.plus_ms(LINK_MS - 1000);
        assert_eq!(verify(file, query, last), Ok(workspace));
        assert_eq!(verify(file, query, now.plus_ms(LINK_MS)), Err(LinkError::Old));
        assert_eq!(verify(other, query, now), Err(LinkError::Changed));
        for at in 0..query.len() {
            let mut changed = query.as_bytes().to_vec();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify(file, &changed, now), Err(LinkError::Changed), "{changed}");
        }
        for changed in
            ["", &query[1..], &format!("{query}&a=b"), &format!("{query}="), &query.replace("&", "&&")]
        {
            assert_eq!(verify(file, changed, now), Err(LinkError::Changed), "{changed}");
        }
    }
}
