//! What a warm Python hook adds to a request, measured from outside:
//! `cargo run --release -p codex-plus-hooks --example python_hook_cost`.
//!
//! Beside each figure stands that of a bare echo of as many bytes: a Python process that does
//! nothing but read and write a socket, asked in turn with the hook, so that both meet the same
//! machine.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codex_plus_hooks::python::{Call, Method, PoolConfig, PythonHook, PythonPool, RequestMeta};
use serde_json::{Map, json};

/// Answers every message, which begins with its length, with eight bytes.
const ECHO: &str = "import socket, struct
s = socket.socket(fileno=0)
while True:
    head = s.recv(262144)
    if not head: break
    wanted = struct.unpack_from('>I', head)[0] + 4
    got = len(head)
    while got < wanted: got += len(s.recv(262144))
    s.sendall(b'answered')
";

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

fn hook(name: &str, line: &str) -> PythonHook {
    let source = format!(
        "---\nname: {name}\n---\nfrom codex_plus.hooks import Hook\nclass H(Hook):\n    \
         async def pre_input(self, request, body):\n        {line}\n"
    );
    let path = format!("/hooks/{name}.py");
    PythonHook::parse(Path::new(&path), source.into())
        .unwrap()
        .unwrap()
}

fn call(payload: &Bytes) -> Call {
    Call {
        method: Method::PreInput,
        request: Arc::new(RequestMeta {
            path: "/responses".into(),
            ..RequestMeta::default()
        }),
        state: Map::new(),
        payload: payload.clone(),
        timeout: None,
    }
}

fn echo(socket: &mut UnixStream, payload: &[u8]) {
    let mut message = Vec::with_capacity(payload.len() + 4);
    message.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    message.extend(payload);
    socket.write_all(&message).unwrap();
    socket.read_exact(&mut [0; 8]).unwrap();
}

/// The microseconds at half and at 99 of 100 of them.
fn at(took: &mut [Duration]) -> (u128, u128) {
    took.sort();
    let at = |part: usize| took[took.len() * part / 1000].as_micros();
    (at(500), at(990))
}

async fn measure(mut socket: UnixStream) {
    let pool = PythonPool::new(PoolConfig::default());
    let same = hook("same", "return body");
    let edit = hook("edit", "body['input'][-1]['content'][0]['text'] += ' more'");
    let prompt = hook("prompt", "body['prompt'] += ' more'");
    let waits = hook("waits", "await asyncio.sleep(0)");
    let asked = Bytes::from(json!({"prompt": "fix the build ".repeat(10)}).to_string());
    println!(
        "{:32} hook: p50, p99 us   echo: p50, p99 us   p50 to p50",
        ""
    );
    for (what, hook, payload) in [
        ("1 KB, unchanged", &same, body(1024)),
        ("1 KB, edited", &edit, body(1024)),
        ("1 KB, awaits", &waits, body(1024)),
        ("100 KB, unchanged", &same, body(100 * 1024)),
        ("100 KB, edited", &edit, body(100 * 1024)),
        ("100 KB, input: prompt, edited", &prompt, asked),
        ("1 MB, unchanged", &same, body(1024 * 1024)),
        ("1 MB, edited", &edit, body(1024 * 1024)),
    ] {
        let (mut hooks, mut echoes) = (Vec::new(), Vec::new());
        let rounds = if payload.len() > 500_000 { 10 } else { 100 };
        for _ in 0..50 {
            for _ in 0..rounds {
                let began = Instant::now();
                pool.call(hook, call(&payload)).await.unwrap();
                hooks.push(began.elapsed());
            }
            for _ in 0..rounds {
                let began = Instant::now();
                echo(&mut socket, &payload);
                echoes.push(began.elapsed());
            }
        }
        let ((p50, p99), (bare, bare_p99)) = (at(&mut hooks), at(&mut echoes));
        #[allow(clippy::cast_precision_loss, reason = "microseconds")]
        let ratio = p50 as f64 / bare as f64;
        println!("{what:32} {p50:9} {p99:8}   {bare:9} {bare_p99:8}   {ratio:10.1}");
    }
}

fn main() {
    let (socket, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new("python3")
        .args(["-c", ECHO])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    // As in the proxy, where the call is made from a task of a thread that serves connections.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::spawn(measure(socket)).await.unwrap() });
    child.wait().unwrap();
}
