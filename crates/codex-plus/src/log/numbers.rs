//! Numbers as log lines have them: counts, sizes and spans of time, without what `write!` costs.

use std::time::Duration;

/// A number as `write!` would have it, without what `write!` costs.
pub(super) fn push(number: u64, out: &mut String) {
    if number >= 10 {
        push(number / 10, out);
    }
    push_digit(number % 10, out);
}

pub(super) fn push_digit(digit: u64, out: &mut String) {
    out.push(u8::try_from(digit).map_or('?', |digit| char::from(b'0' + digit)));
}

/// `812B`, `43.7kB`, `1.2MB`: thousands, as traffic is counted.
pub(crate) fn human_bytes(bytes: u64) -> String {
    let mut text = String::new();
    write_bytes(bytes, &mut text);
    text
}

/// `0.18ms`, `412ms`, `3.2s`, `4m05s`.
pub(crate) fn human_time(span: Duration) -> String {
    let mut text = String::new();
    write_time(span, &mut text);
    text
}

/// In whole numbers: floating point is most of the cost of a line.
pub(super) fn write_bytes(bytes: u64, out: &mut String) {
    let (unit, name) = match bytes {
        0..1_000 => {
            push(bytes, out);
            out.push('B');
            return;
        }
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    let tenths = bytes.saturating_add(unit / 20) / (unit / 10);
    push(tenths / 10, out);
    out.push('.');
    push(tenths % 10, out);
    out.push_str(name);
}

pub(super) fn write_time(span: Duration, out: &mut String) {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    match micros / 1_000 {
        0..10 => {
            let hundredths = (micros + 5) / 10;
            push(hundredths / 100, out);
            out.push('.');
            push_digit(hundredths / 10 % 10, out);
            push_digit(hundredths % 10, out);
            out.push_str("ms");
        }
        10..1_000 => {
            push((micros + 500) / 1_000, out);
            out.push_str("ms");
        }
        millis @ 1_000..60_000 => {
            let tenths = (millis + 50) / 100;
            push(tenths / 10, out);
            out.push('.');
            push_digit(tenths % 10, out);
            out.push('s');
        }
        _ => {
            push(span.as_secs() / 60, out);
            out.push('m');
            push_digit(span.as_secs() % 60 / 10, out);
            push_digit(span.as_secs() % 10, out);
            out.push('s');
        }
    }
}
