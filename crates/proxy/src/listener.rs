//! Accepts connections and serves them until told to stop, then lets them finish.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::carry::carry;
use crate::line::{Line, Place};
use crate::workers::Workers;

/// Connections the kernel queues while we are busy; the system may allow fewer.
pub(crate) const BACKLOG: i32 = 4_096;
/// Wait after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `shutdown` is done.
pub(crate) async fn accept(
    line: &Arc<Line>,
    listener: &TcpListener,
    workers: &Workers,
    shutdown: impl Future<Output = ()>,
) {
    let server = Arc::new(server(line));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = next(line, listener) => accepted,
            () = &mut shutdown => return,
        };
        match accepted {
            Ok((stream, client, permit)) => {
                let (line, server) = (Arc::clone(line), Arc::clone(&server));
                workers.run(|seat| {
                    let place = Place {
                        _permit: permit,
                        _seat: seat,
                    };
                    serve(line, server, stream, client, place)
                });
            }
            // A client that left the queue again is no trouble of ours.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted; raise the open-files limit if this goes on");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn next(
    line: &Line,
    listener: &TcpListener,
) -> io::Result<(std::net::TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let (stream, client) = listener.accept().await?;
    // At the limit this one waits, and those behind it stay in the kernel's queue.
    let permit = Arc::clone(&line.connections)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    // The worker that serves a connection is the one that watches it.
    Ok((stream.into_std()?, client, permit))
}

fn server(line: &Line) -> auto::Builder<TokioExecutor> {
    let head = line.config.limits.head.get();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(line.config.timeouts.head.get())
        // hyper reads heads and bodies through one buffer, of 8 KiB at least.
        .max_buf_size(head.max(8_192))
        // The answer's Date is the upstream's, or absent as the upstream left it.
        .auto_date_header(false);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_mins(1))
        .auto_date_header(false);
    server
}

async fn serve(
    line: Arc<Line>,
    server: Arc<auto::Builder<TokioExecutor>>,
    stream: std::net::TcpStream,
    client: SocketAddr,
    place: Place,
) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::error!(%error, "a connection could not be watched");
            return;
        }
    };
    // An event must not wait for the next one to fill a packet.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let stopping = Arc::clone(&line);
    // A WebSocket connection outlives its handshake and keeps its place with it.
    let place = Arc::new(place);
    let begun = Arc::new(AtomicBool::new(false));
    let silent = silent(line.config.timeouts.head.get(), Arc::clone(&begun));
    let asked = Arc::clone(&begun);
    let service = service_fn(move |mut request: hyper::Request<_>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Arc::clone(&place));
        let line = Arc::clone(&line);
        async move { Ok::<_, std::convert::Infallible>(carry(&line, client, request).await) }
    });
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => {
            tracing::debug!(%client, "a client connected and sent no request (timeouts.head)");
            return;
        }
        () = stopping.stopped() => {
            // hyper would wait for the rest of a first head; there is nothing to finish yet.
            if !begun.load(Ordering::Relaxed) {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, error = %innermost(error.as_ref()), "a client's connection ended early");
    }
}

/// Done when no first request came in time. hyper's own limit begins with the bytes that tell the
/// protocol: a client that never sends them would hold its connection for good.
async fn silent(limit: Duration, begun: Arc<AtomicBool>) {
    tokio::time::sleep(limit).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
