//! Where the time went, as a table.

use std::time::Duration;

use codex_plus_proxy::ExchangeRecord;

use crate::log::{human_bytes, human_time};
use crate::output::{self, Paint};

use super::client::Seen;

/// The widest bar, in characters.
const WIDTH: f64 = 30.0;

pub(super) fn show(record: &ExchangeRecord, seen: &Seen, paint: Paint) {
    let timings = &record.timings;
    let head = timings.upstream_head.unwrap_or_default();
    let first = timings.upstream_first_byte.unwrap_or(head);
    let added = timings.added();
    output::line(paint.bold("where the time went"));
    let rows = [
        ("client, sending its request", timings.read),
        ("provider, until its answer's head", head),
        (
            "provider, until its first event",
            first.saturating_sub(head),
        ),
        ("provider, streaming", timings.stream),
        ("codex-plus", added),
    ];
    for (name, span) in rows {
        row(name, span, timings.total, paint);
    }
    row("all together", timings.total, timings.total, paint);
    output::line(format!(
        "\n{} added by codex-plus; {} in, {} out, {} events; first word after {}, done after {}",
        paint.green(&human_time(added)),
        human_bytes(record.bytes_in),
        human_bytes(record.bytes_out),
        seen.events,
        human_time(seen.first_delta.unwrap_or_default()),
        human_time(seen.total),
    ));
    output::line("Next: `codex-plus codex` starts your Codex through the proxy.");
}

fn row(name: &str, span: Duration, total: Duration, paint: Paint) {
    let share = span.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
    let bar = bar(share);
    output::line(format!(
        "  {name:<34} {:>8}  {}",
        human_time(span),
        paint.dim(&bar)
    ));
}

/// A bar of up to [`WIDTH`] characters; what took any time at all gets a mark.
fn bar(share: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 30"
    )]
    let length = (share.clamp(0.0, 1.0) * WIDTH).round() as usize;
    if length == 0 && share > 0.0 {
        return "▏".to_owned();
    }
    "█".repeat(length)
}
