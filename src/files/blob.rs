//! Under which names a file's bytes are kept. They stand for ever: what was uploaded is found by them.

use domain::FileId;
use store::BlobName;

use super::Rendition;

const THUMBNAIL: &str = "-thumbnail";

/// Of the file itself, or of its thumbnail where one was made.
pub(super) fn name_of(file: FileId, what: Rendition) -> BlobName {
    let id = file.uuid().simple();
    let name = match what {
        Rendition::Original => id.to_string(),
        Rendition::Thumbnail => format!("{id}{THUMBNAIL}"),
    };
    BlobName::parse(name).expect("hexadecimal digits and a word")
}

/// Whose it is; none when it is no file's.
pub(super) fn file_of(name: &BlobName) -> Option<FileId> {
    let id = name.as_str().strip_suffix(THUMBNAIL).unwrap_or(name.as_str());
    format!("file_{id}").parse().ok()
}
