//! How fast request bodies are read: `cargo run --release -p codex-plus-wire --example scan_speed`.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)] // it prints rough figures

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use codex_plus_wire::request::RequestBody;

/// A conversation of about `size` bytes, most of it `text` in tool outputs.
fn body(size: usize, text: &str) -> Bytes {
    let text = text.repeat(20_000 / text.len() + 1);
    let literal = serde_json::to_string(&text).unwrap_or_default();
    let mut json = String::from(r#"{"model":"gpt-5.5","stream":true,"input":["#);
    while json.len() < size {
        json +=
            r#"{"type":"message","role":"user","id":"m","content":[{"type":"input_text","text":"#;
        json += &literal;
        json += r#"}]},{"type":"function_call_output","call_id":"c","output":"#;
        json += &literal;
        json += "},";
    }
    json += "null]}";
    Bytes::from(json)
}

fn main() {
    let texts = [
        (
            "one long line",
            "the quick brown fox jumps over the lazy dog ",
        ),
        (
            "source code, 40-byte lines",
            "    let value = map.get(\"key\").copied();\n",
        ),
        ("Chinese", "敏捷的棕色狐狸跳过了懒狗"),
    ];
    for (name, text) in texts {
        for size in [1 << 20, 10 << 20] {
            let body = body(size, text);
            let best = (0..40)
                .map(|_| {
                    let start = Instant::now();
                    black_box(RequestBody::parse(black_box(body.clone())).is_ok());
                    start.elapsed()
                })
                .min()
                .unwrap_or_default();
            let speed = body.len() as f64 / best.as_secs_f64() / 1e9;
            println!("{name}, {} MB: {speed:.2} GB/s (best of 40)", size >> 20);
        }
    }
}
