//! What a handler answers with, before the headers that every answer carries are put on it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::errors::RequestId;
use crate::http::engine::etag::ETag;
use crate::socket::Handover;

/// An answer: status, headers and content.
#[must_use]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
    /// What takes the connection over after a 101.
    handover: Option<Box<Handover>>,
}

enum Content {
    Whole(Bytes),
    /// Its length stands in the headers.
    Stream(Box<dyn FnOnce() -> warp::reply::Response + Send + Sync>),
}

/// Bodies must be `Sync`, which streams need not be. Nobody shares this one, so its lock is never taken.
struct Unshared<S>(Mutex<S>);

impl<S: Stream + Unpin> Stream for Unshared<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let stream = self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.poll_next_unpin(context)
    }
}

impl Reply {
    /// Without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), content: Content::Whole(Bytes::new()), handover: None }
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// A JSON body.
    pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Self {
        let body =
            serde_json::to_vec(value).expect("the public types have text keys and no failing serializer");
        Self::bytes(status, HeaderValue::from_static("application/json"), body.into())
    }

    /// 200 with a JSON body.
    pub fn ok<T: Serialize>(value: &T) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with a JSON body.
    pub fn created<T: Serialize>(value: &T) -> Self {
        Self::json(StatusCode::CREATED, value)
    }

    /// A body of another type.
    pub fn bytes(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, content_type);
        Self { status, headers, content: Content::Whole(body), handover: None }
    }

    /// A body of `length` bytes that is made while it is sent; when `stream` fails, the connection breaks off.
    pub fn stream<S, E>(status: StatusCode, content_type: HeaderValue, length: u64, stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let stream = Unshared(Mutex::new(stream));
        let content =
            Content::Stream(Box::new(move || warp::Reply::into_response(warp::reply::stream(stream))));
        Self { status, headers, content, handover: None }
    }

    /// 101: after it the connection is no longer HTTP, and `handover` says who takes it.
    pub fn switching(handover: Handover) -> Self {
        Self { handover: Some(Box::new(handover)), ..Self::empty(StatusCode::SWITCHING_PROTOCOLS) }
    }

    /// One more header; one of the same name is replaced.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Carries its version, and is a 304 without a body when the client (`asked`: its headers) has that version.
    pub fn with_etag(mut self, etag: &ETag, asked: &HeaderMap) -> Self {
        self.headers.insert(header::ETAG, etag.header_value());
        if self.status == StatusCode::OK && etag.is_known_by(asked) {
            self.status = StatusCode::NOT_MODIFIED;
            self.headers.remove(header::CONTENT_TYPE);
            self.headers.remove(header::CONTENT_LENGTH);
            self.content = Content::Whole(Bytes::new());
        }
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How many bytes its body has; 0 when it is made while it is sent.
    pub(crate) fn whole_bytes(&self) -> usize {
        match &self.content {
            Content::Whole(bytes) => bytes.len(),
            Content::Stream(_) => 0,
        }
    }

    /// One of its headers.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    /// As warp sends it.
    pub(crate) fn into_response(self) -> warp::reply::Response {
        let mut response = match self.content {
            Content::Whole(bytes) => warp::reply::Response::new(bytes.into()),
            Content::Stream(make) => make(),
        };
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if let Some(handover) = self.handover {
            response.extensions_mut().insert(HandoverSlot::holding(*handover));
        }
        response
    }

    /// As it is written to a connection on which HTTP is over, without hyper.
    pub(crate) fn into_closing_bytes(self, request_id: &RequestId) -> Vec<u8> {
        let Content::Whole(body) = self.content else { return Vec::new() };
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", self.status.as_str()).into_bytes();
        let length = HeaderValue::from(body.len());
        let fixed = [
            (&header::CONNECTION, &HeaderValue::from_static("close")),
            (&header::CONTENT_LENGTH, &length),
            (&header::CACHE_CONTROL, &HeaderValue::from_static("no-store")),
            (&header::X_CONTENT_TYPE_OPTIONS, &HeaderValue::from_static("nosniff")),
            (&HeaderName::from_static("x-request-id"), &request_id.header_value()),
        ];
        for (name, value) in self.headers.iter().chain(fixed) {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Its body, which must be whole.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        match &self.content {
            Content::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Content::Stream(_) => panic!("a stream is not a text"),
        }
    }
}

/// Carries a [`Handover`] in a response's extensions, which want to be cloned; it is taken once.
#[derive(Clone)]
pub(crate) struct HandoverSlot(std::sync::Arc<std::sync::Mutex<Option<Handover>>>);

impl HandoverSlot {
    fn holding(handover: Handover) -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(Some(handover))))
    }

    pub(crate) fn take(&self) -> Option<Handover> {
        self.0.lock().expect("nobody panics while holding it").take()
    }
}
