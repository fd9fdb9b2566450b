//! What a user may set of hooks: this crate's part of the configuration file.

use codex_plus_project::quantity::{ByteSize, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration of hooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Run hooks at all.
    pub enabled: bool,
    /// A hook that takes longer is named in the log.
    pub slow: TimeSpan,
    /// How long a hook may take that sets no `timeout` of its own.
    pub timeout: TimeSpan,
    /// The same for `UserPromptSubmit`, where the user is waiting.
    pub prompt_timeout: TimeSpan,
    /// The same for a Python hook.
    pub python_timeout: TimeSpan,
    /// Hooks running at once, over all exchanges; further ones wait for their turn.
    pub max_parallel: usize,
    /// `async` hooks running at once; further ones are not started.
    pub max_background: usize,
    /// Output of one hook that is kept; more is cut.
    pub output: ByteSize,
    /// The Python that runs hooks. Empty: the project's virtual environment, else `python3`.
    pub python: String,
    /// Python worker processes at once. One is kept warm; others start only while hooks that block
    /// (`time.sleep`, a long computation) hold theirs, and end when they have nothing to do.
    pub workers: usize,
    /// Memory of one Python worker before it is replaced.
    pub worker_memory: ByteSize,
    /// A session that is silent for so long has ended.
    pub session_idle: TimeSpan,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            slow: TimeSpan::milliseconds(10),
            timeout: TimeSpan::seconds(600),
            prompt_timeout: TimeSpan::seconds(30),
            python_timeout: TimeSpan::seconds(5),
            max_parallel: 32,
            max_background: 16,
            output: ByteSize::mebibytes(1),
            python: String::new(),
            workers: 16,
            worker_memory: ByteSize::mebibytes(512),
            session_idle: TimeSpan::seconds(1800),
        }
    }
}
