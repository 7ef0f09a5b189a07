//! TLS to the servers: rustls, trusting one authority.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::OpenError;

/// What trusts the certificates in a PEM file, and no others.
pub(super) fn trusting(authority: &Path) -> Result<Arc<ClientConfig>, OpenError> {
    let wrong = |cause: String| OpenError::Setting {
        setting: "tls_ca",
        cause: format!("{}: {cause}", authority.display()),
    };
    let certificates = CertificateDer::pem_file_iter(authority).map_err(|error| wrong(error.to_string()))?;
    let mut trusted = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        trusted.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if trusted.is_empty() {
        return Err(wrong("no certificate is in it".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
