//! The memory on disk, so that a restart forgets nothing: one line of JSON for each amendment.
//!
//! Lines are written by a thread of their own, through a bounded queue that drops rather than
//! wait. It rests after it wrote, so that a busy proxy does not wake it once an edit; who must not
//! lose the last lines asks for them. They hold what was said in conversations, so the file is its
//! owner's alone.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::amendment::Amendment;
use super::key::ItemKey;
use super::line::{read_line, write_line};
use super::writer::{Entry, Told, Writer};

/// Lines waiting to be written; further ones are dropped.
const QUEUE: usize = 2_048;
/// How long one who asks for the last lines waits for them.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Lines a file may have more than twice what counts before it is written anew.
const MOSTLY: usize = 1_000;

/// Writes entries behind each other.
#[derive(Debug)]
pub(super) struct Journal {
    queue: SyncSender<Told>,
    writer: Thread,
}

impl Journal {
    /// Reads what a file holds, and goes on behind it; a file that is mostly out of date is written
    /// anew first, with what `kept` gives back.
    pub(super) fn open(
        path: &Path,
        limit: usize,
        kept: impl FnOnce(Vec<Entry>) -> Vec<Entry>,
    ) -> io::Result<Self> {
        let entries = read(path, limit)?;
        let before = entries.len();
        let entries = kept(entries);
        // Not with every start: the process before may still be writing its last lines.
        let file = if before > 2 * entries.len() + MOSTLY {
            rewrite(path, &entries)?
        } else {
            open(path, false)?
        };
        let (queue, told) = sync_channel(QUEUE);
        let writer = Writer::new(path, file, limit as u64 * 4)?;
        let thread = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || writer.run(&told, write_line))?;
        Ok(Self {
            queue,
            writer: thread.thread().clone(),
        })
    }

    /// Puts an entry into the file; never waits.
    pub(super) fn add(&self, key: ItemKey, amendment: Option<Arc<Amendment>>) {
        match self.queue.try_send(Told::Entry((key, amendment))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::warn!("an edit is not kept over a restart: the disk does not keep up");
            }
        }
    }

    /// Waits, for a bounded time, until everything added so far is in the file.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + LAST_WORDS;
        let (done, is_done) = sync_channel(1);
        let mut ask = Told::Asked(done);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(ask) {
            if Instant::now() >= deadline {
                return;
            }
            ask = back;
            self.writer.unpark();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.writer.unpark();
        let _ = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn rewrite(path: &Path, entries: &[Entry]) -> io::Result<File> {
    let draft = path.with_extension("draft");
    let _ = std::fs::remove_file(&draft);
    let mut file = open(&draft, true)?;
    for entry in entries {
        file.write_all(&write_line(entry))?;
    }
    std::fs::rename(&draft, path)?;
    Ok(file)
}

fn open(path: &Path, fresh: bool) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .append(true)
        .create(true)
        .create_new(fresh)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// The entries of a file, oldest first; lines that cannot be read are passed over.
fn read(path: &Path, limit: usize) -> io::Result<Vec<Entry>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut reader = BufReader::new(io::Read::take(file, limit as u64 * 8));
    let (mut entries, mut text) = (Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut text)? > 0 {
        entries.extend(read_line(&text));
        text.clear();
    }
    Ok(entries)
}

/// Where the journal lies in a state folder.
pub(super) fn file_in(folder: &Path) -> PathBuf {
    folder.join("history.jsonl")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use codex_plus_wire::patch::{Patch, PatchOp};

    use super::*;
    use crate::history::History;

    fn amendment(text: &str) -> Amendment {
        Amendment {
            edits: vec![
                Patch::set_text(vec!["content".into(), 0.into(), "text".into()], text),
                Patch::set(vec!["nothing".into()], Bytes::from_static(b"null")),
                Patch {
                    op: PatchOp::Remove,
                    path: vec!["x".into()],
                    value: Bytes::new(),
                },
            ],
            before: vec![Bytes::from_static(b"{\"a\": [1,  2]}")],
            after: vec![Bytes::from_static(b"\"b\"")],
            removed: Some("no".to_owned()),
        }
    }

    #[test]
    fn a_restart_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (0..3).map(|n| ItemKey::of_id(&n.to_string())).collect();
        let first = History::kept_in(folder.path(), 1 << 20);
        first.remember(keys[0], amendment("one \u{1f980}"));
        first.remember(keys[0], Amendment::after(Bytes::from_static(b"3")));
        first.remember(keys[1], amendment("two"));
        first.forget(keys[1]);
        let before = first.recall(keys[0]);
        drop(first);
        // The writer ends with its history; the file is complete once it has.
        for _ in 0..1_000 {
            let second = History::kept_in(folder.path(), 1 << 20);
            if second.recall(keys[0]) == before && second.recall(keys[1]).is_none() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("it was not kept");
    }

    #[test]
    fn what_waits_is_in_the_file_once_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (0..50).map(|n| ItemKey::of_id(&n.to_string())).collect();
        let first = History::kept_in(folder.path(), 1 << 20);
        for half in keys.chunks(25) {
            for key in half {
                first.remember(*key, amendment("kept"));
            }
            first.flush();
            let second = History::kept_in(folder.path(), 1 << 20);
            for key in half {
                assert_eq!(second.recall(*key), Some(amendment("kept").into()));
            }
        }
    }

    #[test]
    fn a_damaged_file_loses_its_bad_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = ItemKey::of_id("a");
        let mut text = b"{\"key\":\"zz\"}\nnot json\n\xff\xff\n".to_vec();
        text.extend(write_line(&(key, Some(amendment("kept").into()))));
        text.extend_from_slice(b"{\"key\":\"00");
        std::fs::write(file_in(folder.path()), text).unwrap();
        let history = History::kept_in(folder.path(), 1 << 20);
        assert_eq!(history.recall(key), Some(amendment("kept").into()));
    }

    #[test]
    fn the_file_is_its_owners_alone_and_no_link_is_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let _history = History::kept_in(folder.path(), 1 << 20);
        let mode = std::fs::metadata(file_in(folder.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        let target = other.path().join("target");
        std::fs::write(&target, "mine\n").unwrap();
        std::os::unix::fs::symlink(&target, file_in(other.path())).unwrap();
        let history = History::kept_in(other.path(), 1 << 20);
        history.remember(ItemKey::of_id("a"), amendment("x"));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine\n");
    }
}
