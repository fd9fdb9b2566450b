//! The `[log]` section.

use codex_plus_proxy::config::{ByteSize, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the log says, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSettings {
    /// Least serious level that is written. `RUST_LOG` wins over it.
    pub(crate) level: LogLevel,
    /// How a line is written.
    pub(crate) format: LogFormat,
    /// Size at which `proxy.log` becomes `proxy.log.1`.
    pub(crate) rotate: ByteSize,
    /// Old log files kept beside `proxy.log`; 100 at most.
    pub(crate) keep: usize,
    /// An exchange whose upstream took longer than this to its first byte is logged as a warning.
    pub(crate) slow: TimeSpan,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
            rotate: ByteSize::mebibytes(16),
            keep: 5,
            slow: TimeSpan::seconds(30),
        }
    }
}

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// What is odd.
    Warn,
    /// One line an exchange.
    Info,
    /// What we decide.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level's name in a log filter.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// `time LEVEL name key=value ...`
    Text,
    /// One JSON object a line.
    Json,
}
