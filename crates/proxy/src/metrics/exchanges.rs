//! Counts of exchanges, added to when one ends: atomic additions in fixed tables.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use codex_plus_wire::turn::TurnKind;

use super::family::{Families, Kind, Labels};
use super::histogram::Histogram;
use crate::observe::{ExchangeRecord, Outcome, Transport};

/// What travels: a WebSocket connection is told apart from the exchanges on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    Http,
    WebSocket,
    Connection,
}

const CARRIED: [Carried; 3] = [Carried::Http, Carried::WebSocket, Carried::Connection];
const OUTCOMES: [Outcome; 6] = [
    Outcome::Completed,
    Outcome::ClientLeft,
    Outcome::UpstreamCut,
    Outcome::UpstreamFailed,
    Outcome::Refused,
    Outcome::Answered,
];
const TURNS: [TurnKind; 8] = [
    TurnKind::Prompt,
    TurnKind::Resend,
    TurnKind::Continuation,
    TurnKind::Prewarm,
    TurnKind::Compaction,
    TurnKind::Title,
    TurnKind::Subagent,
    TurnKind::Other,
];
/// The statuses that are told one by one; the rest as the class they belong to.
const STATUSES: [u16; 20] = [
    101, 200, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413, 422, 426, 429, 500, 502, 503, 504,
    529,
];
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const PARTS: [&str; 6] = ["read", "decode", "filters", "own", "upstream", "stream"];
/// Filters told apart; there are a handful.
const MOST_FILTERS: usize = 16;

/// One kind of traffic.
#[derive(Debug, Default)]
struct Traffic {
    live: AtomicUsize,
    outcomes: [AtomicU64; OUTCOMES.len()],
    statuses: [AtomicU64; STATUSES.len() + CLASSES.len()],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    parts: [Histogram; PARTS.len()],
    added: Histogram,
    total: Histogram,
}

/// Name and meaning of a family that has a number of each kind of traffic, and where it is.
type Row<T> = (&'static str, &'static str, fn(&Traffic) -> &T);

/// All exchanges since the start.
#[derive(Debug, Default)]
pub(crate) struct ExchangeCounts {
    traffic: [Traffic; CARRIED.len()],
    turns: [AtomicU64; TURNS.len()],
    filters: [(std::sync::OnceLock<&'static str>, Histogram); MOST_FILTERS],
}

impl Carried {
    pub(crate) fn of(transport: Transport) -> Self {
        match transport {
            Transport::Http => Self::Http,
            Transport::WebSocket => Self::WebSocket,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Connection => "websocket_connection",
        }
    }
}

impl ExchangeCounts {
    fn of(&self, carried: Carried) -> &Traffic {
        &self.traffic[carried as usize]
    }

    pub(crate) fn opened(&self, carried: Carried) {
        self.of(carried).live.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self, carried: Carried) {
        self.of(carried).live.fetch_sub(1, Ordering::Relaxed);
    }

    /// An exchange has ended. What did not happen to it is not added to any histogram.
    pub(crate) fn ended(&self, carried: Carried, record: &ExchangeRecord) {
        let traffic = self.of(carried);
        let add = |counter: Option<&AtomicU64>, more| {
            if let Some(counter) = counter {
                counter.fetch_add(more, Ordering::Relaxed);
            }
        };
        add(traffic.outcomes.get(record.outcome as usize), 1);
        add(traffic.statuses.get(status_index(record.status)), 1);
        add(Some(&traffic.bytes_in), record.bytes_in);
        add(Some(&traffic.bytes_out), record.bytes_out);
        if carried == Carried::Connection {
            return;
        }
        let turn = record.turn.unwrap_or_default();
        let turn = TURNS.iter().position(|kind| kind.as_str() == turn);
        add(turn.and_then(|turn| self.turns.get(turn)), 1);
        for ((_, took), histogram) in record.timings.parts().zip(&traffic.parts) {
            if !took.is_zero() {
                histogram.add(took);
            }
        }
        traffic.added.add(record.timings.added());
        traffic.total.add(record.timings.total);
        for filter in &record.timings.filters {
            let known = |(name, _): &&(std::sync::OnceLock<_>, _)| {
                *name.get_or_init(|| filter.name) == filter.name
            };
            if let Some((_, histogram)) = self.filters.iter().find(known) {
                histogram.add(filter.took);
            }
        }
    }

    /// Exchanges and connections under way.
    pub(crate) fn live(&self) -> usize {
        let live = |traffic: &Traffic| traffic.live.load(Ordering::Relaxed);
        self.traffic.iter().map(live).sum()
    }

    pub(crate) fn collect(&self, families: &mut Families) {
        let by = |carried: Carried| ("transport", carried.name().into());
        let family = families.family(
            "codex_plus_exchanges_total",
            "Exchanges that have ended, by how they travelled and how they ended.",
            Kind::Counter,
        );
        for carried in CARRIED {
            for (outcome, count) in OUTCOMES.iter().zip(&self.of(carried).outcomes) {
                let labels = vec![by(carried), ("outcome", outcome.as_str().into())];
                family.number(labels, count.load(Ordering::Relaxed));
            }
        }
        let family = families.family(
            "codex_plus_answers_total",
            "Exchanges that have ended, by the status their client was sent.",
            Kind::Counter,
        );
        for carried in CARRIED {
            let names = STATUSES.iter().map(ToString::to_string);
            let names = names.chain(CLASSES.iter().map(ToString::to_string));
            for (name, count) in names.zip(&self.of(carried).statuses) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    family.number(vec![by(carried), ("status", name.into())], count);
                }
            }
        }
        let family = families.family(
            "codex_plus_exchanges_live",
            "Exchanges under way: requests, streams and WebSocket connections.",
            Kind::Gauge,
        );
        for carried in CARRIED {
            let live = self.of(carried).live.load(Ordering::Relaxed);
            family.number(vec![by(carried)], live as u64);
        }
        let family = families.family(
            "codex_plus_turns_total",
            "Exchanges that have ended, by what their request was.",
            Kind::Counter,
        );
        for (turn, count) in TURNS.iter().zip(&self.turns) {
            let labels = vec![("turn", turn.as_str().into())];
            family.number(labels, count.load(Ordering::Relaxed));
        }
        self.collect_bytes(families);
        self.collect_times(families);
    }

    fn collect_bytes(&self, families: &mut Families) {
        let tables: [Row<AtomicU64>; 2] = [
            (
                "codex_plus_request_bytes_total",
                "Bytes of request bodies, as they were on the wire.",
                |traffic| &traffic.bytes_in,
            ),
            (
                "codex_plus_answer_bytes_total",
                "Bytes of answer bodies, as they were on the wire.",
                |traffic| &traffic.bytes_out,
            ),
        ];
        for (name, help, of) in tables {
            let family = families.family(name, help, Kind::Counter);
            for carried in [Carried::Http, Carried::WebSocket] {
                let labels = vec![("transport", carried.name().into())];
                let bytes = of(self.of(carried)).load(Ordering::Relaxed);
                family.number(labels, bytes);
            }
        }
    }

    fn collect_times(&self, families: &mut Families) {
        let by = |carried: Carried| -> Labels { vec![("transport", carried.name().into())] };
        let family = families.family(
            "codex_plus_stage_seconds",
            "Time of exchanges in each stage; the stages make up the whole.",
            Kind::Histogram,
        );
        for carried in [Carried::Http, Carried::WebSocket] {
            for (part, histogram) in PARTS.iter().zip(&self.of(carried).parts) {
                let mut labels = by(carried);
                labels.push(("stage", (*part).into()));
                family.spread(labels, histogram.spread());
            }
        }
        let tables: [Row<Histogram>; 2] = [
            (
                "codex_plus_added_seconds",
                "Time added by the proxy to an exchange: decoding, filters, own work.",
                |traffic| &traffic.added,
            ),
            (
                "codex_plus_exchange_seconds",
                "Time of whole exchanges.",
                |traffic| &traffic.total,
            ),
        ];
        for (name, help, of) in tables {
            let family = families.family(name, help, Kind::Histogram);
            for carried in [Carried::Http, Carried::WebSocket] {
                family.spread(by(carried), of(self.of(carried)).spread());
            }
        }
        let family = families.family(
            "codex_plus_filter_seconds",
            "Time of exchanges in each filter.",
            Kind::Histogram,
        );
        for (name, histogram) in &self.filters {
            if let Some(name) = name.get() {
                family.spread(vec![("filter", (*name).into())], histogram.spread());
            }
        }
    }
}

fn status_index(status: Option<u16>) -> usize {
    let Some(status) = status else {
        return STATUSES.len();
    };
    STATUSES
        .iter()
        .position(|known| *known == status)
        .unwrap_or(STATUSES.len() + usize::from(status / 100).clamp(1, 5))
}
