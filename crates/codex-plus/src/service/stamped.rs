//! Files that we wrote and may take back. Each carries a stamp: a digest of the rest, by which an
//! edited one is told apart and counts as the user's, and what else was made for it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::daemon::{missing, write_private};

/// Before the digest.
const MARK: &str = "codex-plus: ";
const EXPLAINED: &str =
    "Written by `codex-plus service install`; once edited it is yours and left alone.";

/// What a file remembers for the day it is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Folders that were made to hold it, outermost first.
    pub(crate) folders: Vec<PathBuf>,
    /// The state folder the service uses, unless it is the default one.
    pub(crate) state_dir: Option<PathBuf>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Absent,
    /// Our file as we wrote it; its text is without the stamp.
    Ours { note: Note, text: String },
    /// Something of the user's.
    Foreign,
}

impl Standing {
    /// Looks at a path. A link or a folder is the user's, wherever it leads.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Absent),
            Err(error) => return Err(error),
        };
        if !meta.is_file() {
            return Ok(Self::Foreign);
        }
        let bytes = std::fs::read(path)?;
        let ours = String::from_utf8(bytes).ok().and_then(|text| read(&text));
        Ok(ours.map_or(Self::Foreign, |(note, text)| Self::Ours { note, text }))
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Ours { .. } => "ours",
            Self::Foreign => "not ours",
        }
    }
}

/// Writes a file of ours with its stamp, and makes the folders it needs, which its note names.
pub(crate) fn write(path: &Path, text: &str, mut note: Note) -> io::Result<Note> {
    if let Some(folder) = path.parent() {
        let made = missing(folder);
        std::fs::create_dir_all(folder)?;
        note.folders.extend(made);
    }
    // Variables may hold the password of a web proxy: for its owner only.
    write_private(path, &stamped(text, &note))?;
    Ok(note)
}

/// Removes a file of ours.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Removes what `systemctl enable` made for a unit, where it could not be asked to: the link that
/// leads to it, and its folder.
pub(crate) fn remove_link(unit: &Path) {
    let (Some(folder), Some(name)) = (unit.parent(), unit.file_name()) else {
        return;
    };
    let wanting = folder.join("sockets.target.wants");
    let link = wanting.join(name);
    if std::fs::read_link(&link).is_ok_and(|target| folder.join(target) == unit) {
        let _ = std::fs::remove_file(&link);
        // Fails while others are in it.
        let _ = std::fs::remove_dir(&wanting);
    }
}

/// Removes those folders that are empty now, innermost first.
pub(crate) fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        // One that is in use, or gone already, is left as it is.
        let _ = std::fs::remove_dir(folder);
    }
}

/// Puts the stamp where its kind of file takes a comment.
fn stamped(text: &str, note: &Note) -> String {
    // No XML comment may hold two hyphens in a row; JSON can spell one otherwise.
    let note = serde_json::to_string(note).unwrap_or_default();
    let note = note.replace('-', "\\u002d");
    let digest = digest(&note, text);
    let Some((declaration, rest)) = text
        .starts_with("<?xml")
        .then(|| text.split_once('\n'))
        .flatten()
    else {
        return format!("# {EXPLAINED}\n# {MARK}{digest} {note}\n{text}");
    };
    format!("{declaration}\n<!-- {EXPLAINED} -->\n<!-- {MARK}{digest} {note} -->\n{rest}")
}

fn read(stamped: &str) -> Option<(Note, String)> {
    let mut stamp = None;
    let mut text = String::new();
    for line in stamped.split_inclusive('\n') {
        let bare = line.trim_start_matches("<!-- ").trim_start_matches("# ");
        if let Some(found) = bare.strip_prefix(MARK).filter(|_| stamp.is_none()) {
            stamp = Some(found.trim_end().trim_end_matches(" -->"));
        } else if stamp.is_some() || !bare.starts_with(EXPLAINED) {
            text.push_str(line);
        }
    }
    let (told, note) = stamp?.split_once(' ')?;
    let read: Note = serde_json::from_str(note).ok()?;
    // The same bytes again, or somebody was here.
    let whole = told == digest(note, &text) && stamped == self::stamped(&text, &read);
    whole.then_some((read, text))
}

fn digest(note: &str, text: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in Sha256::digest(format!("{note}\n{text}").as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            folders: vec!["/home/a--b".into(), "/home/a--b/c d".into()],
            state_dir: Some("/x-->y".into()),
        }
    }

    #[test]
    fn what_was_written_is_known_again_until_a_byte_differs() {
        for text in ["[Unit]\nA=b\n", "<?xml version=\"1.0\"?>\n<plist/>\n"] {
            let file = stamped(text, &note());
            assert_eq!(read(&file), Some((note(), text.to_owned())));
            for at in 0..file.len() {
                let mut bytes = file.clone().into_bytes();
                bytes[at] ^= 1;
                if let Ok(edited) = String::from_utf8(bytes) {
                    assert_eq!(read(&edited), None, "{at}: {edited}");
                }
            }
            assert_eq!(read(&format!("{file}\n")), None);
            assert_eq!(read(text), None);
        }
    }

    #[test]
    fn an_xml_stamp_is_a_comment() {
        let file = stamped("<?xml version=\"1.0\"?>\n<plist/>\n", &note());
        for line in file.lines().filter(|line| line.starts_with("<!--")) {
            let inside = line
                .strip_prefix("<!--")
                .and_then(|l| l.strip_suffix("-->"));
            assert!(!inside.unwrap().contains("--"), "{line}");
        }
    }
}
