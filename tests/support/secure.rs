//! A provider behind TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use codex_plus_stand_in::{Config, StandIn};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::proxy::Proxy;

/// TLS in front of a stand-in, with an authority of its own.
pub(crate) struct Secure {
    pub(crate) stand_in: StandIn,
    pub(crate) port: u16,
    /// What each connection agreed on by ALPN, if anything.
    pub(crate) agreed: Arc<Mutex<Vec<String>>>,
    authority: String,
}

/// `names` are host names or addresses the certificate is for.
pub(crate) async fn secure(names: &[&str], protocols: &[&str]) -> Secure {
    until_year(4096, names, protocols).await
}

/// The same with a certificate that ends with a year's first day.
pub(crate) async fn until_year(year: i32, names: &[&str], protocols: &[&str]) -> Secure {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let front = front(stand_in.addr(), year, names, protocols).await;
    Secure {
        stand_in,
        port: front.port,
        agreed: front.agreed,
        authority: front.authority,
    }
}

/// TLS in front of anything.
pub(crate) struct Front {
    pub(crate) port: u16,
    pub(crate) agreed: Arc<Mutex<Vec<String>>>,
    /// The certificate to be trusted, as PEM.
    pub(crate) authority: String,
}

/// Takes TLS off what comes and carries it to `behind`.
pub(crate) async fn front(
    behind: SocketAddr,
    year: i32,
    names: &[&str],
    protocols: &[&str],
) -> Front {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut certificate = rcgen::CertificateParams::new(names).unwrap();
    certificate.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = certificate.signed_by(&key, &authority).unwrap();

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let agreed = Arc::new(Mutex::new(Vec::new()));
    let agreements = Arc::clone(&agreed);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            let agreements = Arc::clone(&agreements);
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(stream).await else {
                    return;
                };
                let protocol = inside.get_ref().1.alpn_protocol().unwrap_or(b"none");
                let protocol = String::from_utf8(protocol.to_vec()).unwrap();
                agreements.lock().unwrap().push(protocol);
                let mut behind = TcpStream::connect(behind).await.unwrap();
                // How a connection ends is no matter here.
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut behind).await;
            });
        }
    });
    Front {
        port,
        agreed,
        authority: authority.pem(),
    }
}

impl Secure {
    /// A proxy before `https://{host}` that trusts the authority.
    pub(crate) fn proxy(&self, host: &str, variables: &[(&str, String)]) -> Proxy {
        let settings = "[tls]\nca_files = ['authority.pem']\n";
        Proxy::started(format!("https://{host}/v1"), settings, |home, command| {
            home.write("home/.config/codex-plus/authority.pem", &self.authority);
            command.envs(variables.iter().cloned());
        })
    }
}
