//! The names under which a file's bytes are kept. The names never change: uploaded bytes are found by them.

use domain::FileId;
use store::BlobName;

use crate::record::Rendition;

const THUMBNAIL: &str = "-thumbnail";

/// The name of the file's bytes, or of those of its thumbnail where one was made.
pub(super) fn name_of(file: FileId, what: Rendition) -> BlobName {
    let id = file.uuid().simple();
    let name = match what {
        Rendition::Original => id.to_string(),
        Rendition::Thumbnail => format!("{id}{THUMBNAIL}"),
    };
    BlobName::parse(name).expect("hexadecimal digits and a word")
}

/// The file that the name belongs to; none when it is not the name of a file's bytes.
pub(super) fn file_of(name: &BlobName) -> Option<FileId> {
    let id = name.as_str().strip_suffix(THUMBNAIL).unwrap_or(name.as_str());
    format!("file_{id}").parse().ok()
}
