//! Queues and agents, as `/metrics` shows them: each team's queue, what conversations waited, who is there.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use cluster::{QueueBrief, StatsView, WAIT_BOUNDS_S};
use domain::Status;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// So many teams have series of their own, those with the longest queues first; the others have one together.
const TEAMS_MAX: usize = 500;
/// The label of the others.
const OTHERS: &str = "others";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TeamLabels {
    team: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    status: &'static str,
    present: &'static str,
}

/// Agents, by what they want to be taken for and whether they are there.
type Agents = BTreeMap<(Status, bool), usize>;

pub(super) fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    queues: &[QueueBrief],
    agents: &Agents,
    actors: &StatsView,
) -> Result<(), fmt::Error> {
    let queues = shown(queues);
    let help = "Conversations in a team's queue";
    let mut family = encoder.encode_descriptor("queue_length", help, None, MetricType::Gauge)?;
    for (labels, waiting, _) in &queues {
        ConstGauge::new(*waiting).encode(family.encode_family(labels)?)?;
    }
    let help = "What the first of a team's queue has waited";
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor("queue_longest_wait", help, unit, MetricType::Gauge)?;
    for (labels, _, longest_wait_ms) in &queues {
        ConstGauge::new(*longest_wait_ms as f64 / 1e3).encode(family.encode_family(labels)?)?;
    }
    let help = "Agents in memory, by what they want to be taken for and whether they are there";
    let mut family = encoder.encode_descriptor("agents", help, None, MetricType::Gauge)?;
    for status in [Status::Online, Status::Away, Status::Offline] {
        for present in [true, false] {
            let count = agents.get(&(status, present)).copied().unwrap_or_default();
            let labels =
                AgentLabels { status: status_label(status), present: if present { "true" } else { "false" } };
            ConstGauge::new(count as u64).encode(family.encode_family(&labels)?)?;
        }
    }
    waits(encoder, actors)
}

fn waits(encoder: &mut DescriptorEncoder<'_>, actors: &StatsView) -> Result<(), fmt::Error> {
    let bounds = WAIT_BOUNDS_S.iter().map(|s| *s as f64).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(actors.wait_buckets).collect();
    let count = actors.wait_buckets.iter().sum();
    let help = "What conversations waited in a queue until somebody had them";
    encoder
        .encode_descriptor("queue_wait", help, Some(&Unit::Seconds), MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(actors.waited_ms as f64 / 1e3, count, &buckets, None)
}

/// Each team's queue, and of many teams the others' together: how many wait, and the longest wait.
fn shown(queues: &[QueueBrief]) -> Vec<(TeamLabels, u64, u64)> {
    let mut queues: Vec<&QueueBrief> = queues.iter().collect();
    queues.sort_by_key(|queue| (Reverse(queue.waiting), queue.team));
    let others = queues.split_off(TEAMS_MAX.min(queues.len()));
    queues.sort_by_key(|queue| queue.team);
    let mut shown: Vec<_> = queues
        .into_iter()
        .map(|queue| {
            let team = queue.team.to_string();
            (TeamLabels { team }, queue.waiting as u64, queue.longest_wait_ms)
        })
        .collect();
    if !others.is_empty() {
        let waiting = others.iter().map(|queue| queue.waiting as u64).sum();
        let longest = others.iter().map(|queue| queue.longest_wait_ms).max().unwrap_or_default();
        shown.push((TeamLabels { team: OTHERS.to_owned() }, waiting, longest));
    }
    shown
}

fn status_label(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Away => "away",
        Status::Offline => "offline",
    }
}

#[cfg(test)]
mod tests {
    use domain::TeamId;

    use super::*;
    use crate::metrics::{Figures, Metrics};

    fn queue(n: u8, waiting: usize, longest_wait_ms: u64) -> QueueBrief {
        QueueBrief { team: TeamId::from_hash([n; 16]), waiting, longest_wait_ms }
    }

    #[test]
    fn teams_agents_and_waits_are_shown_those_without_any_too() {
        let metrics = Metrics::new();
        let mut wait_buckets = [0; WAIT_BOUNDS_S.len() + 1];
        (wait_buckets[0], wait_buckets[5]) = (2, 1);
        let actors = StatsView { waited_ms: 31_500, wait_buckets, ..StatsView::default() };
        metrics.watch(move || Figures {
            actors: actors.clone(),
            queues: vec![queue(1, 3, 61_500), queue(2, 0, 0)],
            agents: [((Status::Online, true), 4), ((Status::Away, false), 1)].into(),
            ..Figures::default()
        });
        let text = metrics.text();
        let (one, two) = (TeamId::from_hash([1; 16]), TeamId::from_hash([2; 16]));
        for line in [
            format!("switchboard_queue_length{{team=\"{one}\"}} 3"),
            format!("switchboard_queue_length{{team=\"{two}\"}} 0"),
            format!("switchboard_queue_longest_wait_seconds{{team=\"{one}\"}} 61.5"),
            format!("switchboard_queue_longest_wait_seconds{{team=\"{two}\"}} 0.0"),
            "switchboard_agents{status=\"online\",present=\"true\"} 4".to_owned(),
            "switchboard_agents{status=\"away\",present=\"false\"} 1".to_owned(),
            "switchboard_agents{status=\"offline\",present=\"true\"} 0".to_owned(),
            "switchboard_queue_wait_seconds_sum 31.5".to_owned(),
            "switchboard_queue_wait_seconds_count 3".to_owned(),
            "switchboard_queue_wait_seconds_bucket{le=\"1.0\"} 2".to_owned(),
            "switchboard_queue_wait_seconds_bucket{le=\"30.0\"} 3".to_owned(),
            "switchboard_queue_wait_seconds_bucket{le=\"+Inf\"} 3".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn however_many_teams_there_are_the_series_are_bounded() {
        let many: Vec<QueueBrief> = (0..TEAMS_MAX + 3)
            .map(|n| QueueBrief {
                team: TeamId::from_hash((n as u128).to_be_bytes()),
                waiting: n,
                longest_wait_ms: 10 * n as u64,
            })
            .collect();
        let shown = shown(&many);
        assert_eq!(shown.len(), TEAMS_MAX + 1);
        let (others, waiting, longest) = shown.last().unwrap();
        assert_eq!((others.team.as_str(), *waiting, *longest), (OTHERS, 1 + 2, 20));
    }
}
