//! What a proxy tells of its start: its facts, and why there was none.

use codex_plus_proxy::{Facts, StartError};
use serde_json::json;

use crate::daemon::{self, StateDir};
use crate::settings::{Loaded, SettingsError};

/// What `/codex-plus/status` tells beside what the line itself knows.
pub(crate) fn facts(state: &StateDir, loaded: &Loaded) -> Facts {
    let ignored: Vec<String> = loaded.ignored.iter().map(ToString::to_string).collect();
    let facts = [
        ("state_dir", json!(state.folder())),
        ("log_file", json!(state.log_file())),
        ("settings_files", json!(loaded.files)),
        ("ignored", json!(ignored)),
    ];
    facts
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// A start error with what to do next.
pub(crate) fn explain(error: &StartError, loaded: &Loaded) -> anyhow::Error {
    let (listen, source) = match error {
        StartError::Listen { listen, source } => (listen, source),
        StartError::Workers(_) => {
            return anyhow::anyhow!("{error}; raise the limit on open files or threads");
        }
        // These are the settings' fault, and say what to do themselves.
        StartError::Token(_) => return blame("listen", error, loaded),
        StartError::Upstream(_) => return blame("upstream", error, loaded),
        StartError::Tls(_) => return blame("tls.ca_files", error, loaded),
    };
    let taken = source.kind() == std::io::ErrorKind::AddrInUse;
    let holder = taken.then(|| daemon::owner(*listen)).flatten();
    let holder = holder.map(|owner| format!(", held by {owner}"));
    let next = match source.kind() {
        std::io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen",
        std::io::ErrorKind::AddrNotAvailable => "choose an address of this machine with --listen",
        _ => "end that program, or choose another port with --listen",
    };
    anyhow::anyhow!("{error}{}; {next}", holder.unwrap_or_default())
}

/// Puts the error where the key was set; without such a place it stays as it is.
fn blame(key: &str, error: &StartError, loaded: &Loaded) -> anyhow::Error {
    match loaded.assignments.get(key) {
        Some(assignment) => SettingsError {
            origin: assignment.origin.clone(),
            problem: error.to_string(),
        }
        .into(),
        None => anyhow::anyhow!("{error}"),
    }
}
