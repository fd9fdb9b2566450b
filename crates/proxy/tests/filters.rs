//! Filters on the line: what they are shown, what they change, and what they leave alone, the
//! same over every transport.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use codex_plus_proxy::{
    BoxFuture, Event, EventFilter, EventVerdict, ExchangeRecord, Filter, Inspection, Interest,
    Outcome, Reads, Reply, Verdict,
};
use codex_plus_stand_in::Answer;
use codex_plus_wire::event::{EventKind, EventKinds};
use codex_plus_wire::turn::TurnKind;
use http::request::Parts;
use serde_json::Value;
use support::{By, TRANSPORTS, Way, ask, body, converse};

/// Marks new prompts, blocks forbidden ones, answers `:help`, and shouts the answer.
struct Marker;

impl Filter for Marker {
    fn name(&self) -> &'static str {
        "marker"
    }

    fn interest(&self, _: &Parts) -> Interest {
        let events = EventKinds::EMPTY
            .with(EventKind::TextDelta)
            .with(EventKind::Completed);
        Interest {
            request: Reads::Body,
            events,
        }
    }

    fn request<'a>(&'a self, request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let Some(prompt) = request.turn.prompt.clone() else {
                return Verdict::Continue;
            };
            if prompt.text.contains("forbidden") {
                return Verdict::Reply(Reply::Block {
                    message: "not in this house".into(),
                });
            }
            if prompt.text == ":help" {
                return Verdict::Reply(Reply::Text {
                    text: "helpful words".into(),
                });
            }
            let body = request.body.as_mut().unwrap();
            if request.turn.kind == TurnKind::Prompt {
                body.set_text(
                    prompt.text_span.clone(),
                    &format!("{} (marked)", prompt.text),
                )
                .unwrap();
            }
            Verdict::Continue
        })
    }

    fn events(&self, _: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        Some(Box::new(Shout))
    }
}

struct Shout;

impl EventFilter for Shout {
    fn event<'a>(&'a mut self, event: &'a Event) -> BoxFuture<'a, EventVerdict> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let text = String::from_utf8(event.data.to_vec()).unwrap();
            let shouted = text.replace("quiet", "LOUD");
            if shouted == text {
                return EventVerdict::Pass;
            }
            EventVerdict::Replace(vec![Bytes::from(shouted)])
        })
    }
}

async fn marked() -> Way {
    Way::with(vec![Arc::new(Marker)], |_| {}).await
}

#[tokio::test]
async fn a_prompt_is_edited_and_the_rest_of_the_body_kept() {
    for by in TRANSPORTS {
        let way = marked().await;
        way.stand_in.push(Answer::text("a quiet answer"));
        let seen = ask(&way, by, "hello \u{1f980}").await;
        assert_eq!(seen.final_text, "a LOUD answer", "{by:?}");
        let received = way.stand_in.received().pop().unwrap();
        let raw = String::from_utf8(received.raw_body.to_vec()).unwrap();
        let sent = body(by, "hello \u{1f980}").to_string();
        assert_eq!(
            raw,
            sent.replace("\u{1f980}", "\u{1f980} (marked)"),
            "{by:?}"
        );
    }
}

#[tokio::test]
async fn streamed_text_is_changed_event_by_event() {
    for by in [By::Stream, By::WebSocket] {
        let way = marked().await;
        way.stand_in
            .push(Answer::text("quiet, quiet, quiet").deltas(3));
        let seen = ask(&way, by, "hello").await;
        assert_eq!(seen.final_text, "LOUD, LOUD, LOUD", "{by:?}");
        assert!(seen.deltas.starts_with("LOUD"), "{by:?}: {}", seen.deltas);
    }
}

#[tokio::test]
async fn a_filter_answers_in_the_upstreams_place() {
    for by in TRANSPORTS {
        let way = marked().await;
        let blocked = ask(&way, by, "something forbidden").await;
        assert_eq!(
            blocked.failure.as_deref(),
            Some("not in this house"),
            "{by:?}"
        );
        let helped = ask(&way, by, ":help").await;
        assert_eq!(helped.final_text, "helpful words", "{by:?}");
        let turns = way
            .stand_in
            .received()
            .iter()
            .filter(|r| r.body_len > 0)
            .count();
        assert_eq!(turns, 0, "{by:?}: the upstream must not hear of it");
        let ours = |all: &[ExchangeRecord]| {
            let ours = all.iter().filter(|r| r.outcome == Outcome::Answered);
            ours.count()
        };
        let answered = ours(&way.records.once(|all| ours(all) == 2).await);
        assert_eq!(answered, 2, "{by:?}");
    }
}

#[tokio::test]
async fn a_resent_prompt_is_not_new() {
    let way = marked().await;
    ask(&way, By::Stream, "once").await;
    ask(&way, By::Stream, "once").await;
    let bodies: Vec<String> = way
        .stand_in
        .received()
        .iter()
        .map(|r| String::from_utf8(r.raw_body.to_vec()).unwrap())
        .collect();
    assert!(bodies[0].contains("once (marked)"));
    assert!(!bodies[1].contains("(marked)"));
    let records = way.records.once(|all| all.len() == 2).await;
    let turns: Vec<_> = records.iter().map(|r| r.turn).collect();
    assert_eq!(turns, [Some("prompt"), Some("resend")]);
}

#[tokio::test]
async fn one_connection_carries_many_exchanges() {
    let way = marked().await;
    way.stand_in.push(Answer::text("first quiet"));
    way.stand_in.push(Answer::text("second quiet"));
    let first = body(By::WebSocket, "one").to_string();
    let second = body(By::WebSocket, "two")
        .to_string()
        .replace("msg_1", "msg_2");
    let events = converse(&way, &[first, second]).await;
    let completed: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.completed")
        .collect();
    assert_eq!(completed.len(), 2);
    assert_eq!(
        completed[1]["response"]["output"][0]["content"][0]["text"],
        "second LOUD"
    );
    let mut records = way.records.once(|all| all.len() >= 2).await;
    // The connection's own record comes when it closes, which may be by now.
    records.retain(|record| record.turn != Some("connection"));
    let turns: Vec<_> = records.iter().filter_map(|record| record.turn).collect();
    assert_eq!(turns, ["prompt", "prompt"]);
    assert!(
        records
            .iter()
            .all(|record| record.timings.upstream_first_byte.is_some())
    );
}

/// Reads everything and changes nothing.
#[derive(Default)]
struct Reader(AtomicUsize, Mutex<Vec<String>>);

impl Filter for Reader {
    fn name(&self) -> &'static str {
        "reader"
    }

    fn interest(&self, _: &Parts) -> Interest {
        Interest {
            request: Reads::Body,
            events: EventKinds::ALL,
        }
    }

    fn request<'a>(&'a self, request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        if let Some(prompt) = &request.turn.prompt {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.lock().unwrap().push(prompt.text.clone());
        }
        Box::pin(std::future::ready(Verdict::Continue))
    }

    fn events(&self, _: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        Some(Box::new(Deaf))
    }
}

struct Deaf;

impl EventFilter for Deaf {
    fn event<'a>(&'a mut self, _: &'a Event) -> BoxFuture<'a, EventVerdict> {
        Box::pin(std::future::ready(EventVerdict::Pass))
    }
}

#[tokio::test]
async fn what_is_read_but_not_edited_keeps_every_byte() {
    let plain = body(By::Stream, "compressed prompt")
        .to_string()
        .into_bytes();
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    for (coding, sent) in [("identity", plain.clone()), ("zstd", zstd)] {
        let reader = Arc::new(Reader::default());
        let way = Way::with(vec![Arc::clone(&reader) as _], |_| {}).await;
        let chunks = [
            ": hi\r\n\r\ndata: {\"type\":\"x\"}\n",
            "\nevent: y\ndata: not json\n\n",
            "tail",
        ];
        way.stand_in
            .push(Answer::chunks(chunks.map(Bytes::from).to_vec()));
        let answer = way
            .post(&[("content-encoding", coding)], sent.clone())
            .await;
        assert_eq!(answer.body(), chunks.concat().as_bytes(), "{coding}");
        let received = way.stand_in.received().pop().unwrap();
        assert_eq!(received.raw_body, sent, "{coding}");
        assert_eq!(received.header("content-encoding"), Some(coding));
        assert_eq!(
            reader.0.load(Ordering::SeqCst),
            1,
            "{coding}: the prompt was seen"
        );
    }
}

#[tokio::test]
async fn a_reader_behind_an_editor_sees_the_edit_and_keeps_it() {
    for by in TRANSPORTS {
        let reader = Arc::new(Reader::default());
        let filters: Vec<Arc<dyn Filter>> = vec![Arc::new(Marker), Arc::clone(&reader) as _];
        let way = Way::with(filters, |_| {}).await;
        ask(&way, by, "hello").await;
        let received = way.stand_in.received().pop().unwrap();
        let raw = String::from_utf8(received.raw_body.to_vec()).unwrap();
        let sent = body(by, "hello").to_string();
        assert_eq!(raw, sent.replace("hello", "hello (marked)"), "{by:?}");
        assert_eq!(*reader.1.lock().unwrap(), ["hello (marked)"], "{by:?}");
    }
}

#[tokio::test]
async fn an_edited_body_keeps_its_encoding() {
    let way = marked().await;
    let plain = body(By::Stream, "squeeze me").to_string();
    let sent = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    way.post(&[("content-encoding", "zstd")], sent).await;
    let received = way.stand_in.received().pop().unwrap();
    assert_eq!(received.header("content-encoding"), Some("zstd"));
    assert_eq!(
        received.header("content-length"),
        Some(received.body_len.to_string().as_str())
    );
    let decoded = zstd::decode_all(&*received.raw_body).unwrap();
    assert_eq!(
        decoded,
        plain
            .replace("squeeze me", "squeeze me (marked)")
            .as_bytes()
    );
}

#[tokio::test]
async fn what_cannot_be_read_passes_untouched() {
    for (coding, sent) in [
        ("identity", &b"{not json"[..]),
        ("zstd", b"not zstd"),
        ("strange", b"{\"input\":\"x\"}"),
    ] {
        let way = marked().await;
        let answer = way.post(&[("content-encoding", coding)], sent).await;
        assert!(answer.status().is_success(), "{coding}");
        assert_eq!(
            way.stand_in.received().pop().unwrap().raw_body,
            sent,
            "{coding}"
        );
    }
}

#[tokio::test]
async fn a_bomb_is_not_unpacked_and_still_passes() {
    let reader = Arc::new(Reader::default());
    let way = Way::with(vec![Arc::clone(&reader) as _], |config| {
        config.limits.decoded = "64KiB".parse().unwrap();
    })
    .await;
    let bomb = zstd::encode_all(&vec![b' '; 50 << 20][..], 3).unwrap();
    let answer = way
        .post(&[("content-encoding", "zstd")], bomb.clone())
        .await;
    assert!(answer.status().is_success());
    assert_eq!(way.stand_in.received().pop().unwrap().raw_body, bomb);
    assert_eq!(reader.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_to_head_keeps_the_length_it_announces() {
    let way = Way::with(vec![Arc::new(Marker)], |_| {}).await;
    let get = way.send(http::Request::get("/v1/models"), "").await;
    let head = way.send(http::Request::head("/v1/models"), "").await;
    assert!(!get.body().is_empty() && head.body().is_empty());
    assert_eq!(
        head.headers()["content-length"],
        get.body().len().to_string().as_str()
    );
}

#[tokio::test]
async fn passthrough_switches_filters_off() {
    for by in TRANSPORTS {
        let way = Way::with(vec![Arc::new(Marker)], |config| config.passthrough = true).await;
        way.stand_in.push(Answer::text("a quiet answer"));
        let seen = ask(&way, by, "forbidden").await;
        assert_eq!(seen.final_text, "a quiet answer", "{by:?}");
    }
}
