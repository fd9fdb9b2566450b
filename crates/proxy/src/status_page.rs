//! `/codex-plus/status-line`: the line of a directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use codex_plus_project::status_line::StatusLines;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;

use crate::answers::{error_response, json_response};
use crate::body::AnswerBody;

/// How long a line may take that is not in the cache, as for a script that shows it at each prompt.
const PATIENCE: Duration = Duration::from_secs(1);

/// The status lines, and the directory that is meant when none is named.
#[derive(Clone)]
pub(crate) struct StatusLinePage {
    pub(crate) lines: StatusLines,
    pub(crate) start: PathBuf,
}

impl StatusLinePage {
    /// The answer for a directory that the query names, or does not.
    pub(crate) async fn answer(&self, head: &Parts, named: Option<String>) -> Response<AnswerBody> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return error_response(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request_error",
                "method_not_allowed",
                "/codex-plus/status-line answers GET and HEAD.",
            );
        }
        let directory = named.as_deref().map_or(&*self.start, Path::new);
        let line = self.lines.fresh_line(directory, PATIENCE).await;
        let mode = line
            .as_ref()
            .map_or(self.lines.config().mode, |line| line.mode);
        let told = json!({
            "status_line": line.as_ref().and_then(|line| line.text.as_deref()).unwrap_or_default(),
            "mode": mode.as_str(),
            "cwd": directory,
            "source": line.as_ref().map(|line| line.source),
            "facts": line.as_ref().map(|line| &line.facts),
        });
        json_response(StatusCode::OK, told.to_string())
    }
}
