//! Scripting and reading the stand-in from another process.

mod support;

use codex_plus_stand_in::{Answer, Config};
use serde_json::{Value, json};
use support::{ask, stand_in, turn, types};

#[tokio::test]
async fn another_process_can_script_read_and_clear() {
    let stand_in = stand_in().await;
    let addr = stand_in.addr();
    let script = json!([
        {"reply": {"function_call": {"name": "f", "arguments": {"a": 1}}}, "head_delay_ms": 1},
        {"reply": {"filler": {"events": 3, "size": 10}}, "ending": {"stop": {"after": 4}}},
    ]);
    let pushed = ask(
        addr,
        "POST /stand-in/script HTTP/1.1",
        script.to_string().as_bytes(),
    )
    .await;
    assert_eq!(pushed.json()["script"], 2);
    let call = turn(addr, &json!({"input": "hi"})).await.events();
    assert_eq!(call[4]["item"]["arguments"], r#"{"a":1}"#);
    let filler = turn(addr, &json!({})).await.events();
    assert_eq!(types(&filler)[3], "response.output_text.delta");
    assert_eq!(filler.len(), 4);

    let received: Value = ask(addr, "GET /stand-in/received HTTP/1.1", b"")
        .await
        .json();
    assert_eq!(received.as_array().map(Vec::len), Some(2));
    assert_eq!(received[0]["body"]["input"], "hi");
    assert_eq!(received[0]["outcome"], "finished");
    ask(addr, "DELETE /stand-in/received HTTP/1.1", b"").await;
    let state = ask(addr, "GET /stand-in/state HTTP/1.1", b"").await.json();
    assert_eq!(
        (&state["received"], &state["answered"]),
        (&json!(0), &json!(2))
    );
}

#[tokio::test]
async fn a_script_with_a_mistake_is_refused_and_changes_nothing() {
    let stand_in = stand_in().await;
    let wrong = br#"[{"reply":"suited"},{"replay":"suited"}]"#;
    let reply = ask(stand_in.addr(), "POST /stand-in/script HTTP/1.1", wrong).await;
    assert!(reply.head.starts_with("HTTP/1.1 400 "));
    assert!(
        reply.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("replay")
    );
    assert_eq!(stand_in.script_len(), 0);
}

#[test]
fn answers_and_configurations_survive_json() {
    let answer = Answer::text("hi").deltas(2).cut_after(3).header("x", "y");
    let config = Config {
        script: vec![answer, Answer::status(503)],
        ..Config::default()
    };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    assert_eq!(
        serde_json::from_str::<Config>("{}").unwrap(),
        Config::default()
    );
}

#[tokio::test]
async fn models_and_compaction_are_answered_and_unknown_paths_are_recorded_404s() {
    let stand_in = stand_in().await;
    let addr = stand_in.addr();
    let models = ask(addr, "GET /v1/models?client_version=1 HTTP/1.1", b"")
        .await
        .json();
    assert!(models["models"].is_array() && models["data"].is_array());
    let compact = ask(addr, "POST /v1/responses/compact HTTP/1.1", b"{}")
        .await
        .json();
    assert_eq!(compact["output"][0]["type"], "compaction");
    let trigger = json!({"input": [{"type": "message"}, {"type": "compaction_trigger"}]});
    let events = turn(addr, &trigger).await.events();
    assert_eq!(events[1]["item"]["type"], "compaction");
    let unknown = ask(addr, "DELETE /v1/nowhere HTTP/1.1", b"").await;
    assert!(unknown.head.starts_with("HTTP/1.1 404 "));
    assert_eq!(stand_in.received()[3].path_and_query, "/v1/nowhere");
}
