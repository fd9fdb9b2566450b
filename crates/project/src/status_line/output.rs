//! Which part of a command's output is the line, and what of it may be shown.

use std::fmt::Write as _;

/// Most characters of a line.
const LONGEST: usize = 512;
/// Ends what colours a cut line may have begun.
const RESET: &str = "\x1b[0m";

/// The line in a command's output: the first that begins with `[Dir:`, else the first that is not
/// empty. Colours stay in it, other control sequences do not. `None` when there is no such line.
pub fn chosen_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<(String, String)> = text
        .lines()
        .map(|line| (coloured(line), plain(line)))
        .filter(|(_, plain)| !plain.is_empty())
        .collect();
    let bracketed = lines.iter().find(|(_, plain)| plain.starts_with("[Dir:"));
    bracketed
        .or(lines.first())
        .map(|(coloured, _)| coloured.clone())
}

/// A text without colours and control characters, within the longest a line may be.
pub fn plain(text: &str) -> String {
    let stripped = anstream::adapter::strip_str(text).to_string();
    let shown: String = stripped.chars().map(printable).take(LONGEST).collect();
    shown.trim().to_owned()
}

/// The same, with colours.
fn coloured(line: &str) -> String {
    let mut kept = String::new();
    let (mut room, mut colour) = (LONGEST, false);
    let mut rest = line.trim();
    while let Some(at) = rest.find("\x1b[") {
        let (before, escape) = rest.split_at(at);
        room -= push(&mut kept, before, room);
        let body = escape.get(2..).unwrap_or_default();
        let end = body.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'));
        let end = end.unwrap_or(body.len());
        let sequence = body.get(..end).unwrap_or_default();
        rest = body.get(end..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix('m') {
            let _ = write!(kept, "\x1b[{sequence}m");
            colour = true;
            rest = after;
        } else {
            // A cursor movement or the like: what it ends with goes too.
            let mut rest_chars = rest.chars();
            rest_chars.next();
            rest = rest_chars.as_str();
        }
    }
    push(&mut kept, rest, room);
    if colour && !kept.ends_with(RESET) {
        kept.push_str(RESET);
    }
    kept
}

fn push(kept: &mut String, text: &str, room: usize) -> usize {
    let stripped = anstream::adapter::strip_str(text).to_string();
    let before = kept.chars().count();
    kept.extend(stripped.chars().map(printable).take(room));
    kept.chars().count() - before
}

/// Control characters and those that turn the direction of writing would change more than the
/// line.
fn printable(c: char) -> char {
    match c {
        _ if c.is_control() => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bracketed_line_wins_over_those_before() {
        for (output, wanted) in [
            ("", None),
            ("\n \n", None),
            ("first\nsecond\n", Some("first")),
            (
                "noise\n  [Dir: x | Local: y]\nmore",
                Some("[Dir: x | Local: y]"),
            ),
            (
                "\x1b[1mnoise\x1b[0m\n\x1b[32m[Dir: x]\x1b[0m",
                Some("\x1b[32m[Dir: x]\x1b[0m"),
            ),
            ("\x1b[31mred", Some("\x1b[31mred\x1b[0m")),
            ("\x1b[2J\x1b[Hcleared", Some("cleared")),
        ] {
            assert_eq!(
                chosen_line(output.as_bytes()).as_deref(),
                wanted,
                "{output:?}"
            );
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = "é".repeat(2_000);
        assert_eq!(chosen_line(long.as_bytes()).unwrap().chars().count(), 512);
        let coloured = format!("\x1b[31m{long}\x1b[0m");
        let line = chosen_line(coloured.as_bytes()).unwrap();
        assert_eq!(plain(&line).chars().count(), 512);
        assert!(line.ends_with(RESET));
    }

    proptest! {
        #[test]
        fn any_output_gives_a_line_that_can_be_shown(output in "[a-z \\[\\]:;0-9m\n\r\t\x1b\x07é]{0,80}") {
            if let Some(line) = chosen_line(output.as_bytes()) {
                let shown = plain(&line);
                prop_assert!(!shown.contains(char::is_control));
                prop_assert!(!line.contains(['\n', '\r', '\x07']));
            }
        }
    }
}
