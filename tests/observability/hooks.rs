//! Hooks in the log and in the metrics.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::json;

use crate::support::peer::{ask, get, post};
use crate::support::proxy::Proxy;

/// Waits long enough to be seen, then says nothing.
const SLEEPY: &str = "---\nname: sleepy\ntype: pre-input\n---\n\
import asyncio\nfrom codex_plus.hooks import Hook\n\nclass Sleepy(Hook):\n    async def pre_input(self, request, body):\n        await asyncio.sleep(0.05)\n        return None\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_hooks_took_is_told_by_name() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::started(stand_in.base_url(), "", |home, _| {
        home.write("home/.codexplus/hooks/sleepy.py", SLEEPY);
        let hook = json!({"type": "command", "command": "exit 1"});
        let settings = json!({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}});
        home.write("home/.codexplus/settings.json", &settings.to_string());
    });
    let body = json!({"stream": true, "input": [{"type": "message", "role": "user", "id": "m1",
        "content": [{"type": "input_text", "text": "hello"}]}]});
    let fields = "x-codex-plus-timing: 1\r\n";
    let request = post("/v1/responses", fields, body.to_string().as_bytes());
    let (head, _) = ask(proxy.address, request).await;
    assert_eq!(head.status(), 200);
    let told = head.get("server-timing").unwrap();
    assert!(told.contains("filter-hooks;dur="), "{told}");

    let record = &proxy.logged(1).await[0];
    let hooks = record["filters_ms"]["hooks"].as_f64().unwrap();
    assert!(hooks >= 50.0, "{record}");
    let parts = ["read_ms", "decode_ms", "own_ms", "upstream_ms", "stream_ms"];
    let parts = parts.iter().map(|part| record[part].as_f64().unwrap());
    let filters = record["filters_ms"].as_object().unwrap().values();
    let filters: f64 = filters.map(|took| took.as_f64().unwrap()).sum();
    let whole = record["total_ms"].as_f64().unwrap();
    let sum = parts.sum::<f64>() + filters;
    assert!((sum / whole - 1.0).abs() <= 0.05, "{sum} of {record}");

    let (_, text) = get(proxy.address, "/codex-plus/metrics").await;
    let text = String::from_utf8(text).unwrap();
    let command = "settings.json: hooks.UserPromptSubmit[0].hooks[0]";
    for line in [
        "codex_plus_hook_seconds_count{hook=\"sleepy\"} 1".to_owned(),
        "codex_plus_hook_seconds_bucket{hook=\"sleepy\",le=\"0.032768\"} 0".to_owned(),
        "codex_plus_hook_failures_total{hook=\"sleepy\"} 0".to_owned(),
        format!("codex_plus_hook_failures_total{{hook=\"{command}\"}} 1"),
        "codex_plus_filter_seconds_count{filter=\"hooks\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
    let workers = text
        .lines()
        .find_map(|line| line.strip_prefix("codex_plus_hook_workers "));
    assert!(workers.unwrap().parse::<u32>().unwrap() >= 1, "{text}");
    assert!(!text.contains("hello") && !text.contains("/home"), "{text}");
}
