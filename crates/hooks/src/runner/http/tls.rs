//! HTTP hooks over TLS.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::{BROKE, IDLE_CONNECTIONS, IDLE_FOR, NO_CONNECTION, NOT_HTTP, broke_off};
use crate::output::HookFailure;

type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Asks over TLS. Made ready when first needed: reading the system's authorities takes
/// milliseconds.
#[derive(Debug, Default)]
pub(super) struct Secure(OnceCell<Pool>);

impl Secure {
    pub(super) async fn ask(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        input: Bytes,
        limit: usize,
    ) -> Result<Vec<u8>, HookFailure> {
        let mut request = Request::new(Full::new(input));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(uri);
        request.headers_mut().clone_from(headers);
        let failed = |()| HookFailure::Unreachable("TLS cannot be set up");
        let pool = self.0.get_or_try_init(pool).await.map_err(failed)?;
        let sent = pool.request(request).await;
        let answer = sent.map_err(|error| HookFailure::Unreachable(broken(&error)))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(HookFailure::Status(status.as_u16()));
        }
        let body = Limited::new(answer.into_body(), limit).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                HookFailure::TooLarge
            } else {
                broke_off()
            }
        })?;
        Ok(body.to_bytes().into())
    }
}

/// What became of a request without an answer.
fn broken(error: &hyper_util::client::legacy::Error) -> &'static str {
    let cause = error
        .source()
        .and_then(|e| e.downcast_ref::<hyper::Error>());
    if error.is_connect() {
        NO_CONNECTION
    } else if cause.is_some_and(hyper::Error::is_parse) {
        NOT_HTTP
    } else {
        BROKE
    }
}

async fn pool() -> Result<Pool, ()> {
    let config = tokio::task::spawn_blocking(tls).await.map_err(drop)??;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector))
}

fn tls() -> Result<ClientConfig, ()> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config
        .map_err(drop)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
