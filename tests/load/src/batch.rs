//! What the conditional batch costs: the statement that makes a group of events durable on CQL servers, beside the same
//! rows written plainly at the same quorum, and beside the same batch with its head written by a statement of its own
//! after it, on the same servers. Printed as Markdown.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};
use tokio::time::Instant;
use uuid::Uuid;

use crate::latency::{Latencies, Percentiles};

/// An event's envelope, about.
const EVENT_BYTES: usize = 300;
/// A head's, about.
const HEAD_BYTES: usize = 700;
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// Where, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Servers to begin with, as host:port, with commas between them
    #[arg(long, value_delimiter = ',', required = true)]
    cql: Vec<String>,
    /// Copies of everything
    #[arg(long, default_value_t = 1)]
    replication: u8,
    /// Of each step
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Events of a group
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    groups: Vec<usize>,
    /// Logs that are appended to at once
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    logs: Vec<usize>,
}

/// Measures all steps and gives the page.
pub(crate) async fn batch(plan: &Plan) -> anyhow::Result<String> {
    let bench = Arc::new(Bench::start(plan).await?);
    let mut page = String::from(
        "| events a group | logs at once | conditional: groups/s, p50 / p99 ms | head apart | plain | plain / conditional |\n\
         |---:|---:|---:|---:|---:|---:|\n",
    );
    for &group in &plan.groups {
        for &at_once in &plan.logs {
            eprintln!("groups of {group}, {at_once} logs at once");
            let conditional = bench.measure(Way::Conditional, group, at_once, plan.seconds).await?;
            let apart = bench.measure(Way::HeadApart, group, at_once, plan.seconds).await?;
            let plain = bench.measure(Way::Plain, group, at_once, plan.seconds).await?;
            page += &format!(
                "| {group} | {at_once} | {conditional} | {apart} | {plain} | {:.1} |\n",
                plain.groups_per_s / conditional.groups_per_s
            );
        }
    }
    drop_keyspace(&plan.cql, &bench.keyspace).await?;
    Ok(page)
}

/// Removes a keyspace that a measurement made.
pub(crate) async fn drop_keyspace(nodes: &[String], keyspace: &str) -> anyhow::Result<()> {
    let session = SessionBuilder::new().known_nodes(nodes).build().await?;
    let dropped = session.query_unpaged(format!("DROP KEYSPACE {keyspace}"), ()).await;
    dropped.map(drop).context("the keyspace was not removed")
}

struct Step {
    groups_per_s: f64,
    took: Percentiles,
}

impl std::fmt::Display for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |us: u32| f64::from(us) / 1e3;
        write!(out, "{:.0}, {:.1} / {:.1}", self.groups_per_s, ms(self.took.p50_us), ms(self.took.p99_us))
    }
}

struct Bench {
    session: Session,
    keyspace: String,
    create: PreparedStatement,
    conditional: PreparedStatement,
    plain: PreparedStatement,
    event: PreparedStatement,
    head: PreparedStatement,
}

impl Bench {
    async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let session = SessionBuilder::new().known_nodes(&plan.cql).build().await?;
        let keyspace = format!("load_{}", Uuid::new_v4().simple());
        let copies = plan.replication;
        let make = format!(
            "CREATE KEYSPACE {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}"
        );
        session.query_unpaged(make, ()).await?;
        session.use_keyspace(&keyspace, true).await?;
        session
            .query_unpaged(
                "CREATE TABLE log (conversation uuid, seq bigint, claim uuid static, last_seq bigint static,
                     head blob static, body blob, PRIMARY KEY (conversation, seq))",
                (),
            )
            .await?;
        session.query_unpaged("CREATE TABLE head (conversation uuid PRIMARY KEY, head blob)", ()).await?;
        let prepare = async |text: &str| {
            let mut prepared = session.prepare(text).await?;
            prepared.set_consistency(Consistency::LocalQuorum);
            prepared.set_serial_consistency(Some(SerialConsistency::LocalSerial));
            anyhow::Ok(prepared)
        };
        let set = "UPDATE log SET last_seq = ?, head = ? WHERE conversation = ?";
        Ok(Self {
            create: prepare("UPDATE log SET last_seq = 0, claim = ? WHERE conversation = ? IF claim = null")
                .await?,
            conditional: prepare(&format!("{set} IF claim = ? AND last_seq = ?")).await?,
            plain: prepare(set).await?,
            event: prepare("INSERT INTO log (conversation, seq, body) VALUES (?, ?, ?)").await?,
            head: prepare("INSERT INTO head (conversation, head) VALUES (?, ?)").await?,
            session,
            keyspace,
        })
    }

    /// So many writers, each on a log of its own, one group after the other.
    async fn measure(
        self: &Arc<Self>,
        way: Way,
        group: usize,
        at_once: usize,
        seconds: u64,
    ) -> anyhow::Result<Step> {
        let counted_from = Instant::now() + WARM_UP;
        let until = counted_from + Duration::from_secs(seconds);
        let writers = (0..at_once).map(|_| {
            let writer = Writer { bench: Arc::clone(self), way, group, counted_from, until };
            async { tokio::spawn(writer.write()).await? }
        });
        let mut latencies = Latencies::default();
        let mut groups = 0;
        for took in try_join_all(writers).await?.into_iter().flatten() {
            latencies.add(took);
            groups += 1;
        }
        Ok(Step { groups_per_s: f64::from(groups) / seconds as f64, took: latencies.percentiles() })
    }
}

/// How a group is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Head and events in one conditional batch, as Switchboard does.
    Conditional,
    /// The events in one, and then the head.
    HeadApart,
    /// All of it without a condition.
    Plain,
}

struct Writer {
    bench: Arc<Bench>,
    way: Way,
    group: usize,
    counted_from: Instant,
    until: Instant,
}

/// Values of a batch's statements.
enum Line<'a> {
    Conditional { last_seq: i64, head: &'a [u8], log: Uuid, claim: Uuid, tail: i64 },
    Plain { last_seq: i64, head: &'a [u8], log: Uuid },
    Event { log: Uuid, seq: i64, body: &'a [u8] },
}

impl SerializeRow for Line<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match *self {
            Line::Conditional { last_seq, head, log, claim, tail } => {
                (last_seq, head, log, claim, tail).serialize(context, writer)
            }
            Line::Plain { last_seq, head, log } => (last_seq, head, log).serialize(context, writer),
            Line::Event { log, seq, body } => (log, seq, body).serialize(context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl Writer {
    async fn write(self) -> anyhow::Result<Vec<Duration>> {
        let Self { bench, way, group, counted_from, until } = self;
        let conditional = way != Way::Plain;
        let (log, claim) = (Uuid::new_v4(), Uuid::new_v4());
        bench.session.execute_unpaged(&bench.create, (claim, log)).await?;
        let kind = if conditional { BatchType::Logged } else { BatchType::Unlogged };
        let mut batch = Batch::new(kind);
        batch.append_statement(if conditional { bench.conditional.clone() } else { bench.plain.clone() });
        (0..group).for_each(|_| batch.append_statement(bench.event.clone()));
        batch.set_consistency(Consistency::LocalQuorum);
        batch.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        let (head, body) = (vec![b'h'; HEAD_BYTES], vec![b'e'; EVENT_BYTES]);
        let (mut tail, mut counted) = (0_i64, Vec::new());
        loop {
            let begun = Instant::now();
            if begun >= until {
                return Ok(counted);
            }
            let last_seq = tail + group as i64;
            let mut lines = vec![if conditional {
                let head = if way == Way::HeadApart { &head[..0] } else { &head };
                Line::Conditional { last_seq, head, log, claim, tail }
            } else {
                Line::Plain { last_seq, head: &head, log }
            }];
            lines.extend((tail + 1..=last_seq).map(|seq| Line::Event { log, seq, body: &body }));
            let answer = bench.session.batch(&batch, &lines).await?;
            if conditional {
                let row: Row = answer.into_rows_result()?.first_row()?;
                ensure!(row.columns.first() == Some(&Some(CqlValue::Boolean(true))), "an append was refused");
            }
            if way == Way::HeadApart {
                bench.session.execute_unpaged(&bench.head, (log, &head[..])).await?;
            }
            if begun >= counted_from {
                counted.push(begun.elapsed());
            }
            tail = last_seq;
        }
    }
}
