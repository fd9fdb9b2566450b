//! What the user set: layers of keys, merged into one typed value.
//!
//! Strongest first: flags, `CODEX_PLUS_*`, the project file, the user file, defaults. A layer is a
//! list of assignments (a dotted key, a value, where it came from), so every value can be
//! traced to the place that set it.

mod assignment;
mod file;
mod load;
mod log;
mod otlp;
mod project;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use codex_plus_proxy::Config;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};

pub(crate) use assignment::{Assignment, Origin, SettingsError};
pub(crate) use load::{Loaded, listen as listen_value, load};
pub(crate) use log::{LogFormat, LogSettings};
pub(crate) use otlp::OtlpSettings;
pub(crate) use schema::schema_text;

/// Everything a settings file may say.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Settings {
    /// The line.
    #[serde(flatten)]
    pub(crate) proxy: Config,
    /// The log.
    pub(crate) log: LogSettings,
    /// Traces and metrics for an OpenTelemetry collector.
    pub(crate) otlp: OtlpSettings,
    /// The user's hooks.
    pub(crate) hooks: codex_plus_hooks::config::Config,
    /// The status line.
    pub(crate) status_line: codex_plus_project::status_line::Config,
    /// Slash commands.
    pub(crate) commands: codex_plus_project::commands::Config,
    /// Folders whose `.codexplus/config.toml` may set every key, also those that redirect
    /// traffic. Only read from the user's own file.
    pub(crate) trusted_projects: Vec<PathBuf>,
}

impl Settings {
    /// Reads settings from dotted keys and their values.
    fn from_values(values: &BTreeMap<String, toml::Value>) -> Result<Self, toml::de::Error> {
        let mut root = toml::Table::new();
        for (key, value) in values {
            insert(&mut root, key, value.clone());
        }
        let log = match root.remove("log") {
            Some(section) => LogSettings::deserialize(section)?,
            None => LogSettings::default(),
        };
        if log.keep > 100 {
            return Err(toml::de::Error::custom(
                "at most 100 old log files are kept",
            ));
        }
        let otlp = match root.remove("otlp") {
            Some(section) => OtlpSettings::deserialize(section)?,
            None => OtlpSettings::default(),
        };
        if let Some(problem) = otlp.problem() {
            return Err(toml::de::Error::custom(problem));
        }
        let hooks = match root.remove("hooks") {
            Some(section) => codex_plus_hooks::config::Config::deserialize(section)?,
            None => codex_plus_hooks::config::Config::default(),
        };
        let status_line = match root.remove("status_line") {
            Some(section) => codex_plus_project::status_line::Config::deserialize(section)?,
            None => codex_plus_project::status_line::Config::default(),
        };
        let commands = match root.remove("commands") {
            Some(section) => codex_plus_project::commands::Config::deserialize(section)?,
            None => codex_plus_project::commands::Config::default(),
        };
        let trusted_projects = match root.remove("trusted_projects") {
            Some(list) => Vec::deserialize(list)?,
            None => Vec::new(),
        };
        Ok(Self {
            proxy: Config::deserialize(root)?,
            log,
            otlp,
            hooks,
            status_line,
            commands,
            trusted_projects,
        })
    }
}

/// Puts a value at its dotted key, making the sections on the way.
fn insert(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let entry = table
                .entry(section.to_owned())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}
