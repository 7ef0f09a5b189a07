//! A row of the route table: plain data, which every part of HTTP may name. What does the work stands beside it, in
//! [`super::Route`].

use http::Method;

use super::doc::Doc;
use super::target::Target;
use super::who::Who;
use crate::config::Limits;

/// What the table says of one route, all of it plain data.
pub struct Row {
    /// HEAD is answered by the row of GET, OPTIONS by the judge.
    pub method: Method,
    /// `/api/v1/chat/conversations/{id}/messages`: what stands in braces is a parameter.
    pub path: &'static str,
    /// What the path names.
    pub target: Target,
    /// Who may ask.
    pub who: Who,
    /// How often; each is judged, in this order.
    pub rates: &'static [Rate],
    /// What body it takes.
    pub body: BodyKind,
    /// For the API document.
    pub doc: Doc,
}

impl Row {
    /// Every node answers it by itself, also one that stands by: what operators ask, and pages that are part of the program.
    pub(crate) fn is_of_node(&self) -> bool {
        matches!(self.doc.tag, "operation" | "documents")
    }
}

/// How often. Each is a limit of the config; the judge knows whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// A message of the visitor or agent who asks.
    Send,
    /// A conversation started, by address.
    Conversations,
    /// A visitor made or renewed, by address.
    Visitors,
    /// A log-in, by address. The judge only looks: the handler takes one, here and of the account, before it checks
    /// the password, and gives both back when it was right, so that parallel guesses cannot pass together.
    LogIns,
    /// A change that is no message, of the visitor or agent who asks; by address for requests without a person.
    Changes,
    /// What is read. The judge only looks whether something is left, of the person and of the address: what an answer
    /// costs is charged when it is made, and may leave a debt.
    Reads,
    /// A socket opened, by address. The judge only looks whether too many before it proved nobody.
    Sockets,
}

/// What body a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// None; what is sent is not read.
    None,
    /// JSON with at least one required field.
    Json,
    /// JSON without a required field: it may be missing.
    OptionalJson,
    /// `multipart/form-data` with a file.
    Multipart,
}

/// What an upload takes beside the file: its other parts and their headers.
const MULTIPART_BYTES: u64 = 64 * 1024;

impl BodyKind {
    /// The largest that is read.
    pub(crate) fn bytes_max(self, limits: &Limits) -> u64 {
        match self {
            BodyKind::None | BodyKind::Json | BodyKind::OptionalJson => limits.body_bytes_max as u64,
            BodyKind::Multipart => limits.upload_bytes_max + MULTIPART_BYTES,
        }
    }

    /// A request without it is wrong.
    pub(crate) fn is_required(self) -> bool {
        match self {
            BodyKind::None | BodyKind::OptionalJson => false,
            BodyKind::Json | BodyKind::Multipart => true,
        }
    }
}
