//! The view and the links to other nodes, as `/metrics` shows them. Labels are names of nodes, which operators give.

use std::fmt;

use cluster::membership::MemberState;
use cluster::{LinkCounters, LinkStatus, MemberFigures};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabels {
    peer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    peer: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabels {
    peer: String,
    direction: &'static str,
}

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, figures: &MemberFigures) -> Result<(), fmt::Error> {
    view(encoder, figures)?;
    links(encoder, figures)
}

fn view(encoder: &mut DescriptorEncoder<'_>, figures: &MemberFigures) -> Result<(), fmt::Error> {
    let help = "Members of the view, by what they do";
    let mut family = encoder.encode_descriptor("cluster_members", help, None, MetricType::Gauge)?;
    for (state, label) in
        [(MemberState::Joining, "joining"), (MemberState::Up, "up"), (MemberState::Draining, "draining")]
    {
        let labels = StateLabels { state: label };
        ConstGauge::new(as_gauge(figures.members(state))).encode(family.encode_family(&labels)?)?;
    }
    for (name, help, value) in [
        ("cluster_custody", "1 while this node has custody of the conversations", figures.has_custody.into()),
        ("cluster_shards", "Shards that this node owns", figures.shards()),
        ("cluster_shards_arriving", "Shards of these that another boot may append to", figures.arriving()),
        ("cluster_boots_unsealed", "Boots out of the view whose lanes are to be sealed", figures.unsealed()),
    ] {
        let gauge = ConstGauge::new(as_gauge(value));
        gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    for (name, help, count) in [
        ("cluster_view_changes", "Versions of the view since the installation was made", figures.version()),
        (
            "cluster_counter_evictions",
            "Members evicted since their heartbeats stood, since the installation was made",
            figures.counter_evictions(),
        ),
        ("cluster_connections_refused", "Connections of nodes that were refused", figures.refused),
    ] {
        let counter = ConstCounter::new(count);
        counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    Ok(())
}

type GaugeOf = (&'static str, &'static str, fn(&LinkStatus) -> usize);
type OutcomeOf = (&'static str, fn(&LinkCounters) -> u64);
type CounterOf = (&'static str, &'static str, fn(&LinkCounters) -> u64);

const GAUGES: [GaugeOf; 3] = [
    ("link_up", "1 while this node can ask the peer", |link| link.is_linked.into()),
    ("link_asks_open", "Asks to the peer that have not ended", |link| link.asks_open),
    ("link_queued_bytes", "What this node keeps for the peer", |link| link.queued_bytes),
];

const COUNTERS: [CounterOf; 7] = [
    ("link_connects", "Links to the peer that stood", |counters| counters.links),
    ("link_asked", "Asks of the peer that came", |counters| counters.asked),
    ("link_declined", "Asks of the peer that were refused here", |counters| counters.declined),
    ("link_tells", "Tells that went to the peer", |counters| counters.tells),
    ("link_tells_dropped", "Tells that were left out", |counters| counters.tells_dropped),
    ("link_publications", "Publications that went to the peer", |counters| counters.publications),
    ("link_publications_gone", "Publications that were left out", |counters| counters.publications_gone),
];

/// The outcomes of the asks that this node made.
const OUTCOMES: [OutcomeOf; 7] = [
    ("answered", |counters| counters.answered),
    ("not_sent", |counters| counters.not_sent),
    ("expired", |counters| counters.expired),
    ("overloaded", |counters| counters.overloaded),
    ("lost", |counters| counters.lost),
    ("forgotten", |counters| counters.forgotten),
    ("refused", |counters| counters.refused),
];

fn links(encoder: &mut DescriptorEncoder<'_>, figures: &MemberFigures) -> Result<(), fmt::Error> {
    let peers = || figures.links.iter().map(|(name, link)| (PeerLabels { peer: name.to_string() }, link));
    for (name, help, value) in GAUGES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, link) in peers() {
            ConstGauge::new(as_gauge(value(link))).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "From the last ping to its pong";
    let mut family =
        encoder.encode_descriptor("link_round_trip", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for (labels, link) in peers() {
        if let Some(pong) = link.last_pong {
            ConstGauge::new(pong.round_trip.as_secs_f64()).encode(family.encode_family(&labels)?)?;
        }
    }
    for (name, help, count) in COUNTERS {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, link) in peers() {
            ConstCounter::new(count(&link.counters)).encode(family.encode_family(&labels)?)?;
        }
    }
    asks(encoder, figures)
}

fn asks(encoder: &mut DescriptorEncoder<'_>, figures: &MemberFigures) -> Result<(), fmt::Error> {
    let help = "Asks that this node made of the peer, by what came of them";
    let mut family = encoder.encode_descriptor("link_asks", help, None, MetricType::Counter)?;
    for (name, link) in &figures.links {
        for (outcome, count) in OUTCOMES {
            let labels = OutcomeLabels { peer: name.to_string(), outcome };
            ConstCounter::new(count(&link.counters)).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Bytes between this node and the peer";
    let mut family = encoder.encode_descriptor("link", help, Some(&Unit::Bytes), MetricType::Counter)?;
    for (name, link) in &figures.links {
        for (direction, bytes) in
            [("sent", link.counters.sent_bytes), ("received", link.counters.received_bytes)]
        {
            let labels = DirectionLabels { peer: name.to_string(), direction };
            ConstCounter::new(bytes).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
