//! Text of others, made harmless for a log and a terminal.

use std::fmt::Write as _;

/// Writes text so that it stays one line and cannot steer a terminal.
pub(crate) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        if steers(character) {
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
    }
}

/// Control characters, line separators, and marks that change the reading direction.
pub(crate) fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2066}'..='\u{2069}').contains(&character)
}
