//! `doctor`: looks at the configuration, this machine, the store, the people in it and how the server is reached. It
//! changes nothing, and says in words what is wrong and what to do.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use store::Clock;
use store::cql::{CqlOptions, CqlStore, LanesReport, OpenError, Product, Survey};
use store::sqlite::Access;

use super::error::CliError;
use super::source::Source;
use crate::blobs;
use crate::config::{BlobsKind, Config, StoreKind};
use crate::database::{Database, advice};

mod machine;
mod reach;
mod report;
mod staff;

use report::Report;

/// `doctor`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  switchboard doctor --config /etc/switchboard/switchboard.toml\n\nIt exits with 0 when \
                  nothing failed, with 1 when something did, with 2 when the configuration is wrong."
)]
pub struct Doctor {
    /// What is looked at.
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(doctor: Doctor) -> Result<String, CliError> {
    let config = doctor.source.load()?;
    let mut report = Report::default();
    report.ok("configuration", "right");
    look_at_folder(&config.data_dir, &mut report);
    machine::open_files(&mut report);
    machine::disk(&config.data_dir, &mut report);
    machine::time_service(&mut report);
    let tables_made = match config.store.kind {
        StoreKind::Sqlite => true,
        StoreKind::Cql => look_at_cql(&config.store.cql.options()?, &mut report).await,
    };
    look_into_store(&config, tables_made, &mut report).await;
    look_at_bucket(&config, &mut report).await;
    let serves = reach::port(config.listen, &mut report).await;
    reach::public_url(&config, serves, &mut report).await;
    reach::proxies(&config, &mut report);
    report.end()
}

fn look_at_folder(dir: &Path, report: &mut Report) {
    let what = format!("data folder {}", dir.display());
    if !dir.exists() {
        return report.warn(&what, "is not there yet; the server makes it");
    }
    match tempfile::tempfile_in(dir) {
        Ok(_) => report.ok(&what, "can be written"),
        Err(error) => {
            report.fail(
                &what,
                format!("cannot be written: {error}; give it to the user that the server runs as"),
            );
        }
    }
}

/// Opens the store beside a server; one that is not there yet is not made.
async fn look_into_store(config: &Config, tables_made: bool, report: &mut Report) {
    let what = format!("store ({})", config.store.kind.word());
    match config.store.kind {
        StoreKind::Sqlite if !store::sqlite::is_there(&config.data_dir) => {
            return report.warn(&what, "is not there yet; the server makes it");
        }
        StoreKind::Cql if !tables_made => return,
        StoreKind::Sqlite | StoreKind::Cql => {}
    }
    let database = match Database::open(config, Access::Beside).await {
        Ok(database) => database,
        Err(error) => return report.fail(&what, error.to_string()),
    };
    let records = Arc::clone(&database.store().records);
    match staff::look(records.as_ref()).await {
        Ok(found) => {
            report.ok(&what, "opens");
            machine::clock(Clock::system().now(), found.newest, report);
            found.tell(report);
        }
        Err(error) => report.fail(&what, error.to_string()),
    }
    if let Database::Cql(cql, _) = &database {
        look_at_lanes(cql, &mut *report).await;
    }
    database.close().await;
}

/// Says whether what the nodes have written hangs together.
async fn look_at_lanes(cql: &CqlStore, report: &mut Report) {
    match cql.check_lanes().await {
        Ok(LanesReport { lanes, segments, segments_not_home, batches, faults }) => {
            if faults.is_empty() {
                let text = format!(
                    "whole: {segments} segments of {lanes} lanes with {batches} batches; the events of \
                     {segments_not_home} segments are yet to move to their conversations"
                );
                report.ok("lanes", text);
            }
            faults.into_iter().for_each(|fault| report.fail("lanes", fault));
        }
        Err(error) => report.fail("lanes", error.to_string()),
    }
}

/// Says whether the servers are fit and the tables are there, so that the store can be opened and changes nothing.
async fn look_at_cql(options: &CqlOptions, report: &mut Report) -> bool {
    match CqlStore::survey(options).await {
        Ok(survey) => {
            tell(&survey, options, report);
            survey.schema.is_some() && survey.complaints(options).is_empty()
        }
        Err(error) => {
            report.fail("store (cql)", in_words(&error));
            false
        }
    }
}

/// Asks the bucket where files lie, if one is configured, for something.
async fn look_at_bucket(config: &Config, report: &mut Report) {
    match config.store.blobs.kind {
        BlobsKind::Folder => return,
        BlobsKind::S3 => {}
    }
    let what = format!("bucket {}", config.store.blobs.bucket.as_deref().unwrap_or_default());
    match ask_bucket(config).await {
        Ok(()) => report.ok(&what, "answers"),
        Err(error) => report.fail(
            &what,
            format!(
                "{error}; no file is taken or shown until it answers: are the settings of store.blobs right?"
            ),
        ),
    }
}

async fn ask_bucket(config: &Config) -> Result<(), CliError> {
    // The folder of what comes in is the server's to make.
    let apart = tempfile::tempdir()?;
    let config = Config { data_dir: apart.path().to_owned(), ..config.clone() };
    Ok(blobs::open(&config)?.workspaces().await.map(drop)?)
}

/// What to do first, and then what the driver says.
fn in_words(error: &OpenError) -> String {
    match error {
        OpenError::Unreachable { nodes, cause } => {
            let todo = advice(cause).unwrap_or("are the servers up, and are their addresses right?");
            format!("no CQL server answers at {nodes}: {todo}\n      the driver says: {cause}")
        }
        OpenError::Setting { .. }
        | OpenError::Unfit(_)
        | OpenError::Newer { .. }
        | OpenError::OldForm(_)
        | OpenError::Rights { .. }
        | OpenError::Locked(_)
        | OpenError::Schema(_)
        | OpenError::Statement { .. } => error.to_string(),
    }
}

fn tell(survey: &Survey, options: &CqlOptions, report: &mut Report) {
    let product = match survey.product {
        Product::Cassandra => "Apache Cassandra",
        Product::Scylla => "ScyllaDB",
    };
    for node in &survey.nodes {
        let what = format!("server {}", node.address);
        let datacenter = node.datacenter.as_deref().unwrap_or("no datacenter");
        match &node.said {
            Some(said) => report.ok(
                &what,
                format!("{product} {}, {datacenter}, commitlog_sync {}", said.version, said.commitlog_sync),
            ),
            None => report.fail(&what, format!("does not answer ({datacenter})")),
        }
    }
    let keyspace = format!("keyspace {}", options.keyspace);
    match (survey.replication, survey.schema) {
        (None, _) => report.warn(
            &keyspace,
            format!("is not there yet; the server makes it with {} copies", survey.copies(options)),
        ),
        (Some(copies), schema) => {
            let tables = schema.map_or("no tables yet".to_owned(), |schema| format!("schema {schema}"));
            report.ok(&keyspace, format!("{copies} copies, {tables}"));
            if copies < 3 {
                report.warn(&keyspace, "with fewer than three copies no server may be gone, and one that is lost takes data with it");
            }
        }
    }
    for complaint in survey.complaints(options) {
        report.fail("store (cql)", complaint.to_string());
    }
}

#[cfg(test)]
mod tests {
    use store::cql::{NodeReport, NodeSaid};

    use super::*;

    fn options() -> CqlOptions {
        CqlOptions::new(vec!["127.0.0.1:9042".into()], "shop")
    }

    #[test]
    fn what_is_wrong_with_the_servers_is_told_line_by_line() {
        let node = |address: &str, said: Option<&str>| NodeReport {
            address: address.into(),
            datacenter: Some("dc1".into()),
            said: said.map(|sync| NodeSaid { version: "5.0.8".into(), commitlog_sync: sync.into() }),
        };
        let nodes = vec![
            node("10.0.0.1:9042", Some("batch")),
            node("10.0.0.2:9042", Some("periodic")),
            node("10.0.0.3:9042", None),
        ];
        let survey = Survey { product: Product::Cassandra, nodes, replication: Some(3), schema: Some(1) };
        let mut report = Report::default();
        tell(&survey, &options(), &mut report);
        assert_eq!(report.failed(), 2, "{}", report.text());
        for line in [
            "ok    server 10.0.0.1:9042: Apache Cassandra 5.0.8, dc1, commitlog_sync batch",
            "fail  server 10.0.0.3:9042: does not answer (dc1)",
            "ok    keyspace shop: 3 copies, schema 1",
            "fail  store (cql): commitlog_sync is periodic on 10.0.0.2:9042",
        ] {
            assert!(report.text().lines().any(|found| found.starts_with(line)), "{line}\n{}", report.text());
        }
    }

    #[tokio::test]
    async fn servers_that_are_not_there_are_told_with_what_to_do() {
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut report = Report::default();
        look_at_cql(&CqlOptions { nodes: vec![free.to_string()], ..options() }, &mut report).await;
        assert_eq!(report.failed(), 1);
        assert!(report.text().contains("nothing listens there"), "{}", report.text());
    }
}
