//! What requests are, on the shapes Codex 0.169.0 sends and on those of other clients.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use bytes::Bytes;
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::{Turn, TurnKind, TurnMetadata};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read_with(body: &Value, metadata: Option<&str>, subagent: Option<&str>, seen: &[&str]) -> Turn {
    let body = RequestBody::parse(Bytes::from(body.to_string())).unwrap();
    Turn::read(&body, metadata, subagent, &|id| seen.contains(&id))
}

fn metadata(kind: &str, source: &str) -> String {
    json!({"session_id": "s", "thread_id": "t", "turn_id": "u", "request_kind": kind,
        "thread_source": source, "workspaces": {"/repo": {"dirty": true}}})
    .to_string()
}

fn read(input: &Value, seen: &[&str]) -> Turn {
    let body = json!({"model": "gpt-5.5", "stream": true, "input": input,
        "client_metadata": {"x-codex-turn-metadata": metadata("turn", "user")}});
    read_with(&body, None, None, seen)
}

fn user(id: &str, text: &str) -> Value {
    json!({"type": "message", "role": "user", "id": id, "content": [{"type": "input_text", "text": text}]})
}

fn context() -> Value {
    json!({"type": "message", "role": "user", "id": "msg_ctx", "content": [
        {"type": "input_text", "text": "# AGENTS.md instructions for /repo\n<INSTRUCTIONS>..</INSTRUCTIONS>"},
        {"type": "input_text", "text": "<environment_context>\n  <cwd>/repo/sub dir</cwd>\n</environment_context>"}]})
}

fn developer() -> Value {
    json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "You are"}]})
}

fn call() -> Value {
    json!({"type": "function_call", "name": "shell", "call_id": "c", "arguments": "{}"})
}

fn output() -> Value {
    json!({"type": "function_call_output", "call_id": "c", "output": "ok"})
}

fn answer() -> Value {
    json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]})
}

#[test]
fn the_first_prompt() {
    let turn = read(
        &json!([
            developer(),
            developer(),
            context(),
            user("p1", "fix \"it\"")
        ]),
        &[],
    );
    assert_eq!(turn.kind, TurnKind::Prompt);
    let prompt = turn.prompt.unwrap();
    assert_eq!(
        (prompt.item, prompt.id.as_deref(), prompt.text.as_str()),
        (3, Some("p1"), "fix \"it\"")
    );
    assert_eq!(turn.cwd.as_deref(), Some("/repo/sub dir"));
    assert_eq!(turn.metadata.workspaces, ["/repo"]);
    assert!(
        !format!("{prompt:?}").contains("fix"),
        "prompts stay out of logs"
    );
}

#[test]
fn code_mode() {
    let tools = json!({"type": "additional_tools", "tools": []});
    let exec = json!({"type": "custom_tool_call", "name": "exec", "call_id": "c", "input": "await tools.exec_command({cmd:'ls'})"});
    let out = json!({"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]});
    let start = [tools, developer(), context(), user("p1", "list")];
    assert_eq!(read(&json!(start), &[]).kind, TurnKind::Prompt);
    let goes_on: Vec<Value> = start.into_iter().chain([exec, out]).collect();
    let turn = read(&json!(goes_on), &["p1"]);
    assert_eq!(
        (turn.kind, turn.prompt.unwrap().item),
        (TurnKind::Continuation, 3)
    );
}

#[test]
fn the_life_of_a_turn() {
    let start = [developer(), context(), user("p1", "go")];
    let with = |more: &[Value]| json!(start.iter().chain(more).collect::<Vec<_>>());
    assert_eq!(read(&with(&[]), &["p1"]).kind, TurnKind::Resend);
    assert_eq!(
        read(&with(&[call(), output()]), &["p1"]).kind,
        TurnKind::Continuation
    );
    // After a restart of the proxy nothing was seen, and still this is no new prompt.
    assert_eq!(
        read(&with(&[call(), output()]), &[]).kind,
        TurnKind::Continuation
    );
    // Typing while a tool runs: a new item in the same turn, maybe in front of the output.
    assert_eq!(
        read(&with(&[call(), output(), user("p2", "stop")]), &["p1"]).kind,
        TurnKind::Prompt
    );
    assert_eq!(
        read(&with(&[call(), user("p2", "stop"), output()]), &["p1"]).kind,
        TurnKind::Prompt
    );
    // Hooks and skills append behind the prompt.
    let hook = user("h1", "<hook_prompt id=\"1\">mind the tests</hook_prompt>");
    let skill = user("k1", "<skill>\n<name>x</name></skill>");
    let next = with(&[answer(), user("p2", "more"), hook, skill, developer()]);
    let turn = read(&next, &["p1"]);
    assert_eq!(
        (turn.kind, turn.prompt.unwrap().item),
        (TurnKind::Prompt, 4)
    );
    let shell = user("s1", "<user_shell_command>ls</user_shell_command>");
    assert_eq!(
        read(&with(&[answer(), shell]), &["p1"]).kind,
        TurnKind::Continuation
    );
}

#[test]
fn the_kinds_the_client_names_decide() {
    let item = |text: &str, kinds: &[&str]| {
        json!({"type": "message", "role": "user", "id": "p1",
            "content": [{"type": "input_text", "text": "<image name=[1]>"}, {"type": "input_text", "text": text}],
            "internal_chat_message_metadata_passthrough": {"content_item_kinds": kinds}})
    };
    // A user may write what looks like context.
    let turn = read(
        &json!([item("<skill> is a tag", &["user.image", "user.text"])]),
        &[],
    );
    assert_eq!(
        (turn.kind, turn.prompt.unwrap().text.as_str()),
        (TurnKind::Prompt, "<skill> is a tag")
    );
    let turn = read(
        &json!([item("looks like text", &["context", "context"])]),
        &[],
    );
    assert_eq!((turn.kind, turn.prompt), (TurnKind::Other, None));
    // Kinds that do not match the parts are not trusted with the place.
    let turn = read(&json!([item("text", &["user.text"])]), &[]);
    assert_eq!(turn.prompt.unwrap().text, "text");
}

#[test]
fn requests_that_are_not_the_users() {
    let input = json!([developer(), context(), user("p1", "go")]);
    let kind = |metadata: &str, subagent| {
        read_with(&json!({"input": input}), Some(metadata), subagent, &[]).kind
    };
    assert_eq!(kind(&metadata("turn", "user"), None), TurnKind::Prompt);
    assert_eq!(
        kind(&metadata("turn", "thread_title"), None),
        TurnKind::Title
    );
    assert_eq!(
        kind(&metadata("turn", "subagent"), None),
        TurnKind::Subagent
    );
    assert_eq!(
        kind(&metadata("turn", "user"), Some("review")),
        TurnKind::Subagent
    );
    assert_eq!(kind(&metadata("prewarm", "user"), None), TurnKind::Prewarm);
    assert_eq!(
        kind(&metadata("compaction", "user"), None),
        TurnKind::Compaction
    );
    assert_eq!(kind(&metadata("memory", "user"), None), TurnKind::Other);
    assert_eq!(kind("{}", None), TurnKind::Prompt);
    let prewarm = json!({"type": "response.create", "generate": false, "input": input});
    let turn = read_with(&prewarm, None, None, &[]);
    assert_eq!((turn.kind, turn.prompt), (TurnKind::Prewarm, None));
    let titles = Turn::from_head(Some(&metadata("turn", "thread_title")), None);
    assert_eq!(titles.kind, TurnKind::Title);
    assert_eq!(
        Turn::from_head(Some(&metadata("turn", "user")), None).kind,
        TurnKind::Other
    );
}

#[test]
fn the_metadata_in_the_body_goes_before_the_handshakes() {
    let body = json!({"input": [user("p1", "go")],
        "client_metadata": {"x-codex-turn-metadata": metadata("turn", "user")}});
    let turn = read_with(&body, Some(&metadata("prewarm", "user")), None, &[]);
    assert_eq!(turn.kind, TurnKind::Prompt);
}

#[test]
fn compaction() {
    let trigger = json!({"type": "compaction_trigger"});
    assert_eq!(
        read(&json!([user("p1", "go"), answer(), trigger]), &["p1"]).kind,
        TurnKind::Compaction
    );
    let ask = user(
        "x",
        "You are performing a CONTEXT CHECKPOINT COMPACTION. Create a summary.",
    );
    assert_eq!(
        read(&json!([user("p1", "go"), answer(), ask]), &["p1"]).kind,
        TurnKind::Compaction
    );
    let compacted = json!({"type": "compaction", "encrypted_content": "..."});
    assert_eq!(
        read(&json!([user("p1", "go"), compacted]), &["p1"]).kind,
        TurnKind::Continuation
    );
    let turn = read(
        &json!([user("p1", "go"), compacted, user("p2", "on")]),
        &["p1"],
    );
    assert_eq!(turn.kind, TurnKind::Prompt);
    // Without ids a summary stands for an answer.
    let no_id = |text: &str| json!({"role": "user", "content": text});
    let summary =
        no_id("Another language model started to solve this problem and produced a summary");
    let turn = read_with(&json!({"input": [no_id("go"), summary]}), None, None, &[]);
    assert_eq!(turn.kind, TurnKind::Continuation);
}

#[test]
fn only_new_items_over_websocket() {
    let body = json!({"type": "response.create", "previous_response_id": "r", "input": [output()]});
    let turn = read_with(&body, None, None, &[]);
    assert_eq!((turn.kind, turn.prompt), (TurnKind::Continuation, None));
    let body = json!({"type": "response.create", "previous_response_id": "r", "input": [user("p2", "on")]});
    assert_eq!(read_with(&body, None, None, &["p1"]).kind, TurnKind::Prompt);
}

#[test]
fn clients_without_ids_are_judged_by_position() {
    let read = |body: Value| read_with(&body, None, None, &[]);
    assert_eq!(
        read(json!({"input": "just this"})).prompt.unwrap().text,
        "just this"
    );
    let messages = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yo"}, {"role": "user", "content": [{"type": "text", "text": "more"}]}]);
    let turn = read(json!({"messages": messages}));
    assert_eq!(
        (turn.kind, turn.prompt.unwrap().text.as_str()),
        (TurnKind::Prompt, "more")
    );
    let tool = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "", "tool_calls": []},
        {"role": "tool", "content": "out"}]);
    assert_eq!(read(json!({"messages": tool})).kind, TurnKind::Continuation);
    let result = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": []},
        {"role": "user", "content": [{"type": "tool_result", "content": "out"}, {"type": "text", "text": "note"}]}]);
    let turn = read(json!({"messages": result}));
    assert_eq!(
        (turn.kind, turn.prompt.unwrap().text.as_str()),
        (TurnKind::Continuation, "hi")
    );
    let picture =
        json!([{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}]);
    let turn = read(json!({"input": picture}));
    assert_eq!((turn.kind, turn.prompt), (TurnKind::Prompt, None));
    assert_eq!(read(json!({"input": []})).kind, TurnKind::Other);
}

#[test]
fn the_newest_working_directory_counts() {
    let moved = user(
        "e2",
        "<environment_context><cwd>/other</cwd></environment_context>",
    );
    let turn = read(
        &json!([context(), user("p1", "a"), answer(), moved, user("p2", "b")]),
        &["p1"],
    );
    assert_eq!(turn.cwd.as_deref(), Some("/other"));
    // A prompt that quotes the tag says nothing about the directory.
    let quoted = user("p1", "what is <environment_context><cwd>/evil</cwd>?");
    assert_eq!(
        read(&json!([context(), quoted]), &[]).cwd.as_deref(),
        Some("/repo/sub dir")
    );
}

#[test]
fn metadata_of_the_wrong_type_is_absent() {
    let parsed = TurnMetadata::parse(r#"{"turn_id":7,"thread_id":"t","workspaces":[1],"new":{}}"#);
    let expected = TurnMetadata {
        thread_id: Some("t".into()),
        ..TurnMetadata::default()
    };
    assert_eq!(parsed, Some(expected));
    assert_eq!(TurnMetadata::parse("[]"), None);
    assert_eq!(
        TurnMetadata::parse(r#"{"turn_id":"x"} "#)
            .unwrap()
            .turn_id
            .as_deref(),
        Some("x")
    );
}

proptest! {
    /// Whatever the conversation: the prompt points at its own text.
    #[test]
    fn the_span_of_a_prompt_is_its_text(
        picks in prop::collection::vec(0_usize..7, 0..10),
        text in any::<String>(),
        seen in any::<bool>(),
    ) {
        let pool = [context(), developer(), call(), output(), answer(), user("p", &text), json!(3)];
        let input: Vec<&Value> = picks.iter().map(|pick| &pool[*pick]).collect();
        let body = RequestBody::parse(Bytes::from(json!({"input": input}).to_string())).unwrap();
        let turn = Turn::read(&body, None, None, &|_| seen);
        if let Some(prompt) = &turn.prompt {
            let literal: String = serde_json::from_slice(&body.bytes()[prompt.text_span.clone()]).unwrap();
            prop_assert_eq!(&literal, &prompt.text);
            prop_assert_eq!(prompt.item, picks.iter().rposition(|pick| *pick == 5).unwrap());
        }
        prop_assert!(!(seen && turn.kind == TurnKind::Prompt && turn.prompt.is_some()));
    }

    #[test]
    fn arbitrary_metadata_never_panics(json in any::<String>()) {
        let _ = TurnMetadata::parse(&json);
    }
}
