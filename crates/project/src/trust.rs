//! What a project may have run is the caller's to say.

use std::path::Path;

use crate::settings::{Owner, ProjectSettings};

/// Says what of a project the user trusted. What stands in the home folder needs no trust. Asked
/// in the background; may block on a local disk.
pub trait Trust: Send + Sync + 'static {
    /// The command to run for the status line of these settings: as it is written, or with its
    /// scripts replaced by trusted copies. `None` when it is a project's and not trusted.
    fn status_line(&self, settings: &ProjectSettings) -> Option<String>;

    /// Whether a command file of this project, with exactly this content, may run shell lines.
    fn command_file(&self, project: &Path, file: &Path, content: &[u8]) -> bool;
}

/// Trusts no project.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrustNone;

impl Trust for TrustNone {
    fn status_line(&self, settings: &ProjectSettings) -> Option<String> {
        let line = settings.status_line.as_ref()?;
        (line.owner == Owner::Home).then(|| line.command.clone())
    }

    fn command_file(&self, _project: &Path, _file: &Path, _content: &[u8]) -> bool {
        false
    }
}
