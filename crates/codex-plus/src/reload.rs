//! New settings for a running proxy.

use std::sync::{Arc, Mutex, PoisonError};

use codex_plus_proxy::Control;

use crate::daemon::{Instance, StateDir};
use crate::log::{LevelHandle, SlowLimit};
use crate::settings::{Loaded, SettingsError};
use crate::starting::{explain, facts};

/// Reads every layer of settings again, as the start did.
pub(crate) type Load = Box<dyn Fn() -> Result<Loaded, SettingsError> + Send + Sync>;

/// Another part that takes new settings while it runs.
pub(crate) type Join = Box<dyn Fn(&Loaded) + Send + Sync>;

/// Everything that new settings reach.
pub(crate) struct Reload {
    pub(crate) load: Load,
    pub(crate) control: Control,
    pub(crate) level: LevelHandle,
    pub(crate) slow: SlowLimit,
    pub(crate) state: StateDir,
    pub(crate) instance: Instance,
    pub(crate) joined: Vec<Join>,
    pub(crate) now: Mutex<Arc<Loaded>>,
}

impl Reload {
    /// Reads the settings and puts them in force. What cannot be used changes nothing; a part that
    /// takes a restart is named.
    pub(crate) fn run(&self) {
        let loaded = match (self.load)() {
            Ok(loaded) => loaded,
            Err(error) => return refuse(&error),
        };
        let facts = facts(&self.state, &loaded);
        let mut waiting = match self.control.reload(&loaded.settings.proxy, facts) {
            Ok(waiting) => waiting,
            Err(error) => return refuse(&explain(&error, &loaded)),
        };
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, new) = (&now.settings.log, &loaded.settings.log);
        for (key, differs) in [
            ("log.format", old.format != new.format),
            ("log.rotate", old.rotate != new.rotate),
            ("log.keep", old.keep != new.keep),
            ("otlp", now.settings.otlp != loaded.settings.otlp),
            ("hooks", now.settings.hooks != loaded.settings.hooks),
            (
                "status_line",
                now.settings.status_line != loaded.settings.status_line,
            ),
            (
                "commands",
                now.settings.commands != loaded.settings.commands,
            ),
        ] {
            if differs {
                waiting.push(key);
            }
        }
        self.level.set(new);
        self.slow.set(new.slow.get());
        for join in &self.joined {
            join(&loaded);
        }
        for ignored in &loaded.ignored {
            tracing::warn!(target: "settings", "{ignored}");
        }
        tracing::info!(target: "settings", files = loaded.files.len(), "reloaded");
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(target: "settings", keys, "these changed and wait for `codex-plus restart`");
        }
        // The commands that look for this process read what it goes by.
        let told = self.instance.with(&loaded);
        if let Err(error) = told.write(&self.state) {
            tracing::warn!(target: "settings", error = format!("{error:#}"), "the state folder was not updated");
        }
        *now = Arc::new(loaded);
    }
}

fn refuse(error: &dyn std::fmt::Display) {
    tracing::error!(target: "settings", %error, "not reloaded; the settings in force stay");
}
