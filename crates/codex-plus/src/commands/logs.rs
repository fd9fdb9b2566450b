//! `codex-plus logs [-f] [-n N]`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::LogsArgs;
use crate::daemon::StateDir;
use crate::environment::Environment;
use crate::log::numbered;
use crate::output::{self, Exit};

/// Read at once.
const PIECE: usize = 64 * 1024;
/// Between two looks at a followed file.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn logs(env: &Environment, args: &LogsArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let path = state.log_file();
    let mut file = match File::open(&path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    match &mut file {
        Some(file) => output::raw(&last_lines(file, &path, args.lines)?),
        None => output::note(format!(
            "There is no log at {} yet; `codex-plus start` makes one.",
            path.display()
        )),
    }
    if args.follow {
        follow(&path, file)?;
    }
    Ok(Exit::Success)
}

/// The last `wanted` lines, from the file before it too when it is short. Leaves `file` at its
/// end.
fn last_lines(file: &mut File, path: &Path, wanted: usize) -> anyhow::Result<Vec<u8>> {
    let newest = tail(file, wanted)?;
    let count = newest.split(|byte| *byte == b'\n').skip(1).count();
    let mut lines = Vec::new();
    if count < wanted
        && let Ok(mut older) = File::open(numbered(path, 1))
    {
        lines = tail(&mut older, wanted - count)?;
    }
    lines.extend(newest);
    Ok(lines)
}

/// The last `wanted` lines of one file, read from its end.
fn tail(file: &mut File, wanted: usize) -> anyhow::Result<Vec<u8>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut start = end;
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    // One more newline than lines: the one before the first line.
    let mut missing = wanted.saturating_add(1);
    while start > 0 && missing > 0 && wanted > 0 {
        let length = start.min(PIECE as u64);
        start -= length;
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.by_ref().take(length).read_to_end(&mut piece)?;
        let mut from = 0;
        for (at, byte) in piece.iter().enumerate().rev() {
            if *byte == b'\n' {
                missing -= 1;
                if missing == 0 {
                    from = at + 1;
                    break;
                }
            }
        }
        piece.drain(..from);
        pieces.push(piece);
    }
    file.seek(SeekFrom::Start(end))?;
    Ok(pieces.into_iter().rev().flatten().collect())
}

/// Shows what is appended, and goes on in the new file after a rotation.
fn follow(path: &Path, mut file: Option<File>) -> anyhow::Result<()> {
    loop {
        if let Some(open) = &mut file {
            drain(open)?;
            let moved = match (open.metadata(), path.metadata()) {
                (Ok(open), Ok(there)) => open.ino() != there.ino() || open.dev() != there.dev(),
                _ => false,
            };
            if moved {
                // What was written between our last read and the rotation.
                drain(open)?;
                file = File::open(path).ok();
                continue;
            }
        } else {
            file = File::open(path).ok();
        }
        std::thread::sleep(PAUSE);
    }
}

/// Writes out everything from the file's position to its end.
fn drain(file: &mut File) -> anyhow::Result<()> {
    // A file that shrank was emptied by someone: start over.
    if file.stream_position()? > file.metadata()?.len() {
        file.seek(SeekFrom::Start(0))?;
    }
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        match piece.get(..read) {
            Some(bytes) if read > 0 => output::raw(bytes),
            _ => return Ok(()),
        }
    }
}
