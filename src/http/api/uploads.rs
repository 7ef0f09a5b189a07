//! Uploads: a file for a conversation, streamed to the disk as it comes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use domain::{ConversationId, State};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Method, header};
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde::Serialize;
use store::ConversationKey;
use utoipa::ToSchema;

use super::heads::{principal_of, seen_head};
use super::versioned::{no_query, workspace_of};
use crate::files::{FileRecord, Rendition, Upload, UploadError, Uploader};
use crate::http::App;
use crate::http::body::{Body, too_large};
use crate::http::call::Call;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::reply::Reply;
use crate::http::routes::{AnswerDoc, BodyKind, Doc, Rate, Route, SchemaOf, Who};
use crate::identity::Caller;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    method: Method::POST,
    path: "/api/v1/chat/upload",
    who: Who::VISITOR_OR_AGENT,
    // A file counts as a message: what a sender may fill the disk with is bounded.
    rates: &[Rate::Send],
    body: BodyKind::Multipart,
    handler: |call| Box::pin(upload(call)),
    doc: Doc {
        summary: "Upload a file for one message of a conversation: the part conversation_id first, then the part file",
        tag: "files",
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
        ],
        ..Doc::NONE
    },
}];

const CONVERSATION: &str = "conversation_id";
const FILE: &str = "file";
/// RFC 2046, section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Longer than any id.
const CONVERSATION_BYTES_MAX: u64 = 128;
/// All that is not the file itself: the parts' headers, and what comes with them in one piece from the connection.
/// multer keeps it in memory until it understands it.
const AROUND_BYTES_MAX: u64 = 256 * 1024;

/// A file that was uploaded.
#[derive(Serialize, ToSchema)]
pub struct UploadedJson {
    /// For `file_ids` of a message.
    file_id: String,
    /// What its uploader called it, made harmless.
    name: String,
    /// By its bytes.
    mime: String,
    /// In bytes, as it is kept: images lose what tells more than the picture.
    size: u64,
    /// Of its bytes as they are kept, in hexadecimal digits.
    sha256: String,
    /// A signed link, good for an hour, relative to the server's public address.
    url: String,
    /// The same, to an image of at most 320x320 pixels. Of images alone, and not of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail_url: Option<String>,
}

async fn upload(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let boundary = boundary(&call.headers)?;
    let (workspace, who) = (workspace_of(&call)?, principal_of(&call)?);
    let (app, caller) = (Arc::clone(&call.app), call.caller.clone());
    let in_file = Arc::new(AtomicBool::new(false));
    let mut parts = parts(&mut call.body, boundary, Arc::clone(&in_file));

    let first = next_part(&mut parts).await?.filter(|part| part.name() == Some(CONVERSATION));
    let first = first.ok_or_else(|| ApiError::invalid_field(CONVERSATION, "must be the first part"))?;
    let text = first.text().await.map_err(refused)?;
    let conversation: ConversationId = text.parse().map_err(|_| ApiError::not_found())?;
    let head = seen_head(&app, ConversationKey { workspace, conversation }, &who).await?;
    let uploader = uploader(&caller, head.state)?;

    let file = next_part(&mut parts).await?.filter(|part| part.name() == Some(FILE));
    let file = file.ok_or_else(|| ApiError::invalid_field(FILE, "must be the second part"))?;
    let name = file.file_name().unwrap_or_default().to_owned();
    in_file.store(true, Ordering::Relaxed);
    let mut broken = None;
    let bytes = last_part(parts, file, in_file).map(|bytes| {
        bytes.map_err(|error| {
            broken = Some(error);
            "its body broke off"
        })
    });
    let upload = Upload { workspace, conversation, uploader, name };
    let record = match app.files.receive(upload, bytes).await {
        Ok(record) => record.document,
        Err(UploadError::BrokeOff(why)) => {
            return Err(broken.unwrap_or_else(|| ApiError::new(ErrorCode::InvalidRequest, why)));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Reply::created(&uploaded(&app, workspace, &record)))
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

/// Who sees the conversation and can still say something in it: an agent at least a note.
fn uploader(caller: &Caller, state: State) -> Result<Uploader, ApiError> {
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

fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match multer::parse_boundary(given) {
        Ok(boundary) if (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) => Ok(boundary),
        Ok(_) | Err(multer::Error::NoBoundary) => {
            Err(ApiError::new(ErrorCode::InvalidRequest, "the boundary must be 1 to 70 bytes"))
        }
        Err(_) => Err(ApiError::new(ErrorCode::UnsupportedMediaType, "the body must be multipart/form-data")),
    }
}

/// The body's parts. `in_file` says whether what comes now goes to the disk; all else is counted, for it is held.
fn parts(body: &mut Body, boundary: String, in_file: Arc<AtomicBool>) -> Multipart<'_> {
    let chunks = stream::unfold((body, 0), move |(body, mut around)| {
        let in_file = Arc::clone(&in_file);
        async move {
            // multer takes all that is ready: so that it gets one piece at a time, there is none right after one.
            tokio::task::yield_now().await;
            let chunk = match body.chunk().await {
                Ok(chunk) => chunk?,
                Err(error) => return Some((Err(Broken(error)), (body, around))),
            };
            if !in_file.load(Ordering::Relaxed) {
                around += chunk.len() as u64;
            }
            let counted = if around > AROUND_BYTES_MAX { Err(Broken(too_large())) } else { Ok(chunk) };
            Some((counted, (body, around)))
        }
    });
    let limits = SizeLimit::new().for_field(CONVERSATION, CONVERSATION_BYTES_MAX);
    let constraints = Constraints::new().allowed_fields(vec![CONVERSATION, FILE]).size_limit(limits);
    Multipart::with_constraints(chunks, boundary, constraints)
}

async fn next_part<'r>(parts: &mut Multipart<'r>) -> Result<Option<Field<'r>>, ApiError> {
    parts.next_field().await.map_err(refused)
}

/// The bytes of `file`, which must be the last part: if another one follows, they end with an error.
fn last_part<'r>(
    parts: Multipart<'r>,
    file: Field<'r>,
    in_file: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, ApiError>> + Send + 'r {
    stream::unfold((parts, Some(file)), move |(mut parts, file)| {
        let in_file = Arc::clone(&in_file);
        async move {
            let mut file = file?;
            match file.next().await {
                Some(Ok(bytes)) => return Some((Ok(bytes), (parts, Some(file)))),
                // multer would say so again and again.
                Some(Err(error)) => return Some((Err(refused(error)), (parts, None))),
                None => {}
            }
            in_file.store(false, Ordering::Relaxed);
            // It must be gone before there can be another.
            drop(file);
            match next_part(&mut parts).await {
                Ok(None) => None,
                Ok(Some(_)) => {
                    Some((Err(ApiError::invalid_field(FILE, "must be the last part")), (parts, None)))
                }
                Err(error) => Some((Err(error), (parts, None))),
            }
        }
    })
}

/// What broke a body off, on its way through multer.
#[derive(Debug)]
struct Broken(ApiError);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for Broken {}

/// What multer found wrong, as the client is told.
fn refused(error: multer::Error) -> ApiError {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Broken>() {
            Ok(broken) => broken.0,
            Err(cause) => ApiError::new(ErrorCode::InvalidRequest, "the body broke off").caused_by(cause),
        },
        multer::Error::UnknownField { .. } => {
            ApiError::invalid_field("", "must have the parts conversation_id and file only")
        }
        multer::Error::FieldSizeExceeded { .. } => ApiError::invalid_field(CONVERSATION, "is too long"),
        malformed => {
            ApiError::new(ErrorCode::InvalidRequest, "this is not multipart/form-data").caused_by(malformed)
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TooLarge(_) => Self::new(ErrorCode::PayloadTooLarge, error.to_string()),
            UploadError::Refused(refusal) => Self::new(ErrorCode::UnsupportedFile, refusal.to_string()),
            UploadError::BrokeOff(why) => Self::new(ErrorCode::InvalidRequest, why),
            UploadError::StorageFull => {
                Self::new(ErrorCode::StorageFull, "the server's disk is full").caused_by(error)
            }
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
    use crate::http::body::BodyMemory;

    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"conversation_id\"\r\n\r\ncnv_1\r\n\
                        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";

    /// What becomes of a body: the bytes of its file, or the code and the field of the refusal.
    async fn read(text: &str, piece: usize) -> Result<String, (ErrorCode, String)> {
        let pieces: Vec<Bytes> = text.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
        let chunks = stream::iter(pieces.into_iter().map(Ok::<_, warp::Error>));
        let mut body = Body::new(chunks, 1 << 20, Duration::from_secs(30), BodyMemory::default());
        let outcome = read_body(&mut body).await;
        outcome.map_err(|error| {
            (error.code(), error.details().first().map_or(String::new(), |d| d.field.clone()))
        })
    }

    async fn read_body(body: &mut Body) -> Result<String, ApiError> {
        let in_file = Arc::new(AtomicBool::new(false));
        let mut parts = parts(body, "b".to_owned(), Arc::clone(&in_file));
        let first = next_part(&mut parts).await?.unwrap();
        first.text().await.map_err(refused)?;
        let file = next_part(&mut parts).await?.unwrap();
        in_file.store(true, Ordering::Relaxed);
        let pieces: Vec<Result<Bytes, ApiError>> = last_part(parts, file, in_file).collect().await;
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

    #[test]
    fn a_body_that_is_not_multipart_is_told_so() {
        for (given, code) in [
            ("application/json", ErrorCode::UnsupportedMediaType),
            ("multipart/mixed; boundary=b", ErrorCode::UnsupportedMediaType),
            ("", ErrorCode::UnsupportedMediaType),
            ("multipart/form-data", ErrorCode::InvalidRequest),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, given.parse().unwrap())]);
            assert_eq!(boundary(&headers).unwrap_err().code(), code, "{given}");
        }
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            "multipart/form-data; boundary=\"a b\"".parse().unwrap(),
        )]);
        assert_eq!(boundary(&headers).unwrap(), "a b");
    }

    #[test]
    fn a_file_that_is_not_taken_says_why() {
        let refused = ApiError::from(UploadError::Refused(crate::files::Refusal::Empty));
        assert_eq!(refused.code(), ErrorCode::UnsupportedFile);
        let large = ApiError::from(UploadError::TooLarge(10));
        assert_eq!(large.code(), ErrorCode::PayloadTooLarge);
    }
}
