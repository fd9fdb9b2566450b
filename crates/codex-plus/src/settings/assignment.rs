//! One key set at one place, and what can be wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Settings;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A place in a settings file; line and column count from 1.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    /// An environment variable.
    Variable(&'static str),
    /// A command-line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A dotted key, its value, and where it was set.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) key: String,
    pub(crate) value: toml::Value,
    pub(crate) origin: Origin,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub(crate) struct SettingsError {
    pub(crate) origin: Origin,
    pub(crate) problem: String,
}

impl Assignment {
    /// Checks the value by itself, so that the message can name its place.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let alone = BTreeMap::from([(self.key.clone(), self.value.clone())]);
        let Err(error) = Settings::from_values(&alone) else {
            return Ok(());
        };
        let hint = match self.key.as_str() {
            "listen" => "; write an address and a port, such as 127.0.0.1:10000",
            _ => "",
        };
        // The token is the one value that must not be repeated.
        let shown = if is_secret(&self.key) {
            String::new()
        } else {
            format!(" = {}", self.value)
        };
        Err(SettingsError {
            origin: self.origin.clone(),
            problem: format!("{}{shown}: {}{hint}", self.key, error.message()),
        })
    }
}

/// Whether a key's value must never be shown.
pub(crate) fn is_secret(key: &str) -> bool {
    key == "guard.token"
}

/// Every key with its default, `null` where there is none.
pub(crate) fn keys() -> BTreeMap<String, serde_json::Value> {
    let mut all = BTreeMap::new();
    if let Ok(defaults) = serde_json::to_value(Settings::default()) {
        flatten("", defaults, &mut all);
    }
    all
}

/// Every key of `settings` with its value.
pub(crate) fn flatten(
    prefix: &str,
    value: serde_json::Value,
    all: &mut BTreeMap<String, serde_json::Value>,
) {
    match value {
        serde_json::Value::Object(section) => {
            for (name, value) in section {
                flatten(&join(prefix, &name), value, all);
            }
        }
        value => {
            all.insert(prefix.to_owned(), value);
        }
    }
}

/// `section.name`, or `name` at the root.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
