//! The `[otlp]` section.

use codex_plus_proxy::config::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Traces and metrics for an OpenTelemetry collector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OtlpSettings {
    /// Base URL of the collector's OTLP over HTTP, such as `http://localhost:4318`. Nothing is sent
    /// without it.
    pub(crate) endpoint: Option<String>,
    /// Time between two exports.
    pub(crate) interval: TimeSpan,
    /// Send a trace of every exchange.
    pub(crate) traces: bool,
    /// Send the metrics of `/codex-plus/metrics`.
    pub(crate) metrics: bool,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            interval: TimeSpan::seconds(10),
            traces: true,
            metrics: true,
        }
    }
}

impl OtlpSettings {
    /// What is wrong with it, if anything is.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let endpoint = self.endpoint.as_deref()?;
        (!is_usable(endpoint)).then_some("is no http:// or https:// URL of a collector")
    }
}

/// Whether a collector can be reached there.
pub(super) fn is_usable(endpoint: &str) -> bool {
    endpoint.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
    })
}
