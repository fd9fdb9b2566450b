//! Puts the layers on top of each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::environment::{Environment, VARIABLES};

use super::assignment::is_secret;
use super::{Assignment, Origin, Settings, SettingsError, file, otlp, project};

/// Settings in force, and how they came about.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// The strongest assignment of each key that is not at its default.
    pub(crate) assignments: BTreeMap<String, Assignment>,
    /// The files that were read, weakest first.
    pub(crate) files: Vec<PathBuf>,
    /// What a project file said and was not believed.
    pub(crate) ignored: Vec<Ignored>,
}

/// A key in a project file that took no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) key: String,
    pub(crate) origin: Origin,
}

impl std::fmt::Display for Ignored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, origin } = self;
        write!(
            f,
            "{origin}: `{key}` was ignored, for a project file may not set it unless your own \
             settings list the folder in `trusted_projects`"
        )
    }
}

/// Reads every layer and merges them. `flags` are the strongest.
pub(crate) fn load(env: &Environment, flags: Vec<Assignment>) -> Result<Loaded, SettingsError> {
    let mut loaded = Loaded {
        settings: Settings::default(),
        assignments: BTreeMap::new(),
        files: Vec::new(),
        ignored: Vec::new(),
    };
    let user_file = env.user_config();
    if let Some(path) = &user_file
        && let Some(assignments) = file::read(path)?
    {
        loaded.files.push(path.clone());
        loaded.put(assignments);
    }
    if let Some(path) = project::find(env).filter(|path| Some(path) != user_file.as_ref())
        && let Some(assignments) = file::read(&path)?
    {
        let trusted_projects = loaded.merged()?.trusted_projects;
        let trusted = project::is_trusted(&path, &trusted_projects, env);
        loaded.files.push(path);
        let (believed, ignored) = assignments
            .into_iter()
            .partition(|it| project::may_set(&it.key, trusted));
        loaded.put(believed);
        loaded.ignored = ignored.into_iter().map(Ignored::from).collect();
    }
    for layer in [variables(env)?, flags] {
        for assignment in &layer {
            assignment.check()?;
        }
        loaded.put(layer);
    }
    loaded.settings = loaded.merged()?;
    Ok(loaded)
}

impl Loaded {
    fn put(&mut self, layer: Vec<Assignment>) {
        for assignment in layer {
            self.assignments.insert(assignment.key.clone(), assignment);
        }
    }

    fn merged(&self) -> Result<Settings, SettingsError> {
        let values = self
            .assignments
            .iter()
            .map(|(key, assignment)| (key.clone(), assignment.value.clone()))
            .collect();
        // Each value was checked by itself; together they could only fail on a rule that spans
        // keys, and there is none today.
        Settings::from_values(&values).map_err(|error| SettingsError {
            origin: Origin::Flag("(all settings together)"),
            problem: error.message().to_owned(),
        })
    }

    /// Where `key` was set, in words.
    pub(crate) fn origin(&self, key: &str) -> String {
        self.assignments
            .get(key)
            .map_or_else(|| "default".to_owned(), |it| it.origin.to_string())
    }

    /// Every key with the value in force, secrets masked.
    pub(crate) fn shown(&self) -> BTreeMap<String, serde_json::Value> {
        let mut all = BTreeMap::new();
        if let Ok(value) = serde_json::to_value(&self.settings) {
            super::assignment::flatten("", value, &mut all);
        }
        for (key, value) in &mut all {
            if is_secret(key) && !value.is_null() {
                *value = "********".into();
            }
        }
        all
    }
}

impl From<Assignment> for Ignored {
    fn from(assignment: Assignment) -> Self {
        Self {
            key: assignment.key,
            origin: assignment.origin,
        }
    }
}

/// The layer of environment variables.
fn variables(env: &Environment) -> Result<Vec<Assignment>, SettingsError> {
    let mut found = Vec::new();
    for variable in VARIABLES {
        let (Some(key), Some(value)) = (variable.key, env.get(variable.name)) else {
            continue;
        };
        let origin = Origin::Variable(variable.name);
        let fail = |problem: String| SettingsError {
            origin: origin.clone(),
            problem,
        };
        let text = value
            .to_str()
            .ok_or_else(|| fail("is not UTF-8; set it again as UTF-8".to_owned()))?;
        // Others use this variable too, and for protocols we do not speak: it stops no start.
        if key == "otlp.endpoint" && !otlp::is_usable(text) {
            continue;
        }
        let value =
            match key {
                "passthrough" | "websocket" | "keep_history" | "tls.allow_plain_http" => {
                    toml::Value::Boolean(boolean(text).ok_or_else(|| {
                        fail(format!("{key} = {text:?} is neither true nor false"))
                    })?)
                }
                "tls.ca_files" => toml::Value::Array(
                    std::env::split_paths(text)
                        .map(|path| env.cwd.join(path).to_string_lossy().into_owned().into())
                        .collect(),
                ),
                "listen" => listen(text),
                _ => toml::Value::String(text.to_owned()),
            };
        found.push(Assignment {
            key: key.to_owned(),
            value,
            origin,
        });
    }
    Ok(found)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// An address as people type it: `10001`, `:10001`, `localhost:10001` or in full.
pub(crate) fn listen(text: &str) -> toml::Value {
    let port = text
        .strip_prefix("localhost:")
        .or_else(|| text.strip_prefix(':'))
        .unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        toml::Value::String(format!("127.0.0.1:{port}"))
    } else {
        toml::Value::String(text.to_owned())
    }
}
