//! The thread that puts the history into its file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use super::amendment::Amendment;
use super::key::ItemKey;

/// Bytes that are written at once, about.
const BATCH: usize = 256 << 10;
/// The writer's rest after what it wrote. A process that is killed loses what was edited meanwhile.
const REST: Duration = Duration::from_millis(20);

/// What a line says: that something was done to an item, or that it is forgotten.
pub type Entry = (ItemKey, Option<Arc<Amendment>>);

/// What the writer is told.
pub(super) enum Told {
    Entry(Entry),
    /// Somebody waits until everything before this is written.
    Asked(SyncSender<()>),
}

/// Puts lines into the file.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    /// Bytes in the file, and how many it may have: one that grew beyond is left alone until the
    /// next start.
    written: u64,
    most: u64,
    /// Lines that could not be written since the last one that could.
    lost: u64,
}

impl Writer {
    /// A writer behind what a file holds, to at most so many bytes.
    pub(super) fn new(path: &Path, file: File, most: u64) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            written: file.metadata()?.len(),
            file,
            most,
            lost: 0,
        })
    }

    /// Writes what it is told, each as the line that `line` makes of it. Ends with its queue.
    pub(super) fn run(mut self, told: &Receiver<Told>, line: impl Fn(&Entry) -> Vec<u8>) {
        while let Ok(first) = told.recv() {
            let (mut lines, mut count, mut asked) = (Vec::new(), 0, Vec::new());
            let mut next = Some(first);
            while let Some(told_now) = next.take() {
                match told_now {
                    Told::Entry(entry) => {
                        let one = line(&entry);
                        if self.written + (lines.len() + one.len()) as u64 <= self.most {
                            lines.extend_from_slice(&one);
                            count += 1;
                        }
                    }
                    Told::Asked(done) => asked.push(done),
                }
                if lines.len() < BATCH {
                    next = told.try_recv().ok();
                }
            }
            let in_a_hurry = !asked.is_empty() || lines.len() >= BATCH;
            if !lines.is_empty() {
                self.write(lines, count);
            }
            for done in asked {
                let _ = done.try_send(());
            }
            if !in_a_hurry {
                std::thread::park_timeout(REST);
            }
        }
    }

    /// Whole lines in one write: two processes may share the file during a restart.
    fn write(&mut self, mut lines: Vec<u8>, count: u64) {
        if self.lost > 0 {
            // The one that failed may have left its beginning.
            lines.insert(0, b'\n');
        }
        match self.file.write_all(&lines) {
            Ok(()) => {
                self.written += lines.len() as u64;
                if self.lost > 0 {
                    tracing::info!(lost = self.lost, "edits are kept over a restart again");
                }
                self.lost = 0;
            }
            Err(error) => {
                if self.lost == 0 {
                    tracing::warn!(path = %self.path.display(), %error, "edits are not kept over a restart for now");
                }
                self.lost += count;
            }
        }
    }
}
