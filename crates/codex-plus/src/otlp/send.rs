//! Sends one export to the collector: `POST` of protobuf, as OTLP over HTTP asks.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;

use crate::environment::Environment;

/// How long an export may take; the protocol's default.
const LIMIT: Duration = Duration::from_secs(10);
/// How much of an answer is read; it says next to nothing.
const LONGEST_ANSWER: usize = 64 << 10;

/// A collector of traces and metrics.
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: String,
    headers: HeaderMap,
}

/// Why an export was not taken. Says nothing of headers, which may hold keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It was not reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {} s", LIMIT.as_secs())]
    Slow,
    /// It answered something else than success.
    #[error("it answered {0}")]
    Status(StatusCode),
}

impl SendError {
    /// Whether the same export may be taken later (OTLP over HTTP, "Retryable Response Codes").
    pub(super) fn may_be_tried_again(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

impl Collector {
    pub(super) fn new(
        endpoint: &str,
        ca_files: &[PathBuf],
        env: &Environment,
    ) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(codex_plus_proxy::tls_client_config(ca_files)?)
            .https_or_http()
            .enable_http1()
            .build();
        let headers = match env.get("OTEL_EXPORTER_OTLP_HEADERS") {
            Some(list) => headers(&list.to_string_lossy()).context(
                "OTEL_EXPORTER_OTLP_HEADERS cannot be read; write it as name=value,name=value",
            )?,
            None => HeaderMap::new(),
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            headers,
        })
    }

    /// Whether it is the one that listens here.
    pub(super) fn is_at(&self, listen: SocketAddr) -> bool {
        let Ok(endpoint) = self.endpoint.parse::<Uri>() else {
            return false;
        };
        let host = endpoint.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let here = host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip == listen.ip() || ip.is_loopback());
        here && endpoint.port_u16() == Some(listen.port())
    }

    /// Sends one message to the signal's path.
    pub(super) async fn send(&self, path: &str, message: &impl Message) -> Result<(), SendError> {
        let broken = |error: &dyn std::error::Error| {
            let last = std::iter::successors(Some(error), |error| error.source()).last();
            SendError::Unreachable(last.map(ToString::to_string).unwrap_or_default())
        };
        let target: Uri = format!("{}{path}", self.endpoint)
            .parse()
            .map_err(|error| broken(&error))?;
        let mut request = Request::post(target)
            .body(Full::new(Bytes::from(message.encode_to_vec())))
            .map_err(|error| broken(&error))?;
        *request.headers_mut() = self.headers.clone();
        let kind = HeaderValue::from_static("application/x-protobuf");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let exchange = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| broken(&error))?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            let _ = Limited::new(answer.into_body(), LONGEST_ANSWER)
                .collect()
                .await;
            if status.is_success() {
                Ok(())
            } else {
                Err(SendError::Status(status))
            }
        };
        tokio::time::timeout(LIMIT, exchange)
            .await
            .unwrap_or(Err(SendError::Slow))
    }
}

/// `name=value,name=value`, values percent-encoded.
fn headers(list: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in super::resource::pairs(list) {
        // The value may be a key: errors do not show it.
        let name = HeaderName::try_from(&name).context("a name is no header's")?;
        let mut value = HeaderValue::try_from(&value).context("a value is no header's")?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_no_collector_of_its_own() {
        let env = Environment::new([], "/".into());
        let listen = "127.0.0.1:10000".parse().unwrap();
        let is_at = |endpoint| Collector::new(endpoint, &[], &env).unwrap().is_at(listen);
        for own in [
            "http://localhost:10000",
            "http://127.0.0.1:10000/x/",
            "http://[::1]:10000",
        ] {
            assert!(is_at(own), "{own}");
        }
        for other in ["http://localhost:4318", "https://collector.example:10000"] {
            assert!(!is_at(other), "{other}");
        }
    }
}
