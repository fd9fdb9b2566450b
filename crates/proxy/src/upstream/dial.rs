//! Makes connections: straight, or through the proxy that the environment names.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::patient::Patient;
use super::route::is_loopback;
use crate::metrics::DialCounts;

/// Waits before the second and third try. Nothing was sent yet, so trying again is safe; the sum
/// stays small because a client with a dead upstream should hear of it soon.
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(150)];

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Opens TCP connections to upstreams.
#[derive(Clone)]
pub(crate) struct Dialer {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
    for_answers: bool,
}

impl Dialer {
    /// Reads `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and their kin once.
    pub(crate) fn from_env() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        Self {
            tcp,
            proxies: Arc::new(Matcher::from_env()),
            for_answers: true,
        }
    }

    /// For connections that are not one answer to one request, but go both ways.
    pub(crate) fn both_ways(mut self) -> Self {
        self.for_answers = false;
        self
    }

    async fn dial(mut self, target: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let local = target.host().is_some_and(is_loopback);
        if !local && let Some(proxy) = self.proxies.intercept(&target) {
            return self.through(&proxy, target).await;
        }
        let mut waits = BACKOFF.iter();
        loop {
            match self.tcp.call(target.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => match waits.next() {
                    Some(wait) if is_transient(&error) => tokio::time::sleep(*wait).await,
                    _ => return Err(error.into()),
                },
            }
        }
    }

    async fn through(self, proxy: &Intercept, target: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let address = proxy.uri().clone();
        match address.scheme_str() {
            Some("socks5" | "socks5h") => {
                let mut socks = SocksV5::new(address, self.tcp);
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                Ok(socks.call(target).await?)
            }
            Some("http") => {
                let mut tunnel = Tunnel::new(address, self.tcp);
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                Ok(tunnel.call(target).await?)
            }
            other => {
                let scheme = other.unwrap_or("none");
                Err(format!("the environment's proxy has the unsupported scheme {scheme:?}").into())
            }
        }
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Patient>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let for_answers = self.for_answers;
        let dialing = self.clone().dial(target);
        Box::pin(async move {
            let stream = dialing.await?.into_inner();
            Ok(TokioIo::new(Patient::new(stream, for_answers)))
        })
    }
}

/// A refused or reset connection may be an upstream that is just restarting.
fn is_transient(error: &(dyn StdError + 'static)) -> bool {
    io_kind(error).is_some_and(|kind| {
        matches!(
            kind,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
        )
    })
}

/// The I/O error at the bottom of a chain of errors.
pub(crate) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    chain(error)
        .find_map(|e| e.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

/// An error and its sources, outermost first.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting took longer than {} s", .0.as_secs_f32())]
pub(crate) struct ConnectTimeout(Duration);

/// A connector with a bound on the whole of its work: names, TCP, proxy and TLS.
#[derive(Clone)]
pub(crate) struct Within<C> {
    pub(crate) connector: C,
    pub(crate) limit: Duration,
    /// What became of its work.
    pub(crate) dials: Arc<DialCounts>,
}

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.connector.call(target);
        let (limit, dials) = (self.limit, Arc::clone(&self.dials));
        Box::pin(async move {
            let made = tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(ConnectTimeout(limit).into()));
            let count = if made.is_ok() {
                &dials.made
            } else {
                &dials.failed
            };
            count.fetch_add(1, Ordering::Relaxed);
            made
        })
    }
}
