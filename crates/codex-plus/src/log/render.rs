//! From an entry to its line, as text or as JSON.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use codex_plus_proxy::{ExchangeRecord, Timings};
use serde_json::{Map, Value as Json, json};
use tracing::Level;

use crate::escape::{escape, steers};
use crate::settings::LogFormat;

use super::entry::{Entry, Event, Value};
use super::numbers::{human_time, push, push_digit, write_bytes, write_time};

/// A body that was waited for less than this is not worth a word in the text line.
const SLOW_READ: Duration = Duration::from_millis(1);

/// Appends the line of `entry`, its newline included.
pub(crate) fn render(entry: &Entry, format: LogFormat, colour: bool, out: &mut String) {
    match (entry, format) {
        (Entry::Flush(_), _) => return,
        (Entry::Event(event), LogFormat::Text) => event_text(event, colour, out),
        (Entry::Event(event), LogFormat::Json) => event_json(event, out),
        (
            Entry::Exchange {
                level,
                record,
                ended,
            },
            LogFormat::Text,
        ) => {
            head(*ended, *level, "exchange", colour, out);
            exchange_text(record, out);
        }
        (
            Entry::Exchange {
                level,
                record,
                ended,
            },
            LogFormat::Json,
        ) => {
            exchange_json(*ended, *level, record, out);
        }
    }
    out.push('\n');
}

fn stamp(time: SystemTime) -> String {
    let mut text = String::new();
    write_stamp(time, &mut text);
    text
}

/// `2026-01-31T10:20:30.123Z`
fn write_stamp(time: SystemTime, out: &mut String) {
    thread_local! {
        /// The last second that was written, and how: lines come in bursts.
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) else {
        // Before 1970: a clock that was never set.
        return out.push_str("1970-01-01T00:00:00.000Z");
    };
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            *second = since.as_secs();
            *text = jiff::Timestamp::from_second(seconds)
                .map(|time| format!("{time:.0}").trim_end_matches('Z').to_owned())
                .unwrap_or_default();
        }
        out.push_str(text);
    });
    let millis = since.subsec_millis();
    out.push('.');
    for digit in [millis / 100, millis / 10 % 10, millis % 10] {
        push_digit(u64::from(digit), out);
    }
    out.push('Z');
}

/// `time LEVEL name`
fn head(time: SystemTime, level: Level, name: &str, colour: bool, out: &mut String) {
    if colour {
        let time = stamp(time);
        let code = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            _ => 34,
        };
        let _ = write!(
            out,
            "\x1b[2m{time}\x1b[0m \x1b[{code}m{level}\x1b[0m \x1b[1m{name}\x1b[0m"
        );
    } else {
        write_stamp(time, out);
        out.push(' ');
        out.push_str(level.as_str());
        out.push(' ');
        out.push_str(name);
    }
}

fn event_text(event: &Event, colour: bool, out: &mut String) {
    head(event.time, event.level, &event.target, colour, out);
    for (name, value) in &event.fields {
        out.push(' ');
        match (*name, value) {
            ("message", Value::Text(text)) => escape(text, out),
            (name, value) => {
                let _ = write!(out, "{name}=");
                match value {
                    Value::Text(text) => quoted(text, out),
                    Value::Unsigned(n) => drop(write!(out, "{n}")),
                    Value::Signed(n) => drop(write!(out, "{n}")),
                    Value::Float(n) => drop(write!(out, "{n}")),
                    Value::Bool(b) => drop(write!(out, "{b}")),
                }
            }
        }
    }
}

fn exchange_text(record: &ExchangeRecord, out: &mut String) {
    out.push_str(" id=");
    push(record.id, out);
    out.push(' ');
    out.push_str(record.transport.as_str());
    if let Some(turn) = record.turn {
        out.push(' ');
        out.push_str(turn);
    }
    out.push(' ');
    quoted(&record.method, out);
    out.push(' ');
    quoted(&record.path, out);
    match record.status {
        Some(status) => {
            out.push(' ');
            push(u64::from(status), out);
        }
        None => out.push_str(" -"),
    }
    out.push_str(" in=");
    write_bytes(record.bytes_in, out);
    out.push_str(" out=");
    write_bytes(record.bytes_out, out);
    timings_text(&record.timings, out);
    if let Some(session) = &record.session {
        out.push_str(" session=");
        quoted(session, out);
    }
    out.push_str(" outcome=");
    out.push_str(record.outcome.as_str());
    if let Some(reason) = &record.reason {
        out.push_str(" reason=");
        quoted(reason, out);
    }
}

/// The provider's first byte, the whole, what we added; then what of it people ask about: a client
/// that was slow to send, and each filter.
fn timings_text(timings: &Timings, out: &mut String) {
    if let Some(first) = timings.upstream_first_byte {
        out.push_str(" first=");
        write_time(first, out);
    }
    out.push_str(" total=");
    write_time(timings.total, out);
    out.push_str(" added=");
    write_time(timings.added(), out);
    if timings.read >= SLOW_READ {
        let _ = write!(out, " read={}", human_time(timings.read));
    }
    for filter in &timings.filters {
        out.push(' ');
        out.push_str(filter.name);
        out.push('=');
        write_time(filter.took, out);
    }
}

fn event_json(event: &Event, out: &mut String) {
    let mut line = json_head(event.time, event.level, &event.target);
    for (name, value) in &event.fields {
        let value = match value {
            Value::Text(text) => json!(text),
            Value::Unsigned(n) => json!(n),
            Value::Signed(n) => json!(n),
            Value::Float(n) => json!(n),
            Value::Bool(b) => json!(b),
        };
        line.insert((*name).to_owned(), value);
    }
    write_json(line, out);
}

fn json_head(time: SystemTime, level: Level, name: &str) -> Map<String, Json> {
    let mut line = Map::new();
    line.insert("time".into(), stamp(time).into());
    line.insert("level".into(), level.as_str().into());
    line.insert("name".into(), name.into());
    line
}

/// Times in JSON are milliseconds with fractions, sizes are bytes. `read`, `decode`, `filters`, `own`,
/// `upstream` and `stream` make up `total`.
fn exchange_json(ended: SystemTime, level: Level, record: &ExchangeRecord, out: &mut String) {
    let ms = |span: Duration| json!((span.as_secs_f64() * 1e6).round() / 1e3);
    let maybe = |span: Option<Duration>| span.map_or(Json::Null, ms);
    let filters = &record.timings.filters;
    let filters = filters
        .iter()
        .map(|filter| (filter.name.to_owned(), ms(filter.took)));
    let mut line = json_head(ended, level, "exchange");
    let fields = [
        ("id", json!(record.id)),
        ("started", json!(stamp(record.started))),
        ("client", json!(record.client.to_string())),
        ("transport", json!(record.transport.as_str())),
        ("session", json!(record.session)),
        ("thread", json!(record.thread)),
        ("turn", json!(record.turn)),
        ("method", json!(record.method)),
        ("path", json!(record.path)),
        ("status", json!(record.status)),
        ("bytes_in", json!(record.bytes_in)),
        ("bytes_out", json!(record.bytes_out)),
        ("outcome", json!(record.outcome.as_str())),
        ("reason", json!(record.reason)),
        ("total_ms", ms(record.timings.total)),
        ("read_ms", ms(record.timings.read)),
        ("decode_ms", ms(record.timings.decode)),
        ("filters_ms", Json::Object(filters.collect())),
        ("own_ms", ms(record.timings.own)),
        ("upstream_ms", ms(record.timings.upstream)),
        ("stream_ms", ms(record.timings.stream)),
        ("upstream_head_ms", maybe(record.timings.upstream_head)),
        (
            "upstream_first_byte_ms",
            maybe(record.timings.upstream_first_byte),
        ),
        ("added_ms", ms(record.timings.added())),
    ];
    for (name, value) in fields {
        line.insert(name.to_owned(), value);
    }
    write_json(line, out);
}

/// Writes a JSON object that cannot steer a terminal either: JSON itself escapes only what is
/// below a space, and outside its strings there is nothing to escape.
fn write_json(line: Map<String, Json>, out: &mut String) {
    for character in Json::Object(line).to_string().chars() {
        if steers(character) {
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
}

/// A value: bare when it is one plain word, else in quotes, so that it cannot pose as fields.
fn quoted(text: &str, out: &mut String) {
    // Nearly every value: no need to take it apart into characters.
    let plainest = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\');
    if !text.is_empty() && text.bytes().all(plainest) {
        out.push_str(text);
        return;
    }
    let plain = |c: char| !c.is_whitespace() && !steers(c) && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(plain) {
        out.push_str(text);
        return;
    }
    out.push('"');
    let marked = text.replace('\\', "\\\\").replace('"', "\\\"");
    escape(&marked, out);
    out.push('"');
}
