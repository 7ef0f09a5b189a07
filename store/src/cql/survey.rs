//! Looks at the servers before anything is entrusted to them, and finds what is wrong: for the start, which refuses, and for
//! `doctor`, which explains.

use std::sync::Arc;

use futures_util::future::join_all;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::cluster::Node;
use scylla::cluster::metadata::Strategy;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement as Query;

use super::complaint::{Complaint, Product};
use super::schema::stored_version;
use super::session::{ASK, Cql};
use super::{CqlOptions, OpenError};

/// The oldest of each product whose conditional batches were relied upon.
const CASSANDRA_MIN: (u32, u32) = (5, 0);
const SCYLLA_MIN: (u32, u32) = (2025, 4);
/// Copies of everything, when there are servers enough and the operator sets no other number.
const COPIES: u8 = 3;

/// A server of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Where it is.
    pub address: String,
    /// Where that is.
    pub datacenter: Option<String>,
    /// Its version and `commitlog_sync`; none when it does not answer.
    pub said: Option<NodeSaid>,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSaid {
    /// As it writes it.
    pub version: String,
    /// `batch`, `group` or `periodic`.
    pub commitlog_sync: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Whose servers they are.
    pub product: Product,
    /// All of the cluster, by address.
    pub nodes: Vec<NodeReport>,
    /// Copies that the keyspace keeps, in the datacenter with the fewest; none: there is no such keyspace.
    pub replication: Option<u8>,
    /// The schema of its tables; none: there are none.
    pub schema: Option<i32>,
}

impl Survey {
    /// What must be put right before the store can be used; the worst first.
    pub fn complaints(&self, options: &CqlOptions) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let newest_enough = match self.product {
            Product::Cassandra => CASSANDRA_MIN,
            Product::Scylla => SCYLLA_MIN,
        };
        for node in &self.nodes {
            if let Some(said) = &node.said
                && version(&said.version).is_some_and(|version| version < newest_enough)
            {
                complaints.push(Complaint::Old {
                    product: self.product,
                    address: node.address.clone(),
                    version: said.version.clone(),
                });
            }
        }
        let replication = self.replication.or(options.replication).unwrap_or_else(|| self.copies(options));
        let near = self.near(options).count();
        match &options.datacenter {
            Some(given) if near == 0 => {
                let mut found: Vec<String> =
                    self.nodes.iter().filter_map(|node| node.datacenter.clone()).collect();
                found.sort();
                found.dedup();
                complaints.push(Complaint::NoDatacenter { given: given.clone(), found });
            }
            Some(_) | None if near < usize::from(replication / 2 + 1) => {
                complaints.push(Complaint::TooFewNodes { replication, nodes: near });
            }
            Some(_) | None => {}
        }
        let periodic =
            |node: &&NodeReport| node.said.as_ref().is_some_and(|said| said.commitlog_sync == "periodic");
        let addresses: Vec<String> =
            self.nodes.iter().filter(periodic).map(|node| node.address.clone()).collect();
        // ScyllaDB brings conditional writes to the disk in every mode.
        let matters = self.product == Product::Cassandra && !options.allow_periodic_commitlog;
        if matters && !addresses.is_empty() {
            complaints.push(Complaint::Periodic { addresses });
        }
        complaints
    }

    /// How many copies a keyspace gets that is made now.
    pub fn copies(&self, options: &CqlOptions) -> u8 {
        let servers = u8::try_from(self.near(options).count()).unwrap_or(u8::MAX).max(1);
        options.replication.unwrap_or(COPIES.min(servers))
    }

    fn near<'a>(&'a self, options: &'a CqlOptions) -> impl Iterator<Item = &'a NodeReport> {
        let asked = options.datacenter.as_ref();
        self.nodes.iter().filter(move |node| asked.is_none() || node.datacenter.as_ref() == asked)
    }
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Asks every server.
pub(super) async fn survey(cql: &Cql, options: &CqlOptions) -> Result<Survey, OpenError> {
    let state = cql.session().get_cluster_state();
    let product = match ask(cql, state.get_nodes_info().first(), SCYLLA_VERSION).await {
        Some(_) => Product::Scylla,
        None => Product::Cassandra,
    };
    let questions = Questions::to(product);
    let reports = state.get_nodes_info().iter().map(async |node| NodeReport {
        address: node.address.to_string(),
        datacenter: node.datacenter.clone(),
        said: said(cql, node, questions).await,
    });
    let mut nodes = join_all(reports).await;
    nodes.sort_by(|a, b| a.address.cmp(&b.address));
    let replication = state.get_keyspace(&options.keyspace).map(|keyspace| match &keyspace.strategy {
        Strategy::SimpleStrategy { replication_factor } => clamped(*replication_factor),
        Strategy::NetworkTopologyStrategy { datacenter_repfactors } => match &options.datacenter {
            Some(near) => datacenter_repfactors.get(near).map_or(0, |copies| clamped(*copies)),
            None => datacenter_repfactors.values().map(|copies| clamped(*copies)).min().unwrap_or(0),
        },
        _ => 1,
    });
    let survey = Survey { product, nodes, replication, schema: None };
    // A datacenter that does not exist has no servers to ask; the complaint says so.
    if survey.replication.is_none() || survey.near(options).next().is_none() {
        return Ok(survey);
    }
    let schema = stored_version(cql, &options.keyspace).await?;
    Ok(Survey { schema, ..survey })
}

fn clamped(copies: usize) -> u8 {
    u8::try_from(copies).unwrap_or(u8::MAX)
}

/// Only ScyllaDB has this table.
const SCYLLA_VERSION: &str = "SELECT version FROM system.versions WHERE key = 'local'";

/// What every server is asked.
#[derive(Clone, Copy)]
struct Questions {
    version: &'static str,
    commitlog_sync: &'static str,
}

impl Questions {
    fn to(product: Product) -> Self {
        match product {
            Product::Scylla => Self {
                version: SCYLLA_VERSION,
                commitlog_sync: "SELECT value FROM system.config WHERE name = 'commitlog_sync'",
            },
            Product::Cassandra => Self {
                version: "SELECT release_version FROM system.local WHERE key = 'local'",
                commitlog_sync: "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'",
            },
        }
    }
}

async fn said(cql: &Cql, node: &Arc<Node>, questions: Questions) -> Option<NodeSaid> {
    let version = ask(cql, Some(node), questions.version).await?;
    // ScyllaDB gives JSON: the text in quotes.
    let commitlog_sync = ask(cql, Some(node), questions.commitlog_sync).await?.trim_matches('"').to_owned();
    Some(NodeSaid { version, commitlog_sync })
}

/// One text that a server, or any, knows; none when it does not answer, or has no such table.
async fn ask(cql: &Cql, node: Option<&Arc<Node>>, question: &str) -> Option<String> {
    let mut query = Query::new(question);
    query.set_consistency(Consistency::One);
    if let Some(node) = node {
        let target = NodeIdentifier::Node(Arc::clone(node));
        let policy = SingleTargetLoadBalancingPolicy::new(target, None);
        let profile =
            ExecutionProfile::builder().load_balancing_policy(policy).request_timeout(Some(ASK)).build();
        query.set_execution_profile_handle(Some(profile.into_handle()));
    }
    let rows = cql.session().query_unpaged(query, ()).await.ok()?.into_rows_result().ok()?;
    rows.first_row::<(String,)>().ok().map(|(text,)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> CqlOptions {
        CqlOptions::new(vec!["127.0.0.1:9042".into()], "switchboard")
    }

    fn node(address: &str, version: &str, sync: &str) -> NodeReport {
        let said = NodeSaid { version: version.into(), commitlog_sync: sync.into() };
        NodeReport { address: address.into(), datacenter: Some("dc1".into()), said: Some(said) }
    }

    fn survey(product: Product, nodes: Vec<NodeReport>, replication: Option<u8>) -> Survey {
        Survey { product, nodes, replication, schema: None }
    }

    fn texts(survey: &Survey, options: &CqlOptions) -> Vec<String> {
        survey.complaints(options).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_fit_cluster_has_no_complaints() {
        let cassandra = || node("a", "5.0.8", "batch");
        for (survey, options) in [
            (survey(Product::Cassandra, vec![cassandra()], None), options()),
            (survey(Product::Cassandra, vec![cassandra()], Some(1)), options()),
            // One of three servers may be gone, and be no part of the cluster for a while.
            (survey(Product::Cassandra, vec![cassandra(), cassandra()], Some(3)), options()),
            (survey(Product::Scylla, vec![node("a", "2025.4.1", "periodic")], Some(1)), options()),
            (survey(Product::Scylla, vec![node("a", "2026.1.0-rc1", "batch")], None), options()),
            (
                survey(Product::Cassandra, vec![node("a", "5.1-alpha", "periodic")], None),
                CqlOptions { allow_periodic_commitlog: true, ..options() },
            ),
            (
                survey(Product::Cassandra, vec![NodeReport { said: None, ..cassandra() }], None),
                CqlOptions { datacenter: Some("dc1".into()), ..options() },
            ),
        ] {
            assert_eq!(texts(&survey, &options), Vec::<String>::new(), "{survey:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let one = |version: &str, sync: &str| vec![node("10.0.0.1:9042", version, sync)];
        let three = CqlOptions { replication: Some(3), ..options() };
        let elsewhere = CqlOptions { datacenter: Some("dc2".into()), ..options() };
        for (survey, options, word) in [
            (survey(Product::Cassandra, one("4.1.3", "batch"), None), options(), "5.0 or newer"),
            (survey(Product::Scylla, one("2025.3.9", "batch"), None), options(), "2025.4 or newer"),
            (
                survey(Product::Cassandra, one("5.0.8", "periodic"), None),
                options(),
                "allow_periodic_commitlog",
            ),
            (survey(Product::Cassandra, one("5.0.8", "batch"), None), three, "3 copies"),
            (survey(Product::Cassandra, one("5.0.8", "batch"), Some(3)), options(), "ALTER KEYSPACE"),
            (survey(Product::Cassandra, one("5.0.8", "batch"), None), elsewhere, "only dc1"),
        ] {
            let texts = texts(&survey, &options);
            assert!(texts.len() == 1 && texts[0].contains(word), "{texts:?} lacks {word}");
        }
    }

    #[test]
    fn a_new_keyspace_has_three_copies_or_one_a_server() {
        let nodes = |n: usize| vec![node("a", "5.0.8", "batch"); n];
        for (servers, asked, copies) in
            [(1, None, 1), (2, None, 2), (3, None, 3), (9, None, 3), (9, Some(5), 5)]
        {
            let survey = survey(Product::Cassandra, nodes(servers), None);
            assert_eq!(survey.copies(&CqlOptions { replication: asked, ..options() }), copies);
        }
    }
}
