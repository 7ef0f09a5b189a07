//! `doctor`: looks at the configuration, the data folder and the store, changes nothing, and says in words what is
//! wrong and what to do.

use std::fmt::Write;
use std::path::Path;

use clap::Args;
use store::cql::{CqlOptions, CqlStore, OpenError, Product, Survey};
use store::sqlite::{Access, SqliteOptions, SqliteStore};

use super::{CliError, Source};
use crate::config::{Config, StoreKind};

/// `doctor`.
#[derive(Clone, Debug, Args)]
pub struct Doctor {
    /// What is looked at.
    #[command(flatten)]
    source: Source,
}

/// What was found: lines for people, and whether one of them tells of something wrong.
#[derive(Debug, Default)]
struct Report {
    text: String,
    wrong: usize,
}

impl Report {
    fn fine(&mut self, what: &str, says: impl AsRef<str>) {
        self.line("ok   ", what, says.as_ref());
    }

    fn note(&mut self, what: &str, says: impl AsRef<str>) {
        self.line("note ", what, says.as_ref());
    }

    fn wrong(&mut self, what: &str, says: impl AsRef<str>) {
        self.wrong += 1;
        self.line("WRONG", what, says.as_ref());
    }

    fn line(&mut self, mark: &str, what: &str, says: &str) {
        writeln!(self.text, "{mark}  {what}: {says}").expect("a string takes what is written to it");
    }
}

pub(super) async fn run(doctor: Doctor) -> Result<String, CliError> {
    let config = doctor.source.load()?;
    let mut report = Report::default();
    report.fine("configuration", "right");
    look_at_folder(&config.data_dir, &mut report);
    match config.store.kind {
        StoreKind::Sqlite => look_at_sqlite(&config, &mut report),
        StoreKind::Cql => look_at_cql(&config.store.cql.options()?, &mut report).await,
    }
    match report.wrong {
        0 => Ok(report.text.trim_end().to_owned()),
        count => Err(CliError::Unwell { report: report.text, count }),
    }
}

fn look_at_folder(dir: &Path, report: &mut Report) {
    let what = format!("data folder {}", dir.display());
    if !dir.exists() {
        return report.note(&what, "is not there yet; the server makes it");
    }
    match tempfile::tempfile_in(dir) {
        Ok(_) => report.fine(&what, "can be written"),
        Err(error) => report.wrong(&what, format!("cannot be written: {error}")),
    }
}

fn look_at_sqlite(config: &Config, report: &mut Report) {
    let what = "store (sqlite)";
    if !config.data_dir.exists() {
        return report.note(what, "is not there yet; the server makes it");
    }
    match SqliteStore::open(&config.data_dir, Access::Beside, SqliteOptions::default()) {
        Ok(_) => report.fine(what, "opens"),
        Err(error) => report.wrong(what, error.to_string()),
    }
}

async fn look_at_cql(options: &CqlOptions, report: &mut Report) {
    match CqlStore::survey(options).await {
        Ok(survey) => tell(&survey, options, report),
        Err(error) => report.wrong("store (cql)", advice(&error)),
    }
}

fn advice(error: &OpenError) -> String {
    let text = error.to_string();
    let OpenError::Unreachable { cause, .. } = error else { return text };
    let known = [
        ("Authentication", "the role or its password is wrong: see store.cql.user and password_file"),
        (
            "refused",
            "nothing listens there: is the server up, and is 9042 its port for clients (native_transport_port)?",
        ),
        ("timeout", "nothing answers there: is the address right, and does a firewall let us through?"),
        (
            "certificate",
            "the server's certificate is not signed by the authority in store.cql.tls_ca, or not for this address",
        ),
        (
            "InvalidContentType",
            "the server speaks no TLS there: leave store.cql.tls_ca out, or turn TLS on (client_encryption_options)",
        ),
        (
            "reset",
            "the server closes the connection: if it speaks only TLS, store.cql.tls_ca must name who signed its certificate",
        ),
        ("resolve", "the name is not known: is it written right?"),
    ];
    let lower = cause.to_lowercase();
    match known.iter().find(|(word, _)| lower.contains(&word.to_lowercase())) {
        Some((_, hint)) => format!("{text}\n       {hint}"),
        None => text,
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
            Some(said) => report.fine(
                &what,
                format!("{product} {}, {datacenter}, commitlog_sync {}", said.version, said.commitlog_sync),
            ),
            None => report.wrong(&what, format!("does not answer ({datacenter})")),
        }
    }
    let keyspace = format!("keyspace {}", options.keyspace);
    match (survey.replication, survey.schema) {
        (None, _) => report.note(
            &keyspace,
            format!("is not there yet; the server makes it with {} copies", survey.copies(options)),
        ),
        (Some(copies), schema) => {
            let tables = schema.map_or("no tables yet".to_owned(), |schema| format!("schema {schema}"));
            report.fine(&keyspace, format!("{copies} copies, {tables}"));
            if copies < 3 {
                report.note(&keyspace, "with fewer than three copies no server may be gone, and one that is lost takes data with it");
            }
        }
    }
    for complaint in survey.complaints(options) {
        report.wrong("store (cql)", complaint.to_string());
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
        assert_eq!(report.wrong, 2, "{}", report.text);
        for line in [
            "ok     server 10.0.0.1:9042: Apache Cassandra 5.0.8, dc1, commitlog_sync batch",
            "WRONG  server 10.0.0.3:9042: does not answer (dc1)",
            "ok     keyspace shop: 3 copies, schema 1",
            "WRONG  store (cql): commitlog_sync is periodic on 10.0.0.2:9042",
        ] {
            assert!(report.text.lines().any(|found| found.starts_with(line)), "{line}\n{}", report.text);
        }
    }

    #[tokio::test]
    async fn servers_that_are_not_there_are_told_with_what_to_do() {
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut report = Report::default();
        look_at_cql(&CqlOptions { nodes: vec![free.to_string()], ..options() }, &mut report).await;
        assert_eq!(report.wrong, 1);
        assert!(report.text.contains("nothing listens there"), "{}", report.text);
    }

    #[test]
    fn what_the_driver_says_is_told_with_what_to_do() {
        // As it said each, to a server that spoke only TLS and asked for a log-in, and to one that did neither.
        for (cause, todo) in [
            ("Database returned an error: Authentication failed - bad credentials", "password_file"),
            (
                "Last connection failed with: invalid peer certificate: UnknownIssuer",
                "not signed by the authority",
            ),
            ("Failed to read the frame header: Connection reset by peer (os error 104)", "speaks only TLS"),
            ("received corrupt message of type InvalidContentType", "speaks no TLS"),
        ] {
            let error = OpenError::Unreachable { nodes: "10.0.0.1:9042".into(), cause: cause.into() };
            let advice = advice(&error);
            assert!(advice.contains(cause) && advice.contains(todo), "{advice}");
        }
    }
}
