//! How much an event takes on the disk: its weight is a bound, whatever people type.

use domain::{
    AgentCard, AssignReason, Attribute, Attributes, Author, ClientId, Considered, Digest, Email, Event,
    EventKind, Exclusion, Explanation, FileCard, Id, Kind, Line, MessageText, Mime, Name, Paragraph, Rating,
    ReleaseReason, RequestMark, Rule, Seq, Start, Timestamp, TransferTo, VisitorCard,
};
use proptest::prelude::*;
use store::envelope;
use uuid::Uuid;

fn id<K: Kind>() -> Id<K> {
    Id::from_uuid(Uuid::max())
}

/// Texts that JSON makes long.
fn words(bytes_max: usize) -> impl Strategy<Value = String> {
    words_of(&["\"", "\\", "a", "é", "\u{1f469}", "\u{2028}", "\u{feff}", "\u{200b}"], bytes_max)
}

/// The same on one line, in which nothing breaks it.
fn line(bytes_max: usize) -> impl Strategy<Value = String> {
    words_of(&["\"", "\\", "a", "é", "\u{1f469}", "\u{feff}", "\u{200b}"], bytes_max)
}

fn words_of(pieces: &[&'static str], bytes_max: usize) -> impl Strategy<Value = String> {
    let of = move |pieces: Vec<&'static str>| {
        let mut text = String::from("x");
        for piece in pieces {
            if text.len() + piece.len() <= bytes_max {
                text.push_str(piece);
            }
        }
        text
    };
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..bytes_max).prop_map(of)
}

fn names() -> impl Strategy<Value = Name> {
    line(200).prop_map(|text| Name::parse(&text).unwrap())
}

proptest! {
    #[test]
    fn an_event_takes_no_more_than_its_weight(
        name in names(),
        tag in line(40),
        long in words(3000),
        comment in words(2000),
        reason in words(500),
        client_id in "[!-~]{1,128}",
        digest in any::<[u8; 8]>(),
        number in -Attributes::NUMBER_MAX..=Attributes::NUMBER_MAX,
        files in 0usize..=10,
    ) {
        let huge = u64::MAX;
        let agent = AgentCard { id: id(), name: name.clone() };
        let file = FileCard {
            id: id(),
            name: name.clone(),
            mime: Mime::new("application/x-\"y\""),
            size: huge,
            has_thumbnail: false,
        };
        let pair = |n: usize, value| (format!("{n}\"{}", "\\".repeat(40)), value);
        let given = (0..16).flat_map(|n| {
            let text: String = long.chars().take(20).collect();
            [pair(n, Attribute::Text(text.into())), pair(n + 16, Attribute::Number(number))]
        });
        let visitor = VisitorCard {
            id: id(),
            name: Some(name.clone()),
            email: Some(Email::parse(&format!("{}@\"\"\"", "\"".repeat(240))).unwrap()),
            verified: false,
        };
        let attributes = Attributes::parse(given).unwrap();
        let proven = visitor.clone();
        let start = Start { site: id(), team: id(), visitor, subject: Some(name.clone()), attributes };
        let lines = format!("{long}\n\t\r\n");
        let considered = Considered {
            agent: id(),
            load: u32::MAX,
            capacity: u32::MAX,
            excluded_by: Some(Exclusion::TransferredAway),
        };
        let why = Explanation { rule: Rule::RoundRobin, candidates: vec![considered; files] };
        let tag = Line::parse(&tag).unwrap();
        let kinds = [
            EventKind::Started(start),
            EventKind::MessagePosted {
                message_id: id(),
                text: Some(MessageText::parse(&lines, MessageText::BYTES_MAX).unwrap()),
                files: vec![file.clone(); files],
            },
            EventKind::NotePosted { message_id: id(), text: None, files: vec![file; files] },
            EventKind::Assigned {
                agent: agent.clone(),
                assignment_epoch: huge,
                reason: AssignReason::TakeOver,
                why: Some(Box::new(why)),
            },
            EventKind::Tagged { added: vec![tag.clone(); files], removed: vec![tag; files] },
            EventKind::Reopened,
            EventKind::Released { agent: agent.clone(), reason: ReleaseReason::OverCapacity },
            EventKind::Transferred { to: TransferTo::Agent(agent.clone()) },
            EventKind::Transferred { to: TransferTo::Team(id()) },
            EventKind::Identified { visitor: proven },
            EventKind::Rated(Rating { score: 255, comment: Some(Paragraph::parse(&comment).unwrap()) }),
            EventKind::Ended { reason: Some(Paragraph::parse(&reason).unwrap()) },
        ];
        let authors = [
            Author::Visitor { id: id(), name: Some(name.clone()) },
            Author::Bot { id: id(), name },
            Author::Agent(agent),
        ];
        for kind in &kinds {
            for by in &authors {
                let client_id = ClientId::parse(&client_id).unwrap();
                let request = Some(RequestMark { client_id, digest: Digest::of([digest.as_slice()]) });
                let event = Event {
                    seq: Seq(huge),
                    at: Timestamp::from_ms(huge),
                    by: by.clone(),
                    request,
                    kind: kind.clone(),
                };
                let stored = envelope::seal(&event);
                prop_assert!(stored.len() as u64 <= event.weight(), "{} > {}: {event:?}", stored.len(), event.weight());
                // Bit by bit the same, numbers too.
                prop_assert_eq!(envelope::open::<Event>(&stored).unwrap(), event);
            }
        }
    }
}
