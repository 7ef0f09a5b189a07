//! The words that the API is made of, as its document describes them: each text, number and list with the bounds that
//! the server holds it to, taken from the types that hold them. Nothing is decided here.
//!
//! A field names its word in `#[schema(value_type = ...)]`; the document writes each word once and refers to it.

use std::marker::PhantomData;

use domain::{Id, Kind, Line, Paragraph};
use serde::Serialize;
use serde_json::json;
use utoipa::PartialSchema;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, AnyOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder,
    SchemaFormat, Type,
};
use utoipa::openapi::{KnownFormat, RefOr, Schema};

/// The largest whole number that every reader of JSON reads as it is.
pub(crate) const WHOLE_MAX: u64 = (1 << 53) - 1;
/// So many skills a conversation may ask for.
const SKILLS_MAX: usize = 50;
/// More entries than any list has that is as long as a workspace is large.
pub(crate) const MANY: usize = 100_000;
/// What a line does not take: C0, DEL and C1, of which a paragraph takes tab, newline and return; and what breaks a line or
/// turns the direction of text, which a paragraph takes.
const LINE_CONTROLS: &str = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f";
const LANGUAGE_TAG: &str = r"^\s*[A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*\s*$";
const PARAGRAPH_CONTROLS: &str = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f";

/// Words with their schemas, to be named in `value_type`. Where a word has a rule of its own it stands beside that rule.
macro_rules! words {
    ($($(#[doc = $said:literal])+ $word:ident: $schema:expr $(, of $item:ty)?;)+) => {$(
        $(#[doc = $said])+
        pub(crate) enum $word {}

        impl ::utoipa::PartialSchema for $word {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                $schema.description(Some(concat!($($said),+).trim())).into()
            }
        }

        impl ::utoipa::ToSchema for $word {
            fn name() -> ::std::borrow::Cow<'static, str> {
                stringify!($word).into()
            }
            $(
                fn schemas(
                    schemas: &mut Vec<(String, ::utoipa::openapi::RefOr<::utoipa::openapi::Schema>)>,
                ) {
                    <$item as ::utoipa::ToSchema>::schemas(schemas);
                }
            )?
        }
    )+};
}

pub(crate) use words;

words! {
    /// A workspace.
    WorkspaceId: id(PhantomData::<domain::WorkspaceId>);
    /// A site.
    SiteId: id(PhantomData::<domain::SiteId>);
    /// A team.
    TeamId: id(PhantomData::<domain::TeamId>);
    /// An agent.
    AgentId: id(PhantomData::<domain::AgentId>);
    /// A visitor.
    VisitorId: id(PhantomData::<domain::VisitorId>);
    /// A conversation.
    ConversationId: id(PhantomData::<domain::ConversationId>);
    /// A message or a note.
    MessageId: id(PhantomData::<domain::MessageId>);
    /// An uploaded file.
    FileId: id(PhantomData::<domain::FileId>);
    /// A canned response.
    CannedId: id(PhantomData::<domain::CannedId>);
    /// A visitor, an agent or a bot.
    AuthorId: pattern("^(vis|agt|bot)_[0-9a-f]{32}$", 36, 36);

    /// The client's own name for a request: visible ASCII.
    ClientId: pattern("^[!-~]+$", 1, domain::ClientId::BYTES_MAX);
    /// The name of a person or a thing: one line, not blank, without control characters and what turns the direction of text.
    Name: line(domain::Name::CHARACTERS_MAX);
    /// A name that is as if left out when it is empty.
    OptionalName: optional(line(domain::Name::CHARACTERS_MAX), LINE_CONTROLS);
    /// What a conversation is about: one line; as if left out when it is empty.
    Subject: optional(line(domain::Subject::CHARACTERS_MAX), LINE_CONTROLS);
    /// Why a conversation is ended; as if left out when it is empty.
    Reason: optional(paragraph(domain::Reason::CHARACTERS_MAX), PARAGRAPH_CONTROLS);
    /// What a visitor says of a conversation; as if left out when it is empty.
    Comment: optional(paragraph(Paragraph::<2000>::CHARACTERS_MAX), PARAGRAPH_CONTROLS);
    /// A text, not blank, without control characters other than tab, newline and return. Its length is counted in bytes
    /// of UTF-8, each at least one for a character.
    Text: paragraph(domain::MessageText::BYTES_MAX);
    /// A text that is as if left out when it is empty. Its length is counted in bytes of UTF-8, each at least one for a
    /// character.
    OptionalText: optional(paragraph(domain::MessageText::BYTES_MAX), PARAGRAPH_CONTROLS);
    /// A text with its variables filled.
    FilledText: text(1 << 20);
    /// What is typed so far.
    Preview: text(500).pattern(Some(format!("^[^{PARAGRAPH_CONTROLS}]*$")));
    /// A word that a conversation is marked with; kept in lower case.
    Tag: line(domain::Tag::CHARACTERS_MAX);
    /// What an agent types after `/`.
    Shortcut: pattern("^[a-z0-9_-]+$", 1, domain::Shortcut::BYTES_MAX);
    /// One line, not blank, without control characters.
    Title: line(Line::<300>::CHARACTERS_MAX);
    /// What an agent knows, for routing.
    Skill: line(Line::<64>::CHARACTERS_MAX);
    /// `name`, `email`, or the key of an attribute.
    PrechatKey: line(Line::<64>::CHARACTERS_MAX);
    /// An e-mail address.
    Email: email();
    /// An e-mail address, as a person typed it.
    GivenEmail: text(1024);
    /// An e-mail address that is as if left out when it is empty.
    OptionalEmail: optional_email();
    /// A BCP 47 tag.
    LanguageTag: pattern(LANGUAGE_TAG, 1, Line::<35>::CHARACTERS_MAX);
    /// A day of the week.
    Day: one_of(&["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]);
    /// A site's public key.
    SiteKey: text(Line::<64>::CHARACTERS_MAX);
    /// The IANA name of a time zone.
    Zone: zone();
    /// The IANA name of a time zone; as if left out when it is empty.
    OptionalZone: or_empty(zone());
    /// A team; as if left out when it is empty.
    OptionalTeamId: or_empty(id(PhantomData::<domain::TeamId>));
    /// A BCP 47 tag; as if left out when it is empty.
    OptionalLanguageTag: or_empty(pattern(LANGUAGE_TAG, 1, Line::<35>::CHARACTERS_MAX));
    /// A word that conversations are marked with; as if left out when it is empty.
    OptionalTag: or_empty(line(domain::Tag::CHARACTERS_MAX));
    /// A token: opaque.
    Token: text(1024);
    /// A JWT (HS256, HS384 or HS512) with `sub`, `exp`, and perhaps `name` and `email`.
    IdentityToken: text(8 * 1024);
    /// Goes on where a page ended: opaque.
    Cursor: text(512);
    /// RFC 3339, UTC, with milliseconds.
    Time: text(30).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    /// An address, relative to the server's public one or whole.
    Link: text(4 * 1024);
    /// A media type.
    MediaType: text(127).min_length(Some(3));
    /// SHA-256, in hexadecimal digits.
    Sha256: pattern("^[0-9a-f]{64}$", 64, 64);
    /// The program's version.
    Version: text(64);

    /// Words to look for.
    Words: text(200).min_length(Some(1));
    /// Of a signed link: opaque.
    LinkPart: text(128);
    /// How many of a list are shown at once.
    PageLimit: whole(1, 200);

    /// A count, or a place in a log.
    Count: whole(0, WHOLE_MAX);
    /// A place in a log.
    Seq: whole(0, u64::MAX);
    /// What a visitor thinks of a conversation.
    Score: whole(1, 5);

    /// What an agent may.
    Role: values(&[domain::Role::Agent, domain::Role::Supervisor, domain::Role::Admin]);
    /// What an agent wants to be taken for.
    Status: values(&[domain::Status::Online, domain::Status::Away, domain::Status::Offline]);
    /// How conversations come to agents.
    Assignment: values(&[
        domain::AssignmentMode::Offer,
        domain::AssignmentMode::Auto,
        domain::AssignmentMode::Manual,
    ]);
    /// Which agent is chosen.
    Strategy: values(&[domain::Strategy::LeastBusy, domain::Strategy::RoundRobin]);
    /// Whether page views are told.
    Tracking: values(&[domain::Tracking::Off, domain::Tracking::Consent, domain::Tracking::Always]);
    /// Who sees a canned response.
    Scope: one_of(&["workspace", "team", "own"]);
    /// Where a conversation stands.
    State: one_of(&["queued", "assigned", "bot", "ended"]);
    /// Who did something.
    AuthorKind: one_of(&["visitor", "agent", "bot", "system"]);
    /// What happened. New kinds may be added.
    EventKind: text(40).min_length(Some(1));
    /// Why something happened. New reasons may be added; of `ended` it is a person's own words.
    EventReason: text(domain::Reason::CHARACTERS_MAX);
    /// A rule, by name. New ones may be added.
    Rule: text(40).min_length(Some(1));

    /// Conversations.
    ConversationIds: list::<ConversationId>(MANY);
    /// Words that a conversation is marked with.
    Tags: list::<Tag>(20);

    /// What a page tells of a visitor or a conversation: in all at most 4 KiB.
    Attributes: attributes();
    /// An agent, or a team's queue: exactly one of the two.
    TransferTarget: transfer_target();
}

/// A text of at most so many characters.
pub(crate) fn text(characters: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(characters))
}

/// A text of a form.
pub(crate) fn pattern(pattern: &str, least: usize, most: usize) -> ObjectBuilder {
    text(most).min_length(Some(least)).pattern(Some(pattern))
}

/// Bytes.
pub(crate) fn binary() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
}

/// A whole number within bounds.
pub(crate) fn whole(least: u64, most: u64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most))
}

/// One of these texts.
pub(crate) fn one_of(texts: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts.iter().copied()))
}

/// At most so many items.
pub(crate) fn list<T: PartialSchema>(most: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(T::schema()).max_items(Some(most))
}

fn id<K: Kind>(_: PhantomData<Id<K>>) -> ObjectBuilder {
    let length = K::PREFIX.len() + 32;
    let example = format!("{}018f0c2e6b7d7a4c9d3e5f60718293a4", K::PREFIX);
    pattern(&format!("^{}[0-9a-f]{{32}}$", K::PREFIX), length, length).examples([json!(example)])
}

/// The values as they are written.
fn values<T: Serialize>(values: &[T]) -> ObjectBuilder {
    let written = values.iter().map(|value| json!(value));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(written))
}

fn line(characters: usize) -> ObjectBuilder {
    pattern(&not_blank(LINE_CONTROLS), 1, characters)
}

fn paragraph(characters: usize) -> ObjectBuilder {
    pattern(&not_blank(PARAGRAPH_CONTROLS), 1, characters)
}

fn not_blank(controls: &str) -> String {
    format!(r"^[^{controls}]*[^\s{controls}{INVISIBLE}{FILLERS}][^{controls}]*$")
}

fn optional(text: ObjectBuilder, controls: &str) -> ObjectBuilder {
    let not_blank = format!(r"^([^{controls}]*[^\s{controls}{INVISIBLE}{FILLERS}][^{controls}]*)?$");
    text.min_length(Some(0)).pattern(Some(not_blank))
}

/// Characters that nobody sees, and that come along when an address is copied.
const INVISIBLE: &str = r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff";
/// Characters that have a place and no picture. Tags are left out: readers of patterns do not agree on how to write what lies
/// beyond U+FFFF.
const FILLERS: &str = r"\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0";

fn email() -> ObjectBuilder {
    pattern(&format!("^{}$", email_pattern()), 3, domain::Email::BYTES_MAX)
        .examples([json!("ann@example.org")])
}

fn optional_email() -> ObjectBuilder {
    let blank = format!(r"[\s{INVISIBLE}]*");
    pattern(&format!("^({}|{blank})$", email_pattern()), 0, domain::Email::BYTES_MAX)
}

/// Something, `@`, something; what nobody sees around it is left out.
fn email_pattern() -> String {
    let around = format!(r"[\s{INVISIBLE}]*");
    let plain = format!(r"\s{LINE_CONTROLS}{INVISIBLE}");
    format!("{around}[^{plain}]+@[^@{plain}]+{around}")
}

/// Like `schema`, or an empty text.
pub(crate) fn or_empty(schema: impl Into<RefOr<Schema>>) -> AnyOfBuilder {
    AnyOfBuilder::new().item(schema).item(text(0))
}

fn zone() -> ObjectBuilder {
    let names = jiff::tz::db().available().map(|name| name.as_str().to_owned());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).examples([json!("Europe/Berlin")])
}

fn attributes() -> ObjectBuilder {
    let (most, bytes) = (domain::Attributes::KEYS_MAX, domain::Attributes::BYTES_MAX);
    let largest = domain::Attributes::NUMBER_MAX;
    let number = || ObjectBuilder::new().schema_type(Type::Number).minimum(Some(-largest));
    let value = || {
        AnyOfBuilder::new()
            .item(text(bytes).pattern(Some(format!("^[^{PARAGRAPH_CONTROLS}]*$"))))
            .item(number().maximum(Some(largest)))
            .item(ObjectBuilder::new().schema_type(Type::Boolean))
            .item(null())
    };
    let skills = value().item(list::<Skill>(SKILLS_MAX));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .max_properties(Some(most))
        .property_names(Some(Schema::from(RefOr::from(line(Line::<64>::CHARACTERS_MAX)))))
        .property("skills", skills)
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(Schema::AnyOf(value().build())))))
        .examples([json!({"plan": "gold", "seats": 3, "trial": false, "skills": ["billing"]})])
}

/// `false`, and nothing else.
pub(crate) fn only_false() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false]))
}

/// Nothing.
pub(crate) fn null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Null)
}

fn transfer_target() -> OneOfBuilder {
    let only = |one: &str, schema: RefOr<Schema>, other: &str| {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property(one, schema)
            .property(other, or_empty(null()))
            .required(one)
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
    };
    OneOfBuilder::new().item(only("agent_id", AgentId::schema(), "team_id")).item(only(
        "team_id",
        TeamId::schema(),
        "agent_id",
    ))
}

/// `schema`, and that it has these fields too.
pub(crate) fn with_required(schema: RefOr<Schema>, fields: &[&str]) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else {
        return schema;
    };
    object.required.extend(fields.iter().map(|&field| field.to_owned()));
    RefOr::T(Schema::Object(object))
}

/// `schema`, and one of these rules too.
pub(crate) fn with_any(schema: RefOr<Schema>, rules: Vec<ObjectBuilder>) -> RefOr<Schema> {
    let any = rules.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    let any = RefOr::T(Schema::AnyOf(any.build()));
    RefOr::T(Schema::AllOf(AllOfBuilder::new().item(schema).item(any).build()))
}

/// An object that has `field`, like `schema`.
pub(crate) fn has(field: &str, schema: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    may_have(field, schema).required(field)
}

/// An object whose `field`, if it has one, is like `schema`.
pub(crate) fn may_have(field: &str, schema: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object).property(field, schema)
}
