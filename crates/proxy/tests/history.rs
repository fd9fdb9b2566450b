//! What a filter does to new items is done again when they come back as history, so that the
//! provider reads one conversation that only grows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use std::sync::Arc;

use codex_plus_proxy::{BoxFuture, Filter, Inspection, Interest, Reads, Reply, Verdict};
use codex_plus_stand_in::Answer;
use codex_plus_wire::turn::TurnKind;
use http::request::Parts;
use serde_json::{Value, json};
use support::{Way, converse};

/// Numbers each new prompt, tells the model its number, and blocks secrets.
#[derive(Default)]
struct Number(std::sync::atomic::AtomicUsize);

impl Filter for Number {
    fn name(&self) -> &'static str {
        "number"
    }

    fn interest(&self, _: &Parts) -> Interest {
        Interest {
            request: Reads::Body,
            ..Interest::default()
        }
    }

    fn request<'a>(&'a self, request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            if request.turn.kind != TurnKind::Prompt {
                return Verdict::Continue;
            }
            let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            let text = request.turn.prompt.as_ref().unwrap().text.clone();
            if text.contains("secret") {
                request.block_prompt("no secrets");
                let message = "no secrets".to_owned();
                return Verdict::Reply(Reply::Block { message });
            }
            request
                .rewrite_prompt(&format!("{text} (prompt {number})"))
                .unwrap();
            request.add_context(&format!("note {number}")).unwrap();
            request.add_context(&format!("more {number}")).unwrap();
            Verdict::Continue
        })
    }
}

async fn numbered() -> Way {
    let way = Way::with(vec![Arc::new(Number::default())], |_| {}).await;
    for turn in 0..8 {
        way.stand_in.push(Answer::text(format!("answer {turn}")));
    }
    way
}

fn prompt(id: usize, text: &str) -> Value {
    json!({"id": format!("msg_{id}"), "type": "message", "role": "user",
        "content": [{"type": "input_text", "text": text}]})
}

fn answer(id: usize) -> Value {
    json!({"id": format!("out_{id}"), "type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": format!("answer {id}")}]})
}

fn body(input: &[Value]) -> Value {
    json!({"model": "m", "stream": true, "input": input})
}

fn inputs(way: &Way) -> Vec<Vec<Value>> {
    let received = way.stand_in.received();
    let body = |raw: &[u8]| serde_json::from_slice::<Value>(raw).unwrap();
    // A WebSocket handshake is received as well, and has no body.
    let inputs = received
        .iter()
        .filter(|request| !request.raw_body.is_empty())
        .map(|request| body(&request.raw_body)["input"].as_array().unwrap().clone());
    inputs.collect()
}

#[tokio::test]
async fn over_http_each_request_begins_with_the_one_before() {
    let way = numbered().await;
    let mut history = vec![json!({"type": "message", "role": "developer", "content": "rules"})];
    for turn in 0..5 {
        history.push(prompt(turn, "go on"));
        way.post(&[], body(&history).to_string()).await;
        // A retry says the same in another order.
        way.post(
            &[],
            format!(
                "{{\"stream\":true,\"input\":{}}}",
                Value::from(history.clone())
            ),
        )
        .await;
        history.push(answer(turn));
    }
    let inputs = inputs(&way);
    assert_eq!(inputs.len(), 10);
    for pair in inputs.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "{pair:#?}");
    }
    let last = inputs.last().unwrap();
    assert_eq!(last.len(), 1 + 5 * 3 + 4);
    let text = Value::from(last.clone()).to_string();
    for number in 1..=5 {
        assert_eq!(text.matches(&format!("go on (prompt {number})")).count(), 1);
        assert_eq!(text.matches(&format!("note {number}")).count(), 1);
    }
}

#[tokio::test]
async fn over_websocket_a_reconnect_brings_the_conversation_as_it_was() {
    let way = numbered().await;
    let mut history = Vec::new();
    let mut sent = Vec::new();
    let messages: Vec<String> = (0..4)
        .map(|turn| {
            let mut message = body(&[prompt(turn, "go on")]);
            message["type"] = json!("response.create");
            if turn > 0 {
                message["previous_response_id"] = json!("resp_before");
            }
            history.extend([prompt(turn, "go on"), answer(turn)]);
            message.to_string()
        })
        .collect();
    converse(&way, &messages).await;
    for (turn, input) in inputs(&way).into_iter().enumerate() {
        sent.extend(input);
        sent.push(answer(turn));
    }
    history.push(prompt(4, "go on"));
    let mut message = body(&history);
    message["type"] = json!("response.create");
    converse(&way, &[message.to_string()]).await;
    let whole = inputs(&way).pop().unwrap();
    assert!(whole.starts_with(&sent), "{whole:#?}\n{sent:#?}");
    assert_eq!(whole.len(), sent.len() + 3);
}

#[tokio::test]
async fn a_blocked_prompt_never_reaches_the_provider() {
    let way = numbered().await;
    let secret = prompt(0, "my secret");
    for _ in 0..2 {
        let blocked = way
            .post(&[], body(std::slice::from_ref(&secret)).to_string())
            .await;
        let told = String::from_utf8(blocked.into_body().to_vec()).unwrap();
        assert!(told.contains("no secrets"), "{told}");
    }
    way.post(&[], body(&[secret, prompt(1, "hello")]).to_string())
        .await;
    let inputs = inputs(&way);
    assert_eq!(inputs.len(), 1);
    assert!(
        !Value::from(inputs[0].clone())
            .to_string()
            .contains("secret")
    );
    assert_eq!(inputs[0][0]["content"][0]["text"], "hello (prompt 2)");
}
