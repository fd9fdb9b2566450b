//! Hooks and pools for tests that run a real `python3`.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, reason = "a test ends there")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use codex_plus_hooks::python::{
    Call, Method, Outcome, PoolConfig, PythonError, PythonHook, PythonPool, Reply, RequestMeta,
};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// A hook of this source.
pub(crate) fn hook(source: &str) -> PythonHook {
    PythonHook::parse(Path::new("/hooks/probe.py"), Bytes::from(source.to_owned()))
        .expect("metadata")
        .expect("a hook")
}

/// A `pre-input` hook with this body of its method.
pub(crate) fn pre_input(lines: &str) -> PythonHook {
    named("probe", lines)
}

/// The same under another name and path.
pub(crate) fn named(name: &str, lines: &str) -> PythonHook {
    let indented = lines.replace('\n', "\n        ");
    let source = format!(
        "---\nname: {name}\n---\nimport os, sys, time, socket\nfrom codex_plus.hooks import Hook\n\
         class Probe(Hook):\n    async def pre_input(self, request, body):\n        {indented}\n"
    );
    let path = format!("/hooks/{name}.py");
    PythonHook::parse(Path::new(&path), source.into())
        .expect("metadata")
        .expect("a hook")
}

/// Writes a program. Not by this process: a test beside this one may fork while the file is open
/// for writing, and until that one's exec the program is busy.
pub(crate) fn program(path: &Path, text: &str) {
    let mut shell = std::process::Command::new("sh");
    let script = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let written = shell.args(["-c", script]).arg(path).arg(text).status();
    assert!(written.is_ok_and(|status| status.success()));
}

/// A pool whose limits are short.
pub(crate) fn pool() -> PythonPool {
    PythonPool::new(config())
}

pub(crate) fn config() -> PoolConfig {
    PoolConfig {
        kill_grace: Duration::from_millis(200),
        ..PoolConfig::default()
    }
}

pub(crate) fn call(payload: &str) -> Call {
    Call {
        method: Method::PreInput,
        request: Arc::new(RequestMeta {
            method: "POST".into(),
            path: "/responses?x=1".into(),
            headers: HeaderMap::from_iter([
                (AUTHORIZATION, HeaderValue::from_static("Bearer s3cret")),
                (
                    HeaderName::from_static("x-plain"),
                    HeaderValue::from_static("seen"),
                ),
            ]),
            ..RequestMeta::default()
        }),
        state: Map::new(),
        payload: Bytes::from(payload.to_owned()),
        timeout: Some(Duration::from_secs(20)),
    }
}

pub(crate) fn within(payload: &str, limit: Duration) -> Call {
    Call {
        timeout: Some(limit),
        ..call(payload)
    }
}

/// What the document is after the reply's edits.
pub(crate) fn applied(payload: &str, reply: &Reply) -> Value {
    let mut document: Value = serde_json::from_str(payload).expect("JSON");
    match &reply.outcome {
        Outcome::Unchanged => {}
        Outcome::Patch(edits) => {
            codex_plus_hooks::python::apply(&mut document, edits).expect("edits that fit");
        }
        Outcome::Value(value) => document = serde_json::from_slice(value).expect("JSON"),
    }
    document
}

pub(crate) async fn edited(pool: &PythonPool, hook: &PythonHook, payload: &str) -> Value {
    let reply = pool.call(hook, call(payload)).await.expect("a reply");
    applied(payload, &reply)
}

pub(crate) async fn error(pool: &PythonPool, hook: &PythonHook) -> PythonError {
    pool.call(hook, call("{}")).await.expect_err("a failure")
}

/// Whether a process is there and no zombie.
pub(crate) fn runs(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a condition holds; the limit is a guard against hanging only.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
