//! Response events: kinds at a glance, typed views, spans.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use codex_plus_wire::event::{
    CallKind, EventKind, EventKinds, OutputItem, ResponseEvent, Usage, outputs,
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn kinds_at_a_glance() {
    let kind = |data: &str| EventKind::peek(data.as_bytes());
    assert_eq!(
        kind(r#"{"type":"response.output_text.delta","del"#),
        EventKind::TextDelta
    );
    assert_eq!(kind("\n{ \"type\" : \"error\"}"), EventKind::Error);
    assert_eq!(
        kind(r#"{"a":{"type":"error"},"type":"response.completed"}"#),
        EventKind::Completed
    );
    assert_eq!(
        kind(r#"{"type":"response\u002efailed"}"#),
        EventKind::Failed
    );
    for other in [
        "[DONE]",
        "",
        "{",
        r#"{"type":7}"#,
        r#"{"type":"response.new"}"#,
        r#"{"a":"#,
    ] {
        assert_eq!(kind(other), EventKind::Other, "{other}");
    }
}

#[test]
fn sets_of_kinds() {
    let set = EventKinds::EMPTY
        .with(EventKind::Completed)
        .union(EventKinds::EMPTY.with(EventKind::Other));
    assert!(set.contains(EventKind::Completed) && set.contains(EventKind::Other));
    assert!(!set.contains(EventKind::Created) && EventKinds::EMPTY.is_empty() && !set.is_empty());
    assert!(
        EventKinds::ALL.contains(EventKind::Created) && EventKinds::ALL.contains(EventKind::Other)
    );
}

#[test]
fn a_delta_can_be_replaced_in_place() {
    let data = r#"{"type":"response.output_text.delta","x":1,"item_id":"m","output_index":2,"content_index":0,"delta":"a\"b"}"#;
    let Ok(ResponseEvent::Delta(EventKind::TextDelta, delta)) =
        ResponseEvent::parse(data.as_bytes())
    else {
        panic!("not a delta");
    };
    let text = delta.text.unwrap();
    assert_eq!(
        (text.text.as_ref(), &data[text.span]),
        ("a\"b", r#""a\"b""#)
    );
    assert_eq!(
        (delta.item_id.as_deref(), delta.output_index),
        (Some("m"), Some(2))
    );
}

#[test]
fn calls_of_every_kind() {
    let read = |item: Value| {
        let data = json!({"type": "response.output_item.done", "output_index": 1, "item": item})
            .to_string();
        let Ok(ResponseEvent::ItemDone(item)) = ResponseEvent::parse(data.as_bytes()) else {
            panic!("not an item");
        };
        let call = item.call.unwrap();
        let input = call.input.unwrap();
        let raw = data[input.span.clone()].to_owned();
        (
            call.kind,
            call.name.map(String::from),
            call.call_id.map(String::from),
            input.text.into_owned(),
            raw,
        )
    };
    let found = read(
        json!({"type": "function_call", "id": "f", "name": "shell", "call_id": "c", "arguments": "{\"a\":1}"}),
    );
    assert_eq!(
        found,
        (
            CallKind::Function,
            Some("shell".into()),
            Some("c".into()),
            "{\"a\":1}".into(),
            r#""{\"a\":1}""#.into()
        )
    );
    let found =
        read(json!({"type": "custom_tool_call", "name": "exec", "call_id": "c", "input": "x\ny"}));
    assert_eq!(
        (found.0, found.3.as_str(), found.4.as_str()),
        (CallKind::CustomTool, "x\ny", r#""x\ny""#)
    );
    let found =
        read(json!({"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}}));
    assert_eq!(
        (found.0, found.1, found.3.as_str()),
        (CallKind::LocalShell, None, r#"{"command":["ls"]}"#)
    );
}

#[test]
fn the_items_of_a_whole_answer() {
    let text = json!({"type": "output_text", "text": "o\"ne"});
    let refusal = json!({"type": "refusal", "refusal": "no"});
    let message = |content: Value| json!({"type": "message", "role": "assistant", "id": "m", "content": content});
    let items = [
        json!({"type": "reasoning", "id": "r", "summary": []}),
        message(json!([text, text])),
        message(json!([refusal, text])),
        message(json!("a string")),
        json!(7),
    ];
    let data = json!({"type": "response.completed", "response": {"usage": {"output": [1]}, "output": items}, "x": {"output": []}});
    let data = data.to_string();
    let found = outputs(data.as_bytes());
    let raw: Vec<Value> = found
        .iter()
        .map(|item| serde_json::from_str(&data[item.span.clone()]).unwrap())
        .collect();
    assert_eq!(raw, items);
    let begins = found.iter().map(|item| item.begins_with_text);
    assert_eq!(
        begins.collect::<Vec<_>>(),
        [false, true, false, false, false]
    );
    let OutputItem { role, texts, .. } = &found[1];
    assert_eq!((role.as_deref(), texts.len()), (Some("assistant"), 2));
    assert_eq!(&data[texts[0].span.clone()], r#""o\"ne""#);
    assert_eq!(found[2].texts.len(), 1);
    // Of duplicates the last one counts, and what breaks off has no items.
    let twice = r#"{"response":{"output":[{"id":"a"}]},"response":{"output":[],"output":[{"id":"b"},{"id":"c"}]}}"#;
    let ids = |data: &str| -> Vec<String> {
        let items = outputs(data.as_bytes()).into_iter();
        items
            .filter_map(|item| Some(item.id?.into_owned()))
            .collect()
    };
    assert_eq!(ids(twice), ["b", "c"]);
    assert!(ids(&twice[..twice.len() - 3]).is_empty());
    assert!(ids(r#"{"response":{"output":[{"id":"b"}]},"response":null}"#).is_empty());
}

#[test]
fn messages_and_ends() {
    let message = json!({"type": "response.output_item.done", "item": {"type": "message", "id": "m",
        "content": [{"type": "output_text", "text": "one"}, {"type": "output_text", "text": "two"}]}}).to_string();
    let Ok(ResponseEvent::ItemDone(item)) = ResponseEvent::parse(message.as_bytes()) else {
        panic!()
    };
    assert_eq!(
        item.texts.iter().map(|t| &*t.text).collect::<Vec<_>>(),
        ["one", "two"]
    );
    assert!(item.call.is_none() && message[item.span].starts_with('{'));

    let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 8},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 15});
    let completed = json!({"type": "response.completed", "response": {"id": "r", "usage": usage,
        "output": [{"type": "message"}, {"type": "function_call"}]}})
    .to_string();
    let Ok(ResponseEvent::Completed(end)) = ResponseEvent::parse(completed.as_bytes()) else {
        panic!()
    };
    assert_eq!(
        (end.response_id.as_deref(), end.has_call),
        (Some("r"), true)
    );
    assert_eq!(
        end.usage,
        Some(Usage {
            input: 10,
            cached: 8,
            output: 5,
            reasoning: 3,
            total: 15
        })
    );
    // Codex is content with an id alone.
    let Ok(ResponseEvent::Completed(end)) = ResponseEvent::parse(
        br#"{"type":"response.completed","response":{"id":"r","usage":null}}"#,
    ) else {
        panic!()
    };
    assert_eq!((end.usage, end.has_call), (None, false));
}

#[test]
fn failures_of_every_shape() {
    let read = |data: &str| match ResponseEvent::parse(data.as_bytes()).unwrap() {
        ResponseEvent::Failed(f) | ResponseEvent::Error(f) => (
            f.code.map(String::from),
            f.message.map(|m| m.text.into_owned()),
            f.status,
        ),
        other => panic!("{other:?}"),
    };
    let is = |code: &str, message: &str, status| {
        (Some(code.to_owned()), Some(message.to_owned()), status)
    };
    assert_eq!(
        read(
            r#"{"type":"response.failed","response":{"id":"r","error":{"code":"invalid_prompt","message":"no"}}}"#
        ),
        is("invalid_prompt", "no", None)
    );
    assert_eq!(
        read(
            r#"{"type":"error","status":429,"error":{"type":"usage_limit_reached","message":"m"}}"#
        ),
        is("usage_limit_reached", "m", Some(429))
    );
    assert_eq!(
        read(r#"{"type":"error","code":"x","message":"m"}"#),
        is("x", "m", None)
    );
}

#[test]
fn what_is_not_an_event_says_where() {
    assert_eq!(ResponseEvent::parse(b"[DONE]").unwrap_err().offset, 0);
    assert_eq!(
        ResponseEvent::parse(b"{\"a\":\"\xff\"}")
            .unwrap_err()
            .offset,
        6
    );
    assert!(ResponseEvent::parse(br#"{"type":"error"} x"#).is_err());
}

const TYPES: [&str; 5] = [
    "response.output_text.delta",
    "response.output_item.done",
    "response.completed",
    "error",
    "new",
];

proptest! {
    #[test]
    fn a_peek_agrees_with_reading(
        kind in prop::sample::select(TYPES.to_vec()),
        before in prop::collection::vec(("[a-z]{1,5}", any::<String>()), 0..3),
        text in any::<String>(),
    ) {
        let mut json = String::from("{");
        for (key, value) in &before {
            json += &[&json!(format!("_{key}")).to_string(), ":", &json!(value).to_string(), ","].concat();
        }
        json += &["\"type\":", &json!(kind).to_string(), ",\"delta\":", &json!(text).to_string(), "}"].concat();
        let event = ResponseEvent::parse(json.as_bytes()).unwrap();
        prop_assert_eq!(event.kind(), EventKind::peek(json.as_bytes()));
        if let ResponseEvent::Delta(_, delta) = event {
            let delta = delta.text.unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json[delta.span]).unwrap(), text.clone());
            prop_assert_eq!(delta.text.as_ref(), text);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = (EventKind::peek(&data), ResponseEvent::parse(&data).is_ok());
    }
}
