//! TLS towards the provider: the stack Codex itself uses, so that the provider sees the same
//! handshake with and without the proxy (measured with Codex 0.169.0: aws-lc-rs,
//! X25519MLKEM768 first, ALPN h2 then http/1.1, no ALPN for WebSocket).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file in `tls.ca_files` could not be used.
    #[error("`tls.ca_files`: {path} {reason}", path = .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The TLS configuration, trusting the system's authorities and `ca_files`.
pub fn client_config(ca_files: &[PathBuf]) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some system certificates could not be read");
    }
    let (_, unusable) = roots.add_parsable_certificates(native.certs);
    if unusable > 0 {
        tracing::debug!(
            unusable,
            "system certificates of an unknown form were left out"
        );
    }
    for path in ca_files {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        tracing::warn!(
            "no certificate authority was found on this machine: install ca-certificates or set tls.ca_files"
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let failed = |reason: String| TlsError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(format!("is no PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| failed(format!("is not usable: {error}")))?;
    }
    if roots.len() == before {
        return Err(failed("holds no certificate".to_owned()));
    }
    Ok(())
}
