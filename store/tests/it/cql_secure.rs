//! Servers that speak only TLS and ask who it is, and roles that may not do all.

use std::sync::Arc;
use std::time::Duration;

use driver::cql::{Ring, contact_point};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use store::Clock;
use store::cql::{CqlOptions, CqlStore, Login, OpenError};
use tokio::time::Instant;

use crate::cql::NOW;
use crate::play::Play;
use crate::play::some_workspace;

const KEYSPACE: &str = "secured";

async fn open(options: &CqlOptions) -> Result<CqlStore, OpenError> {
    CqlStore::open(options, Clock::by_hand(NOW)).await
}

fn as_role(user: &str, password: &str, options: &CqlOptions) -> CqlOptions {
    let login = Login { user: user.to_owned(), password: password.to_owned() };
    CqlOptions { login: Some(login), ..options.clone() }
}

/// Why it cannot be opened.
async fn refusal(options: &CqlOptions) -> String {
    match open(options).await {
        Ok(_) => panic!("it opens with {options:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_opened_over_tls_by_who_may_and_others_hear_what_is_wrong() {
    // Where no node runs, none can.
    if contact_point().is_none() {
        return;
    }
    let ring = Ring::start_secure().await.unwrap();
    let plain = CqlOptions::new(ring.contact_points(), KEYSPACE);
    let stranger = CqlOptions { tls_ca: Some(ring.authority()), ..plain.clone() };
    let admin = as_role("cassandra", "cassandra", &stranger);

    let told = refusal(&as_role("cassandra", "cassandra", &plain)).await;
    assert!(told.contains("no CQL server answers"), "without TLS: {told}");
    let told = refusal(&stranger).await;
    assert!(told.to_lowercase().contains("authentication"), "without a log-in: {told}");
    let told = refusal(&as_role("cassandra", "wrong", &stranger)).await;
    assert!(told.contains("Authentication failed"), "{told}");
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(elsewhere.path(), include_str!("other_authority.pem")).unwrap();
    let told = refusal(&CqlOptions { tls_ca: Some(elsewhere.path().to_owned()), ..admin.clone() }).await;
    assert!(told.contains("invalid peer certificate"), "{told}");

    let session = session(&ring).await;
    let run = async |statement: &str| drop(session.query_unpaged(statement, ()).await.unwrap());
    let talker = as_role("talker", "word", &stranger);
    run("CREATE ROLE talker WITH PASSWORD = 'word' AND LOGIN = true").await;
    let told = refusal(&talker).await;
    assert!(told.contains("the role may not make the keyspace"), "{told}");
    run(&format!(
        "CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    ))
    .await;
    let told = refusal(&talker).await;
    assert!(told.contains("the role may not make tables"), "{told}");
    run(&format!("GRANT ALL ON KEYSPACE {KEYSPACE} TO talker")).await;
    // Servers remember for two seconds what a role may not.
    let until = Instant::now() + Duration::from_secs(20);
    let store = loop {
        match open(&talker).await {
            Ok(opened) => break opened.store(),
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    Play::start(&store.log, some_workspace()).await.unwrap();
}

/// As who may everything.
async fn session(ring: &Ring) -> Session {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(ring.authority()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(trusted).with_no_client_auth();
    SessionBuilder::new()
        .known_nodes(ring.contact_points())
        .user("cassandra", "cassandra")
        .tls_context(Some(Arc::new(tls)))
        .build()
        .await
        .unwrap()
}
