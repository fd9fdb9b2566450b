//! Events that say when they were sent. Sender and receiver are processes of one machine, so its
//! monotonic clock is the same to both, and a delay is a plain difference.

use rustix::time::{ClockId, clock_gettime};

/// What stands before the stamp in an event's JSON: a field that the provider fills with noise.
const BEFORE_STAMP: &[u8] = br#""obfuscation":""#;
const DIGITS: usize = 20;

/// The machine's monotonic clock, in nanoseconds.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// A delta of text, stamped with the present.
pub fn delta(sequence: u64) -> String {
    delta_at(sequence, now())
}

/// A delta of text, stamped with a time.
pub fn delta_at(sequence: u64, stamp: u64) -> String {
    format!(
        r#"{{"type":"response.output_text.delta","sequence_number":{sequence},"item_id":"msg_1","output_index":0,"content_index":0,"delta":" words","obfuscation":"{stamp:0DIGITS$}"}}"#
    )
}

/// The event that ends an answer, stamped with the present.
pub fn completed(sequence: u64) -> String {
    let stamp = now();
    format!(
        r#"{{"type":"response.completed","sequence_number":{sequence},"obfuscation":"{stamp:0DIGITS$}","response":{{"id":"resp_1","object":"response","status":"completed","output":[],"usage":{{"input_tokens":10,"output_tokens":{sequence},"total_tokens":{}}}}}}}"#,
        sequence + 10
    )
}

/// When the event in this text was sent.
pub fn stamp(text: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(text, BEFORE_STAMP)? + BEFORE_STAMP.len();
    std::str::from_utf8(text.get(at..at + DIGITS)?)
        .ok()?
        .parse()
        .ok()
}
