//! A line of `history.jsonl`: what is read is written so that it is read again as it was.

use codex_plus_proxy::history::{read_line, write_line};

pub(crate) fn check(data: &[u8]) {
    let Some(entry) = read_line(data) else {
        return;
    };
    let line = write_line(&entry);
    // JSON that somebody wrote over several lines is not written at all.
    if let Some(text) = line.strip_suffix(b"\n") {
        assert!(!text.contains(&b'\n'));
        assert_eq!(read_line(&line), Some(entry));
    } else {
        assert!(line.is_empty() && data.contains(&b'\n'));
    }
}
