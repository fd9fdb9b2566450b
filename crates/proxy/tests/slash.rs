//! Prompts that the proxy answers itself, and what comes after them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use std::sync::Arc;

use codex_plus_project::commands::{Commands, Config};
use codex_plus_project::trust::TrustNone;
use codex_plus_proxy::filters::{BuiltIn, SlashFilter};
use serde_json::{Value, json};
use support::{Way, converse};

fn prompt(id: usize, text: &str) -> Value {
    json!({"id": format!("msg_{id}"), "type": "message", "role": "user",
        "content": [{"type": "input_text", "text": text}]})
}

/// A client that lost its chain, by a block or a reconnect, tells all in the very request that is
/// answered here; what it says next goes on from an answer that the provider never gave.
#[tokio::test]
async fn what_was_said_before_an_answer_of_ours_is_not_lost() {
    let commands = Commands::new(&Config::default(), None, Arc::new(TrustNone));
    let help = BuiltIn {
        name: "help",
        description: "helps",
        answer: Arc::new(|_| "helpful words".to_owned()),
    };
    let filter = Arc::new(SlashFilter::new(commands, vec![help]));
    let way = Way::with(vec![filter], |_| {}).await;
    let rules = json!({"type": "message", "role": "developer", "content": "rules"});
    let answer = json!({"id": "out_0", "type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": "hello"}]});
    let whole = json!({"type": "response.create", "model": "m",
        "input": [rules, prompt(0, "hi"), answer, prompt(1, "/plus:help")]});
    let events = converse(&way, &[whole.to_string()]).await;
    let ours = events.last().unwrap()["response"]["id"].clone();
    let again = json!({"type": "response.create", "model": "m", "previous_response_id": ours,
        "input": [prompt(2, "/plus:help")]});
    let events = converse(&way, &[again.to_string()]).await;
    let ours = events.last().unwrap()["response"]["id"].clone();
    let next = json!({"type": "response.create", "model": "m", "previous_response_id": ours,
        "input": [prompt(3, "go on")]});
    converse(&way, &[next.to_string()]).await;
    let received = way.stand_in.received();
    let told: Vec<Value> = received
        .iter()
        .filter(|request| !request.raw_body.is_empty())
        .map(|request| serde_json::from_slice(&request.raw_body).unwrap())
        .collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].get("previous_response_id"), None);
    assert_eq!(
        told[0]["input"],
        json!([rules, prompt(0, "hi"), answer, prompt(3, "go on")])
    );
}
