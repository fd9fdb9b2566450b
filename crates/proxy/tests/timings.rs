//! Where an exchange's time went: the parts make the whole, and each is where it was spent.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_plus_proxy::{
    BoxFuture, Event, EventFilter, EventVerdict, ExchangeRecord, Filter, Inspection, Interest,
    Reads, Verdict,
};
use codex_plus_stand_in::Answer;
use codex_plus_wire::event::{EventKind, EventKinds};
use http::request::Parts;

use support::{By, TRANSPORTS, Way, ask};

const REQUEST: Duration = Duration::from_millis(30);
const EVENT: Duration = Duration::from_millis(20);
const HEAD: Duration = Duration::from_millis(50);
const BETWEEN: Duration = Duration::from_millis(5);

/// Takes its time over the request and over the end of the answer.
struct Slow(&'static str);
struct SlowListener;

impl Filter for Slow {
    fn name(&self) -> &'static str {
        self.0
    }

    fn interest(&self, _: &Parts) -> Interest {
        Interest {
            request: Reads::Body,
            events: EventKinds::default().with(EventKind::Completed),
        }
    }

    fn request<'a>(&'a self, _: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        Box::pin(async {
            tokio::time::sleep(REQUEST).await;
            Verdict::Continue
        })
    }

    fn events(&self, _: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        Some(Box::new(SlowListener))
    }
}

impl EventFilter for SlowListener {
    fn event<'a>(&'a mut self, _: &'a Event) -> BoxFuture<'a, EventVerdict> {
        Box::pin(async {
            tokio::time::sleep(EVENT).await;
            EventVerdict::Pass
        })
    }
}

/// One turn's record, and how long its client waited.
async fn turn(by: By, filters: Vec<Arc<dyn Filter>>) -> (ExchangeRecord, Duration) {
    let way = Way::with(filters, |_| {}).await;
    let answer = Answer::text("one two three four")
        .deltas(4)
        .head_delay(HEAD)
        .event_delay(BETWEEN);
    way.stand_in.push(answer);
    let began = Instant::now();
    ask(&way, by, "hello").await;
    let waited = began.elapsed();
    // The record goes out with the answer's last byte, or just behind it.
    for _ in 0..1_000 {
        let told = way.records.all();
        if let Some(record) = told.iter().find(|record| record.turn == Some("prompt")) {
            return (record.clone(), waited);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no record of a turn {by:?}");
}

/// The sum of the parts over the whole.
fn share(record: &ExchangeRecord) -> f64 {
    let parts: Duration = record.timings.parts().map(|(_, took)| took).sum();
    parts.as_secs_f64() / record.timings.total.as_secs_f64()
}

#[tokio::test]
async fn every_part_is_where_the_time_was_spent() {
    for by in TRANSPORTS {
        let filters: Vec<Arc<dyn Filter>> = vec![Arc::new(Slow("first")), Arc::new(Slow("second"))];
        let (record, waited) = turn(by, filters).await;
        let timings = &record.timings;
        assert!(
            (0.95..=1.05).contains(&share(&record)),
            "{by:?}: {timings:?}"
        );
        assert!(timings.total <= waited, "{by:?}: {timings:?} in {waited:?}");
        let names: Vec<_> = timings.filters.iter().map(|filter| filter.name).collect();
        assert_eq!(names, ["first", "second"], "{by:?}");
        for filter in &timings.filters {
            assert!(filter.took >= REQUEST + EVENT, "{by:?}: {timings:?}");
        }
        assert!(timings.upstream >= HEAD, "{by:?}: {timings:?}");
        assert_eq!(timings.upstream_first_byte, Some(timings.upstream));
        assert!(timings.decode > Duration::ZERO && timings.own > Duration::ZERO);
        if matches!(by, By::Stream | By::WebSocket) {
            assert!(timings.stream >= 4 * BETWEEN, "{by:?}: {timings:?}");
        }
    }
}

#[tokio::test]
async fn an_exchange_that_is_only_carried_is_split_as_well() {
    // Without a filter nothing but Codex's own requests is read, so this one has no turn over HTTP.
    let (record, waited) = turn(By::WebSocket, Vec::new()).await;
    let timings = &record.timings;
    assert!((0.95..=1.05).contains(&share(&record)), "{timings:?}");
    assert!(timings.total <= waited);
    assert!(timings.upstream >= HEAD, "{timings:?}");
    assert!(timings.stream >= 4 * BETWEEN, "{timings:?}");
    assert!(timings.filters.is_empty() && timings.decode == Duration::ZERO);
}
