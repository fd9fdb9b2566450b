//! What hooks log and print, put into the proxy's own log.

use serde::Deserialize;

/// A record of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LogRecord {
    /// The hook's name; empty when the worker cannot tell (a thread of the hook's).
    pub hook: String,
    /// Python's level name.
    pub level: String,
    /// The logger's name; `stdout` and `stderr` for what was printed.
    pub logger: String,
    /// The text.
    pub message: String,
}

impl LogRecord {
    /// Writes the record to the proxy's log, under the target `hook`. Control characters are
    /// escaped, so that a hook cannot make up lines or move a terminal's cursor.
    pub(super) fn tell(&self) {
        let (hook, logger) = (escape(&self.hook), escape(&self.logger));
        let message = escape(&self.message);
        match self.level.as_str() {
            "DEBUG" => tracing::debug!(target: "hook", hook, logger, "{message}"),
            "WARNING" => tracing::warn!(target: "hook", hook, logger, "{message}"),
            "ERROR" | "CRITICAL" => tracing::error!(target: "hook", hook, logger, "{message}"),
            _ => tracing::info!(target: "hook", hook, logger, "{message}"),
        }
    }
}

/// The text with control characters (also those that turn the writing direction) escaped.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
        if c.is_control() || turns {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
