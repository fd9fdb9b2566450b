use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::answer::Answer;
use crate::config::Config;
use crate::received::Received;
use crate::service;
use crate::shared::Shared;
use crate::socket::{ResetSwitch, Socket};

/// Connections the kernel holds for us before they are accepted.
const BACKLOG: u32 = 4096;
/// Concurrent HTTP/2 streams allowed on one connection.
const H2_STREAMS: u32 = 20_000;
/// [`StandIn::wait_for`] gives up after this long.
const HANG_GUARD: Duration = Duration::from_mins(1);

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
#[error("the stand-in cannot listen on {address}: {source}; choose another address or port 0")]
pub struct StartError {
    address: SocketAddr,
    source: io::Error,
}

/// A running stand-in. Dropping it stops it too, without waiting.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl StandIn {
    /// Binds and starts to serve on the current runtime.
    #[expect(
        clippy::unused_async,
        reason = "callable only where there is a runtime"
    )]
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let fail = |source| StartError {
            address: config.listen,
            source,
        };
        let listener = listen(config.listen).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let shared = Arc::new(Shared::new(config));
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        tracing::info!(%address, "the stand-in listens");
        Ok(Self { address, shared })
    }

    /// The address bound.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS/v1`, what a client's base URL wants.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds an answer to the script.
    pub fn push(&self, answer: Answer) {
        self.shared.push(answer);
    }

    /// Scripted answers not yet taken.
    pub fn script_len(&self) -> usize {
        self.shared.script_len()
    }

    /// What arrived and is still remembered (`Config::keep`), in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.recorder.received()
    }

    /// How many requests and messages arrived, forgotten ones included.
    pub fn received_count(&self) -> usize {
        self.shared.recorder.count()
    }

    /// Forgets what arrived; counting starts again at 0.
    pub fn clear_received(&self) {
        self.shared.recorder.clear();
    }

    /// Waits until `count` requests arrived. True when they did; false after a
    /// minute without them.
    pub async fn wait_for(&self, count: usize) -> bool {
        tokio::time::timeout(HANG_GUARD, self.shared.recorder.wait_for(count))
            .await
            .is_ok()
    }

    /// TCP connections open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open_connections.load(Ordering::Relaxed)
    }

    /// Answers under way now.
    pub fn live_streams(&self) -> usize {
        self.shared.live_streams.load(Ordering::Relaxed)
    }

    /// Answers whose client left before the end.
    pub fn cancelled(&self) -> usize {
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// Answers that ended as scripted.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// WebSocket pings received.
    pub fn pings(&self) -> usize {
        self.shared.pings.load(Ordering::Relaxed)
    }

    /// Codes of the WebSocket close frames clients sent first, oldest first; 1005
    /// for a frame without a code.
    pub fn closes(&self) -> Vec<u16> {
        self.shared.closes()
    }

    /// Closes the listener and every connection, and waits until they are gone.
    pub async fn stop(self) {
        self.shared.stopping.send_replace(true);
        self.shared.stopping.closed().await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
    }
}

/// Runs a stand-in until `shutdown` is done, for the command line.
pub async fn serve(config: Config, shutdown: impl Future) -> Result<(), StartError> {
    let stand_in = StandIn::start(config).await?;
    shutdown.await;
    stand_in.stop().await;
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                // Mostly out of file descriptors: a pause lets some come back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let reset = ResetSwitch::default();
    let io = TokioIo::new(Socket::new(stream, reset.clone(), Arc::clone(&shared)));
    let service =
        service_fn(move |request| service::answer(request, Arc::clone(&shared), reset.clone()));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(H2_STREAMS);
    let serving = builder.serve_connection_with_upgrades(io, service);
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        served = serving => if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        },
    }
}
