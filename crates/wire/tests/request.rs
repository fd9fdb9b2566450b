//! Request bodies: reading agrees with `serde_json`, edits touch nothing else.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use bytes::Bytes;
use codex_plus_wire::request::{BodyError, Dialect, MAX_ITEMS, RequestBody, Role};
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(json: &str) -> RequestBody {
    RequestBody::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

fn refused(json: &str) -> BodyError {
    RequestBody::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap_err()
}

#[test]
fn fields_and_items() {
    let body = parse(
        r#" {"model":"gpt\u002d5.5","stream":true,"generate":false,"type":"response.create",
        "prompt_cache_key":"t1","previous_response_id":"resp_1","unknown":[{"x":[1,2]}],
        "client_metadata":{"a":1,"x-codex-turn-metadata":"{\"turn_id\":\"1\"}"},
        "input":[
          {"type":"message","role":"user","id":"msg_1","content":[
            {"type":"input_text","text":"a\nb"},{"type":"input_image","text":"no"},
            {"text":"plain","type":"text"}],
           "internal_chat_message_metadata_passthrough":{"content_item_kinds":["user.text"]}},
          {"type":"function_call","name":"shell","call_id":"c1","arguments":"{}"},
          {"type":"custom_tool_call","name":"exec","call_id":"c2","input":"await tools.x()"},
          {"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"ok"}]},
          {"role":"assistant","content":"hi"}, 7, null
        ]} "#,
    );
    assert_eq!(body.model().as_deref(), Some("gpt-5.5"));
    assert_eq!((body.stream(), body.generate()), (Some(true), Some(false)));
    assert_eq!(body.message_type().as_deref(), Some("response.create"));
    assert_eq!(body.prompt_cache_key().as_deref(), Some("t1"));
    assert_eq!(body.previous_response_id().as_deref(), Some("resp_1"));
    assert_eq!(body.metadata().as_deref(), Some(r#"{"turn_id":"1"}"#));
    assert_eq!(body.dialect(), Dialect::Responses);
    let items = body.items();
    assert_eq!(items.len(), 7);
    let texts: Vec<_> = items[0]
        .text_parts()
        .into_iter()
        .map(|part| part.text)
        .collect();
    assert_eq!(texts, ["a\nb", "plain"]);
    assert_eq!(items[0].content_item_kinds().unwrap(), ["user.text"]);
    assert_eq!(items[0].id().as_deref(), Some("msg_1"));
    assert_eq!(&body.bytes()[items[1].arguments().unwrap()], b"\"{}\"");
    assert_eq!(
        &body.bytes()[items[2].input().unwrap()],
        b"\"await tools.x()\""
    );
    assert_eq!(items[2].name().as_deref(), Some("exec"));
    assert_eq!(items[3].output_parts()[0].text, "ok");
    assert_eq!(
        (items[4].role(), items[4].kind().as_deref()),
        (Role::Assistant, Some("message"))
    );
    assert_eq!((items[5].role(), items[5].kind()), (Role::Other, None));
    assert_eq!(items[5].raw(), b"7");
}

#[test]
fn plain_input_messages_and_neither() {
    let body = parse(r#"{"input":"say \"hi\""}"#);
    assert_eq!(body.dialect(), Dialect::Responses);
    assert!(body.items()[0].is_plain() && body.items()[0].role() == Role::User);
    assert_eq!(body.items()[0].text_parts()[0].text, "say \"hi\"");
    let body = parse(r#"{"messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!((body.dialect(), body.items().len()), (Dialect::Messages, 1));
    assert_eq!(parse("{}").dialect(), Dialect::Unknown);
    assert_eq!(
        parse(r#"{"input":null,"messages":[]}"#).dialect(),
        Dialect::Messages
    );
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let body = parse(r#"{"model":"a","input":["x"],"model":"b","input":[{"id":"1","id":"2"}]}"#);
    assert_eq!(body.model().as_deref(), Some("b"));
    assert_eq!(body.items().len(), 1);
    assert_eq!(body.items()[0].id().as_deref(), Some("2"));
}

#[test]
fn what_cannot_be_read_says_where() {
    assert_eq!(refused("[]"), BodyError::Malformed { offset: 0 });
    assert_eq!(refused(r#"{"a":1} x"#), BodyError::Malformed { offset: 8 });
    assert!(matches!(
        refused(r#"{"input":[{"a":}]}"#),
        BodyError::Malformed { offset: 15 }
    ));
    let deep = format!(r#"{{"input":[{}{}]}}"#, "[".repeat(130), "]".repeat(130));
    assert!(matches!(refused(&deep), BodyError::Malformed { .. }));
    let latin = RequestBody::parse(Bytes::from_static(b"{\"a\":\"\xe9\"}"));
    assert!(matches!(latin, Err(BodyError::Utf8 { offset: 6 })));
    let many = format!(r#"{{"input":[{}0]}}"#, "0,".repeat(MAX_ITEMS));
    assert_eq!(refused(&many), BodyError::TooManyItems);
}

#[test]
fn edits_become_chunks_of_the_source() {
    let source = Bytes::from_static(br#"{"z":1, "input":[{"content":"old"}], "a":[ ]}"#);
    let mut body = RequestBody::parse(source.clone()).unwrap();
    assert_eq!(body.clone().into_bytes().as_ptr(), source.as_ptr());
    let span = body.items()[0].text_parts()[0].span.clone();
    body.set_text(span.clone(), "new \"text\"").unwrap();
    let end = body.items()[0].span().end;
    body.insert(end, ",1").unwrap();
    body.insert(end, ",2").unwrap();
    assert_eq!(
        body.set_text(span.clone(), "x"),
        Err(BodyError::Overlap { offset: span.start })
    );
    assert_eq!(
        body.insert(span.start + 1, "x"),
        Err(BodyError::Overlap {
            offset: span.start + 1
        })
    );
    assert_eq!(
        body.replace(0..100, "x"),
        Err(BodyError::OutOfRange { end: 100 })
    );
    assert_eq!(
        body.replace(0..span.end, "x"),
        Err(BodyError::Overlap { offset: 0 })
    );
    let expected = r#"{"z":1, "input":[{"content":"new \"text\""},1,2], "a":[ ]}"#;
    assert_eq!(body.len(), expected.len());
    let chunks = body.clone().into_chunks();
    assert_eq!(chunks[0].as_ptr(), source.as_ptr());
    assert_eq!(chunks.concat(), expected.as_bytes());
    assert!(body.is_edited());
    body.commit().unwrap();
    assert!(!body.is_edited());
    assert_eq!(body.items()[0].text_parts()[0].text, "new \"text\"");
    assert_eq!(body.items().len(), 3);
    assert_eq!(body.into_bytes(), expected);
}

#[test]
fn edits_upon_edits_leave_the_rest_where_it_is() {
    let text = r#"{"input":[{"id":"1","content":"a"},{"id":"2","content":"b"}],"model":"m"}"#;
    let source = Bytes::from_static(text.as_bytes());
    let mut body = RequestBody::parse(source.clone()).unwrap();
    for (index, words) in [(1, "longer"), (0, "\"\n"), (1, "c")] {
        let literal = body.items()[index].text_parts()[0].span.clone();
        body.set_text(literal, words).unwrap();
        body.commit().unwrap();
        assert_eq!(body.items()[index].text_parts()[0].text, words);
    }
    assert!(!body.is(&source));
    assert_eq!(body.model().as_deref(), Some("m"));
    let expected =
        r#"{"input":[{"id":"1","content":"\"\n"},{"id":"2","content":"c"}],"model":"m"}"#;
    let own = source.as_ptr_range();
    let chunks = body.clone().into_chunks();
    let kept = chunks.iter().filter(|chunk| own.contains(&chunk.as_ptr()));
    // All but the two literals.
    let kept: usize = kept.map(Bytes::len).sum();
    assert_eq!(kept, text.len() - 6);
    assert_eq!(chunks.concat(), expected.as_bytes());
    for item in body.items() {
        assert_eq!(item.raw(), &body.bytes()[item.span()]);
    }
    assert_eq!(body.into_bytes(), expected);
}

#[test]
fn an_edit_that_breaks_the_body_is_not_committed() {
    let mut body = parse(r#"{"model":"a"}"#);
    body.insert(1, "oops").unwrap();
    assert!(matches!(body.commit(), Err(BodyError::Malformed { .. })));
    assert_eq!(body.model().as_deref(), Some("a"));
    assert!(body.is_edited());
}

/// An item is read for itself once it was edited, but it may be nested no deeper than before.
#[test]
fn an_edited_item_may_be_nested_as_deep_as_any() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (depth, fits) in [(125, true), (126, false)] {
        let mut body = parse(r#"{"input":[{"a":1},2]}"#);
        let span = body.items()[1].span();
        body.replace(span, nested(depth)).unwrap();
        assert_eq!(body.commit().is_ok(), fits, "{depth}");
    }
}

#[test]
fn edits_that_are_dropped_leave_the_body() {
    let mut body = parse(r#"{"input":[1]}"#);
    body.insert(0, "oops").unwrap();
    body.discard();
    assert_eq!(body, parse(r#"{"input":[1]}"#));
}

/// Any JSON value of moderate size.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "model",
        "stream",
        "input",
        "messages",
        "type",
        "role",
        "content",
        "text",
        "id",
        "output",
        "client_metadata",
        "x-codex-turn-metadata",
        "call_id",
        "arguments",
        "prompt_cache_key",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn message() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        any::<String>().prop_map(|text| json!({"type": "input_text", "text": text})),
        value(),
    ];
    prop_oneof![
        prop::collection::vec(part, 0..4).prop_map(|c| json!({"role": "user", "content": c})),
        any::<String>().prop_map(|text| json!({"role": "user", "id": text, "content": text})),
        value(),
    ]
}

fn string(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// The text of a `content`, as a reader of the tree would find it.
fn texts(content: Option<&Value>) -> Vec<String> {
    let text_types = [json!("input_text"), json!("output_text"), json!("text")];
    match content {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(parts)) => parts
            .iter()
            .filter(|part| {
                part.get("type")
                    .is_some_and(|kind| text_types.contains(kind))
            })
            .filter_map(|part| string(part.get("text")))
            .collect(),
        _ => Vec::new(),
    }
}

proptest! {
    #[test]
    fn reads_what_serde_json_reads(
        extra in prop::collection::vec((key(), value()), 0..6),
        items in prop::collection::vec(message(), 0..6),
        pretty in any::<bool>(),
    ) {
        let mut tree: serde_json::Map<String, Value> = extra.into_iter().collect();
        tree.insert("input".into(), Value::from(items));
        let tree = Value::from(tree);
        let json = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
        let json = json.unwrap();
        // Read back, because a number may lose its last digit on the way through text.
        let tree: Value = serde_json::from_str(&json).unwrap();
        let items = tree["input"].as_array().unwrap();
        let body = parse(&json);
        prop_assert_eq!(body.model().map(String::from), string(tree.get("model")));
        prop_assert_eq!(body.message_type().map(String::from), string(tree.get("type")));
        prop_assert_eq!(body.stream(), tree.get("stream").and_then(Value::as_bool));
        let metadata = tree.get("client_metadata").and_then(|m| m.get("x-codex-turn-metadata"));
        prop_assert_eq!(body.metadata().map(String::from), string(metadata));
        prop_assert_eq!(body.items().len(), items.len());
        for (item, tree) in body.items().iter().zip(items) {
            prop_assert_eq!(&serde_json::from_slice::<Value>(item.raw()).unwrap(), tree);
            prop_assert_eq!(item.id().map(String::from), string(tree.get("id")));
            let found: Vec<_> = item.text_parts().into_iter().map(|p| p.text.into_owned()).collect();
            prop_assert_eq!(found, texts(tree.get("content")));
        }
    }

    #[test]
    fn an_edit_of_one_text_leaves_every_other_byte(
        items in prop::collection::vec(message(), 1..6),
        new in any::<String>(),
        pick in any::<prop::sample::Index>(),
    ) {
        let json = serde_json::to_string_pretty(&json!({"z": 1, "input": items, "a": 2.50})).unwrap();
        let mut body = parse(&json);
        let spans: Vec<_> = body.items().iter().flat_map(codex_plus_wire::request::Item::text_parts)
            .map(|part| part.span).collect();
        prop_assume!(!spans.is_empty());
        let span = pick.get(&spans).clone();
        body.set_text(span.clone(), &new).unwrap();
        let expected = [&json[..span.start], &serde_json::to_string(&new).unwrap(), &json[span.end..]].concat();
        prop_assert_eq!(body.len(), expected.len());
        prop_assert_eq!(body.clone().into_chunks().concat(), expected.as_bytes());
        body.commit().unwrap();
        prop_assert_eq!(body.into_bytes(), expected);
    }

    /// Only what was edited is read again, so the whole is compared with a reading of its own.
    #[test]
    fn an_edited_body_reads_as_if_it_were_new(
        items in prop::collection::vec(message(), 0..6),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8, message()), 1..5),
        pretty in any::<bool>(),
        rounds in 1..3_u8,
    ) {
        let tree = json!({"model": "m", "input": items, "stream": true, "type": "é"});
        let json = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
        let mut body = parse(&json.unwrap());
        for _ in 0..rounds {
            for (pick, kind, new) in &edits {
                let items = body.items().to_vec();
                if items.is_empty() {
                    break;
                }
                let index = pick.index(items.len());
                let span = items[index].span();
                let new = new.to_string();
                let text = items[index].text_parts().pop().map(|part| part.span);
                // Some overlap, and are refused.
                let _ = match kind {
                    0 => body.replace(span, new),
                    1 => body.insert(span.start, new + ","),
                    2 => body.insert(span.end, format!(",{new}")),
                    3 => match items.get(index + 1) {
                        Some(next) => body.replace(span.start..next.span().start, ""),
                        None if index > 0 => body.replace(items[index - 1].span().end..span.end, ""),
                        None => body.replace(span, ""),
                    },
                    4 | 5 => text.map_or(Ok(()), |text| body.set_text(text, &new)),
                    6 => body.insert(span.end, new),
                    _ => body.insert(1, "\"model\":\"n\","),
                };
            }
            let whole = RequestBody::parse(body.clone().into_bytes());
            let edited = body.commit();
            prop_assert_eq!(whole.as_ref().err(), edited.as_ref().err());
            let Ok(whole) = whole else { break };
            prop_assert_eq!(&body, &whole);
        }
    }

    #[test]
    fn arbitrary_edits_never_panic_or_lose_bytes(
        edits in prop::collection::vec((0_usize..40, 0_usize..10, "[a-z]{0,5}"), 0..12),
    ) {
        let json = r#"{"input":[1,2,3],"model":"abcdef"}"#;
        let mut body = parse(json);
        let mut accepted: Vec<(usize, usize, String)> = Vec::new();
        for (start, len, new) in edits {
            if body.replace(start..start + len, new.clone()).is_ok() {
                accepted.push((start, start + len, new));
            }
        }
        // Applying them from the back to a copy is the definition.
        accepted.sort_by_key(|(start, end, _)| (*start, *end));
        let mut flat = json.to_owned();
        for (start, end, new) in accepted.iter().rev() {
            flat.replace_range(*start..*end, new);
        }
        prop_assert_eq!(body.len(), flat.len());
        prop_assert_eq!(body.into_bytes(), flat);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RequestBody::parse(Bytes::from(bytes));
    }
}
