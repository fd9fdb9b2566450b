//! What a worker's reply frame means.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::call::{Outcome, PythonError, Reply};
use super::frame::{self, Kind};
use super::hook::PythonHook;
use super::log::LogRecord;

#[derive(Deserialize)]
struct Raised {
    message: String,
    #[serde(default)]
    traceback: String,
    line: Option<u64>,
    #[serde(default)]
    kind: String,
}

/// Reads a reply to a call of this hook.
pub(super) fn read(
    hook: &PythonHook,
    kind: Kind,
    payload: Bytes,
    logs: Vec<LogRecord>,
    took: Duration,
) -> Result<Reply, PythonError> {
    let raised = |raised: Raised| PythonError::Raised {
        hook: hook.metadata.name.clone(),
        message: raised.message,
        traceback: raised.traceback,
        line: raised.line,
        unusable: raised.kind == "load",
    };
    let garbled = |why: String| {
        let message = format!("its worker's reply makes no sense: {why}");
        raised(Raised {
            message,
            traceback: String::new(),
            line: None,
            kind: String::new(),
        })
    };
    if kind == Kind::Error {
        let told = serde_json::from_slice(&payload).map_err(|error| garbled(error.to_string()))?;
        return Err(raised(told));
    }
    let (state, rest) = frame::split(payload).map_err(|error| garbled(error.to_string()))?;
    let state = (!state.is_empty())
        .then(|| serde_json::from_slice(&state))
        .transpose();
    let outcome = match kind {
        Kind::Patch => Outcome::Patch(
            serde_json::from_slice(&rest).map_err(|error| garbled(error.to_string()))?,
        ),
        Kind::Value => Outcome::Value(rest),
        _ => Outcome::Unchanged,
    };
    let state = state.map_err(|error| garbled(error.to_string()))?;
    Ok(Reply {
        outcome,
        state,
        logs,
        took,
    })
}
