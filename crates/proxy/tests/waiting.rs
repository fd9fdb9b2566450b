//! A client that waits for a filter is told that the answer goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use std::sync::Arc;

use codex_plus_proxy::config::TimeSpan;
use codex_plus_proxy::{
    BoxFuture, Event, EventFilter, EventVerdict, Filter, Inspection, Interest, Reads,
};
use codex_plus_wire::event::{EventKind, EventKinds};
use http::request::Parts;
use support::{By, Way, body, converse};

/// Thinks about the end of an answer for a while.
struct Slow;

impl Filter for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn interest(&self, _: &Parts) -> Interest {
        Interest {
            request: Reads::Body,
            events: EventKinds::EMPTY.with(EventKind::Completed),
        }
    }

    fn events(&self, _: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        Some(Box::new(Self))
    }
}

impl EventFilter for Slow {
    fn event<'a>(&'a mut self, _: &'a Event) -> BoxFuture<'a, EventVerdict> {
        Box::pin(async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            EventVerdict::Pass
        })
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_filter_hears_that_the_answer_goes_on() {
    let way = Way::with(vec![Arc::new(Slow)], |config| {
        config.timeouts.waiting = TimeSpan::milliseconds(20);
    })
    .await;
    let answer = way.post(&[], body(By::Stream, "hi").to_string()).await;
    let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
    let at = text.find("data: {\"type\":\"codex_plus.waiting\"}");
    assert!(
        at.unwrap() < text.find("response.completed").unwrap(),
        "{text}"
    );
    let events = converse(&way, &[body(By::WebSocket, "hi").to_string()]).await;
    let kinds: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    assert!(kinds.contains(&"codex_plus.waiting"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"response.completed"));
}
