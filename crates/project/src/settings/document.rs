//! One settings file: what it may say, and where it is wrong.
//!
//! Keys that are not ours are passed over, because the client's own settings live in the same
//! files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::{Owner, SettingsError};

/// Hooks that share a matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherGroup {
    /// As written; empty when absent.
    pub matcher: String,
    /// In the order written.
    pub hooks: Vec<HookDefinition>,
}

/// One hook of a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDefinition {
    /// What is run.
    pub handler: HookHandler,
    /// How long it may take; `None` leaves it to the event.
    pub timeout: Option<Duration>,
    /// The `if` condition, such as `Bash(git *)`, as written.
    pub condition: Option<String>,
    /// The file it came from.
    pub file: Arc<Path>,
    /// Where in the file, such as `hooks.Stop[0].hooks[1]`.
    pub place: String,
    /// Whose file that is.
    pub owner: Owner,
}

/// What a hook of a settings file runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookHandler {
    /// A shell command.
    Command {
        /// The text given to `sh -c`.
        command: String,
        /// Started and left to itself: nobody waits for its result.
        detached: bool,
    },
    /// A POST request.
    Http {
        /// Where to.
        url: String,
        /// Sent along; values may name environment variables.
        headers: BTreeMap<String, String>,
        /// The environment variables that header values may name.
        allowed_env_vars: Vec<String>,
    },
}

/// The `statusLine` of a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLineSetting {
    /// The command that prints it.
    pub command: String,
    /// `mode`, as written.
    pub mode: Option<String>,
    /// How long the command may take; `None` leaves it to the status line's own setting.
    pub timeout: Option<Duration>,
    /// The file it came from.
    pub file: Arc<Path>,
    /// Whose file that is.
    pub owner: Owner,
}

/// A settings file as it is written. Entries are flat rather than an enum by `type`, so that an
/// error still knows its line and column.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    hooks: BTreeMap<String, Vec<Group>>,
    #[serde(rename = "statusLine")]
    status_line: Option<StatusLine>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Group {
    matcher: Option<String>,
    hooks: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    r#type: String,
    command: Option<String>,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    allowed_env_vars: Vec<String>,
    #[serde(deserialize_with = "seconds")]
    timeout: Option<Duration>,
    r#async: bool,
    r#if: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusLine {
    command: Option<String>,
    mode: Option<String>,
    #[serde(deserialize_with = "seconds")]
    timeout: Option<Duration>,
}

/// A year: longer is a slip of the pen, and would overflow clocks.
const LONGEST_TIMEOUT: f64 = 31_536_000.0;

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(seconds) = Option::<f64>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if seconds > 0.0 && seconds <= LONGEST_TIMEOUT {
        return Ok(Some(Duration::from_secs_f64(seconds)));
    }
    Err(de::Error::custom(
        "invalid value, expected a number of seconds above 0",
    ))
}

impl Document {
    pub(super) fn parse(text: &[u8], path: &Arc<Path>) -> Result<Self, SettingsError> {
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let mut reader = serde_json::Deserializer::from_slice(text);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| (error.path().to_string(), error.into_inner()))
            .and_then(|document| match reader.end() {
                Ok(()) => Ok(document),
                Err(error) => Err((".".to_owned(), error)),
            })
            .map_err(|(place, error)| SettingsError::Malformed {
                path: Arc::clone(path),
                line: error.line().max(1),
                column: error.column().max(1),
                reason: reason(&place, &error),
            })
    }

    /// The groups by event, and the entries that cannot be used.
    pub(super) fn hooks(
        &self,
        file: &Arc<Path>,
        owner: Owner,
    ) -> (Vec<(String, MatcherGroup)>, Vec<SettingsError>) {
        let (mut groups, mut problems) = (Vec::new(), Vec::new());
        for (event, written) in &self.hooks {
            for (index, group) in written.iter().enumerate() {
                let mut hooks = Vec::new();
                for (inner, entry) in group.hooks.iter().enumerate() {
                    let place = format!("hooks.{event}[{index}].hooks[{inner}]");
                    let path = Arc::clone(file);
                    match entry.handler() {
                        Ok(handler) => hooks.push(HookDefinition {
                            handler,
                            timeout: entry.timeout,
                            condition: entry.r#if.clone(),
                            file: path,
                            place,
                            owner,
                        }),
                        Err(reason) => problems.push(SettingsError::Hook {
                            path,
                            place,
                            reason,
                        }),
                    }
                }
                let matcher = group.matcher.clone().unwrap_or_default();
                groups.push((event.clone(), MatcherGroup { matcher, hooks }));
            }
        }
        (groups, problems)
    }

    /// `statusLine.mode`, which may be set without a command.
    pub(super) fn status_line_mode(&self) -> Option<String> {
        self.status_line.as_ref()?.mode.clone()
    }

    pub(super) fn status_line(self, file: &Arc<Path>, owner: Owner) -> Option<StatusLineSetting> {
        let setting = self.status_line?;
        Some(StatusLineSetting {
            command: setting.command.filter(|text| !text.trim().is_empty())?,
            mode: setting.mode,
            timeout: setting.timeout,
            file: Arc::clone(file),
            owner,
        })
    }
}

impl Entry {
    fn handler(&self) -> Result<HookHandler, String> {
        let given = |value: &Option<String>, name: &str| match value {
            Some(text) if !text.trim().is_empty() => Ok(text.clone()),
            _ => Err(format!("`{name}` is missing")),
        };
        match self.r#type.as_str() {
            "command" => Ok(HookHandler::Command {
                command: given(&self.command, "command")?,
                detached: self.r#async,
            }),
            "http" => Ok(HookHandler::Http {
                url: given(&self.url, "url")?,
                headers: self.headers.clone(),
                allowed_env_vars: self.allowed_env_vars.clone(),
            }),
            "" => Err("`type` is missing; write `command` or `http`".to_owned()),
            _ => Err("its `type` is not one we run; write `command` or `http`".to_owned()),
        }
    }
}

/// What is wrong, without a value of the file: it may be a secret, such as a header's.
fn reason(place: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if error.classify() != serde_json::error::Category::Data {
        return format!("not valid JSON: {text}");
    }
    let wanted = match text.rsplit_once(", expected ") {
        Some((_, wanted)) => format!("expected {wanted}"),
        None => "a value of the wrong kind".to_owned(),
    };
    if place == "." {
        wanted
    } else {
        format!("{place}: {wanted}")
    }
}
