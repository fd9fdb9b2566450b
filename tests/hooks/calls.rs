//! Tool calls of the model: held back, denied, changed, and read by the model as it made them.

use codex_plus_stand_in::Answer;
use serde_json::{Value, json};

use crate::stage::{ALL, Over, SETTINGS, Said, Stage, hooks, prompt, text_of, turn};
use crate::support::until;

const DENY: &str = "echo 'it'\"'\"'s not allowed' >&2; exit 2";

/// A call the model may make, as the answer that makes it.
fn local_shell() -> Answer {
    let item = json!({"type": "local_shell_call", "id": "i1", "call_id": "c-ls",
        "status": "completed", "action": {"type": "exec", "command": ["bash", "-lc", "ls"]}});
    Answer::events(vec![
        json!({"type": "response.created", "response": {"id": "r1", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "r1", "status": "completed",
            "output": [item], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}}),
    ])
}

fn calls() -> Vec<(&'static str, Answer)> {
    vec![
        (
            "exec_command",
            Answer::function_call("exec_command", json!({"cmd": "ls", "workdir": "/"})),
        ),
        (
            "shell",
            Answer::function_call("shell", json!({"command": ["bash", "-lc", "ls"]})),
        ),
        ("local_shell", local_shell()),
        (
            "exec",
            Answer::custom_tool_call("exec", "await tools.exec_command({cmd: 'ls'});"),
        ),
        (
            "apply_patch",
            Answer::custom_tool_call("apply_patch", "*** Begin Patch"),
        ),
        (
            "mcp__files__read",
            Answer::function_call("mcp__files__read", json!({"path": "/etc"})),
        ),
    ]
}

/// The call in each place of an answer in which it stands: all the same.
fn the_call(over: Over, said: &Said) -> Value {
    let call = said.output()[0].clone();
    if over == Over::Document {
        return call;
    }
    let done = &said.of("response.output_item.done")[0]["item"];
    assert_eq!(*done, call, "{over:?}");
    let added = &said.of("response.output_item.added")[0]["item"];
    assert_eq!(added["name"], call["name"], "{over:?}");
    for (kind, field) in [
        ("function_call_arguments", "arguments"),
        ("custom_tool_call_input", "input"),
    ] {
        let deltas = said.of(&format!("response.{kind}.delta"));
        if deltas.is_empty() {
            continue;
        }
        let text: String = deltas
            .iter()
            .map(|d| d["delta"].as_str().unwrap())
            .collect();
        assert_eq!(call[field], text.as_str(), "{over:?}");
        assert_eq!(
            said.of(&format!("response.{kind}.done"))[0][field],
            call[field]
        );
    }
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_shows_the_reason_and_the_model_reads_its_own() {
    for over in ALL {
        let stage = Stage::with(&[(SETTINGS, &hooks(&[("PreToolUse", "", DENY)]))]).await;
        let mut client = stage.client(over);
        for (number, (name, answer)) in calls().into_iter().enumerate() {
            // What the model says, seen without hooks between.
            let asked = format!("{over:?} {name}");
            stage.provider.push(answer.clone());
            let words = prompt(&format!("p{number}"), "do it");
            let said = client.ask(turn(json!([words]))).await;
            let call = the_call(over, &said);
            assert!(text_of(&call).contains("not allowed"), "{asked} {call}");
            match name {
                "exec_command" => {
                    let arguments: Value =
                        serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
                    assert_eq!(arguments["workdir"], "/", "{asked}");
                    shows(arguments["cmd"].as_str().unwrap());
                }
                "shell" => {
                    let arguments: Value =
                        serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
                    assert_eq!(arguments["command"][0], "sh", "{asked}");
                    shows(arguments["command"][2].as_str().unwrap());
                }
                "local_shell" => {
                    assert_eq!(call["action"]["type"], "exec", "{asked}");
                    shows(call["action"]["command"][2].as_str().unwrap());
                }
                "exec" => assert!(text_of(&call["input"]).contains("throw"), "{asked}"),
                _ => assert_eq!(call["name"], "blocked_by_hook", "{asked}"),
            }
            let kind = call["type"].as_str().unwrap();
            let back = json!({"type": format!("{kind}_output"), "call_id": call["call_id"],
                "output": "whatever the client made of it"});
            client.ask(turn(json!([words, call, back]))).await;
            let sent = stage.inputs().pop().unwrap();
            assert!(!text_of(&sent).contains("whatever"), "{asked} {sent:#}");
            let told = sent[2]["output"].as_str().unwrap();
            assert!(told.contains("it's not allowed"), "{asked} {told}");
            let own = text_of(&sent[1]);
            assert!(!own.contains("not allowed"), "{asked} {own}");
            assert!(!own.contains("blocked_by_hook"), "{asked} {own}");
            let expected = match name {
                "exec_command" | "mcp__files__read" | "shell" => "\\\"",
                "local_shell" => "\"ls\"",
                "exec" => "tools.exec_command({cmd: 'ls'})",
                _ => "*** Begin Patch",
            };
            assert!(own.contains(expected), "{asked} {own}");
        }
    }
}

/// What a shell makes of it: the reason on its standard error, and a failure.
fn shows(script: &str) {
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "Blocked by a hook: it's not allowed\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_input_goes_to_the_client_and_the_models_own_back() {
    let change = "echo '{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\",\
        \"updatedInput\":{\"cmd\":\"ls -l\"}}}'";
    for over in ALL {
        let settings = hooks(&[("PreToolUse", "exec_command", change)]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let mut client = stage.client(over);
        let words = prompt("p1", "do it");
        let asked = json!({"cmd": "ls"});
        stage
            .provider
            .push(Answer::function_call("exec_command", asked));
        let said = client.ask(turn(json!([words]))).await;
        let call = the_call(over, &said);
        assert_eq!(call["arguments"], "{\"cmd\":\"ls -l\"}", "{over:?}");
        let back = crate::stage::output(call["call_id"].as_str().unwrap(), "listed");
        client.ask(turn(json!([words, call, back]))).await;
        let sent = stage.inputs().pop().unwrap();
        assert_eq!(sent[1]["arguments"], "{\"cmd\":\"ls\"}", "{over:?}");
        assert_eq!(sent[2]["output"], "listed");
        // Another tool's calls pass as they are.
        stage
            .provider
            .push(Answer::function_call("other", json!({"cmd": "ls"})));
        let said = client.ask(turn(json!([prompt("p2", "x")]))).await;
        assert_eq!(said.output()[0]["arguments"], "{\"cmd\":\"ls\"}");
    }
}

/// The hook ends only after the client saw the text: were the text held back too, both would wait.
#[tokio::test(flavor = "multi_thread")]
async fn text_before_a_call_does_not_wait_for_hooks() {
    let wait = "until [ -e \"$HOME/../go\" ]; do sleep 0.01; done; echo no >&2; exit 2";
    let stage = Stage::with(&[(SETTINGS, &hooks(&[("PreToolUse", "", wait)]))]).await;
    let item = json!({"type": "function_call", "id": "i2", "call_id": "c9",
        "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}"});
    let message = json!({"type": "message", "id": "i1", "role": "assistant",
        "content": [{"type": "output_text", "text": "let me look"}]});
    stage.provider.push(Answer::events(vec![
        json!({"type": "response.created", "response": {"id": "r1", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item":
            {"type": "message", "id": "i1", "role": "assistant", "content": []}}),
        json!({"type": "response.output_text.delta", "output_index": 0, "item_id": "i1",
            "content_index": 0, "delta": "let me look"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message}),
        json!({"type": "response.output_item.added", "output_index": 1, "item":
            {"type": "function_call", "id": "i2", "call_id": "c9", "name": "exec_command",
             "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1,
            "item_id": "i2", "delta": "{\"cmd\":\"ls\"}"}),
        json!({"type": "response.function_call_arguments.done", "output_index": 1,
            "item_id": "i2", "arguments": "{\"cmd\":\"ls\"}"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": item}),
        json!({"type": "response.completed", "response": {"id": "r1", "status": "completed",
            "output": [message, item]}}),
    ]));
    let mut client = stage.client(Over::Socket);
    client.tell(turn(json!([prompt("p1", "look")]))).await;
    let mut seen = String::new();
    while !seen.contains("output_text.delta") {
        let frame = client.socket().await.frame().await;
        seen += &String::from_utf8(frame.payload).unwrap();
    }
    assert!(!seen.contains("exec_command"), "{seen}");
    stage.proxy.home().write("go", "");
    let said = client.hear().await;
    let text = Value::from(said.events.clone()).to_string();
    assert!(text.contains("Blocked by a hook: no"), "{text}");
    assert!(!text.contains("\\\"ls\\\""), "{text}");
    until("the exchange", || !stage.proxy.exchanges().is_empty()).await;
}
