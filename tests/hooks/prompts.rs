//! What hooks do to prompts and tools' outputs on their way to the model.

use serde_json::{Value, json};

use crate::stage::{ALL, Over, SETTINGS, Said, Stage, hooks, output, prompt, text_of, turn};

const BLOCK: &str =
    "if grep -q secret; then echo 'not that' >&2; exit 2; fi; echo a word of the hook";

fn reason(over: Over, said: &Said) -> String {
    if over == Over::Document {
        assert_eq!(said.status, 400);
        return said.last()["error"]["message"].as_str().unwrap().to_owned();
    }
    assert_eq!(said.last()["type"], "response.failed");
    let error = &said.last()["response"]["error"];
    assert_eq!(error["code"], "invalid_prompt");
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_prompt_never_reaches_the_provider() {
    for over in ALL {
        let settings = hooks(&[("UserPromptSubmit", "", BLOCK)]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let mut client = stage.client(over);
        let blocked = prompt("p1", "tell the secret");
        let said = client.ask(turn(json!([blocked]))).await;
        assert_eq!(reason(over, &said), "not that", "{over:?}");
        // A client that tries again is told the same; it must not reach the model without its
        // words, either.
        let said = client.ask(turn(json!([blocked]))).await;
        assert_eq!(reason(over, &said), "not that", "again, {over:?}");
        assert_eq!(stage.inputs().len(), 0, "{over:?}");
        // As history it is left out.
        let next = prompt("p2", "something else");
        let said = client.ask(turn(json!([blocked, next]))).await;
        assert_eq!(said.status, 200, "{over:?}");
        let inputs = stage.inputs();
        let sent = inputs.last().unwrap();
        assert!(!text_of(sent).contains("secret"), "{over:?} {sent:#}");
        assert_eq!(sent.as_array().unwrap().len(), 2, "{over:?} {sent:#}");
        assert_eq!(sent[0], next);
        assert_eq!(sent[1]["role"], "developer");
        assert_eq!(sent[1]["content"][0]["text"], "a word of the hook");
    }
}

/// Each request begins with the bytes that the one before it consisted of.
#[tokio::test(flavor = "multi_thread")]
async fn context_and_edits_stay_where_they_were_over_five_turns() {
    for over in ALL {
        let settings = hooks(&[
            ("UserPromptSubmit", "", "date +%N"),
            (
                "PostToolUse",
                "",
                "printf '{\"hookSpecificOutput\":{\"hookEventName\":\"PostToolUse\",\
                 \"additionalContext\":\"seen\",\"updatedToolOutput\":\"masked %s\"}}' $(date +%N)",
            ),
        ]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let mut client = stage.client(over);
        let mut items: Vec<Value> = Vec::new();
        let mut before: Vec<Value> = Vec::new();
        for number in 1..=5 {
            items.push(prompt(&format!("p{number}"), &format!("turn {number}")));
            let said = client.ask(turn(json!(items))).await;
            before = grown(&stage, &before, over);
            items.extend(said.output().clone());
            let call = format!("c{number}");
            items.push(
                json!({"type": "function_call", "call_id": call, "name": "exec_command",
                "arguments": "{\"cmd\":\"ls\"}"}),
            );
            items.push(output(&call, format!("raw {number}")));
            let said = client.ask(turn(json!(items))).await;
            before = grown(&stage, &before, over);
            items.extend(said.output().clone());
        }
        let whole = Value::from(before);
        assert!(!text_of(&whole).contains("\"raw"), "{over:?}");
        assert_eq!(text_of(&whole).matches("masked").count(), 5, "{over:?}");
        assert_eq!(text_of(&whole).matches("seen").count(), 5, "{over:?}");
        assert_eq!(text_of(&whole).matches("\"developer\"").count(), 10);
    }
}

fn grown(stage: &Stage, before: &[Value], over: Over) -> Vec<Value> {
    let inputs = stage.inputs();
    let now = inputs.last().unwrap().as_array().unwrap().clone();
    assert!(now.len() > before.len(), "{over:?}");
    for (at, (one, other)) in before.iter().zip(&now).enumerate() {
        assert_eq!(one.to_string(), other.to_string(), "{over:?}, item {at}");
    }
    now
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_replaced_in_the_form_it_has() {
    let replace = "echo '{\"hookSpecificOutput\":{\"hookEventName\":\"PostToolUse\",\
        \"updatedToolOutput\":\"hidden\"}}'";
    for over in ALL {
        let settings = hooks(&[("PostToolUse", "", replace)]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let mut client = stage.client(over);
        let list = json!([{"type": "input_text", "text": "key=1"}]);
        let custom = json!({"type": "custom_tool_call_output", "call_id": "c3", "output": list});
        let items = json!([output("c1", "key=1"), output("c2", list), custom]);
        for _ in 0..2 {
            client.ask(turn(items.clone())).await;
        }
        let hidden = json!([{"type": "input_text", "text": "hidden"}]);
        for sent in stage.inputs() {
            assert_eq!(sent[0]["output"], "hidden", "{over:?}");
            assert_eq!(sent[1]["output"], hidden, "{over:?}");
            assert_eq!(sent[2]["output"], hidden, "{over:?}");
        }
        assert_eq!(stage.inputs().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_compaction_is_refused() {
    for over in ALL {
        let settings = hooks(&[("PreCompact", "", "echo keep it >&2; exit 2")]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let mut client = stage.client(over);
        let ask = crate::stage::of_kind("compaction", "user", json!([prompt("p1", "one")]));
        let said = client.ask(ask).await;
        assert_eq!(reason(over, &said), "keep it", "{over:?}");
        assert_eq!(stage.inputs().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn context_of_the_session_and_the_prompt_stands_behind_the_prompt() {
    for over in ALL {
        let settings = hooks(&[
            ("SessionStart", "startup", "echo of the session"),
            ("UserPromptSubmit", "", "echo of the prompt"),
        ]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let mut client = stage.client(over);
        let environment = json!({"type": "message", "role": "user", "id": "e1", "content":
            [{"type": "input_text", "text": "<environment_context>\n</environment_context>"}]});
        client
            .ask(turn(json!([environment, prompt("p1", "one")])))
            .await;
        let sent = &stage.inputs()[0];
        assert_eq!(sent[1], prompt("p1", "one"), "{over:?} {sent:#}");
        assert_eq!(sent[2]["content"][0]["text"], "of the session");
        assert_eq!(sent[3]["content"][0]["text"], "of the prompt");
    }
}
