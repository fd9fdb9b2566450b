//! Traces and metrics for a collector: a small one that speaks OTLP over HTTP.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codex_plus_stand_in::{Answer, Config, StandIn};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::peer::{Head, Peer, ask, get, post};
use crate::support::proxy::Proxy;
use crate::support::until;
use crate::support::upstream::{nobody, upstream};

const HEAD: Duration = Duration::from_millis(30);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<Sent>>>);

/// An export's head and body.
type Sent = (Head, Vec<u8>);

impl Collected {
    /// Starts a collector that answers everything with this status.
    async fn start(status: u16) -> (Self, SocketAddr) {
        let collected = Self::default();
        let told = collected.clone();
        let address = upstream(move |mut peer| {
            let told = told.clone();
            async move {
                while let Ok(Some(head)) = peer.try_head().await {
                    let Ok(body) = peer.try_body(&head).await else {
                        return;
                    };
                    told.0.lock().unwrap().push((head, body));
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                    if peer.try_send(answer).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        (collected, address)
    }

    fn sent_to(&self, path: &str) -> Vec<Sent> {
        let all = self.0.lock().unwrap().clone();
        let path = |(head, _): &Sent| head.target() == path;
        all.into_iter().filter(path).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.sent_to("/v1/traces");
        let requests = bodies
            .iter()
            .map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// The newest value of a counter's series.
    fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let (_, body) = self.sent_to("/v1/metrics").pop()?;
        let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
        let metrics = request
            .resource_metrics
            .into_iter()
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics);
        let metric = metrics.into_iter().find(|metric| metric.name == name)?;
        let Some(Data::Sum(sum)) = metric.data else {
            panic!("{name} is no sum");
        };
        assert!(sum.is_monotonic);
        let point = sum.data_points.into_iter().find(|point| {
            let has = |(key, value): &(&str, &str)| text(&point.attributes, key) == *value;
            labels.iter().all(has)
        })?;
        match point.value? {
            Number::AsDouble(number) => Some(number),
            Number::AsInt(_) => panic!("{name} is an integer"),
        }
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|it| it.value.as_ref()?.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn settings(collector: SocketAddr, interval: &str) -> String {
    format!("[otlp]\nendpoint = \"http://{collector}\"\ninterval = \"{interval}\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_trace_of_an_exchange_and_the_metrics() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let (collected, collector) = Collected::start(200).await;
    let often = "[otlp]\ninterval = \"50ms\"";
    let proxy = Proxy::started(stand_in.base_url(), often, |_, command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team-key=a%20key")
            .env("OTEL_SERVICE_NAME", "ours");
    });
    stand_in.push(Answer::text("a secret answer").head_delay(HEAD));
    let fields = format!(
        "traceparent: 00-{TRACE}-{PARENT}-01\r\nsession-id: s-1\r\nauthorization: Bearer sk-secret\r\n"
    );
    let body = br#"{"stream":true,"input":"a secret prompt"}"#;
    ask(
        proxy.address,
        post("/v1/responses?key=secret", &fields, body),
    )
    .await;
    until("the spans", || collected.spans().len() >= 3).await;
    let spans = collected.spans();
    let whole = spans
        .iter()
        .find(|span| span.kind == i32::from(SpanKind::Server))
        .unwrap();
    assert_eq!(
        (hex(&whole.trace_id), hex(&whole.parent_span_id)),
        (TRACE.to_owned(), PARENT.to_owned())
    );
    for (key, value) in [
        ("session.id", "s-1"),
        ("url.path", "/v1/responses"),
        ("codex_plus.outcome", "completed"),
        ("codex_plus.transport", "http"),
    ] {
        assert_eq!(text(&whole.attributes, key), value, "{key}");
    }
    for name in ["upstream", "stream"] {
        let part = spans.iter().find(|span| span.name == name).unwrap();
        assert_eq!(part.trace_id, whole.trace_id);
        assert_eq!(part.parent_span_id, whole.span_id);
        assert!(part.start_time_unix_nano >= whole.start_time_unix_nano);
        assert!(part.end_time_unix_nano <= whole.end_time_unix_nano);
        let took = part.end_time_unix_nano - part.start_time_unix_nano;
        assert!(name != "upstream" || u128::from(took) >= HEAD.as_nanos());
    }
    let (head, _) = collected.sent_to("/v1/traces").remove(0);
    assert_eq!(head.get("content-type"), Some("application/x-protobuf"));
    assert_eq!(head.get("x-team-key"), Some("a key"));
    let completed = [("transport", "http"), ("outcome", "completed")];
    let told = || collected.counter("codex_plus.exchanges", &completed) == Some(1.0);
    until("the metrics", told).await;
    for (_, body) in collected.0.lock().unwrap().iter() {
        assert!(String::from_utf8_lossy(body).contains("ours"));
        assert!(!String::from_utf8_lossy(body).contains("secret"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_the_client_does_not_sample_is_not_sent() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let (collected, collector) = Collected::start(200).await;
    let proxy = Proxy::configured(stand_in.base_url(), &settings(collector, "50ms"));
    let fields = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    ask(proxy.address, post("/v1/responses", &fields, b"{}")).await;
    ask(proxy.address, post("/v1/responses", "", b"{}")).await;
    until("the spans", || !collected.spans().is_empty()).await;
    let spans = collected.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE));
}

/// The last exchanges before a stop are not lost, however far the next export is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_what_is_left() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let (collected, collector) = Collected::start(200).await;
    let proxy = Proxy::configured(stand_in.base_url(), &settings(collector, "1h"));
    get(proxy.address, "/v1/models").await;
    proxy.logged(1).await;
    let pid = Pid::from_raw(i32::try_from(proxy.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    until("the spans", || !collected.spans().is_empty()).await;
}

/// Exchanges do not wait for a collector that accepts and says nothing: what finds no room is
/// dropped and counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_spans_and_nothing_else() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let collector = upstream(|mut peer| async move {
        let _ = peer.rest().await;
    })
    .await;
    let proxy = Proxy::configured(stand_in.base_url(), &settings(collector, "10ms"));
    let mut client = Peer::connect(proxy.address).await;
    for _ in 0..2_600 {
        let request = "GET /v1/nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";
        assert_eq!(client.ask(request).await.0.status(), 404);
    }
    let (_, text) = get(proxy.address, "/codex-plus/metrics").await;
    let text = String::from_utf8(text).unwrap();
    let dropped = text
        .lines()
        .find_map(|line| line.strip_prefix("codex_plus_otlp_dropped_spans_total "));
    let dropped: u32 = dropped.unwrap().parse().unwrap();
    assert!((1..2_600).contains(&dropped), "{dropped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_refuses_is_told_in_the_log() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let (_, refusing) = Collected::start(401).await;
    for (collector, why) in [(nobody(), "refused"), (refusing, "401")] {
        let proxy = Proxy::configured(stand_in.base_url(), &settings(collector, "10ms"));
        let (head, _) = get(proxy.address, "/v1/models").await;
        assert_eq!(head.status(), 200);
        until("the warning", || {
            let log = proxy.log();
            log.contains("otlp.endpoint") && log.contains(why)
        })
        .await;
    }
}
