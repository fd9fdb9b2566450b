//! The project file: found by walking up, and believed only in part.
//!
//! A repository can be anyone's. Its settings file may therefore set only what cannot redirect
//! traffic, open the door wider, quieten the log or use up the machine, unless the user's own
//! file lists the folder under `trusted_projects`.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// The project file's place under a project's folder.
const FILE: &str = ".codexplus/config.toml";

/// Keys any project may set: how it travels and how long it may take, never where to. Anything
/// that is not listed here, keys of later versions included, needs trust.
const HARMLESS: &[&str] = &[
    "websocket",
    "timeouts.connect",
    "timeouts.ping",
    "timeouts.stream_idle",
    "log.format",
    "log.slow",
];

/// A key even a trusted project may not set: trust is the user's to give.
const NEVER: &str = "trusted_projects";

/// The nearest project file at or above the working directory. The search ends at the first git
/// root, and before the home folder, whose `.codexplus` is the user's, not a project's.
pub(crate) fn find(env: &Environment) -> Option<PathBuf> {
    let home = env.home();
    for folder in env.cwd.ancestors() {
        if home.as_deref() == Some(folder) {
            return None;
        }
        let file = folder.join(FILE);
        if file.is_file() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Whether the user listed the folder of this project file.
pub(crate) fn is_trusted(file: &Path, trusted: &[PathBuf], env: &Environment) -> bool {
    let Some(folder) = file
        .ancestors()
        .nth(2)
        .and_then(|folder| folder.canonicalize().ok())
    else {
        return false;
    };
    trusted.iter().any(|listed| {
        let listed = match (listed.strip_prefix("~"), env.home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => listed.clone(),
        };
        // A relative entry would mean another folder each time, so it never matches.
        listed.is_absolute() && listed.canonicalize().is_ok_and(|listed| listed == folder)
    })
}

/// Whether a project file may set `key`.
pub(crate) fn may_set(key: &str, trusted: bool) -> bool {
    key != NEVER && (trusted || HARMLESS.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_harmless_key_exists() {
        let known = crate::settings::assignment::keys();
        for key in HARMLESS {
            assert!(known.contains_key(*key), "{key}");
        }
    }

    #[test]
    fn what_redirects_or_loosens_needs_trust() {
        for key in [
            "listen",
            "upstream",
            "passthrough",
            "tls.ca_files",
            "guard.token",
            "limits.body",
            "log.level",
        ] {
            assert!(!may_set(key, false), "{key}");
            assert!(may_set(key, true), "{key}");
        }
        assert!(!may_set("trusted_projects", true));
    }
}
