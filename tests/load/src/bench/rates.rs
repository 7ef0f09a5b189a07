//! What the servers carry: first as much as they can, then at rising rates.

use anyhow::ensure;

use super::server::Server;
use super::{CONVERSATIONS, Effort};
use crate::cast::Size;
use crate::run::{Load, Report};

/// All that was measured of one server.
pub(super) struct Measured {
    pub(super) name: &'static str,
    /// Closed loop, by rising numbers of visitors.
    pub(super) closed: Vec<Report>,
    /// Open loop, at rising shares of what it carried in the closed loop.
    pub(super) open: Vec<(f64, Report)>,
}

impl Measured {
    /// Where it carried the most.
    pub(super) fn saturation(&self) -> &Report {
        let most =
            self.closed.iter().max_by(|one, other| one.messages_per_s.total_cmp(&other.messages_per_s));
        most.expect("every server is saturated first")
    }

    /// At this share of the saturation.
    pub(super) fn at(&self, share: f64) -> Option<&Report> {
        self.open.iter().find(|(other, _)| *other == share).map(|(_, report)| report)
    }
}

/// Takes the servers in turn at each step, so that a machine that changes its pace does so for all of them.
pub(super) fn measure(servers: &[Server], effort: &Effort) -> anyhow::Result<Vec<Measured>> {
    let begin = |server: &Server| Measured { name: server.name(), closed: Vec::new(), open: Vec::new() };
    let mut all: Vec<Measured> = servers.iter().map(begin).collect();
    for visitors in effort.visitors {
        for (server, measured) in servers.iter().zip(&mut all) {
            eprintln!("{}: {visitors} visitors", server.name());
            measured.closed.push(step(server, *visitors, 0, effort)?);
        }
    }
    for share in effort.shares {
        for (server, measured) in servers.iter().zip(&mut all) {
            let rate = (measured.saturation().messages_per_s * share).round() as u32;
            eprintln!("{}: {rate} messages a second", server.name());
            // As many as there are: who waits for his answer must not hold up the next message.
            let report = step(server, CONVERSATIONS, rate, effort)?;
            measured.open.push((*share, report));
        }
    }
    Ok(all)
}

fn step(server: &Server, visitors: usize, rate: u32, effort: &Effort) -> anyhow::Result<Report> {
    let size = Size { visitors, conversations: CONVERSATIONS / visitors };
    let load = Load { rate, seconds: effort.seconds, warm_up_seconds: 1, text_bytes: 120 };
    let report = load.measure(server.cast(size)?, Some(server.pid()?))?;
    let refusal = report.first_refusal.as_deref().unwrap_or_default();
    ensure!(report.refused == 0, "{}: {} messages were refused: {refusal}", server.name(), report.refused);
    let (acknowledged, delivered) = (report.acknowledged, report.delivered);
    ensure!(
        acknowledged == delivered,
        "{}: {acknowledged} messages were acknowledged, {delivered} delivered",
        server.name()
    );
    Ok(report)
}
