//! Accepts connections and serves them until told to stop, then lets them finish.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use crate::carry::carry;
use crate::config::Config;
use crate::descriptors::{self, Outage};
use crate::line::{Line, Place};
use crate::protocol::{Protocols, begins_as_http1};
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
    let mut protocols = Arc::new(Protocols::of(&line));
    let mut outage = Outage::default();
    loop {
        // Who takes connections after a handover is told at once: not one more is ours then.
        let accepted = tokio::select! {
            biased;
            () = line.leaves() => return,
            accepted = listener.accept() => accepted,
        };
        if !Arc::ptr_eq(&line, &lines.load()) {
            line = lines.load_full();
            protocols = Arc::new(Protocols::of(&line));
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
                let (lines, protocols) = (Arc::clone(lines), Arc::clone(&protocols));
                workers.run(|seat| {
                    let place = Place {
                        _permit: permit,
                        _seat: seat,
                    };
                    serve(lines, protocols, stream, client, place)
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
    protocols: Arc<Protocols>,
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
    // hyper's own limit begins with the bytes that tell the protocol: a client that never sends
    // them would hold its connection for good.
    let mut silent = pin!(tokio::time::sleep(line.config.timeouts.head.get()));
    let mut leaving = pin!(last_call(&line, &talk));
    let http1 = tokio::select! {
        http1 = begins_as_http1(&stream) => http1,
        () = silent.as_mut() => return note_silence(client),
        () = leaving.as_mut() => return,
    };
    let told = Arc::clone(&talk);
    let service = service_fn(move |mut request: hyper::Request<_>| {
        told.begun.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Arc::clone(&place));
        // The settings of now: a reload may have come since the connection did.
        let line = lines.load_full();
        let told = Arc::clone(&told);
        // In a box: its room is not needed any more while the answer streams.
        Box::pin(async move {
            let mut answer = carry(&line, client, request).await;
            if told.last.load(Ordering::Relaxed) && !is_switch(&answer) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, std::convert::Infallible>(answer)
        })
    });
    let io = TokioIo::new(stream);
    let ends = (silent, leaving);
    if http1 {
        let connection = protocols.http1.serve_connection(io, service);
        let connection = pin!(connection.with_upgrades());
        let finish = http1::UpgradeableConnection::graceful_shutdown;
        attend(connection, finish, ends, &talk, client).await;
    } else {
        let connection = protocols.either.serve_connection_with_upgrades(io, service);
        // In a box: the other connections need not have room for it.
        let mut connection = Box::pin(connection);
        let finish = auto::UpgradeableConnection::graceful_shutdown;
        attend(connection.as_mut(), finish, ends, &talk, client).await;
    }
}

/// Moves a connection until it ends: by itself, because its client never spoke, or because we are
/// leaving.
async fn attend<C, E>(
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
    (mut silent, leaving): (
        Pin<&mut impl Future<Output = ()>>,
        Pin<&mut impl Future<Output = ()>>,
    ),
    talk: &Talk,
    client: SocketAddr,
) where
    C: Future<Output = Result<(), E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    // Once the client has spoken the limit is past, and need not be looked at with every event.
    let silent = poll_fn(|cx| {
        if talk.begun.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        silent.as_mut().poll(cx)
    });
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return note_silence(client),
        () = leaving => {
            // hyper would wait for the rest of a first head; there is nothing to finish yet.
            if !talk.begun.load(Ordering::Relaxed) {
                return;
            }
            finish(connection.as_mut());
            connection.await
        }
    };
    if let Err(error) = ended.map_err(Into::into) {
        tracing::debug!(%client, error = %innermost(error.as_ref()), "a client's connection ended early");
    }
}

fn note_silence(client: SocketAddr) {
    tracing::debug!(%client, "a client connected and sent no request (timeouts.head)");
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

fn innermost(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |e| (**e).source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
