//! One request and its answer, as the line sees it while it lasts.
//!
//! The exchange rides with the request, then inside the answer's body, and reports itself when
//! it is dropped: however it ends, it is told once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use codex_plus_wire::turn::TurnKind;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

use crate::headers::{SESSION_HEADER, THREAD_HEADER, TIMING_HEADER, TRACE_HEADER};
use crate::metrics::{Carried, ExchangeCounts};
use crate::observe::{ExchangeRecord, Observer, Outcome, Timings, Transport};
use crate::timing::{FilterClock, Stage, Stopwatch, Waits};
use crate::turn::TurnHead;

/// Counts exchanges and hands their records on.
pub(crate) struct Ledger {
    observer: Arc<dyn Observer>,
    /// Whether every client is told the timings.
    server_timing: bool,
    opened: AtomicU64,
    counts: Arc<ExchangeCounts>,
}

impl Ledger {
    pub(crate) fn new(observer: Arc<dyn Observer>, server_timing: bool) -> Self {
        Self {
            observer,
            server_timing,
            opened: AtomicU64::new(0),
            counts: Arc::default(),
        }
    }

    /// What is counted of exchanges.
    pub(crate) fn counts(&self) -> Arc<ExchangeCounts> {
        Arc::clone(&self.counts)
    }

    /// Exchanges since the start.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Exchanges under way.
    pub(crate) fn live(&self) -> usize {
        self.counts.live()
    }
}

/// What is learnt of a request body that is on its way elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Inflow {
    bytes: AtomicU64,
    waits: Waits,
    turn: OnceLock<&'static str>,
}

impl Inflow {
    /// More of it passed.
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How much has passed, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The client let us wait for more of it.
    pub(crate) fn awaited(&self, took: Duration) {
        self.waits.add(took);
    }

    /// A reader beside the line found out what the request is.
    pub(crate) fn classified(&self, turn: TurnKind) {
        // Read once; a second reading would find the same.
        let _ = self.turn.set(turn.as_str());
    }
}

/// An exchange under way.
pub(crate) struct Exchange {
    ledger: Arc<Ledger>,
    record: Option<Box<ExchangeRecord>>,
    carried: Carried,
    watch: Stopwatch,
    /// Whether the client is told the timings.
    tells: bool,
    inflow: Option<Arc<Inflow>>,
    /// What the head says about the turn; read only when the exchange is over.
    head: TurnHead,
}

impl Exchange {
    pub(crate) fn open(
        ledger: &Arc<Ledger>,
        client: SocketAddr,
        transport: Transport,
        parts: &Parts,
    ) -> Self {
        let id = ledger.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let carried = Carried::of(transport);
        ledger.counts.opened(carried);
        let record = ExchangeRecord {
            id,
            started: SystemTime::now(),
            client,
            transport,
            session: text(&parts.headers, &SESSION_HEADER),
            thread: text(&parts.headers, &THREAD_HEADER),
            trace_parent: text(&parts.headers, &TRACE_HEADER),
            turn: None,
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            outcome: Outcome::ClientLeft,
            reason: None,
            timings: Timings::default(),
        };
        Self {
            ledger: Arc::clone(ledger),
            record: Some(Box::new(record)),
            carried,
            watch: Stopwatch::start(Instant::now(), Stage::Own),
            tells: ledger.server_timing || parts.headers.contains_key(&TIMING_HEADER),
            inflow: None,
            head: TurnHead::of(parts),
        }
    }

    /// Another exchange on the same connection, whose request of `bytes` came at `began` and has
    /// been in `stage` since.
    pub(crate) fn sibling(&self, bytes: usize, began: Instant, stage: Stage) -> Self {
        let id = self.ledger.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let carried = Carried::WebSocket;
        self.ledger.counts.opened(carried);
        let record = self.record.as_ref().map(|record| {
            Box::new(ExchangeRecord {
                id,
                started: SystemTime::now(),
                turn: None,
                status: None,
                bytes_in: bytes as u64,
                bytes_out: 0,
                timings: Timings::default(),
                ..ExchangeRecord::clone(record)
            })
        });
        Self {
            ledger: Arc::clone(&self.ledger),
            record,
            carried,
            watch: Stopwatch::start(began, stage),
            tells: false,
            inflow: None,
            // The handshake's description may be hours old: the message has its own.
            head: TurnHead::default(),
        }
    }

    /// The number that log lines know it by.
    pub(crate) fn id(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.id)
    }

    /// Where the request body reports to while it passes.
    pub(crate) fn inflow(&mut self) -> Arc<Inflow> {
        Arc::clone(self.inflow.get_or_insert_default())
    }

    /// Nothing of it is to be read, its description included.
    pub(crate) fn is_unread(&mut self) {
        self.head = TurnHead::default();
    }

    /// What a filter's reading found the request to be.
    pub(crate) fn classified(&mut self, turn: &'static str) {
        self.head = TurnHead::default();
        self.with(|record| record.turn = Some(turn));
    }

    /// It is a connection that carries exchanges of its own; the handshake's description is that
    /// of the first of them.
    pub(crate) fn is_connection(&mut self) {
        self.head = TurnHead::default();
        self.enter(Stage::Stream);
        self.ledger.counts.left(self.carried);
        self.carried = Carried::Connection;
        self.ledger.counts.opened(self.carried);
        self.with(|record| record.turn = Some("connection"));
    }

    /// From now on its time goes to another part.
    pub(crate) fn enter(&mut self, stage: Stage) {
        if let Some(record) = &mut self.record {
            self.watch.enter(stage, &mut record.timings);
        }
    }

    /// So much of the part under way was the filters' time.
    pub(crate) fn filtered(&mut self, spent: &mut FilterClock) {
        if let Some(record) = &mut self.record {
            self.watch.filtered(spent, &mut record.timings);
        }
    }

    /// The client's body is here, as a whole.
    pub(crate) fn body_read(&mut self) {
        self.enter(Stage::Decode);
        if let Some(inflow) = &self.inflow {
            // These waits were within the part that has just ended.
            inflow.waits.take();
        }
    }

    /// The request leaves for the upstream now.
    pub(crate) fn sending(&mut self) {
        self.enter(Stage::Upstream);
        let ran = self.watch.ran();
        self.with(|record| record.timings.sent = Some(ran));
    }

    /// The answer's head is here.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.absorb_waits();
        self.enter(Stage::Own);
        self.head.detach();
        self.with(|record| {
            record.status = Some(status.as_u16());
            record.timings.upstream_head = Some(record.timings.upstream);
        });
    }

    /// The answer's head goes on to the client, and its body is waited for.
    pub(crate) fn passing(&mut self) {
        self.enter(Stage::Upstream);
    }

    /// Some of the answer passes to the client.
    pub(crate) fn passed(&mut self, bytes: usize) {
        if self.watch.stage() == Stage::Upstream {
            self.enter(Stage::Stream);
            let ran = self.watch.ran();
            self.with(|record| {
                record.timings.first_byte = Some(ran);
                record.timings.upstream_first_byte = Some(record.timings.upstream);
            });
        }
        self.with(|record| record.bytes_out += bytes as u64);
    }

    /// Waiting for the client's body is no time of the upstream's.
    fn absorb_waits(&mut self) {
        if let (Some(record), Some(inflow)) = (&mut self.record, &self.inflow) {
            let waited = inflow.waits.take();
            self.watch.awaited_client(waited, &mut record.timings);
        }
    }

    /// Where the time went so far, for a client that wants to know.
    pub(crate) fn told_timings(&mut self) -> Option<Timings> {
        if !self.tells {
            return None;
        }
        self.enter(self.watch.stage());
        let mut timings = self.record.as_ref()?.timings.clone();
        timings.total = self.watch.ran();
        Some(timings)
    }

    /// Bytes passed to the client so far.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.bytes_out)
    }

    /// It ends, and how.
    pub(crate) fn end(mut self, outcome: Outcome, reason: Option<String>) {
        self.conclude(outcome, reason);
    }

    /// We answer in the upstream's place, and why.
    pub(crate) fn end_with(mut self, status: StatusCode, outcome: Outcome, reason: Option<String>) {
        self.with(|record| record.status = Some(status.as_u16()));
        self.conclude(outcome, reason);
    }

    /// Marks the end; what is told about it goes out with the drop.
    pub(crate) fn conclude(&mut self, outcome: Outcome, reason: Option<String>) {
        self.with(|record| {
            record.outcome = outcome;
            record.reason = reason;
        });
    }

    fn with(&mut self, change: impl FnOnce(&mut ExchangeRecord)) {
        if let Some(record) = &mut self.record {
            change(record);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.ledger.counts.left(self.carried);
        if self.watch.stage() == Stage::Upstream {
            self.absorb_waits();
        }
        self.enter(Stage::Own);
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.timings.total = self.watch.ran();
        if let Some(inflow) = &self.inflow {
            record.bytes_in = inflow.bytes.load(Ordering::Relaxed);
            record.turn = record.turn.or(inflow.turn.get().copied());
        }
        if record.turn.is_none() && !self.head.is_silent() {
            record.turn = Some(self.head.alone().kind.as_str());
        }
        self.ledger.counts.ended(self.carried, &record);
        self.ledger.observer.exchange_ended(record);
    }
}

/// A header's value, short enough to be an id.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= 128).then(|| value.to_owned())
}
