//! `@path`: files of the project that go along with a prompt.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Most files of one prompt.
const MOST: usize = 32;

/// The words of a text that may be references, in order, each once.
pub(super) fn candidates(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = None;
    for (at, c) in text.char_indices() {
        // Not within a word: an address such as `me@example.org` is none.
        let starts = before.is_none_or(|c: char| c.is_whitespace() || "([{\"'`,;:".contains(c));
        before = Some(c);
        if c != '@' || !starts {
            continue;
        }
        let rest = text.get(at + 1..).unwrap_or_default();
        let word = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((quoted, _)) => quoted,
            None => rest.split(char::is_whitespace).next().unwrap_or_default(),
        };
        if !word.is_empty() && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// The files that a text refers to, as blocks to stand behind it. Blocking file I/O, bounded.
pub(super) fn attachments(text: &str, project: &Path, limit: usize) -> String {
    let Ok(project) = project.canonicalize() else {
        return String::new();
    };
    let mut blocks = String::new();
    let found = candidates(text);
    let files = found.iter().filter_map(|word| resolve(word, &project));
    let mut attached = HashSet::new();
    for (name, path) in files.take(MOST) {
        if !attached.insert(path.clone()) {
            continue;
        }
        let Some((mut content, cut)) = read(&path, limit) else {
            continue;
        };
        if !content.ends_with('\n') {
            content.push('\n');
        }
        let note = if cut {
            " cut=\"longer than commands.reference\""
        } else {
            ""
        };
        blocks.push_str("\n\n<file path=\"");
        blocks.push_str(&name.replace('"', "&quot;"));
        blocks.push('"');
        blocks.push_str(note);
        blocks.push_str(">\n");
        blocks.push_str(&content);
        blocks.push_str("</file>");
    }
    blocks
}

/// The file that a word means, when it is a regular one inside the project. What ends a sentence
/// or a bracket is not part of the name, unless there is such a file.
fn resolve(word: &str, project: &Path) -> Option<(String, PathBuf)> {
    let trimmed =
        word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '`']);
    [word, trimmed].iter().find_map(|name| {
        let path = project.join(name).canonicalize().ok()?;
        let inside = path.strip_prefix(project).ok()?;
        // Names of branches and remotes, which may hold credentials, stand there.
        let hidden = inside.components().any(|part| part.as_os_str() == ".git");
        (path.is_file() && !hidden).then(|| ((*name).to_owned(), path.clone()))
    })
}

/// A file's text and whether it was cut; `None` when it is no text.
fn read(path: &Path, limit: usize) -> Option<(String, bool)> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    // It may have become something else since it was looked at.
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return None;
    }
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content).ok()?;
    let cut = content.len() > limit;
    content.truncate(limit);
    match String::from_utf8(content) {
        Ok(text) => Some((text, cut)),
        // The limit may have cut a character in two.
        Err(error) if cut && error.utf8_error().error_len().is_none() => {
            let length = error.utf8_error().valid_up_to();
            let mut content = error.into_bytes();
            content.truncate(length);
            String::from_utf8(content).ok().map(|text| (text, true))
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_may_be_references() {
        let text = "See @src/a.rs, (@b.md) and @\"with space.txt\"; me@example.org @src/a.rs, @";
        assert_eq!(candidates(text), ["src/a.rs,", "b.md)", "with space.txt"]);
    }
}
