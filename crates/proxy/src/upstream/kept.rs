//! Connections to a plain-http upstream, kept for the next exchange.
//!
//! An exchange takes a connection and moves it itself, in its own task: nothing has to be handed
//! to another one and back. While a connection waits here, nobody moves it; a connection that the
//! upstream closed meanwhile is found out when it is taken, or by the sweep.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tower_service::Service;

use super::dial::{BoxError, Dialer, Within};
use super::patient::{Answered, Patient};
use super::{IDLE_CONNECTIONS, IDLE_FOR};
use crate::body::{Arriving, Bell, Carrier, OutBody};
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
    lent: VecDeque<Box<Lent>>,
    swept: bool,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, and the way to send a request on it.
struct Lent {
    home: Arc<Kept>,
    upstream: Authority,
    sender: SendRequest<OutBody>,
    connection: Connection<TokioIo<Patient>, OutBody>,
    answered: Answered,
    open: bool,
    since: Instant,
    bell: Arc<Bell>,
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
        mut request: Request<OutBody>,
    ) -> Result<Response<Arriving>, Failure> {
        let target = request.uri().clone();
        let Some(upstream) = target.authority() else {
            return Err(Failure::of("the target names no upstream", true));
        };
        super::address(&mut request, &target);
        loop {
            let kept = self.take(upstream);
            let was_kept = kept.is_some();
            let mut lent = match kept {
                Some(lent) => lent,
                None => self.connect(upstream.clone(), &target).await?,
            };
            match lent.exchange(request).await {
                Ok(response) => {
                    return Ok(response.map(|body| Arriving::new(body, Some(lent))));
                }
                // It had closed before the request was read: another one may take it.
                Err((_, Some(unsent))) if was_kept => request = *unsent,
                Err((error, _)) => return Err(Failure::of(error, false)),
            }
        }
    }

    async fn connect(
        self: &Arc<Self>,
        upstream: Authority,
        target: &Uri,
    ) -> Result<Box<Lent>, Failure> {
        let stream = self.dialer.clone().call(target.clone()).await;
        let stream = stream.map_err(|error| Failure::of(error, true))?;
        let answered = stream.inner().answered();
        let shaken = http1::Builder::new().handshake(stream).await;
        let (sender, connection) = shaken.map_err(|error| Failure::of(error, false))?;
        Ok(Box::new(Lent {
            home: Arc::clone(self),
            upstream,
            sender,
            connection,
            answered,
            open: true,
            since: Instant::now(),
            bell: Arc::default(),
        }))
    }

    fn shelf(&self) -> &Shelf {
        &self.shelves[workers::number() % self.shelves.len()]
    }

    fn take(&self, upstream: &Authority) -> Option<Box<Lent>> {
        let mut waiting = self.shelf().lock();
        // The one that came last is the likeliest to be alive.
        while let Some(at) = waiting
            .lent
            .iter()
            .rposition(|lent| lent.upstream == *upstream)
        {
            let mut lent = waiting.lent.remove(at)?;
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if lent.is_ready() {
                return Some(lent);
            }
        }
        None
    }

    fn put(self: &Arc<Self>, mut lent: Box<Lent>) {
        // Without a runtime the process is ending.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        lent.since = Instant::now();
        let number = workers::number() % self.shelves.len();
        let mut waiting = self.shelves[number].lock();
        waiting.lent.push_back(lent);
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
        waiting.lent.retain_mut(|lent| {
            let crowded = kept.waiting.load(Ordering::Relaxed) > IDLE_CONNECTIONS;
            let longest = if crowded { MOMENT } else { IDLE_FOR };
            let stays = lent.since.elapsed() < longest && lent.is_ready();
            if !stays {
                kept.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            stays
        });
        if waiting.lent.is_empty() {
            waiting.swept = false;
            return;
        }
    }
}

impl Lent {
    /// Sends a request; one that was not sent comes back with the error.
    async fn exchange(
        &mut self,
        request: Request<OutBody>,
    ) -> Result<Response<Incoming>, (hyper::Error, Option<Box<Request<OutBody>>>)> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            self.advance(cx);
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|mut failed| {
            let unsent = failed.take_message().map(Box::new);
            (failed.into_error(), unsent)
        })
    }

    /// Whether another request can be sent at once.
    fn is_ready(&mut self) -> bool {
        // Whoever takes it next polls it anew: there is nobody to wake yet.
        let mut nobody = Context::from_waker(Waker::noop());
        Pin::new(&mut self.connection)
            .poll(&mut nobody)
            .is_pending()
            && self.sender.is_ready()
    }
}

impl Carrier for Lent {
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        self.open = self.open && Pin::new(&mut self.connection).poll(cx).is_pending();
        self.open
    }

    fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    fn release(mut self: Box<Self>) {
        let home = Arc::clone(&self.home);
        if self.is_ready() {
            home.put(self);
        } else if !self.open {
            // Its last answer was its last word.
        } else if let Ok(runtime) = Handle::try_current() {
            // The answer came before the end of the request, the rest of which is still owed. Not
            // for ever: an upstream that takes no more of it would hold the client as well.
            self.answered.set(true);
            runtime.spawn(tokio::time::timeout(IDLE_FOR, async move {
                let ready = poll_fn(|cx| {
                    if !self.advance(cx) {
                        return Poll::Ready(false);
                    }
                    self.sender.poll_ready(cx).map(|ready| ready.is_ok())
                });
                if ready.await {
                    self.answered.set(false);
                    home.put(self);
                }
            }));
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
