//! What is told about an exchange once it is over: a tap beside the line, never in its way.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// Is told about every exchange after its end.
///
/// Called on the request path, so an implementation hands the record on (to a bounded queue, a
/// counter) and returns; it never waits.
pub trait Observer: Send + Sync + 'static {
    /// One exchange has ended, however it ended.
    fn exchange_ended(&self, record: Box<ExchangeRecord>);
}

/// An observer that forgets what it is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn exchange_ended(&self, _: Box<ExchangeRecord>) {}
}

/// How an exchange travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A request with one answer, streamed or whole.
    Http,
    /// One `response.create` on a WebSocket connection, or the connection itself when its
    /// messages were not looked at.
    WebSocket,
}

impl Transport {
    /// The name in log lines and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
        }
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer reached the client's connection.
    Completed,
    /// The client went away first.
    ClientLeft,
    /// The upstream broke off or fell silent in the middle of its answer.
    UpstreamCut,
    /// The upstream gave no answer; the client got ours (502 or 504).
    UpstreamFailed,
    /// The guard or a limit refused it.
    Refused,
    /// A filter answered in the upstream's place.
    Answered,
}

impl Outcome {
    /// The name in log lines and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientLeft => "client_left",
            Self::UpstreamCut => "upstream_cut",
            Self::UpstreamFailed => "upstream_failed",
            Self::Refused => "refused",
            Self::Answered => "answered",
        }
    }
}

/// Where an exchange's time went. At every moment it is in one part, so that [`Timings::parts`]
/// add up to the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the request's head to the answer's last byte.
    pub total: Duration,
    /// Waiting for the client's body.
    pub read: Duration,
    /// Decompressing the body and making out what it says.
    pub decode: Duration,
    /// What each filter took, of the request and of the answer, in the order they first ran.
    pub filters: Vec<FilterTime>,
    /// The rest of our own work: heads, routes, edits put together.
    pub own: Duration,
    /// Waiting for the upstream, up to the first byte of its answer's body.
    pub upstream: Duration,
    /// From that byte to the last: the upstream sends, the client takes.
    pub stream: Duration,
    /// When the request was handed to the upstream, from its head; absent when it never was.
    pub sent: Option<Duration>,
    /// When the first byte of the answer's body was there, from the request's head.
    pub first_byte: Option<Duration>,
    /// How much of `upstream` went by until the answer's head; absent when there was none.
    pub upstream_head: Option<Duration>,
    /// `upstream`, once the first byte was there.
    pub upstream_first_byte: Option<Duration>,
}

/// What one filter took of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterTime {
    /// The filter's name.
    pub name: &'static str,
    /// When it first ran, from the request's head.
    pub began: Duration,
    /// Its time, waiting included.
    pub took: Duration,
}

impl Timings {
    /// The time added by us: decoding, filters and the rest of our own work.
    pub fn added(&self) -> Duration {
        self.decode + self.filter_time() + self.own
    }

    /// What all filters took together.
    pub fn filter_time(&self) -> Duration {
        self.filters.iter().map(|filter| filter.took).sum()
    }

    /// The parts, by name, all filters as one.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Duration)> + use<> {
        [
            ("read", self.read),
            ("decode", self.decode),
            ("filters", self.filter_time()),
            ("own", self.own),
            ("upstream", self.upstream),
            ("stream", self.stream),
        ]
        .into_iter()
    }

    pub(crate) fn add_filter(&mut self, more: FilterTime) {
        let mut known = self.filters.iter_mut();
        match known.find(|known| known.name == more.name) {
            Some(known) => known.took += more.took,
            None => self.filters.push(more),
        }
    }
}

/// One exchange, after its end. Holds no prompt, no header value but ids, no query.
#[derive(Debug, Clone)]
pub struct ExchangeRecord {
    /// Number of the exchange since the proxy started.
    pub id: u64,
    /// When its head arrived.
    pub started: SystemTime,
    /// The client's address.
    pub client: SocketAddr,
    /// How it travelled.
    pub transport: Transport,
    /// Codex's `session-id`, when the head carries one.
    pub session: Option<String>,
    /// Codex's `thread-id`, when the head carries one.
    pub thread: Option<String>,
    /// The client's `traceparent` (W3C Trace Context), when the head carries one.
    pub trace_parent: Option<String>,
    /// What the request was (`prompt`, `continuation`, ...; see `codex_plus_wire::turn`).
    pub turn: Option<&'static str>,
    /// Request method.
    pub method: String,
    /// Request path without its query.
    pub path: String,
    /// Status the client was sent; absent when it left before.
    pub status: Option<u16>,
    /// Request body bytes received from the client, as they were on the wire.
    pub bytes_in: u64,
    /// Answer body bytes passed to the client, as they were on the wire.
    pub bytes_out: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in a few words, when it did not end well.
    pub reason: Option<String>,
    /// Where its time went.
    pub timings: Timings,
}
