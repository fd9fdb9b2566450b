//! The log file: appended to, rotated by size, and never a reason to stop.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a failed file is tried again, and an open one checked for having been moved.
const CHECK: Duration = Duration::from_secs(1);

/// A file that becomes `<name>.1` when it is full.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    limit: u64,
    keep: usize,
    open: Option<File>,
    size: u64,
    checked: Instant,
    /// Bytes that could not be written since the last success.
    lost: u64,
    complained: bool,
}

impl Rotating {
    /// A log at `path` of at most `limit` bytes, with `keep` old ones. Opens it at once; a file
    /// that cannot be opened is reported on standard error and tried again later.
    pub(crate) fn open(path: PathBuf, limit: u64, keep: usize) -> Self {
        let mut log = Self {
            path,
            limit: limit.max(1),
            keep,
            open: None,
            size: 0,
            checked: Instant::now(),
            lost: 0,
            complained: false,
        };
        if let Err(error) = log.reopen() {
            log.complain(&error);
        }
        log
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.open = None;
        self.checked = Instant::now();
        // A pipe in its place would have us wait for a reader.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        if meta.mode() & 0o077 != 0 {
            // One that was there before may have been readable by all.
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
        self.size = meta.len();
        self.open = Some(file);
        Ok(())
    }

    /// Appends whole lines, rotating between them when the limit is reached.
    pub(crate) fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if self.checked.elapsed() >= CHECK {
            self.checked = Instant::now();
            if !self.is_in_place() {
                self.report(Self::reopen, 0);
            }
        }
        // Nearly always: nothing to look for between the lines.
        if self.size + lines.len() as u64 <= self.limit {
            self.append(lines);
            return;
        }
        let mut chunk = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let there = self.size + chunk.len() as u64;
            if there > 0 && there + line.len() as u64 > self.limit {
                self.append(&std::mem::take(&mut chunk));
                if self.open.is_some() {
                    self.report(Self::rotate, 0);
                }
            }
            chunk.extend_from_slice(line);
        }
        self.append(&chunk);
    }

    fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let lost = bytes.len() as u64;
        self.report(
            |log| {
                let file = log
                    .open
                    .as_mut()
                    .ok_or_else(|| io::Error::other("not open"))?;
                if log.lost > 0 {
                    // What failed may have left the beginning of a line.
                    let torn = file.metadata().is_ok_and(|meta| meta.len() > log.size);
                    let end = if torn { "\n" } else { "" };
                    let gap = format!("{end}(log: {} bytes could not be written here)\n", log.lost);
                    file.write_all(gap.as_bytes())?;
                    log.size = file.metadata()?.len();
                    log.lost = 0;
                    log.complained = false;
                }
                file.write_all(bytes)?;
                log.size += bytes.len() as u64;
                Ok(())
            },
            lost,
        );
    }

    /// Runs a step; a failure is counted and told once.
    fn report(&mut self, step: impl FnOnce(&mut Self) -> io::Result<()>, lost: u64) {
        match step(self) {
            Ok(()) => {}
            Err(error) => {
                self.lost += lost;
                self.complain(&error);
            }
        }
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            crate::output::warning(format!(
                "cannot write the log {}: {error}; the proxy goes on without it and keeps trying",
                self.path.display()
            ));
        }
    }

    /// Whether the path still leads to the file that is open (someone may have moved it).
    fn is_in_place(&self) -> bool {
        let Some(open) = self.open.as_ref().and_then(|file| file.metadata().ok()) else {
            return false;
        };
        std::fs::symlink_metadata(&self.path)
            .is_ok_and(|there| there.ino() == open.ino() && there.dev() == open.dev())
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            std::fs::remove_file(&self.path)?;
        }
        for number in (1..=self.keep).rev() {
            let from = match number {
                1 => self.path.clone(),
                number => numbered(&self.path, number - 1),
            };
            match std::fs::rename(from, numbered(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.reopen()
    }
}

/// `proxy.log.3`
pub(crate) fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}
