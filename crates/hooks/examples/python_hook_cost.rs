//! What a warm Python hook adds to a request, measured from outside:
//! `cargo run --release -p codex-plus-hooks --example python_hook_cost`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codex_plus_hooks::python::{Call, Method, PoolConfig, PythonHook, PythonPool, RequestMeta};
use serde_json::json;

fn body(bytes: usize) -> Bytes {
    let item = json!({"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "some words of a conversation, again and again. ".repeat(20)}
    ]});
    let each = item.to_string().len();
    let items = vec![item; (bytes / each).max(1)];
    json!({"model": "m", "stream": true, "input": items})
        .to_string()
        .into()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    // As in the proxy, the calls are made from a task on the runtime's own threads.
    let measured = runtime.spawn(async {
        let pool = PythonPool::new(PoolConfig::default());
        let hook = |name: &str, line: &str| {
            let source = format!(
                "---\nname: {name}\n---\nfrom codex_plus.hooks import Hook\nclass H(Hook):\n    \
                 async def pre_input(self, request, body):\n        {line}\n"
            );
            let path = format!("/hooks/{name}.py");
            PythonHook::parse(Path::new(&path), source.into())
                .unwrap()
                .unwrap()
        };
        let same = hook("same", "return body");
        let edit = hook("edit", "body['input'][-1]['content'][0]['text'] += ' more'");
        let prompt = hook("prompt", "body['prompt'] += ' more'");
        let asked = Bytes::from(json!({"prompt": "fix the build ".repeat(10)}).to_string());
        for (what, hook, payload) in [
            ("1 KB, unchanged", &same, body(1024)),
            ("1 KB, edited", &edit, body(1024)),
            ("100 KB, unchanged", &same, body(100 * 1024)),
            ("100 KB, edited", &edit, body(100 * 1024)),
            ("100 KB, input: prompt, edited", &prompt, asked),
            ("1 MB, unchanged", &same, body(1024 * 1024)),
            ("1 MB, edited", &edit, body(1024 * 1024)),
        ] {
            let mut took: Vec<Duration> = Vec::new();
            let rounds = if payload.len() > 500_000 { 500 } else { 5000 };
            for _ in 0..rounds {
                let call = Call {
                    method: Method::PreInput,
                    request: RequestMeta {
                        path: "/responses".into(),
                        ..RequestMeta::default()
                    },
                    payload: payload.clone(),
                    timeout: None,
                };
                let began = Instant::now();
                pool.call(hook, call).await.unwrap();
                took.push(began.elapsed());
            }
            took.sort();
            let at = |part: usize| took[took.len() * part / 1000].as_micros();
            println!("{what:32} p50 {:6} us   p99 {:6} us", at(500), at(990));
        }
    });
    runtime.block_on(measured).unwrap();
}
