//! The copy of the Python package in this binary, and how a worker is told to run it.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};

/// Runs first in the worker: takes the package off the socket.
pub(super) const BOOTSTRAP: &str = include_str!("../../../../src/codex_plus/worker/bootstrap.py");

macro_rules! modules {
    ($($name:literal $is_package:literal $path:literal),* $(,)?) => {
        &[$(($name, $is_package, include_str!(concat!("../../../../src/codex_plus/", $path)))),*]
    };
}

/// Name, whether it is a package, source.
const MODULES: &[(&str, bool, &str)] = modules![
    "codex_plus" true "__init__.py",
    "codex_plus.base" false "base.py",
    "codex_plus.exchange" false "exchange.py",
    "codex_plus.git_status" false "git_status.py",
    "codex_plus.hooks" false "hooks.py",
    "codex_plus.system" false "system.py",
    "codex_plus.worker" true "worker/__init__.py",
    "codex_plus.worker.calls" false "worker/calls.py",
    "codex_plus.worker.capture" false "worker/capture.py",
    "codex_plus.worker.connection" false "worker/connection.py",
    "codex_plus.worker.diff" false "worker/diff.py",
    "codex_plus.worker.frames" false "worker/frames.py",
    "codex_plus.worker.loading" false "worker/loading.py",
    "codex_plus.worker.main" false "worker/main.py",
    "codex_plus.worker.monitor" false "worker/monitor.py",
];

/// The first message to a worker: the package and the worker's settings, after their length.
pub(super) fn greeting(settings: &Value) -> Bytes {
    let modules: Map<String, Value> = MODULES
        .iter()
        .map(|(name, is_package, source)| ((*name).to_owned(), json!([is_package, source])))
        .collect();
    let told = json!({"modules": modules, "settings": settings}).to_string();
    let mut out = BytesMut::with_capacity(4 + told.len());
    out.put_u32(u32::try_from(told.len()).unwrap_or(u32::MAX));
    out.put_slice(told.as_bytes());
    out.freeze()
}
