//! Accepts connections and serves them until told to stop, then lets them finish.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, StatusCode, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use crate::carry::carry;
use crate::config::Config;
use crate::descriptors::{self, Outage};
use crate::line::{Line, Place};
use crate::workers::Workers;

/// Connections the kernel queues while we are busy; the system may allow fewer.
pub(crate) const BACKLOG: i32 = 4_096;
/// Wait after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a kept-alive connection is left open after a handover.
const LAST_CALL: Duration = Duration::from_secs(5);

/// The listening socket of the settings.
pub(crate) fn bind(config: &Config) -> io::Result<std::net::TcpListener> {
    std::net::TcpListener::bind(config.listen)
}

/// Accepts until the proxy takes no more connections.
pub(crate) async fn accept(lines: &Arc<ArcSwap<Line>>, listener: &TcpListener, workers: &Workers) {
    let mut line = lines.load_full();
    let mut settings = Arc::new(server(&line));
    let mut outage = Outage::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = line.leaves() => return,
        };
        if !Arc::ptr_eq(&line, &lines.load()) {
            line = lines.load_full();
            settings = Arc::new(server(&line));
        }
        match accepted {
            Ok((stream, client)) => {
                if outage.worked() {
                    tracing::info!("connections are accepted again");
                }
                // At the limit this one waits, and those behind it stay in the system's queue. It
                // has left that queue, so no successor would find it: it is ours to serve.
                let permit = tokio::select! {
                    permit = Arc::clone(&line.connections).acquire_owned() => permit,
                    () = line.stopped() => return,
                };
                let Ok(permit) = permit else { return };
                // The worker that serves a connection is the one that watches it.
                let stream = match stream.into_std() {
                    Ok(stream) => stream,
                    Err(error) => {
                        tracing::error!(%error, "a connection could not be handed to its worker");
                        continue;
                    }
                };
                let (lines, settings) = (Arc::clone(lines), Arc::clone(&settings));
                workers.run(|seat| {
                    let place = Place {
                        _permit: permit,
                        _seat: seat,
                    };
                    serve(lines, settings, stream, client, place)
                });
            }
            // A client that left the queue again is no trouble of ours.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if outage.failed() {
                    tell(&error);
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The clients wait in the system's queue meanwhile: nobody is turned away.
fn tell(error: &io::Error) {
    if descriptors::are_out(error) {
        tracing::error!(
            advice = descriptors::ADVICE,
            "connections could not be accepted: no descriptors are left; they wait until some are"
        );
    } else {
        tracing::error!(%error, "connections could not be accepted; they wait");
    }
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

/// What a connection and its requests tell each other.
#[derive(Default)]
struct Talk {
    /// A first request has come.
    begun: AtomicBool,
    /// The next request is the last one.
    last: AtomicBool,
}

async fn serve(
    lines: Arc<ArcSwap<Line>>,
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
    let line = lines.load_full();
    // A WebSocket connection outlives its handshake and keeps its place with it.
    let place = Arc::new(place);
    let talk = Arc::new(Talk::default());
    let silent = silent(line.config.timeouts.head.get(), Arc::clone(&talk));
    let told = Arc::clone(&talk);
    let service = service_fn(move |mut request: hyper::Request<_>| {
        told.begun.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Arc::clone(&place));
        // The settings of now: a reload may have come since the connection did.
        let line = lines.load_full();
        let told = Arc::clone(&told);
        async move {
            let mut answer = carry(&line, client, request).await;
            if told.last.load(Ordering::Relaxed) && !is_switch(&answer) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => {
            tracing::debug!(%client, "a client connected and sent no request (timeouts.head)");
            return;
        }
        () = last_call(&line, &talk) => {
            // hyper would wait for the rest of a first head; there is nothing to finish yet.
            if !talk.begun.load(Ordering::Relaxed) {
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

/// Done when a connection is to end with what it is at. After a handover a client may be sending
/// its next request on it this very moment: it is told with the answer, or has been silent.
async fn last_call(line: &Line, talk: &Talk) {
    line.leaves().await;
    talk.last.store(true, Ordering::Relaxed);
    tokio::select! {
        () = tokio::time::sleep(LAST_CALL) => {}
        () = line.stopped() => {}
    }
}

/// Whether the connection goes on as something else than HTTP/1.1, which has its own ends.
fn is_switch<B>(answer: &hyper::Response<B>) -> bool {
    answer.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// Done when no first request came in time. hyper's own limit begins with the bytes that tell the
/// protocol: a client that never sends them would hold its connection for good.
async fn silent(limit: Duration, talk: Arc<Talk>) {
    tokio::time::sleep(limit).await;
    if talk.begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
