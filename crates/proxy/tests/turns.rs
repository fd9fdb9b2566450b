//! What the record of an exchange says of its turn when no filter reads the request.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "the support module serves other suites as well")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{By, Way, body};

const METADATA: &str = r#"{"request_kind":"turn","thread_source":"user"}"#;

/// The turn of the only exchange; records are told after the client has its answer.
async fn turn(way: &Way) -> Option<&'static str> {
    while way.records.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    way.records.all()[0].turn
}

#[tokio::test]
async fn a_carried_prompt_is_told_from_a_continuation() {
    let prompt = body(By::Stream, "hello");
    let mut continuation = prompt.clone();
    let items = continuation["input"].as_array_mut().unwrap();
    items
        .push(json!({"type": "function_call", "call_id": "c", "name": "shell", "arguments": "{}"}));
    items.push(json!({"type": "function_call_output", "call_id": "c", "output": "done"}));
    for (sent, expected) in [(prompt, "prompt"), (continuation, "continuation")] {
        for coding in ["identity", "zstd"] {
            let way = Way::with(vec![], |_| {}).await;
            let plain = sent.to_string().into_bytes();
            let bytes = match coding {
                "zstd" => zstd::encode_all(plain.as_slice(), 3).unwrap(),
                _ => plain,
            };
            let headers = [
                ("x-codex-turn-metadata", METADATA),
                ("content-encoding", coding),
            ];
            way.post(&headers, bytes.clone()).await;
            assert_eq!(turn(&way).await, Some(expected), "{coding}");
            assert_eq!(way.stand_in.received()[0].raw_body, bytes, "{coding}");
        }
    }
}

#[tokio::test]
async fn passthrough_and_unknown_clients_are_not_read() {
    let sent = || body(By::Stream, "hello").to_string();
    let way = Way::with(vec![], |config| config.passthrough = true).await;
    way.post(&[("x-codex-turn-metadata", METADATA)], sent())
        .await;
    // Not even the head's description of it.
    assert_eq!(turn(&way).await, None);
    let way = Way::with(vec![], |_| {}).await;
    way.post(&[], sent()).await;
    assert_eq!(turn(&way).await, None);
}

#[tokio::test]
async fn what_cannot_be_read_along_is_still_carried() {
    let way = Way::with(vec![], |_| {}).await;
    let headers = [
        ("x-codex-turn-metadata", METADATA),
        ("content-encoding", "zstd"),
    ];
    way.post(&headers, "not zstd").await;
    assert_eq!(turn(&way).await, Some("other"));
    assert_eq!(way.stand_in.received()[0].raw_body, "not zstd");
}
