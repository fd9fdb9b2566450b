//! Reads one settings file, within bounds.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stamp::Stamp;

/// Largest settings file that is read, in bytes.
pub const LARGEST_FILE: u64 = 1 << 20;

/// Why a settings file, or one entry in it, does not count.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is no JSON, or a value in it is of the wrong kind.
    #[error("{path}:{line}:{column}: {reason}; the file is left out until this is corrected", path = .path.display())]
    Malformed {
        /// The file.
        path: Arc<Path>,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
        /// What is wrong; never a value from the file.
        reason: String,
    },
    /// One hook cannot be used; the rest of the file counts.
    #[error("{path}: {place}: {reason}; this hook is left out", path = .path.display())]
    Hook {
        /// The file.
        path: Arc<Path>,
        /// Where in the file, such as `hooks.Stop[0].hooks[1]`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: Arc<Path>,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than [`LARGEST_FILE`].
    #[error("{path} is larger than {LARGEST_FILE} bytes; make it smaller", path = .path.display())]
    TooLarge {
        /// The file.
        path: Arc<Path>,
    },
    /// A folder, device, socket or pipe.
    #[error("{path} is not a regular file; replace it by one", path = .path.display())]
    NotAFile {
        /// The file.
        path: Arc<Path>,
    },
    /// A symbolic link that leads out of the project.
    #[error("{path} leads out of the project, to {target}; put the settings into the project or into the home folder", path = .path.display(), target = .target.display())]
    Outside {
        /// The file.
        path: Arc<Path>,
        /// Where it leads.
        target: PathBuf,
    },
}

/// The text of a file (`None`: there is no such file) and its stamp, which is taken before the
/// text is read, so that a write in between shows as a change.
pub(super) fn read(
    path: &Arc<Path>,
    within: Option<&Path>,
) -> (Option<Stamp>, Result<Option<Vec<u8>>, SettingsError>) {
    let mut stamp = Stamp::of(path);
    let text = read_stamped(path, within, &mut stamp);
    (stamp, text)
}

fn read_stamped(
    path: &Arc<Path>,
    within: Option<&Path>,
    stamp: &mut Option<Stamp>,
) -> Result<Option<Vec<u8>>, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable {
        path: Arc::clone(path),
        source,
    };
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if let Some(root) = within {
        let root = root.canonicalize().map_err(unreadable)?;
        if !target.starts_with(&root) {
            let path = Arc::clone(path);
            return Err(SettingsError::Outside { path, target });
        }
    }
    // Opening a pipe must not wait for its writer.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(&target);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let meta = file.metadata().map_err(unreadable)?;
    *stamp = Some(Stamp::from(&meta));
    if !meta.is_file() {
        let path = Arc::clone(path);
        return Err(SettingsError::NotAFile { path });
    }
    let mut text = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > LARGEST_FILE {
        let path = Arc::clone(path);
        return Err(SettingsError::TooLarge { path });
    }
    Ok(Some(text))
}

/// `NotADirectory`: the layer's folder is a file, which says nothing of settings.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
