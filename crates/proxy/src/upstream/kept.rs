//! Connections to a plain-http upstream, kept for the next exchange.
//!
//! An exchange takes a connection and moves it itself, in its own task: nothing has to be handed
//! to another one and back. While a connection waits here, nobody moves it; a connection that the
//! upstream closed meanwhile is found out when it is taken, or by the sweep.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tower_service::Service;

use super::dial::{BoxError, Dialer, Within};
use super::http1::{Exchange, Rest, Sending, unasked};
use super::{IDLE_CONNECTIONS, IDLE_FOR};
use crate::body::{Arriving, OutBody};
use crate::workers;

/// How often waiting connections are looked through.
const SWEEP: Duration = Duration::from_secs(2);
/// Bound on connections that wait at once. Between the answers of a burst and the requests that
/// follow it all of them do, for a moment; closing them would mean to make them anew at once.
const MOST_WAITING: usize = 1_024;
/// Beyond `IDLE_CONNECTIONS`, one that waited this long has had its moment.
const MOMENT: Duration = Duration::from_secs(1);

/// Why there is no answer.
pub(super) struct Failure {
    pub(super) error: Box<dyn StdError + Send + Sync>,
    /// No connection could be made.
    pub(super) connecting: bool,
}

/// Every connection that waits, on the shelf of the worker it belongs to.
pub(super) struct Kept {
    dialer: Within<Dialer>,
    shelves: Box<[Shelf]>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Shelf(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    idle: VecDeque<Idle>,
    swept: bool,
}

/// A connection that waits.
struct Idle {
    upstream: Authority,
    stream: TcpStream,
    since: Instant,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(super) fn new(dialer: Within<Dialer>) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            shelves: (0..workers::count()).map(|_| Shelf::default()).collect(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Sends a request, whose target is a whole URL, and waits for its answer's head.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<OutBody>,
    ) -> Result<Response<Arriving>, Failure> {
        let target = request.uri().clone();
        let Some(upstream) = target.authority() else {
            return Err(Failure::of("the target names no upstream", true));
        };
        let mut sending = Box::new(Sending::new(request));
        loop {
            let kept = self.take(upstream);
            let was_kept = kept.is_some();
            let stream = match kept {
                Some(stream) => stream,
                None => self.connect(&target).await?,
            };
            let mut exchange = Box::new(Exchange::new(stream, sending));
            match poll_fn(|cx| exchange.poll_head(cx)).await {
                Ok(head) => {
                    let answer = self.answer(upstream, exchange);
                    return Ok(head.map(|()| answer));
                }
                Err(error) => match exchange.into_unsent(&error) {
                    // It had closed before anything was written: another one may take it.
                    Some(unsent) if was_kept => sending = unsent,
                    _ => return Err(Failure::of(error, false)),
                },
            }
        }
    }

    fn answer(self: &Arc<Self>, upstream: &Authority, exchange: Box<Exchange>) -> Arriving {
        if exchange.is_over() {
            self.release(upstream.clone(), exchange);
            return Arriving::Empty;
        }
        Arriving::Moved(Box::pin(Answer {
            home: Arc::clone(self),
            upstream: upstream.clone(),
            state: State::Open(exchange),
        }))
    }

    async fn connect(&self, target: &Uri) -> Result<TcpStream, Failure> {
        let stream = self.dialer.clone().call(target.clone()).await;
        let stream = stream.map_err(|error| Failure::of(error, true))?;
        Ok(stream.into_inner().into_stream())
    }

    /// A connection that waits here; it may have been closed meanwhile.
    fn take(&self, upstream: &Authority) -> Option<TcpStream> {
        let number = workers::number() % self.shelves.len();
        let mut waiting = self.shelves[number].lock();
        // The one that came last is the likeliest to be alive.
        let at = waiting
            .idle
            .iter()
            .rposition(|idle| idle.upstream == *upstream)?;
        let idle = waiting.idle.remove(at)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(idle.stream)
    }

    /// The answer was read to its end: its connection may serve another exchange.
    fn release(self: &Arc<Self>, upstream: Authority, exchange: Box<Exchange>) {
        match exchange.into_rest() {
            Rest::Free(stream) => self.put(upstream, stream),
            Rest::Owed(owed) => {
                if let Ok(runtime) = Handle::try_current() {
                    let home = Arc::clone(self);
                    // Not for ever: an upstream that takes no more of it would hold the client.
                    runtime.spawn(tokio::time::timeout(IDLE_FOR, async move {
                        if let Some(stream) = owed.pay().await {
                            home.put(upstream, stream);
                        }
                    }));
                }
            }
            Rest::Closed => {}
        }
    }

    fn put(self: &Arc<Self>, upstream: Authority, stream: TcpStream) {
        let idle = Idle {
            upstream,
            stream,
            since: Instant::now(),
        };
        if !idle.is_quiet() {
            return;
        }
        // Without a runtime the process is ending.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let number = workers::number() % self.shelves.len();
        let mut waiting = self.shelves[number].lock();
        waiting.idle.push_back(idle);
        if !std::mem::replace(&mut waiting.swept, true) {
            runtime.spawn(sweep(Arc::clone(self), number));
        }
    }
}

/// Closes what waited too long, is too much, or was closed by the upstream, until nothing waits.
async fn sweep(kept: Arc<Kept>, shelf: usize) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let mut waiting = kept.shelves[shelf].lock();
        // Longest waiting first.
        waiting.idle.retain(|idle| {
            let crowded = kept.waiting.load(Ordering::Relaxed) > IDLE_CONNECTIONS;
            let longest = if crowded { MOMENT } else { IDLE_FOR };
            let stays = idle.since.elapsed() < longest && idle.is_quiet();
            if !stays {
                kept.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            stays
        });
        if waiting.idle.is_empty() {
            waiting.swept = false;
            return;
        }
    }
}

impl Idle {
    /// Whether the upstream neither closed it nor spoke unasked.
    fn is_quiet(&self) -> bool {
        unasked(&self.stream).is_none()
    }
}

/// An answer's body, with the connection it comes over. Dropping it before its end closes that.
struct Answer {
    home: Arc<Kept>,
    upstream: Authority,
    state: State,
}

enum State {
    Open(Box<Exchange>),
    Over,
    Failed,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let State::Open(exchange) = &mut self.state else {
            return Poll::Ready(None);
        };
        let polled = exchange.poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.state = State::Failed;
        } else if polled.is_ready()
            && exchange.is_over()
            && let State::Open(over) = std::mem::replace(&mut self.state, State::Over)
        {
            self.home.release(self.upstream.clone(), over);
        }
        polled.map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Open(exchange) => exchange.size_hint(),
            State::Over => SizeHint::with_exact(0),
            State::Failed => SizeHint::default(),
        }
    }
}

impl Failure {
    fn of(error: impl Into<BoxError>, connecting: bool) -> Self {
        Self {
            error: error.into(),
            connecting,
        }
    }
}
