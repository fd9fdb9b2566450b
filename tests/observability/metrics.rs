//! `/codex-plus/metrics`, read by Prometheus' own parser.

use std::process::Stdio;
use std::time::Duration;

use codex_plus_stand_in::{Answer, Config, StandIn};
use codex_plus_wire::frame::Opcode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::peer::{Peer, ask, get, post};
use crate::support::proxy::Proxy;
use crate::support::socket::{masked, offer};
use crate::support::{tools, within};

/// The samples as Prometheus understands them.
async fn samples(proxy: &Proxy) -> Vec<Value> {
    let (head, text) = get(proxy.address, "/codex-plus/metrics").await;
    assert_eq!(head.status(), 200);
    let kind = head.get("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let mut parser = Command::new(tools::python())
        .arg(tools::checkout("tests/observability/read_metrics.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = parser.stdin.take().unwrap();
    stdin.write_all(&text).await.unwrap();
    drop(stdin);
    let output = within(parser.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "Prometheus cannot read it");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of the one sample of this name that has these labels.
fn value(samples: &[Value], name: &str, labels: &Value) -> f64 {
    let wanted = labels.as_object().unwrap();
    let mut found = samples.iter().filter(|sample| {
        let has = |(key, value): (&String, &Value)| sample["labels"][key] == *value;
        sample["name"] == name && wanted.iter().all(has)
    });
    let sample = found
        .next()
        .unwrap_or_else(|| panic!("{name}{labels} in {samples:#?}"));
    assert!(
        found.next().is_none(),
        "{name}{labels} is more than one series"
    );
    sample["value"].as_f64().unwrap()
}

fn assert_counts(samples: &[Value], expected: &[(&str, Value, f64)]) {
    for (name, labels, count) in expected {
        let told = value(samples, name, labels);
        assert!(
            (told - count).abs() < 1e-9,
            "{name}{labels} is {told}, not {count}"
        );
    }
}

/// One request on a WebSocket connection, which stays open.
async fn converse(proxy: &Proxy) -> Peer {
    let mut socket = Peer::connect(proxy.address).await;
    socket.send(offer("")).await;
    assert_eq!(socket.head().await.status(), 101);
    let request = json!({"type": "response.create", "model": "m", "input": []}).to_string();
    socket.send(masked(Opcode::Text, request.as_bytes())).await;
    loop {
        let event: Value = serde_json::from_slice(&socket.next(Opcode::Text).await).unwrap();
        if event["type"] == "response.completed" {
            return socket;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_what_happened_over_both_transports() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    stand_in.push(
        Answer::text("a b c")
            .deltas(3)
            .head_delay(Duration::from_millis(30)),
    );
    let (_, streamed) = ask(
        proxy.address,
        post("/v1/responses", "", br#"{"stream":true}"#),
    )
    .await;
    get(proxy.address, "/v1/nothing").await;
    get(proxy.address, "/a/../b").await;

    let socket = converse(&proxy).await;
    proxy.logged(4).await;
    // A connection ends a moment after its client has left.
    let samples = within(async {
        loop {
            let told = samples(&proxy).await;
            if value(&told, "codex_plus_connections", &json!({})) <= 2.0 {
                return told;
            }
        }
    })
    .await;
    let http = json!({"transport": "http"});
    let completed = json!({"transport": "http", "outcome": "completed"});
    let upstream = json!({"transport": "http", "stage": "upstream"});
    assert_counts(
        &samples,
        &[
            ("codex_plus_exchanges_total", completed, 2.0),
            (
                "codex_plus_exchanges_total",
                json!({"transport": "http", "outcome": "refused"}),
                1.0,
            ),
            (
                "codex_plus_exchanges_total",
                json!({"transport": "websocket", "outcome": "completed"}),
                1.0,
            ),
            (
                "codex_plus_answers_total",
                json!({"transport": "http", "status": "200"}),
                1.0,
            ),
            (
                "codex_plus_answers_total",
                json!({"transport": "http", "status": "404"}),
                1.0,
            ),
            (
                "codex_plus_answers_total",
                json!({"transport": "http", "status": "400"}),
                1.0,
            ),
            ("codex_plus_request_bytes_total", http.clone(), 15.0),
            ("codex_plus_exchange_seconds_count", http.clone(), 3.0),
            ("codex_plus_stage_seconds_count", upstream.clone(), 2.0),
            (
                "codex_plus_stage_seconds_count",
                json!({"transport": "websocket", "stage": "upstream"}),
                1.0,
            ),
            (
                "codex_plus_exchanges_live",
                json!({"transport": "websocket_connection"}),
                1.0,
            ),
            ("codex_plus_exchanges_live", http.clone(), 0.0),
            // The connection of the WebSocket, and this one.
            ("codex_plus_connections", json!({}), 2.0),
            (
                "codex_plus_upstream_connection_failures_total",
                json!({}),
                0.0,
            ),
            ("codex_plus_log_dropped_lines_total", json!({}), 0.0),
        ],
    );
    drop(socket);
    let answered = value(&samples, "codex_plus_answer_bytes_total", &http);
    assert!(answered > f64::from(u32::try_from(streamed.len()).unwrap()));
    assert!(value(&samples, "codex_plus_stage_seconds_sum", &upstream) >= 0.03);
    let stages: f64 = ["read", "decode", "filters", "own", "upstream", "stream"]
        .iter()
        .map(|stage| json!({"transport": "http", "stage": stage}))
        .map(|labels| value(&samples, "codex_plus_stage_seconds_sum", &labels))
        .sum();
    let total = value(&samples, "codex_plus_exchange_seconds_sum", &http);
    assert!(
        (stages / total - 1.0).abs() <= 0.05,
        "{stages} of {total} seconds"
    );
    // Two connections to the provider at most were needed for HTTP, and one for the WebSocket.
    let dialled = value(
        &samples,
        "codex_plus_upstream_connections_total",
        &json!({}),
    );
    assert!((2.0..=3.0).contains(&dialled), "{dialled}");
}

/// Whatever clients and providers come up with, the series stay the same ones.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_client_says_becomes_a_label() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut before = 0;
    for round in 0..2 {
        for number in 0..40 {
            let status = 200 + 10 * number;
            let reply = codex_plus_stand_in::Reply::Status {
                status,
                body: "{}".to_owned(),
            };
            stand_in.push(Answer {
                reply,
                ..Answer::default()
            });
            let fields = format!(
                "session-id: session-{round}-{number}\r\nauthorization: Bearer sk-secret\r\n"
            );
            let path = format!("/v1/private-{round}-{number}");
            let body = br#"{"input":"a private prompt"}"#;
            ask(proxy.address, post(&path, &fields, body)).await;
        }
        let (_, text) = get(proxy.address, "/codex-plus/metrics").await;
        let text = String::from_utf8(text).unwrap();
        for private in ["private", "session-", "sk-secret", "127.0.0.1"] {
            assert!(!text.contains(private), "{private} in {text}");
        }
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(round == 0 || series == before, "{before} became {series}");
        before = series;
    }
    assert!(before < 1_000, "{before} series");
}
