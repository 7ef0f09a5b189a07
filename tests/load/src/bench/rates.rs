//! What the servers carry: first as much as they can, then at rising rates.

use anyhow::ensure;

use super::server::Server;
use super::{CONVERSATIONS, Effort, HALF};
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

/// Takes the servers in turn at each step, and each step in rounds, so that a machine that changes its pace does so for
/// all of them.
pub(super) fn measure(servers: &[Server], effort: &Effort) -> anyhow::Result<Vec<Measured>> {
    let begin = |server: &Server| Measured { name: server.name(), closed: Vec::new(), open: Vec::new() };
    let mut all: Vec<Measured> = servers.iter().map(begin).collect();
    for visitors in effort.visitors {
        let loads: Vec<Step> = servers.iter().map(|_| Step { visitors: *visitors, rate: 0 }).collect();
        let reports = in_rounds(servers, &loads, effort.rounds, effort.seconds)?;
        for (measured, reports) in all.iter_mut().zip(reports) {
            measured.closed.push(middle(reports, |report| report.messages_per_s));
        }
    }
    for share in effort.shares {
        // As many visitors as there are: a visitor who waits for an answer must not hold up the next message.
        let at_share = |measured: &Measured| Step {
            visitors: CONVERSATIONS,
            rate: (measured.saturation().messages_per_s * share).round() as u32,
        };
        let loads: Vec<Step> = all.iter().map(at_share).collect();
        let rounds = if *share == HALF { effort.rounds } else { 1 };
        let reports = in_rounds(servers, &loads, rounds, effort.seconds)?;
        for (measured, reports) in all.iter_mut().zip(reports) {
            measured.open.push((*share, middle(reports, |report| report.acknowledge.p99_us.into())));
        }
    }
    Ok(all)
}

/// One load on one server.
#[derive(Clone, Copy)]
struct Step {
    visitors: usize,
    /// 0: closed loop.
    rate: u32,
}

/// Each server under its load, again and again; gives each server's reports.
fn in_rounds(
    servers: &[Server],
    steps: &[Step],
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<Vec<Vec<Report>>> {
    let mut reports: Vec<Vec<Report>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((server, step), reports) in servers.iter().zip(steps).zip(&mut reports) {
            eprintln!("{}: {} visitors, {} messages a second", server.name(), step.visitors, step.rate);
            reports.push(report(server, *step, seconds)?);
        }
    }
    Ok(reports)
}

/// The one in the middle by `figure`.
fn middle(mut reports: Vec<Report>, figure: impl Fn(&Report) -> f64) -> Report {
    reports.sort_by(|one, other| figure(one).total_cmp(&figure(other)));
    let place = reports.len() / 2;
    reports.swap_remove(place)
}

fn report(server: &Server, Step { visitors, rate }: Step, seconds: u32) -> anyhow::Result<Report> {
    let size = Size { visitors, conversations: CONVERSATIONS / visitors };
    let load = Load { rate, seconds, warm_up_seconds: 1, text_bytes: 120 };
    let report = load.measure(server.cast(size)?, Some(server.pid()?), &[])?;
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
