//! The metadata of a hook file, read without running it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a hook runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookType {
    /// Before a request goes upstream.
    #[default]
    #[serde(alias = "pre_input")]
    PreInput,
    /// With the answer.
    #[serde(alias = "post_output")]
    PostOutput,
    /// When the model asks for a tool.
    #[serde(alias = "pre_tool_use")]
    PreToolUse,
    /// When a tool's output goes to the model.
    #[serde(alias = "post_tool_use")]
    PostToolUse,
    /// When the model ended its turn.
    Stop,
}

/// How much of the request a `pre-input` hook is handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputScope {
    /// The whole decoded body.
    #[default]
    Body,
    /// The newest prompt alone.
    Prompt,
    /// No content: ids and headers.
    Meta,
}

/// A hook file's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The hook's name; the file's name without `.py` if it gives none.
    #[serde(default)]
    pub name: String,
    /// When it runs.
    #[serde(rename = "type", default)]
    pub hook_type: HookType,
    /// Lower runs first.
    #[serde(default = "default_priority")]
    pub priority: i64,
    /// Off hooks are found and shown, but not run.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// How much it is handed.
    #[serde(default)]
    pub input: InputScope,
    /// Its time limit in seconds; the pool's default if it gives none.
    #[serde(default)]
    pub timeout: Option<f64>,
    /// Secret headers it asks to see.
    #[serde(default)]
    pub headers: Vec<String>,
}

fn default_priority() -> i64 {
    100
}

fn default_enabled() -> bool {
    true
}

/// Metadata that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct MetadataError {
    /// The line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Metadata {
    /// The metadata of a file's text; `None` when it has none and so is no hook.
    pub fn parse(source: &str, stem: &str) -> Result<Option<Self>, MetadataError> {
        let Some((yaml, first_line)) = front_matter(source)?.or_else(|| docstring(source)) else {
            return Ok(None);
        };
        let mut found: Self = if yaml.trim().is_empty() {
            serde_saphyr::from_str("{}")
        } else {
            serde_saphyr::from_str(&yaml)
        }
        .map_err(|error| MetadataError {
            line: first_line
                + error.location().map_or(0, |at| {
                    usize::try_from(at.line()).unwrap_or(1).saturating_sub(1)
                }),
            message: without_place(&error.to_string()),
        })?;
        if found
            .timeout
            .is_some_and(|seconds| !(seconds > 0.0 && seconds <= 3600.0))
        {
            let is_it = |line: &str| line.trim_start().starts_with("timeout");
            return Err(MetadataError {
                line: first_line + yaml.lines().position(is_it).unwrap_or(0),
                message: "timeout is in seconds, more than 0 and at most 3600".to_owned(),
            });
        }
        if found.name.is_empty() {
            stem.clone_into(&mut found.name);
        }
        Ok(Some(found))
    }

    /// The hook's own time limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// Whether it asks for this secret header.
    pub fn asks_for_header(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|asked| asked.eq_ignore_ascii_case(name))
    }
}

/// What the parser says, in one line and without its own count of lines, which begins with the
/// metadata.
fn without_place(text: &str) -> String {
    let mut text = text.lines().next().unwrap_or("not valid YAML");
    while let Some((place, rest)) = text.split_once(": ")
        && (place == "error" || place.starts_with("line "))
    {
        text = rest;
    }
    text.to_owned()
}

/// The YAML between the `---` lines a file begins with, and the line it begins at.
fn front_matter(source: &str) -> Result<Option<(String, usize)>, MetadataError> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut lines = source
        .lines()
        .enumerate()
        .skip_while(|(_, line)| line.trim().is_empty());
    let Some((opened, first)) = lines.next() else {
        return Ok(None);
    };
    if first.trim_end() != "---" {
        return Ok(None);
    }
    let mut yaml = String::new();
    for (_, line) in lines {
        if line.trim_end() == "---" {
            return Ok(Some((yaml, opened + 2)));
        }
        yaml.push_str(line);
        yaml.push('\n');
    }
    Err(MetadataError {
        line: opened + 1,
        message: "the metadata that begins here has no closing --- line".to_owned(),
    })
}

/// The `key: value` lines under `Hook Metadata:` in the module's docstring, as YAML.
fn docstring(source: &str) -> Option<(String, usize)> {
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_start_matches('\u{feff}').trim();
        if !(text.is_empty() || text.starts_with('#')) {
            break;
        }
        at += line.len();
    }
    let rest = source.get(at..)?.trim_start_matches('\u{feff}');
    let rest = rest.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(rest);
    let quote = ["\"\"\"", "'''"]
        .into_iter()
        .find(|quote| rest.starts_with(quote))?;
    let text = rest.get(3..)?;
    let text = text.get(..text.find(quote)?)?;
    let mut lines = text.lines();
    let skipped = lines
        .by_ref()
        .position(|line| line.trim().eq_ignore_ascii_case("hook metadata:"))?;
    let first_line = source.get(..at)?.lines().count() + skipped + 2;
    let mut yaml = String::new();
    for line in lines {
        let Some((key, value)) = line.trim().split_once(':') else {
            break;
        };
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            break;
        }
        // Prose such as a description with a colon is no YAML by itself: quote it.
        let plain = serde_saphyr::from_str::<serde_json::Value>(value)
            .is_ok_and(|parsed| !parsed.is_object());
        let value = if plain {
            value.to_owned()
        } else {
            serde_json::Value::from(value).to_string()
        };
        yaml.extend([key, ": ", value.as_str(), "\n"]);
    }
    Some((yaml, first_line))
}
