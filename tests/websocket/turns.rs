//! The log of a WebSocket connection: a line for each request on it, and one for itself.

use codex_plus_stand_in::{Answer, Config, Reply, StandIn};
use codex_plus_wire::frame::Opcode;
use serde_json::{Value, json};

use crate::support::peer::Peer;
use crate::support::proxy::Proxy;
use crate::support::socket::{masked, offer};
use crate::support::text;

/// A request as Codex 0.169.0 puts it.
fn create(kind: &str, source: &str, input: &Value) -> Value {
    let metadata = json!({"request_kind": kind, "thread_source": source}).to_string();
    json!({"type": "response.create", "model": "m", "input": input, "stream": true,
        "client_metadata": {"x-codex-turn-metadata": metadata}})
}

fn prompt(id: &str, words: &str) -> Value {
    json!({"type": "message", "role": "user", "id": id,
        "content": [{"type": "input_text", "text": words}]})
}

/// Sends a request and takes its answer to the last event; the bytes of both.
async fn exchange(client: &mut Peer, request: &Value) -> (usize, usize) {
    let request = request.to_string();
    client.send(masked(Opcode::Text, request.as_bytes())).await;
    let mut bytes = 0;
    loop {
        let event = client.next(Opcode::Text).await;
        bytes += event.len();
        let event: Value = serde_json::from_slice(&event).unwrap();
        if event["type"] == "response.completed" {
            return (request.len(), bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_on_a_connection_has_a_line_of_its_own() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut client = Peer::connect(proxy.address).await;
    client.send(offer("session-id: s-9\r\n")).await;
    assert_eq!(client.head().await.status(), 101);
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "ok"});
    let mut prewarm = create("prewarm", "user", &json!([]));
    prewarm["generate"] = json!(false);
    let requests = [
        ("prewarm", prewarm),
        (
            "prompt",
            create("turn", "user", &json!([prompt("p1", "hi")])),
        ),
        ("continuation", create("turn", "user", &json!([output]))),
        (
            "resend",
            create("turn", "user", &json!([prompt("p1", "hi")])),
        ),
        (
            "prompt",
            create("turn", "user", &json!([prompt("p2", "hi")])),
        ),
        (
            "title",
            create("turn", "thread_title", &json!([prompt("t", "hi")])),
        ),
        ("compaction", create("compaction", "user", &json!([]))),
        (
            "subagent",
            create("turn", "subagent", &json!([prompt("q", "hi")])),
        ),
    ];
    let mut sizes = Vec::new();
    for (_, request) in &requests {
        sizes.push(exchange(&mut client, request).await);
    }
    let told = proxy.logged(requests.len()).await;
    for ((told, (kind, _)), (sent, got)) in told.iter().zip(&requests).zip(sizes) {
        assert_eq!(told["turn"], *kind, "{told}");
        assert_eq!(told["transport"], "websocket");
        assert_eq!(told["outcome"], "completed");
        assert_eq!(told["session"], "s-9");
        assert_eq!(told["bytes_in"], sent, "{told}");
        assert_eq!(told["bytes_out"], got, "{told}");
    }
    // Another kind of message is no request, and makes no line.
    client.send(masked(Opcode::Text, b"{\"type\":\"x\"}")).await;
    drop(client);
    let told = proxy.logged(requests.len() + 1).await;
    assert_eq!(told.len(), requests.len() + 1);
    let connection = told.last().unwrap();
    assert_eq!(connection["turn"], "connection");
    assert_eq!(connection["status"], 101);
    // Between two requests a client may well leave.
    assert_eq!(connection["outcome"], "completed");
}

/// Images make requests of many megabytes; the ones behind them must not vanish from the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_does_not_end_the_telling() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut client = Peer::connect(proxy.address).await;
    client.send(offer("")).await;
    assert_eq!(client.head().await.status(), 101);
    let long = String::from_utf8(text(6 << 20)).unwrap();
    let input = json!([prompt("p1", &long)]);
    exchange(&mut client, &create("turn", "user", &input)).await;
    let event = json!({"type": "response.completed", "response": {"id": "r", "pad": long}});
    stand_in.push(Answer {
        reply: Reply::Events(vec![event]),
        ..Answer::default()
    });
    let input = json!([prompt("p2", "hi")]);
    exchange(&mut client, &create("turn", "user", &input)).await;
    let input = json!([prompt("p3", "hi")]);
    exchange(&mut client, &create("turn", "user", &input)).await;
    let told = proxy.logged(3).await;
    for told in &told[..3] {
        assert_eq!(
            (&told["turn"], &told["outcome"]),
            (&"prompt".into(), &"completed".into())
        );
    }
}
