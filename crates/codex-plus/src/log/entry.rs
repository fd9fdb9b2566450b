//! What waits in the queue: small, owned, not yet text.

use std::time::SystemTime;

use codex_plus_proxy::ExchangeRecord;
use tracing::Level;

/// The longest value kept of anything a client can choose, in bytes.
pub(crate) const LONGEST_VALUE: usize = 1024;

/// One line to be.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A tracing event.
    Event(Box<Event>),
    /// An exchange that ended.
    Exchange {
        level: Level,
        record: Box<ExchangeRecord>,
        ended: SystemTime,
    },
    /// Asks the writer to say when everything before this was written.
    Flush(std::sync::mpsc::SyncSender<()>),
}

/// A tracing event, taken out of its borrowed form.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

/// Cuts a text at the longest length kept, between characters.
pub(crate) fn shorten(text: &mut String) {
    if text.len() > LONGEST_VALUE {
        let mut end = LONGEST_VALUE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
}
