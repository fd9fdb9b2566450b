//! The way to the provider: routes, connections, and the errors of getting there.

mod dial;
mod http1;
mod kept;
mod patient;
mod route;
mod tls;

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower_service::Service;

use crate::body::{Arriving, OutBody};
use crate::config::Config;
use crate::descriptors;
use crate::error::Error;
use crate::exchange::Inflow;
use crate::headers;
use crate::metrics::DialCounts;
use dial::{ConnectTimeout, Dialer, Within, chain};
use kept::{Failure, Kept};
use patient::Patient;
pub(crate) use route::Route;
pub use route::UpstreamError;
pub use tls::{TlsError, client_config as tls_client_config};

/// Idle connections kept for each provider.
const IDLE_CONNECTIONS: usize = 32;
/// Kept shorter than the 60 s and more that providers and their load balancers use, so that we
/// close first and a request seldom meets a connection that is just being closed.
const IDLE_FOR: Duration = Duration::from_secs(50);
/// Room for a burst of events on one HTTP/2 stream, and on all streams of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

type Connector = Within<HttpsConnector<Dialer>>;

/// Sends exchanges upstream, over pooled connections.
pub(crate) struct Upstream {
    route: Route,
    /// Over TLS, where the connection decides between HTTP/1.1 and HTTP/2.
    pooled: Client<Connector, OutBody>,
    kept: Arc<Kept>,
    websocket: Connector,
    connect_limit: Duration,
    head_limit: Duration,
}

impl Upstream {
    pub(crate) fn new(
        config: &Config,
        route: Route,
        dials: Arc<DialCounts>,
    ) -> Result<Self, TlsError> {
        // Reading the system's authorities takes milliseconds: only where TLS can happen.
        let tls = if route.needs_tls() {
            tls::client_config(&config.tls.ca_files)?
        } else {
            plain_only()?
        };
        let limit = config.timeouts.connect.get();
        let dialer = Dialer::from_env();
        let http = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dialer.clone());
        let kept = Kept::new(Within {
            connector: dialer.clone(),
            limit,
            dials: Arc::clone(&dials),
        });
        let websocket = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(dialer.both_ways());
        Ok(Self {
            route,
            pooled: pool(Within {
                connector: http,
                limit,
                dials: Arc::clone(&dials),
            }),
            kept,
            websocket: Within {
                connector: websocket,
                limit,
                dials,
            },
            connect_limit: limit,
            head_limit: config.timeouts.stream_idle.get(),
        })
    }

    /// Where a request goes.
    pub(crate) fn target(&self, parts: &http::request::Parts) -> Result<Uri, Error> {
        self.route
            .target(parts)
            .map_err(|error| Error::Unreachable {
                upstream: "the upstream".to_owned(),
                reason: error.to_string(),
            })
    }

    /// Sends a request and waits for its answer's head. While `inflow` grows the request is still
    /// on its way, and an upstream that does not answer yet is not silent.
    pub(crate) async fn send(
        &self,
        request: Request<OutBody>,
        inflow: &Inflow,
    ) -> Result<Response<Arriving>, Error> {
        let target = request.uri().clone();
        let mut sending = pin!(self.send_by_scheme(request));
        loop {
            let received = inflow.bytes();
            match tokio::time::timeout(self.head_limit, &mut sending).await {
                Ok(Ok(mut response)) => {
                    // Chunks say where the body ends, and a length beside them says something
                    // else to whoever reads it (RFC 9112, 6.3).
                    if response.headers().contains_key(header::TRANSFER_ENCODING) {
                        headers::without(response.headers_mut(), &header::CONTENT_LENGTH);
                    }
                    return Ok(response);
                }
                Ok(Err(Failure { error, connecting })) => {
                    return Err(self.explain(display_name(&target), error.as_ref(), connecting));
                }
                Err(_) if inflow.bytes() > received => {}
                Err(_) => return Err(self.head_timeout(display_name(&target))),
            }
        }
    }

    async fn send_by_scheme(
        &self,
        request: Request<OutBody>,
    ) -> Result<Response<Arriving>, Failure> {
        if request.uri().scheme() == Some(&Scheme::HTTP) {
            return self.kept.send(request).await;
        }
        match self.pooled.request(request).await {
            Ok(response) => Ok(response.map(Arriving::Pooled)),
            Err(error) => Err(Failure {
                connecting: error.is_connect(),
                error: error.into(),
            }),
        }
    }

    /// Sends a WebSocket handshake on a connection of its own.
    pub(crate) async fn upgrade(
        &self,
        mut request: Request<OutBody>,
    ) -> Result<Response<Incoming>, Error> {
        let target = request.uri().clone();
        let name = display_name(&target);
        let stream: MaybeHttpsStream<TokioIo<Patient>> = self
            .websocket
            .clone()
            .call(target.clone())
            .await
            .map_err(|error| self.explain(name.clone(), error.as_ref(), true))?;
        let (mut sender, connection) = conn::http1::Builder::new()
            .handshake(stream)
            .await
            .map_err(|error| self.explain(name.clone(), &error, false))?;
        tokio::spawn(connection.with_upgrades());
        address(&mut request, &target);
        match tokio::time::timeout(self.head_limit, sender.send_request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.explain(name, &error, false)),
            Err(_) => Err(self.head_timeout(name)),
        }
    }

    fn head_timeout(&self, upstream: String) -> Error {
        Error::Timeout {
            upstream,
            what: "did not begin to answer",
            setting: "timeouts.stream_idle",
            limit: self.head_limit,
        }
    }

    fn explain(
        &self,
        upstream: String,
        error: &(dyn StdError + 'static),
        connecting: bool,
    ) -> Error {
        if chain(error).any(<dyn StdError>::is::<ConnectTimeout>) {
            return Error::Timeout {
                upstream,
                what: "could not be reached",
                setting: "timeouts.connect",
                limit: self.connect_limit,
            };
        }
        if connecting && descriptors::were_out(error) {
            return Error::OutOfDescriptors { upstream };
        }
        let reason = innermost(error);
        if connecting {
            Error::Unreachable { upstream, reason }
        } else {
            Error::Broken { upstream, reason }
        }
    }
}

fn pool(connector: Connector) -> Client<Connector, OutBody> {
    let mut builder: legacy::Builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        // A laptop that slept finds its connection dead by a ping, not by a lost turn.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(20))
        .build(connector)
}

/// For an upstream that is always plain http: a configuration that trusts nobody.
fn plain_only() -> Result<rustls::ClientConfig, TlsError> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

/// Writes Host, last, and the origin form, as the client stack does for requests it pools itself.
fn address(request: &mut Request<OutBody>, target: &Uri) {
    if let Some(authority) = target.authority()
        && let Ok(host) =
            HeaderValue::from_maybe_shared(Bytes::copy_from_slice(authority.as_str().as_bytes()))
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = target.path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
}

/// Scheme and host of a target: enough to know it by, without path or query.
fn display_name(target: &Uri) -> String {
    let scheme = target.scheme_str().unwrap_or("http");
    let authority = target.authority().map_or("", |a| a.as_str());
    format!("{scheme}://{authority}")
}

/// The last cause, which says most to a user ("Connection refused").
fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
