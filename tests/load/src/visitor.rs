//! A visitor: one thread, one connection, one message at a time.

use std::net::SocketAddr;
use std::time::Duration;

use crate::latency::Latencies;
use crate::schedule::Schedule;
use crate::wire::Wire;

/// Around the moment at which a message was due, in its text: its receiver knows its latency without keeping a book.
pub(crate) const MARK: &str = "@@";

/// One who sends.
pub(crate) struct Visitor {
    pub(crate) token: String,
    /// Of their conversations' messages, written to in turn.
    pub(crate) paths: Vec<String>,
}

/// What the visitor met with.
#[derive(Default)]
pub(crate) struct Sent {
    /// From due to acknowledged, of the messages that were due in the measured time.
    pub(crate) acknowledged: Latencies,
    /// Acknowledgements that came in the measured time, whenever their messages were due: what the server carries.
    pub(crate) carried: u64,
    /// Messages due in the measured time that were answered with anything but a 201.
    pub(crate) refused: u64,
    /// The first of these answers.
    pub(crate) first_refusal: Option<String>,
}

impl Visitor {
    /// Sends until the run is over.
    pub(crate) fn send(
        self,
        address: SocketAddr,
        schedule: &Schedule,
        text_bytes: usize,
    ) -> anyhow::Result<Sent> {
        let mut wire = Wire::open(address, self.token)?;
        let mut sent = Sent::default();
        for path in self.paths.iter().cycle() {
            let Some(due) = schedule.next() else { break };
            let text = text(due.at, text_bytes);
            let body = format!(r#"{{"client_id":"load-{}","text":"{text}"}}"#, due.number);
            let (status, answer) = wire.post(path, &body)?;
            let answered = schedule.now();
            if status == 201 && schedule.is_measured(answered) {
                sent.carried += 1;
            }
            if !schedule.is_measured(due.at) {
                continue;
            }
            if status == 201 {
                sent.acknowledged.add(answered - due.at);
            } else {
                sent.refused += 1;
                let answer = || format!("{status} {}", String::from_utf8_lossy(answer));
                sent.first_refusal.get_or_insert_with(answer);
            }
        }
        Ok(sent)
    }
}

/// Needs no escape in JSON.
fn text(due: Duration, bytes: usize) -> String {
    let mut text = format!("{MARK}{}{MARK} Hello, my order has not arrived yet ", due.as_nanos());
    while text.len() < bytes {
        text.push('.');
    }
    text
}

/// When the message in a frame was due; none: it is none of ours.
pub(crate) fn due(frame: &str) -> Option<Duration> {
    let (_, marked) = frame.split_once(MARK)?;
    let (due_ns, _) = marked.split_once(MARK)?;
    due_ns.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_when_its_message_was_due() {
        let text = text(Duration::from_nanos(1_234_567), 120);
        assert_eq!(text.len(), 120);
        assert_eq!(
            due(&format!(r#"{{"type":"event","event":{{"text":"{text}"}}}}"#)),
            Some(Duration::from_nanos(1_234_567))
        );
        assert_eq!(due(r#"{"type":"typing"}"#), None);
    }
}
