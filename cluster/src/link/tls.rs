//! Mutual TLS beneath the handshake: it hides what crosses, and its certificates prove the names that nodes go by. The
//! handshake and the secret are the same with it: a certificate of the same authority that was made for something else
//! lets nobody in.
//!
//! Each node's certificate has the node's name as its DNS name, and serves both sides.

use std::io;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

#[cfg(test)]
use super::mutant::{self, Mutant};
use crate::name::NodeName;

#[cfg(test)]
mod tests;

/// What links encrypt with.
#[derive(Clone)]
pub struct LinkTls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// Certificates or a key that links cannot use: the operator gives others.
#[derive(Debug, thiserror::Error)]
pub enum LinkTlsError {
    /// The authority's certificates.
    #[error("the authority: {0}")]
    Authority(String),
    /// The node's own certificate, with those between it and the authority.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// The node's private key.
    #[error("the private key: {0}")]
    Key(String),
    /// They do not belong together.
    #[error("the certificate and its key: {0}")]
    Pair(String),
}

impl LinkTls {
    /// Of PEM: the authority that all nodes' certificates are of, this node's certificate, and its key. TLS 1.3 alone.
    ///
    /// # Errors
    /// [`LinkTlsError`], which names what cannot be used.
    pub fn new(authority: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, LinkTlsError> {
        let mut trusted = RootCertStore::empty();
        for one in certificates(authority).map_err(LinkTlsError::Authority)? {
            trusted.add(one).map_err(|error| LinkTlsError::Authority(error.to_string()))?;
        }
        let trusted = Arc::new(trusted);
        let chain = certificates(certificate).map_err(LinkTlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| LinkTlsError::Key(error.to_string()))?;
        let pair = |error: rustls::Error| LinkTlsError::Pair(error.to_string());

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&trusted), Arc::clone(&provider))
                .build()
                .map_err(|error| LinkTlsError::Authority(error.to_string()))?;
        let accepting = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(pair)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(pair)?;
        let connecting = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(pair)?
            .with_root_certificates(trusted)
            .with_client_auth_cert(chain, key)
            .map_err(pair)?;
        Ok(Self { acceptor: Arc::new(accepting).into(), connector: Arc::new(connecting).into() })
    }

    /// Refuses a peer whose certificate does not name it `to`.
    pub(super) async fn connect(
        &self,
        to: &NodeName,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(to.to_string()).map_err(io::Error::other)?;
        self.connector.connect(name, stream).await
    }

    /// Refuses a peer without a certificate of the authority; what it names is known when the peer introduces itself.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

/// The certificate with which a peer has dialed.
pub(super) fn certificate(stream: &server::TlsStream<TcpStream>) -> Option<CertificateDer<'static>> {
    Some(stream.get_ref().1.peer_certificates()?.first()?.clone().into_owned())
}

/// Whether a certificate names a node so.
pub(super) fn names(certificate: &CertificateDer<'_>, name: &NodeName) -> bool {
    #[cfg(test)]
    if mutant::is(Mutant::CertificateNameNotCompared) {
        return true;
    }
    let parsed = ParsedCertificate::try_from(certificate);
    let name = ServerName::try_from(name.as_str());
    parsed.is_ok_and(|parsed| name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok()))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| error.to_string())?;
    if all.is_empty() { Err("no certificate is in it".to_owned()) } else { Ok(all) }
}
