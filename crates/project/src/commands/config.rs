//! The `[commands]` section of the settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{ByteSize, TimeSpan};

/// Slash commands from markdown files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Expand prompts that begin with a command's name.
    pub enabled: bool,
    /// What may stand before the name. The Codex TUI keeps an unknown `/name` to itself, so there
    /// a space comes first, or one of the others is used.
    pub prefixes: Vec<String>,
    /// Largest command file.
    pub file: ByteSize,
    /// How much of a file named by `@path` goes into the prompt.
    pub reference: ByteSize,
    /// How much output of a shell line goes into the prompt.
    pub output: ByteSize,
    /// Largest prompt a command may become.
    pub prompt: ByteSize,
    /// How long all shell lines of one command may take together.
    pub timeout: TimeSpan,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            prefixes: vec!["/".to_owned(), ":".to_owned()],
            file: ByteSize::kibibytes(256),
            reference: ByteSize::kibibytes(256),
            output: ByteSize::kibibytes(64),
            prompt: ByteSize::mebibytes(1),
            timeout: TimeSpan::seconds(10),
        }
    }
}
