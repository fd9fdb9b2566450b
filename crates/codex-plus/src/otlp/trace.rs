//! From an ended exchange to its spans: the whole, the wait for the provider, its stream, and one
//! for each filter.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use codex_plus_proxy::{ExchangeRecord, Outcome};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::resource::{Origin, attribute};

/// The client's trace that an exchange is part of.
struct Parent {
    trace: Vec<u8>,
    span: Vec<u8>,
    sampled: bool,
}

/// All spans of an exchange; none when the client's trace is not sampled.
pub(super) fn spans(record: &ExchangeRecord) -> Vec<Span> {
    let parent = record.trace_parent.as_deref().and_then(parse);
    if parent.as_ref().is_some_and(|parent| !parent.sampled) {
        return Vec::new();
    }
    let (trace_id, parent) = match parent {
        Some(parent) => (parent.trace, parent.span),
        None => ([random(), random()].concat(), Vec::new()),
    };
    let timings = &record.timings;
    let at = |offset: Duration| nanos(record.started + offset);
    let span = |name: String, kind: SpanKind, from: Duration, to: Duration| Span {
        trace_id: trace_id.clone(),
        span_id: random(),
        name,
        kind: kind.into(),
        start_time_unix_nano: at(from),
        end_time_unix_nano: at(to),
        ..Span::default()
    };
    let mut whole = span(
        name(record),
        SpanKind::Server,
        Duration::ZERO,
        timings.total,
    );
    whole.parent_span_id = parent;
    whole.attributes = attributes(record);
    whole.status = Some(status(record));
    let inside = whole.span_id.clone();
    let mut all = vec![whole];
    for filter in &timings.filters {
        let (began, took) = (filter.began, filter.took);
        let name = format!("filter {}", filter.name);
        all.push(span(name, SpanKind::Internal, began, began + took));
    }
    if let Some(sent) = timings.sent {
        let first = timings.first_byte.unwrap_or(timings.total);
        all.push(span("upstream".to_owned(), SpanKind::Client, sent, first));
    }
    if let Some(first) = timings.first_byte {
        let name = "stream".to_owned();
        all.push(span(name, SpanKind::Internal, first, timings.total));
    }
    for child in all.iter_mut().skip(1) {
        child.parent_span_id.clone_from(&inside);
    }
    all
}

/// Whether a span is that of a whole exchange, not of a part.
pub(super) fn is_whole_exchange(span: &Span) -> bool {
    span.kind == i32::from(SpanKind::Server)
}

/// Methods and known paths only: a name with an id in it would be a name a time.
fn name(record: &ExchangeRecord) -> String {
    let last = record.path.rsplit('/').next().unwrap_or_default();
    let known = ["responses", "compact", "models"].contains(&last);
    if record.turn == Some("connection") {
        return "websocket connection".to_owned();
    }
    match record.turn {
        Some(turn) if known => format!("{last} {turn}"),
        _ if known => last.to_owned(),
        _ => "other".to_owned(),
    }
}

fn attributes(record: &ExchangeRecord) -> Vec<KeyValue> {
    let text = |text: &str| Value::StringValue(text.to_owned());
    let mut all = vec![
        attribute("http.request.method", text(&record.method)),
        attribute("url.path", text(&record.path)),
        attribute("codex_plus.exchange", number(record.id)),
        attribute("codex_plus.transport", text(record.transport.as_str())),
        attribute("codex_plus.outcome", text(record.outcome.as_str())),
        attribute("http.request.body.size", number(record.bytes_in)),
        attribute("http.response.body.size", number(record.bytes_out)),
    ];
    let maybe = [
        ("session.id", record.session.as_deref()),
        ("codex_plus.thread", record.thread.as_deref()),
        ("codex_plus.turn", record.turn),
    ];
    let maybe = maybe
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    all.extend(maybe.map(|(key, value)| attribute(key, text(value))));
    if let Some(status) = record.status {
        let status = number(u64::from(status));
        all.push(attribute("http.response.status_code", status));
    }
    for (part, took) in record.timings.parts() {
        let ms = Value::DoubleValue(took.as_secs_f64() * 1e3);
        all.push(attribute(format!("codex_plus.{part}_ms"), ms));
    }
    all
}

fn status(record: &ExchangeRecord) -> Status {
    let failed = matches!(
        record.outcome,
        Outcome::UpstreamCut | Outcome::UpstreamFailed
    ) || record.status.is_some_and(|status| status >= 500);
    Status {
        code: if failed {
            StatusCode::Error.into()
        } else {
            StatusCode::Unset.into()
        },
        message: record.reason.clone().filter(|_| failed).unwrap_or_default(),
    }
}

/// One request with all of them.
pub(super) fn request(spans: Vec<Span>, origin: &Origin) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(origin.resource.clone()),
            scope_spans: vec![ScopeSpans {
                scope: Some(origin.scope.clone()),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// Takes the spans out of a request again.
pub(super) fn spans_of(request: ExportTraceServiceRequest) -> Vec<Span> {
    let resources = request.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// `00-TRACE-SPAN-FLAGS` (W3C Trace Context, version 00 and what later ones keep of it).
fn parse(text: &str) -> Option<Parent> {
    let mut fields = text.split('-');
    let version = hex(fields.next()?, 1)?;
    let trace = hex(fields.next()?, 16)?;
    let span = hex(fields.next()?, 8)?;
    let flags = hex(fields.next()?, 1)?;
    let real = |id: &[u8]| id.iter().any(|byte| *byte != 0);
    (version != [0xff] && real(&trace) && real(&span)).then(|| Parent {
        trace,
        span,
        sampled: flags.first().is_some_and(|flags| flags & 1 == 1),
    })
}

fn hex(text: &str, bytes: usize) -> Option<Vec<u8>> {
    if text.len() != 2 * bytes || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..bytes).map(|at| text.get(2 * at..2 * at + 2));
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

/// Eight bytes that no other process comes upon: keys of the system's randomness, and a count.
fn random() -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // All zeros would be no id at all.
    let number = RandomState::new().hash_one(count).max(1);
    number.to_be_bytes().to_vec()
}

fn number(value: u64) -> Value {
    Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(super) fn nanos(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_parent_is_read_or_left() {
        let parent = parse(GOOD).unwrap();
        assert_eq!((parent.trace.len(), parent.span.len()), (16, 8));
        assert!(parent.sampled);
        assert!(!parse(&GOOD.replace("-01", "-00")).unwrap().sampled);
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
