//! The words and the rules of Switchboard, pure: no async, no input or output, no clock, no JSON.
//!
//! Everything that is decided is decided here ([`Conversation::decide`], [`Load::reserve`], [`may`]); the other
//! crates keep it, run it, and speak of it to the outside.

mod access;
mod agent;
mod canned;
mod conversation;
mod file;
mod id;
mod rejection;
mod role;
mod routing;
mod site;
mod team;
mod text;
mod time;
mod visitor;
mod workspace;

pub use access::{Action, Principal, Standing, may};
pub use agent::{Agent, AgentCard, Load, Status};
pub use canned::{Canned, CannedScope, Shortcut, Template, TemplateError, Variable};
pub use conversation::{
    Answer, AssignReason, Attribute, Attributes, Audience, Author, Command, Conversation, Decision, Digest,
    EVENT_WEIGHT_BASE, EVENTS_MAX, Event, EventKind, Face, Head, Marks, Rating, ReleaseReason, Request,
    RequestMark, Sender, Side, Start, State, TransferTo, Unread, WEIGHT_MAX, WrongAttribute, face,
};
pub use file::{FileCard, Mime};
pub use id::{
    AgentId, BotId, CannedId, ConversationId, FileId, Id, Kind, MessageId, ParseIdError, SiteId, TeamId,
    VisitorId, WorkspaceId,
};
pub use rejection::{Absent, Rejection, Stale};
pub use role::Role;
pub use routing::{
    Candidate, Choice, Considered, Exclusion, Explanation, Needs, Pace, Rule, Skilled, choose,
};
pub use site::{Day, Hours, Origin, PrechatField, PreviousKey, Site, Theme, Tracking};
pub use team::{AssignmentMode, Strategy, Team};
pub use text::{
    ClientId, Email, Line, MessageText, Name, Paragraph, Reason, Subject, Tag, TextError, check_typed,
    is_invisible,
};
pub use time::{Seq, Timestamp};
pub use visitor::{Visitor, VisitorCard};
pub use workspace::Workspace;
