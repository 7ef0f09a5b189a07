//! What the store counts, as `/metrics` shows it.

use std::fmt;

use ::store::cql::CqlStats;
use ::store::sqlite::SqliteStats;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::database::DatabaseStats;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabels {
    statement: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    statement: &'static str,
}

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, stats: &DatabaseStats) -> Result<(), fmt::Error> {
    match stats {
        DatabaseStats::Sqlite(stats) => sqlite(encoder, stats),
        DatabaseStats::Cql(stats) => cql(encoder, stats),
    }
}

fn sqlite(encoder: &mut DescriptorEncoder<'_>, stats: &SqliteStats) -> Result<(), fmt::Error> {
    let help = "Commits of the store, each one fsync";
    let commits = encoder.encode_descriptor("store_commits", help, None, MetricType::Counter)?;
    ConstCounter::new(stats.commits).encode(commits)?;
    gauge(encoder, "store_queue_depth", "Writes that wait for the store", stats.queue_depth as u64)
}

fn cql(encoder: &mut DescriptorEncoder<'_>, stats: &CqlStats) -> Result<(), fmt::Error> {
    let help = "Statements to the store, by what came of them";
    let mut family = encoder.encode_descriptor("store_statements", help, None, MetricType::Counter)?;
    for counts in &stats.statements {
        for (outcome, count) in [
            ("done", counts.done),
            ("refused", counts.refused),
            ("unknown", counts.unknown),
            ("not_sent", counts.not_sent),
        ] {
            let labels = StatementLabels { statement: counts.name, outcome };
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Statements that were tried again";
    let mut family = encoder.encode_descriptor("store_repeats", help, None, MetricType::Counter)?;
    for counts in &stats.statements {
        let labels = NameLabels { statement: counts.name };
        ConstCounter::new(counts.repeats).encode(family.encode_family(&labels)?)?;
    }
    gauge(encoder, "store_connections", "Connections to the store's servers now", stats.connections)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

#[cfg(test)]
mod tests {
    use ::store::cql::StatementStats;

    use crate::metrics::{Figures, Metrics};

    use super::*;

    #[test]
    fn statements_are_counted_by_what_came_of_them() {
        let appends =
            StatementStats { name: "log_append", done: 9, refused: 1, unknown: 2, not_sent: 3, repeats: 4 };
        let stats = CqlStats { statements: vec![appends], connections: 3 };
        let metrics = Metrics::new();
        metrics
            .watch(move || Figures { store: Some(DatabaseStats::Cql(stats.clone())), ..Figures::default() });
        let text = metrics.text();
        for line in [
            "switchboard_store_statements_total{statement=\"log_append\",outcome=\"done\"} 9",
            "switchboard_store_statements_total{statement=\"log_append\",outcome=\"refused\"} 1",
            "switchboard_store_statements_total{statement=\"log_append\",outcome=\"unknown\"} 2",
            "switchboard_store_statements_total{statement=\"log_append\",outcome=\"not_sent\"} 3",
            "switchboard_store_repeats_total{statement=\"log_append\"} 4",
            "switchboard_store_connections 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
