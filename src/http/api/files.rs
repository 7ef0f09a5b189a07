//! Files' bytes, for callers who may read their conversation or have a signed link.

use domain::{Event, EventKind, FileCard, FileId, Principal, Seq, WorkspaceId};
use files::{FileRecord, Rendition, Thumbnail, Uploader};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use identity::Caller;
use store::{ConversationKey, EventLog, StoreError};

use super::heads::principal_of;
use super::versioned::{no_query, workspace_of};
use crate::app::App;
use crate::conversations::seen_head;
use crate::errors::{ApiError, ErrorCode};
use crate::file_links::LinkError;
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::range::ByteRange;
use crate::http::engine::reply::Reply;
use crate::http::table::{
    AnswerDoc, BodyKind, Doc, HeaderDoc, QueryDoc, Rate, Route, Row, SchemaOf, Target, Who,
};
use crate::schema;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/chat/files/{id}",
            target: Target::Open,
            who: Who::BearerOrLink,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc { summary: "Read a file's bytes, with a bearer token or by a signed link", ..DOC },
        },
        handler: |call| Box::pin(get(call, Rendition::Original)),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/chat/files/{id}/thumbnail",
            target: Target::Open,
            who: Who::BearerOrLink,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Read an image in at most 320x320 pixels, with a bearer token or by a signed link",
                ..DOC
            },
        },
        handler: |call| Box::pin(get(call, Rendition::Thumbnail)),
    },
];

/// By what the file is.
const ANY: &str = "*/*";

/// Of both rows; to be completed with a summary.
const DOC: Doc = Doc {
    tag: "files",
    query: &[
        QueryDoc::of::<schema::WorkspaceId>("workspace", "Of a signed link."),
        QueryDoc::of::<schema::LinkPart>("expires", "Of a signed link."),
        QueryDoc::of::<schema::LinkPart>("signature", "Of a signed link."),
    ],
    answers: &[
        AnswerDoc { status: 200, description: "The bytes.", body: Some(SchemaOf::bytes(ANY)) },
        AnswerDoc {
            status: 206,
            description: "The one range that was asked for.",
            body: Some(SchemaOf::bytes(ANY)),
        },
    ],
    headers: &[HeaderDoc::IfNoneMatch, HeaderDoc::Range],
    errors: &[ErrorCode::InvalidSignature, ErrorCode::RangeNotSatisfiable],
    ..Doc::NONE
};

const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

async fn get(call: Call, what: Rendition) -> Result<Reply, ApiError> {
    let (workspace, file) = asked(&call, what).await?;
    let served = Served::of(&file, what).ok_or_else(ApiError::not_found)?;
    let files = &call.app.files;
    if served.etag.is_known_by(&call.headers) {
        return Ok(Reply::empty(StatusCode::OK).with_etag(&served.etag, &call.headers));
    }
    let range = ByteRange::asked(&call.headers, &served.etag, served.size)?;
    let (status, first, length) = match range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.first, range.length()),
        None => (StatusCode::OK, 0, served.size),
    };
    let bytes = files.bytes(workspace, file.id, served.bytes, first..first + length).await?;
    let mut reply = Reply::stream(status, served.content_type, length, bytes)
        .with_header(header::ETAG, served.etag.header_value())
        .with_header(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
        .with_header(header::CONTENT_DISPOSITION, served.content_disposition)
        .with_header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)
        .with_header(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    if let Some(range) = range {
        reply = reply.with_header(header::CONTENT_RANGE, range.content_range(served.size));
    }
    Ok(reply)
}

/// Which bytes are sent, and what is said of them.
struct Served {
    bytes: Rendition,
    size: u64,
    etag: ETag,
    content_type: HeaderValue,
    content_disposition: HeaderValue,
}

impl Served {
    /// None when there is no such thumbnail.
    fn of(file: &FileRecord, what: Rendition) -> Option<Self> {
        match (what, &file.thumbnail) {
            (Rendition::Original, _) | (Rendition::Thumbnail, Some(Thumbnail::Itself)) => Some(Self {
                bytes: Rendition::Original,
                size: file.size,
                etag: ETag::of_bytes(file.sha256.as_bytes()),
                content_type: content_type(file),
                content_disposition: content_disposition(file),
            }),
            (Rendition::Thumbnail, Some(Thumbnail::Made { mime, size })) => Some(Self {
                bytes: Rendition::Thumbnail,
                size: *size,
                etag: ETag::of_bytes(format!("thumbnail {}", file.sha256).as_bytes()),
                content_type: HeaderValue::try_from(mime.as_str()).expect("a media type of our own list"),
                content_disposition: HeaderValue::from_static("inline; filename=\"thumbnail\""),
            }),
            (Rendition::Thumbnail, None) => None,
        }
    }
}

/// Events that are read first, from where a file's message must stand: between its sender's look and its append there
/// are few others.
const FIRST_READ: usize = 8;

/// Pages of other origins cannot show it.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The file in the path, if the caller may read it. A query is a signed link, and good for everybody.
async fn asked(call: &Call, what: Rendition) -> Result<(WorkspaceId, FileRecord), ApiError> {
    let app = &call.app;
    if let (Caller::Anonymous, true) = (&call.caller, call.query.is_empty()) {
        let message = "a bearer token or a signed link is needed";
        return Err(ApiError::new(ErrorCode::Unauthenticated, message));
    }
    let id: FileId = call.id("id")?;
    if !call.query.is_empty() {
        let workspace = app.file_links.verify(id, what, &call.query, app.clock.now());
        let workspace = workspace.map_err(invalid_link)?;
        return Ok((workspace, found(app, workspace, id).await?));
    }
    no_query(call)?;
    let (workspace, who) = (workspace_of(call)?, principal_of(call)?);
    let file = found(app, workspace, id).await?;
    let key = ConversationKey { workspace, conversation: file.conversation };
    seen_head(app, key, &who).await?;
    if !is_shown(app, key, &who, &file).await? {
        return Err(ApiError::not_found());
    }
    Ok((workspace, file))
}

async fn found(app: &App, workspace: WorkspaceId, id: FileId) -> Result<FileRecord, ApiError> {
    app.files.find(workspace, id).await?.ok_or_else(ApiError::not_found)
}

fn invalid_link(error: LinkError) -> ApiError {
    match error {
        LinkError::Changed | LinkError::Old => ApiError::new(ErrorCode::InvalidSignature, error.to_string()),
    }
}

/// A visitor reads what they uploaded themselves, and of agents' files those in messages: neither those in notes nor
/// those that were not sent.
async fn is_shown(
    app: &App,
    key: ConversationKey,
    who: &Principal,
    file: &FileRecord,
) -> Result<bool, ApiError> {
    let by_agent = matches!(file.uploader, Uploader::Agent(_));
    let to_visitor = matches!(who, Principal::Visitor { .. });
    if !(by_agent && to_visitor) {
        return Ok(true);
    }
    if file.used_by.is_none() {
        return Ok(false);
    }
    Ok(is_sent_to_visitor(&*app.store.log, key, file).await?)
}

/// Whether the log has the file in a message. It says so itself, for a message that was to use the file may have been
/// refused, and a server may have stopped before it knew; but it is read from where that message must stand.
async fn is_sent_to_visitor(
    log: &dyn EventLog,
    key: ConversationKey,
    file: &FileRecord,
) -> Result<bool, StoreError> {
    let (mut after, mut limit) = (file.used_after.unwrap_or(Seq::ZERO), FIRST_READ);
    loop {
        let events = log.read(key, after, limit).await?;
        let Some(last) = events.last() else { return Ok(false) };
        (after, limit) = (last.seq, store::PAGE_MAX);
        if let Some(to_visitor) = events.iter().find_map(|event| use_of(event, file.id)) {
            return Ok(to_visitor);
        }
    }
}

/// Whether the event shows the file to the visitor; none when the file is not in it.
fn use_of(event: &Event, file: FileId) -> Option<bool> {
    let has = |files: &[FileCard]| files.iter().any(|card| card.id == file);
    if let EventKind::MessagePosted { files, .. } = &event.kind {
        return has(files).then_some(true);
    }
    if let EventKind::NotePosted { files, .. } = &event.kind {
        return has(files).then_some(false);
    }
    None
}

fn content_type(file: &FileRecord) -> HeaderValue {
    let mime = file.mime.as_str();
    // Of another encoding nobody knows which one it is: what opens the file has to guess.
    let charset = if file.is_utf8 { "; charset=utf-8" } else { "" };
    HeaderValue::try_from(format!("{mime}{charset}")).expect("a media type of our own list")
}

/// Its name in ASCII for old clients, and as it is (RFC 6266).
fn content_disposition(file: &FileRecord) -> HeaderValue {
    let how = if file.shown_inline() { "inline" } else { "attachment" };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '(' | ')');
    let ascii: String = file.name.as_str().chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let exact: String = file.name.as_str().bytes().map(percent_encoded).collect();
    HeaderValue::try_from(format!("{how}; filename=\"{ascii}\"; filename*=UTF-8''{exact}"))
        .expect("letters, digits and a few marks of ASCII")
}

fn percent_encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use domain::{AgentCard, AgentId, Author, ClientId, ConversationId, MessageId, Mime, Name, Timestamp};
    use std::sync::Arc;

    use store::{Incarnation, JournalError, JournalPage, JournalPosition, LaneId, Lanes, OpenLanesError};

    use super::*;

    fn file(name: &str, mime: &str) -> FileRecord {
        FileRecord {
            id: FileId::from_hash([1; 16]),
            conversation: ConversationId::from_hash([2; 16]),
            uploader: Uploader::Agent(AgentId::from_hash([3; 16])),
            name: Name::parse(name).unwrap(),
            mime: Mime::new(mime),
            is_utf8: mime == "text/csv",
            size: 3,
            sha256: "ab".into(),
            uploaded_at: Timestamp::from_ms(0),
            used_by: None,
            used_after: None,
            thumbnail: None,
        }
    }

    /// The end of a log whose beginning nobody may read.
    struct Tail {
        from: Seq,
        events: Vec<Event>,
    }

    #[async_trait::async_trait]
    impl EventLog for Tail {
        async fn read(&self, _: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
            assert!(after >= self.from, "{after:?} is before what has to be read");
            Ok(self.events.iter().filter(|event| event.seq > after).take(limit).cloned().collect())
        }
        async fn read_before(&self, _: ConversationKey, _: Seq, _: usize) -> Result<Vec<Event>, StoreError> {
            unreachable!("it is read forwards")
        }
        async fn open(&self, _: Incarnation) -> Result<Arc<dyn Lanes>, OpenLanesError> {
            unreachable!("nothing is written")
        }
        async fn seal(&self, _: Incarnation) -> Result<(), StoreError> {
            unreachable!("nothing is written")
        }
        async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
            unreachable!("a log is read, and no journal")
        }
        async fn journal(
            &self,
            _: LaneId,
            _: JournalPosition,
            _: usize,
        ) -> Result<JournalPage, JournalError> {
            unreachable!("a log is read, and no journal")
        }
    }

    #[tokio::test]
    async fn an_agents_file_is_found_where_its_message_stands_and_only_in_a_message() {
        let key = ConversationKey {
            workspace: WorkspaceId::from_hash([1; 16]),
            conversation: ConversationId::from_hash([2; 16]),
        };
        let by =
            Author::Agent(AgentCard { id: AgentId::from_hash([3; 16]), name: Name::parse("Ann").unwrap() });
        let event = |seq: u64, file: Option<&FileRecord>, note: bool| {
            let files = file.map(FileRecord::card).into_iter().collect();
            let message_id = MessageId::from_hash([seq as u8; 16]);
            let kind = if note {
                EventKind::NotePosted { message_id, text: None, files }
            } else {
                EventKind::MessagePosted { message_id, text: None, files }
            };
            Event { seq: Seq(seq), at: Timestamp::from_ms(0), by: by.clone(), request: None, kind }
        };
        let mut file = file("a.png", "image/png");
        file.used_by = Some(ClientId::parse("m").unwrap());
        let others = |from: u64, to: u64| (from..=to).map(|seq| event(seq, None, false));
        for (what, after, events, shown) in [
            ("right behind", Some(700), vec![event(701, Some(&file), false)], true),
            ("in a note", Some(700), vec![event(701, Some(&file), true)], false),
            ("not sent", Some(700), others(701, 705).collect(), false),
            ("nothing was", Some(700), vec![], false),
            (
                "behind many others",
                Some(700),
                others(701, 1_400).chain([event(1_401, Some(&file), false)]).collect(),
                true,
            ),
            (
                "by an older program",
                None,
                others(1, 40).chain([event(41, Some(&file), false)]).collect(),
                true,
            ),
        ] {
            file.used_after = after.map(Seq);
            let log = Tail { from: after.map_or(Seq::ZERO, Seq), events };
            assert_eq!(is_sent_to_visitor(&log, key, &file).await.unwrap(), shown, "{what}");
        }
    }

    #[test]
    fn only_raster_images_are_shown_and_no_name_leaves_its_quotes() {
        for (name, mime, expected) in [
            ("a b.png", "image/png", "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
            (
                "a\"; x=\".pdf",
                "application/pdf",
                "attachment; filename=\"a__ x__.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%22.pdf",
            ),
            ("ü.txt", "text/plain", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ] {
            assert_eq!(content_disposition(&file(name, mime)), expected);
        }
        assert_eq!(content_type(&file("a.csv", "text/csv")), "text/csv; charset=utf-8");
        assert_eq!(content_type(&file("a.txt", "text/plain")), "text/plain");
        assert_eq!(content_type(&file("a.png", "image/png")), "image/png");
    }
}
