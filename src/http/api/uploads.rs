//! Uploads: a file for a conversation, streamed to the disk as it comes.

use std::sync::Arc;

use bytes::Bytes;
use domain::{ConversationId, State};
use files::{FileRecord, Rendition, Upload, UploadError, Uploader};
use futures_util::{Stream, StreamExt, stream};
use http::Method;
use identity::Caller;
use serde::{Deserialize, Serialize};
use store::ConversationKey;
use utoipa::ToSchema;

use super::heads::principal_of;
use super::versioned::{no_query, workspace_of};
use crate::app::App;
use crate::conversations;
use crate::conversations::seen_head;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::{Call, check_not_encoded};
use crate::http::engine::multipart::{self, Multipart, Part};
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::rates::{Key, Limit, Rates};
use crate::schema::{self, words};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::POST,
        path: "/api/v1/chat/upload",
        target: Target::Open,
        who: Who::VISITOR_OR_AGENT,
        // A file counts as a message: what a sender may fill the disk with is bounded.
        rates: &[Rate::Send],
        body: BodyKind::Multipart,
        doc: Doc {
            summary: "Upload a file for one message of a conversation: the part conversation_id first, then the part file",
            tag: "files",
            request: Some(SchemaOf::of::<UploadJson>()),
            answers: &[AnswerDoc {
                status: 201,
                description: "It is kept, for 24 hours unless a message uses it.",
                body: Some(SchemaOf::of::<UploadedJson>()),
            }],
            errors: &[
                ErrorCode::UnsupportedFile,
                ErrorCode::UnsupportedMediaType,
                ErrorCode::NotFound,
                ErrorCode::ConversationEnded,
                ErrorCode::StorageFull,
                ErrorCode::Overloaded,
            ],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(upload(call)),
}];

const CONVERSATION: &str = "conversation_id";
const FILE: &str = "file";
/// Longer than any id.
const CONVERSATION_BYTES_MAX: usize = 128;

/// A file, and which conversation it is for. The parts come in this order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what is read part by part")]
struct UploadJson {
    /// Where it is going to be used.
    #[schema(value_type = schema::ConversationId)]
    conversation_id: String,
    /// Its bytes, with a name.
    #[schema(value_type = UploadBytes)]
    file: Vec<u8>,
}

words! {
    /// A file's bytes; kind and size are bounded.
    UploadBytes: schema::binary();
}

/// A file that was uploaded.
#[derive(Serialize, ToSchema)]
pub struct UploadedJson {
    /// For `file_ids` of a message.
    #[schema(value_type = schema::FileId)]
    file_id: String,
    /// What its uploader called it, made harmless.
    #[schema(value_type = schema::Name)]
    name: String,
    /// By its bytes.
    #[schema(value_type = schema::MediaType)]
    mime: String,
    /// In bytes, as it is kept: images lose what tells more than the picture.
    #[schema(value_type = schema::Count)]
    size: u64,
    /// Of its bytes as they are kept, in hexadecimal digits.
    #[schema(value_type = schema::Sha256)]
    sha256: String,
    /// A signed link, good for an hour, relative to the server's public address.
    #[schema(value_type = schema::Link)]
    url: String,
    /// The same, to an image of at most 320x320 pixels. Of images alone, and not of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Link>)]
    thumbnail_url: Option<String>,
}

async fn upload(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    check_not_encoded(&call.headers)?;
    let boundary = multipart::boundary(&call.headers)?;
    let (workspace, who) = (workspace_of(&call)?, principal_of(&call)?);
    let (app, caller) = (Arc::clone(&call.app), call.caller.clone());
    let mut parts = Multipart::new(&mut call.body, &boundary);

    next_part(&mut parts, CONVERSATION, "must be the first part").await?;
    let text = parts.text(CONVERSATION_BYTES_MAX).await?;
    let text = text.ok_or_else(|| ApiError::invalid_field(CONVERSATION, "is too long, or no text"))?;
    let conversation: ConversationId = text.parse().map_err(|_| ApiError::not_found())?;
    let head = seen_head(&app, ConversationKey { workspace, conversation }, &who).await?;
    let uploader = uploader(&caller, head.state)?;

    let file = next_part(&mut parts, FILE, "must be the second part").await?;
    let name = file.file_name.unwrap_or_default();
    let address = match uploader {
        Uploader::Visitor(_) => Some(Key::of_address(call.peer)),
        Uploader::Agent(_) => None,
    };
    let mut broken = None;
    let bytes = last_part(parts).map(|bytes| {
        let bytes = bytes.and_then(|bytes| charge(&app.rates, address, bytes.len()).map(|()| bytes));
        bytes.map_err(|error| {
            broken = Some(error);
            "its body broke off"
        })
    });
    let upload = Upload { workspace, conversation, site: head.site, uploader, name };
    let record = match app.files.receive(upload, bytes).await {
        Ok(record) => record.document,
        Err(UploadError::BrokeOff(why)) => {
            return Err(broken.unwrap_or_else(|| ApiError::new(ErrorCode::InvalidRequest, why)));
        }
        Err(error) => return Err(error.into()),
    };
    // It may have taken minutes. A file whose uploader was logged out meanwhile is nobody's, and goes after a day.
    app.identity.still_valid(&caller).await?;
    Ok(Reply::created(&uploaded(&app, workspace, &record)))
}

/// Counts so many bytes, before they are written, to the address that they come from. Visitors cost nothing to make, so those of
/// one address together must not use up what a site's day may bring.
fn charge(rates: &Rates, address: Option<Key>, bytes: usize) -> Result<(), ApiError> {
    let Some(address) = address else { return Ok(()) };
    match rates.peek(Limit::UploadsOfAddress, address).and_then(|verdict| verdict.retry_after) {
        Some(wait) => Err(ApiError::too_often(wait)),
        None => {
            rates.charge(Limit::UploadsOfAddress, address, bytes);
            Ok(())
        }
    }
}

fn uploaded(app: &App, workspace: domain::WorkspaceId, record: &FileRecord) -> UploadedJson {
    let link = |what| app.file_links.sign(workspace, record.id, what, app.clock.now());
    UploadedJson {
        file_id: record.id.to_string(),
        name: record.name.as_str().to_owned(),
        mime: record.mime.as_str().to_owned(),
        size: record.size,
        sha256: record.sha256.to_string(),
        url: link(Rendition::Original),
        thumbnail_url: record.thumbnail.is_some().then(|| link(Rendition::Thumbnail)),
    }
}

/// The caller, who sees the conversation, if they can still say something in it: an agent at least a note.
fn uploader(caller: &Caller, state: State) -> Result<Uploader, ApiError> {
    conversations::check_proven(caller)?;
    match caller {
        Caller::Agent { agent, .. } => Ok(Uploader::Agent(agent.id)),
        Caller::Visitor { visitor, .. } if visitor.blocked => {
            Err(ApiError::forbidden("this visitor is blocked"))
        }
        Caller::Visitor { .. } if state == State::Ended => Err(domain::Rejection::ConversationEnded.into()),
        Caller::Visitor { visitor, .. } => Ok(Uploader::Visitor(visitor.id)),
        Caller::Anonymous | Caller::Site { .. } => Err(ApiError::not_found()),
    }
}

/// The next part, which must be this one.
async fn next_part(parts: &mut Multipart<'_>, name: &str, place: &'static str) -> Result<Part, ApiError> {
    match parts.next_part().await? {
        Some(part) if part.name == name => Ok(part),
        Some(part) if ![CONVERSATION, FILE].contains(&part.name.as_str()) => Err(unknown_part()),
        Some(_) | None => Err(ApiError::invalid_field(name, place)),
    }
}

fn unknown_part() -> ApiError {
    ApiError::invalid_field("", "must have the parts conversation_id and file only")
}

/// The bytes of the file, which must be the last part: if another one follows, they end with an error.
fn last_part(parts: Multipart<'_>) -> impl Stream<Item = Result<Bytes, ApiError>> + Send {
    stream::unfold(Some(parts), |parts| async move {
        let mut parts = parts?;
        let error = match parts.chunk().await {
            Ok(Some(bytes)) => return Some((Ok(bytes), Some(parts))),
            Ok(None) => match parts.next_part().await {
                Ok(None) => return None,
                Ok(Some(part)) if part.name == FILE => ApiError::invalid_field(FILE, "must be the last part"),
                Ok(Some(part)) if part.name == CONVERSATION => {
                    ApiError::invalid_field(CONVERSATION, "must be the first part")
                }
                Ok(Some(_)) => unknown_part(),
                Err(error) => error,
            },
            Err(error) => error,
        };
        Some((Err(error), None))
    })
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TooLarge(_) => Self::new(ErrorCode::PayloadTooLarge, error.to_string()),
            UploadError::Refused(refusal) => Self::new(ErrorCode::UnsupportedFile, refusal.to_string()),
            UploadError::BrokeOff(why) => Self::new(ErrorCode::InvalidRequest, why),
            UploadError::Quota(passed) => {
                Self::new(ErrorCode::RateLimited, passed.to_string()).retry_after_ms(passed.retry_after_ms)
            }
            UploadError::ReserveReached => Self::new(
                ErrorCode::StorageFull,
                "the server's disk is nearly full: messages are taken, and files are not",
            ),
            UploadError::Counts(error) => error.into(),
            UploadError::TooManyImages => Self::overloaded("too many images are uploaded now: try again"),
            UploadError::StorageFull => {
                Self::new(ErrorCode::StorageFull, "the server's disk is full").caused_by(error)
            }
            UploadError::Exhausted(_) => Self::unavailable(error),
            UploadError::Local(_) => Self::internal(error),
            UploadError::Kept(error) => error.into(),
            UploadError::Record(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Limits;
    use crate::http::engine::body::Body;
    use crate::rates::memory::BodyMemory;

    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"conversation_id\"\r\n\r\ncnv_1\r\n\
                        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";

    /// What becomes of a body: the bytes of its file, or the code and the field of the refusal.
    async fn read(text: &str, piece: usize) -> Result<String, (ErrorCode, String)> {
        let pieces: Vec<Bytes> = text.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
        let chunks = stream::iter(pieces.into_iter().map(Ok::<_, warp::Error>));
        let mut body = Body::new(chunks, 1 << 20, Duration::from_secs(30), &BodyMemory::default(), Key::NODE);
        let outcome = read_body(&mut body).await;
        outcome.map_err(|error| {
            (error.code(), error.details().first().map_or(String::new(), |d| d.field.clone()))
        })
    }

    async fn read_body(body: &mut Body) -> Result<String, ApiError> {
        let mut parts = Multipart::new(body, "b");
        next_part(&mut parts, CONVERSATION, "must be the first part").await?;
        let text = parts.text(CONVERSATION_BYTES_MAX).await?;
        text.ok_or_else(|| ApiError::invalid_field(CONVERSATION, "is too long, or no text"))?;
        next_part(&mut parts, FILE, "must be the second part").await?;
        let pieces: Vec<Result<Bytes, ApiError>> = last_part(parts).collect().await;
        let whole: Result<Vec<Bytes>, ApiError> = pieces.into_iter().collect();
        Ok(String::from_utf8(whole?.concat()).unwrap())
    }

    #[tokio::test]
    async fn the_file_is_the_second_part_and_the_last_however_it_is_cut() {
        let whole = format!("{HEAD}hello\r\nworld\r\n--b--\r\n");
        for piece in [1, 2, 7, 1000] {
            assert_eq!(read(&whole, piece).await, Ok("hello\r\nworld".to_owned()));
        }
        let third =
            format!("{HEAD}x\r\n--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ny\r\n--b--");
        assert_eq!(read(&third, 16).await, Err((ErrorCode::ValidationFailed, "file".to_owned())));
        let unknown =
            format!("{HEAD}x\r\n--b\r\nContent-Disposition: form-data; name=\"role\"\r\n\r\ny\r\n--b--");
        assert_eq!(read(&unknown, 16).await, Err((ErrorCode::ValidationFailed, String::new())));
        let cut = format!("{HEAD}hello");
        assert_eq!(read(&cut, 16).await, Err((ErrorCode::InvalidRequest, String::new())));
    }

    #[tokio::test]
    async fn only_the_file_may_be_large() {
        let large = format!("{HEAD}{}\r\n--b--", "x".repeat(600_000));
        assert_eq!(read(&large, 4096).await.unwrap().len(), 600_000);
        let before = format!("{}{HEAD}x\r\n--b--", "x".repeat(600_000));
        assert_eq!(read(&before, 4096).await, Err((ErrorCode::PayloadTooLarge, String::new())));
        let long_id = HEAD.replace("cnv_1", &"c".repeat(200));
        assert_eq!(read(&long_id, 4096).await, Err((ErrorCode::ValidationFailed, CONVERSATION.to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_visitors_of_one_address_upload_is_counted_together() {
        let limits = Limits { upload_bytes_per_day_per_address: 1000, ..Limits::default() };
        let (rates, off) =
            (Rates::new(&limits), Rates::new(&Limits { upload_bytes_per_day_per_address: 0, ..limits }));
        let of = |last: u8| Some(Key::of_address([192, 0, 2, last].into()));
        let network = |last: u16| Some(Key::of_address([0x2001, 0xdb8, 0, 1, 0, 0, 0, last].into()));
        for (who, bytes, passes) in [
            (of(1), 600, true),
            (of(1), 600, true),
            (of(1), 1, false),
            (of(2), 1, true),
            (network(1), 1000, true),
            (network(2), 1, false),
            (None, 1 << 30, true),
            (None, 1, true),
        ] {
            assert_eq!(charge(&rates, who, bytes).is_ok(), passes, "{who:?} {bytes}");
            assert!(charge(&off, who, bytes).is_ok());
        }
        let refused = charge(&rates, of(1), 1).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
        assert!(charge(&rates, of(1), 1).is_ok());
    }

    #[test]
    fn a_file_that_is_not_taken_says_why() {
        let refused = ApiError::from(UploadError::Refused(files::Refusal::Empty));
        assert_eq!(refused.code(), ErrorCode::UnsupportedFile);
        let large = ApiError::from(UploadError::TooLarge(10));
        assert_eq!(large.code(), ErrorCode::PayloadTooLarge);
    }
}
