//! The `[status_line]` section of the settings.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::template::Template;
use crate::quantity::TimeSpan;

/// The status line: what it says and where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the line is shown in a conversation. `statusLine.mode` in `settings.json` wins.
    pub mode: Mode,
    /// What it says: `{dir}`, `{local}`, `{remote}`, `{pr}`, `{branch}`, `{ahead}`, `{behind}`,
    /// `{staged}`, `{modified}`, `{untracked}`, `{conflicts}`, `{operation}`, `{kind}`.
    pub template: Template,
    /// Ask `gh` for the branch's pull request, in the background.
    pub pull_request: bool,
    /// How long one `git` or `gh` call may take.
    pub timeout: TimeSpan,
    /// How long the command of `statusLine` may take, when it sets no `timeout` itself.
    pub command_timeout: TimeSpan,
    /// Directories whose lines are kept; the one not used for longest is forgotten first.
    pub directories: NonZeroU32,
    /// Folders watched for changes, over all directories. What goes beyond is asked anew at each
    /// use.
    pub watches: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            template: Template::default(),
            pull_request: false,
            timeout: TimeSpan::seconds(5),
            command_timeout: TimeSpan::seconds(5),
            directories: NonZeroU32::MIN.saturating_add(31),
            watches: 4_096,
        }
    }
}

/// Where the line is shown in a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nowhere.
    #[default]
    Off,
    /// As the first line of the assistant's answer, once a turn. The model never sees it.
    Response,
    /// The model is asked to show it.
    Prompt,
}

impl Mode {
    /// The mode by its name in `settings.json`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "response" => Some(Self::Response),
            "prompt" => Some(Self::Prompt),
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Response => "response",
            Self::Prompt => "prompt",
        }
    }
}
