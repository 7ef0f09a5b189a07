//! The installation's limits: how large, how many, how often, how long. Each has a default and a range, and each is
//! held by the part that its documentation names; nothing here acts.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;

/// `[limits]` of the config, by their public names. Bytes, counts, seconds (`_s`) and pixels; 0 turns a limit off
/// only where it says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest frame that a socket takes; a larger one closes it with 1009.
    pub frame_bytes_max: usize,
    /// The longest message, note or canned text, in bytes of UTF-8.
    pub text_bytes_max: usize,
    /// The largest request body that is not an upload.
    pub body_bytes_max: usize,
    /// The largest uploaded file.
    pub upload_bytes_max: u64,
    /// The largest image that is decoded to make a small one of it, width times height. A larger one is kept without.
    pub image_pixels_max: u64,
    /// Bytes that one visitor may upload in a day of UTC. 0: any number.
    pub upload_bytes_per_day_per_visitor: u64,
    /// Bytes that all visitors of one site may upload in a day of UTC. 0: any number.
    pub upload_bytes_per_day_per_site: u64,
    /// Bytes that visitors of one address may upload in a day, on each node, also those of files that are refused: visitors cost
    /// nothing to make. 0: any number.
    pub upload_bytes_per_day_per_address: u32,
    /// Bytes that all visitors and agents of one workspace may upload in a day of UTC. 0: any number.
    pub upload_bytes_per_day_per_workspace: u64,
    /// Bytes of the data folder's disk that uploads leave to messages and log-ins, such as `1073741824`: with less free, an
    /// upload gets 507. Left out: a twentieth of the disk, and not more than 1 GiB. 0: uploads leave nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_reserve_bytes: Option<u64>,
    /// The largest header section of a request, in bytes, without its first line.
    pub header_bytes_max: usize,
    /// The most header fields of a request.
    pub headers_max: usize,
    /// The longest path and query.
    pub uri_bytes_max: usize,
    /// The most rows that one page of a list has.
    pub page_max: usize,
    /// Sockets of one visitor at once; over it their oldest is closed with 4409. 0: any number.
    pub sockets_per_visitor: usize,
    /// Sockets of one agent at once; over it their oldest is closed with 4409. 0: any number.
    pub sockets_per_agent: usize,
    /// Sockets of one address at once; over it the upgrade is refused with 429. 0: any number.
    pub sockets_per_address: usize,
    /// TCP connections of one address at once. 0: any number.
    pub connections_per_address: usize,
    /// Seconds until a socket must have said hello.
    pub hello_timeout_s: u64,
    /// Seconds until a request's headers must be there.
    pub header_timeout_s: u64,
    /// Seconds for which a connection may wait for its next request. Longer than the 60 s for which nginx keeps a
    /// connection to a server, so that the proxy closes first (docs/proxy.md).
    pub keep_alive_s: u64,
    /// Seconds until a request's body must be there.
    pub body_timeout_s: u64,
    /// Seconds between two pings to a visitor's socket.
    pub ping_interval_s: u64,
    /// Seconds without a sign of life after which a visitor's socket is given up.
    pub dead_after_s: u64,
    /// Seconds between two pings to an agent's socket.
    pub agent_ping_interval_s: u64,
    /// Seconds without a sign of life after which an agent's socket is given up.
    pub agent_dead_after_s: u64,
    /// Hellos with a good token that a node takes in a second, of which one address has at most half in the long run;
    /// over it sockets are closed with 1013 and come back.
    pub hellos_per_s: u32,
    /// Sockets that one address may open in a minute and then prove nobody: with a wrong token, a malformed hello, or
    /// none in time. Over it upgrades are refused with 429. Far above what the agents of one office do whose
    /// tokens all ended over night. 0: any number.
    pub failed_hellos_per_minute_per_address: u32,
    /// Frames that a socket may send at once; over it it is closed with 4429. 0: any number.
    pub frames_burst: u32,
    /// Frames that a socket may send in a second, on average.
    pub frames_per_s: u32,
    /// Messages that a visitor may send at once. 0: any number.
    pub visitor_send_burst: u32,
    /// Messages that a visitor may send in a second, on average.
    pub visitor_send_per_s: u32,
    /// Messages that an agent may send at once. 0: any number.
    pub agent_send_burst: u32,
    /// Messages that an agent may send in a second, on average.
    pub agent_send_per_s: u32,
    /// Requests that change something and are no messages (typing, read marks, accepting, ending, records) that one
    /// person may make at once, or one address for requests without a person. 0: any number.
    pub changes_burst: u32,
    /// The same in a second, on average.
    pub changes_per_s: u32,
    /// Bytes of answers and replays that one person may be sent at once. Over it requests are refused with 429, and a
    /// socket's replay goes on at `read_bytes_per_s`. A desk that pages every list once a second reads a tenth
    /// of it. 0: any number.
    pub read_bytes_burst: u32,
    /// Bytes of answers and replays that one person may be sent in a second, on average.
    pub read_bytes_per_s: u32,
    /// Bytes of answers, files and replays that one address may be sent at once: room for an office of many desks
    /// behind one address. 0: any number.
    pub address_read_bytes_burst: u32,
    /// Bytes of answers, files and replays that one address may be sent in a second, on average.
    pub address_read_bytes_per_s: u32,
    /// Conversations that one address may start in a minute. 0: any number.
    pub conversations_per_minute_per_address: u32,
    /// Visitors that one address may be made in a minute, and tokens renewed. 0: any number.
    pub visitors_per_minute_per_address: u32,
    /// Wrong log-ins for one account from one address in 15 minutes. 0: any number.
    pub logins_per_15min_per_account: u32,
    /// Wrong log-ins for one account in 15 minutes, from all addresses together; over it only addresses that logged in to the
    /// account within 30 days may try. 0: any number.
    pub logins_per_15min_per_account_everywhere: u32,
    /// Wrong log-ins of one address in 15 minutes. 0: any number.
    pub logins_per_15min_per_address: u32,
    /// Conversations of one visitor that have not ended. 0: any number.
    pub open_conversations_per_visitor: usize,
    /// Live frames that wait for a slow socket; over it it is closed with 4413 and resumes.
    pub push_window_events: usize,
    /// Bytes of live frames that wait for a slow socket; over it it is closed with 4413 and resumes.
    pub push_window_bytes: usize,
    /// Seconds for which a write to a socket may stall before it is closed.
    pub push_stall_s: u64,
    /// Conversations that one socket may follow.
    pub subscriptions_per_socket: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 65_536,
            text_bytes_max: 16_384,
            body_bytes_max: 262_144,
            upload_bytes_max: 10_485_760,
            image_pixels_max: 40_000_000,
            upload_bytes_per_day_per_visitor: 268_435_456,
            upload_bytes_per_day_per_site: 4_294_967_296,
            upload_bytes_per_day_per_address: 1_073_741_824,
            upload_bytes_per_day_per_workspace: 17_179_869_184,
            storage_reserve_bytes: None,
            header_bytes_max: 16_384,
            headers_max: 100,
            uri_bytes_max: 8192,
            page_max: 200,
            sockets_per_visitor: 10,
            sockets_per_agent: 20,
            sockets_per_address: 200,
            connections_per_address: 400,
            hello_timeout_s: 5,
            header_timeout_s: 10,
            keep_alive_s: 75,
            body_timeout_s: 30,
            ping_interval_s: 25,
            dead_after_s: 45,
            agent_ping_interval_s: 5,
            agent_dead_after_s: 10,
            hellos_per_s: 500,
            failed_hellos_per_minute_per_address: 6_000,
            frames_burst: 100,
            frames_per_s: 20,
            visitor_send_burst: 60,
            visitor_send_per_s: 1,
            agent_send_burst: 120,
            agent_send_per_s: 5,
            changes_burst: 2_000,
            changes_per_s: 200,
            read_bytes_burst: 33_554_432,
            read_bytes_per_s: 4_194_304,
            address_read_bytes_burst: 268_435_456,
            address_read_bytes_per_s: 67_108_864,
            conversations_per_minute_per_address: 10,
            visitors_per_minute_per_address: 30,
            logins_per_15min_per_account: 5,
            logins_per_15min_per_account_everywhere: 100,
            logins_per_15min_per_address: 30,
            open_conversations_per_visitor: 5,
            push_window_events: 256,
            push_window_bytes: 262_144,
            push_stall_s: 10,
            subscriptions_per_socket: 200,
        }
    }
}

/// What 0 means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Off,
    Refused,
}

/// One limit: its key, its value, what 0 means, and its range.
struct Rule(&'static str, fn(&Limits) -> u64, Zero, u64, u64);

/// A day: nothing that waits for a client waits longer.
const DAY_S: u64 = 86_400;
/// More of anything counted is not a limit but a mistake.
const MANY: u64 = 1_000_000;
/// What one request or frame may make the server hold in memory at most.
const HELD_BYTES: u64 = 16 * 1024 * 1024;
/// What may be read at once or in a second at most; smaller than one page of events would refuse every second one.
const READ_BYTES: u64 = 1_000_000_000;
const READ_BYTES_LEAST: u64 = 64 * 1024;

/// No disk is larger.
const DISK_BYTES: u64 = 1 << 60;

/// Every limit, in the order of the public list. Header section and first line together stay under 64 KiB, which
/// a connection may have buffered.
const RULES: &[Rule] = &[
    Rule("frame_bytes_max", |l| l.frame_bytes_max as u64, Zero::Refused, 1024, HELD_BYTES),
    Rule(
        "text_bytes_max",
        |l| l.text_bytes_max as u64,
        Zero::Refused,
        1,
        domain::MessageText::BYTES_MAX as u64,
    ),
    Rule("body_bytes_max", |l| l.body_bytes_max as u64, Zero::Refused, 1024, HELD_BYTES),
    Rule("upload_bytes_max", |l| l.upload_bytes_max, Zero::Refused, 1, 10 * 1024 * 1024 * 1024),
    Rule("image_pixels_max", |l| l.image_pixels_max, Zero::Refused, 1, 1_000_000_000),
    Rule(
        "upload_bytes_per_day_per_visitor",
        |l| l.upload_bytes_per_day_per_visitor,
        Zero::Off,
        1,
        DISK_BYTES,
    ),
    Rule("upload_bytes_per_day_per_site", |l| l.upload_bytes_per_day_per_site, Zero::Off, 1, DISK_BYTES),
    Rule(
        "upload_bytes_per_day_per_address",
        |l| l.upload_bytes_per_day_per_address.into(),
        Zero::Off,
        1,
        4_000_000_000,
    ),
    Rule(
        "upload_bytes_per_day_per_workspace",
        |l| l.upload_bytes_per_day_per_workspace,
        Zero::Off,
        1,
        DISK_BYTES,
    ),
    Rule("storage_reserve_bytes", |l| l.storage_reserve_bytes.unwrap_or(0), Zero::Off, 1, DISK_BYTES),
    Rule("header_bytes_max", |l| l.header_bytes_max as u64, Zero::Refused, 512, 49_152),
    Rule("headers_max", |l| l.headers_max as u64, Zero::Refused, 8, 200),
    Rule("uri_bytes_max", |l| l.uri_bytes_max as u64, Zero::Refused, 128, 12_288),
    Rule("page_max", |l| l.page_max as u64, Zero::Refused, 1, 500),
    Rule("sockets_per_visitor", |l| l.sockets_per_visitor as u64, Zero::Off, 1, MANY),
    Rule("sockets_per_agent", |l| l.sockets_per_agent as u64, Zero::Off, 1, MANY),
    Rule("sockets_per_address", |l| l.sockets_per_address as u64, Zero::Off, 1, MANY),
    Rule("connections_per_address", |l| l.connections_per_address as u64, Zero::Off, 1, MANY),
    Rule("hello_timeout_s", |l| l.hello_timeout_s, Zero::Refused, 1, DAY_S),
    Rule("header_timeout_s", |l| l.header_timeout_s, Zero::Refused, 1, DAY_S),
    Rule("keep_alive_s", |l| l.keep_alive_s, Zero::Refused, 1, DAY_S),
    Rule("body_timeout_s", |l| l.body_timeout_s, Zero::Refused, 1, DAY_S),
    Rule("ping_interval_s", |l| l.ping_interval_s, Zero::Refused, 1, DAY_S),
    Rule("dead_after_s", |l| l.dead_after_s, Zero::Refused, 1, DAY_S),
    Rule("agent_ping_interval_s", |l| l.agent_ping_interval_s, Zero::Refused, 1, DAY_S),
    Rule("agent_dead_after_s", |l| l.agent_dead_after_s, Zero::Refused, 1, DAY_S),
    Rule("hellos_per_s", |l| l.hellos_per_s.into(), Zero::Refused, 1, MANY),
    Rule(
        "failed_hellos_per_minute_per_address",
        |l| l.failed_hellos_per_minute_per_address.into(),
        Zero::Off,
        1,
        MANY,
    ),
    Rule("frames_burst", |l| l.frames_burst.into(), Zero::Off, 1, MANY),
    Rule("frames_per_s", |l| l.frames_per_s.into(), Zero::Refused, 1, MANY),
    Rule("visitor_send_burst", |l| l.visitor_send_burst.into(), Zero::Off, 1, MANY),
    Rule("visitor_send_per_s", |l| l.visitor_send_per_s.into(), Zero::Refused, 1, MANY),
    Rule("agent_send_burst", |l| l.agent_send_burst.into(), Zero::Off, 1, MANY),
    Rule("agent_send_per_s", |l| l.agent_send_per_s.into(), Zero::Refused, 1, MANY),
    Rule("changes_burst", |l| l.changes_burst.into(), Zero::Off, 1, MANY),
    Rule("changes_per_s", |l| l.changes_per_s.into(), Zero::Refused, 1, MANY),
    Rule("read_bytes_burst", |l| l.read_bytes_burst.into(), Zero::Off, READ_BYTES_LEAST, READ_BYTES),
    Rule("read_bytes_per_s", |l| l.read_bytes_per_s.into(), Zero::Refused, READ_BYTES_LEAST, READ_BYTES),
    Rule(
        "address_read_bytes_burst",
        |l| l.address_read_bytes_burst.into(),
        Zero::Off,
        READ_BYTES_LEAST,
        READ_BYTES,
    ),
    Rule(
        "address_read_bytes_per_s",
        |l| l.address_read_bytes_per_s.into(),
        Zero::Refused,
        READ_BYTES_LEAST,
        READ_BYTES,
    ),
    Rule(
        "conversations_per_minute_per_address",
        |l| l.conversations_per_minute_per_address.into(),
        Zero::Off,
        1,
        MANY,
    ),
    Rule("visitors_per_minute_per_address", |l| l.visitors_per_minute_per_address.into(), Zero::Off, 1, MANY),
    Rule("logins_per_15min_per_account", |l| l.logins_per_15min_per_account.into(), Zero::Off, 1, MANY),
    Rule(
        "logins_per_15min_per_account_everywhere",
        |l| l.logins_per_15min_per_account_everywhere.into(),
        Zero::Off,
        1,
        MANY,
    ),
    Rule("logins_per_15min_per_address", |l| l.logins_per_15min_per_address.into(), Zero::Off, 1, MANY),
    Rule("open_conversations_per_visitor", |l| l.open_conversations_per_visitor as u64, Zero::Off, 1, MANY),
    Rule("push_window_events", |l| l.push_window_events as u64, Zero::Refused, 1, MANY),
    Rule("push_window_bytes", |l| l.push_window_bytes as u64, Zero::Refused, 1024, HELD_BYTES),
    Rule("push_stall_s", |l| l.push_stall_s, Zero::Refused, 1, DAY_S),
    Rule("subscriptions_per_socket", |l| l.subscriptions_per_socket as u64, Zero::Refused, 1, 10_000),
];

/// Two limits that depend on each other.
struct Larger {
    key: &'static str,
    value: fn(&Limits) -> u64,
    than: &'static str,
    least: fn(&Limits) -> u64,
}

/// Of each pair the first must be the larger, or what they do together cannot work.
const LARGER: &[Larger] = &[
    Larger {
        key: "dead_after_s",
        value: |l| l.dead_after_s,
        than: "ping_interval_s",
        least: |l| l.ping_interval_s,
    },
    Larger {
        key: "agent_dead_after_s",
        value: |l| l.agent_dead_after_s,
        than: "agent_ping_interval_s",
        least: |l| l.agent_ping_interval_s,
    },
];

impl Limits {
    /// The names of all limits, as they stand under `[limits]`; all are whole numbers.
    pub(super) fn keys() -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|rule| rule.0)
    }

    /// The range of a limit, in words; none: it is no limit's name.
    pub(super) fn bounds(key: &str) -> Option<String> {
        let Rule(_, _, zero, least, most) = RULES.iter().find(|rule| rule.0 == key)?;
        let off = if *zero == Zero::Off { "0 (off), or " } else { "" };
        Some(format!("{off}{least} to {most}"))
    }

    /// Holds each limit to its range, and those that depend on each other.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for Rule(key, value, zero, least, most) in RULES {
            let value = value(self);
            let off = value == 0 && *zero == Zero::Off;
            if !off && !(*least..=*most).contains(&value) {
                let bounds = Self::bounds(key).unwrap_or_default();
                return Err(ConfigError::value(format!("limits.{key}"), value, format!("must be {bounds}")));
            }
        }
        for Larger { key, value, than, least } in LARGER {
            let (value, least) = (value(self), least(self));
            if value <= least {
                let rule = format!("must be more than limits.{than}, which is {least}");
                return Err(ConfigError::value(format!("limits.{key}"), value, rule));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public list, from the contract: name and default.
    const PUBLISHED: &str = "frame_bytes_max 65536 text_bytes_max 16384 body_bytes_max 262144 \
        upload_bytes_max 10485760 image_pixels_max 40000000 \
        upload_bytes_per_day_per_visitor 268435456 upload_bytes_per_day_per_site 4294967296 \
        upload_bytes_per_day_per_address 1073741824 \
        upload_bytes_per_day_per_workspace 17179869184 header_bytes_max 16384 headers_max 100 \
        uri_bytes_max 8192 page_max 200 sockets_per_visitor 10 sockets_per_agent 20 sockets_per_address 200 \
        connections_per_address 400 hello_timeout_s 5 header_timeout_s 10 keep_alive_s 75 body_timeout_s 30 ping_interval_s 25 \
        dead_after_s 45 agent_ping_interval_s 5 agent_dead_after_s 10 hellos_per_s 500 failed_hellos_per_minute_per_address 6000 frames_burst 100 \
        frames_per_s 20 visitor_send_burst 60 visitor_send_per_s 1 agent_send_burst 120 agent_send_per_s 5 \
        changes_burst 2000 changes_per_s 200 read_bytes_burst 33554432 read_bytes_per_s 4194304 \
        address_read_bytes_burst 268435456 address_read_bytes_per_s 67108864 \
        conversations_per_minute_per_address 10 visitors_per_minute_per_address 30 \
        logins_per_15min_per_account 5 logins_per_15min_per_account_everywhere 100 logins_per_15min_per_address 30 open_conversations_per_visitor 5 \
        push_window_events 256 push_window_bytes 262144 push_stall_s 10 subscriptions_per_socket 200";

    fn with(key: &str, value: u64) -> Limits {
        toml::from_str(&format!("{key} = {value}")).unwrap()
    }

    #[test]
    fn every_published_limit_is_there_with_its_default_and_no_other() {
        let words: Vec<&str> = PUBLISHED.split_whitespace().collect();
        let published: Vec<(String, i64)> =
            words.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap())).collect();
        let table = toml::Table::try_from(Limits::default()).unwrap();
        // Without a value it follows from the disk.
        assert!(table.get("storage_reserve_bytes").is_none());
        let mut ours: Vec<(String, i64)> =
            table.iter().map(|(key, value)| (key.clone(), value.as_integer().unwrap())).collect();
        let mut sorted = published.clone();
        sorted.sort();
        ours.sort();
        assert_eq!(ours, sorted);
        let keys = Limits::keys().filter(|key| *key != "storage_reserve_bytes");
        assert!(keys.eq(published.iter().map(|(key, _)| key.as_str())));
        Limits::default().check().unwrap();
    }

    #[test]
    fn each_rule_reads_the_limit_that_it_names() {
        for Rule(key, value, _, least, most) in RULES {
            let some = (*least + 7).min(*most);
            assert_eq!(value(&with(key, some)), some, "{key}");
        }
    }

    #[test]
    fn zero_turns_off_what_may_be_off_and_is_refused_elsewhere() {
        for Rule(key, _, zero, _, most) in RULES {
            let by_name = key.ends_with("_burst")
                || key.contains("_per_minute")
                || key.contains("_per_15min")
                || key.contains("_per_day")
                || ["sockets_per", "connections_per", "open_conversations", "storage_reserve"]
                    .iter()
                    .any(|p| key.starts_with(p));
            assert_eq!(*zero == Zero::Off, by_name, "{key}");
            match with(key, 0).check() {
                Ok(()) => assert!(by_name, "{key}"),
                Err(error) => {
                    assert!(!by_name, "{key}");
                    assert!(error.to_string().starts_with(&format!("limits.{key} = 0: must be")), "{error}");
                }
            }
            assert!(with(key, most + 1).check().is_err(), "{key}");
        }
    }

    #[test]
    fn a_socket_is_not_given_up_before_it_was_pinged() {
        let error = with("ping_interval_s", 45).check().unwrap_err().to_string();
        assert_eq!(error, "limits.dead_after_s = 45: must be more than limits.ping_interval_s, which is 45");
        assert!(with("agent_dead_after_s", 5).check().is_err());
    }
}
