use bytes::Bytes;
use codex_plus_wire::patch::Patch;
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::TurnKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::history::write_line;

fn message(id: usize, role: &str) -> Value {
    json!({"id": format!("msg_{id}"), "type": "message", "role": role,
        "content": [{"type": "input_text", "text": format!("text {id}")}]})
}

fn replayed(history: &History, body: &Value, kind: TurnKind) -> (Value, Vec<SlotState>) {
    let mut body = RequestBody::parse(Bytes::from(body.to_string())).unwrap();
    let slots = replay(history, &mut body, kind).unwrap();
    assert_eq!(slots.len(), body.items().len());
    let states = slots.iter().map(|slot| slot.state).collect();
    (serde_json::from_slice(body.bytes()).unwrap(), states)
}

fn set_text(text: &str) -> Amendment {
    let path = vec!["content".into(), 0.into(), "text".into()];
    Amendment::edits(vec![Patch::set_text(path, text)])
}

#[test]
fn an_edit_comes_back_with_its_item_whatever_stands_around_it() {
    let history = History::new(1 << 20);
    let key = ItemKey::of_id("msg_1");
    history.remember(key, set_text("edited"));
    history.remember(
        key,
        Amendment::after(Bytes::from_static(b"{\"role\":\"developer\"}")),
    );
    let before = json!({"input": [message(0, "developer"), message(1, "user")]});
    let (first, states) = replayed(&history, &before, TurnKind::Resend);
    assert_eq!(first["input"][1]["content"][0]["text"], "edited");
    assert_eq!(first["input"][2], json!({"role": "developer"}));
    assert_eq!(
        states,
        [SlotState::Fresh, SlotState::Settled, SlotState::Ours]
    );
    let after = json!({"input": [message(0, "developer"), message(1, "user"), message(2, "assistant"), message(3, "user")]});
    let (later, states) = replayed(&history, &after, TurnKind::Prompt);
    let first = first["input"].as_array().unwrap();
    assert!(later["input"].as_array().unwrap().starts_with(first));
    assert_eq!(
        states,
        [
            SlotState::Earlier,
            SlotState::Earlier,
            SlotState::Ours,
            SlotState::Earlier,
            SlotState::Fresh
        ]
    );
}

#[test]
fn what_an_earlier_version_wrote_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let entry = (ItemKey::of_id("msg_1"), Some(set_text("edited").into()));
    let mut line: Value = serde_json::from_slice(&write_line(&entry)).unwrap();
    // It wrote keys without their tags.
    assert!(line.as_object_mut().unwrap().remove("tag").is_some());
    std::fs::write(folder.path().join("history.jsonl"), format!("{line}\n")).unwrap();
    let history = History::kept_in(folder.path(), 1 << 20);
    history.remember(ItemKey::of_id("msg_3"), set_text("edited too"));
    let body = json!({"input": (0..4).map(|id| message(id, "user")).collect::<Vec<_>>()});
    let (got, _) = replayed(&history, &body, TurnKind::Continuation);
    let text = |index: usize| got["input"][index]["content"][0]["text"].clone();
    assert_eq!(
        [text(0), text(1), text(2), text(3)],
        ["text 0", "edited", "text 2", "edited too"]
    );
}

#[test]
fn an_item_without_an_id_is_known_by_what_stands_before_it() {
    let plain = |text: &str| json!({"role": "user", "content": text});
    let answer = json!({"role": "assistant", "content": "yes"});
    let history = History::new(1 << 20);
    let body = RequestBody::parse(json!({"input": [plain("hi")]}).to_string().into()).unwrap();
    let edit = Amendment::edits(vec![Patch::set_text(vec!["content".into()], "HI")]);
    history.remember(nameless(body.items())[0].unwrap(), edit);
    let (later, _) = replayed(
        &history,
        &json!({"input": [plain("hi"), answer, plain("hi")]}),
        TurnKind::Prompt,
    );
    assert_eq!(later["input"][0]["content"], "HI");
    assert_eq!(later["input"][2]["content"], "hi");
    // The same words as a prompt of their own are not a resend.
    let (again, states) = replayed(&history, &json!({"input": [plain("hi")]}), TurnKind::Prompt);
    assert_eq!(again["input"][0]["content"], "hi");
    assert_eq!(states, [SlotState::Fresh]);
}

#[test]
fn a_plain_string_becomes_a_list_when_it_gets_company() {
    let history = History::new(1 << 20);
    let body = json!({"input": "hello"});
    let parsed = RequestBody::parse(body.to_string().into()).unwrap();
    let key = nameless(parsed.items())[0].unwrap();
    history.remember(
        key,
        Amendment::after(Bytes::from_static(b"{\"role\":\"developer\"}")),
    );
    let (got, _) = replayed(&history, &body, TurnKind::Continuation);
    let user = json!({"type": "message", "role": "user", "content": "hello"});
    assert_eq!(got["input"], json!([user, {"role": "developer"}]));
}

proptest! {
    #[test]
    fn any_items_may_be_left_out_edited_or_joined(
        count in 1..7_usize,
        removed in prop::collection::vec(any::<bool>(), 7),
        edited in prop::collection::vec(any::<bool>(), 7),
        joined in prop::collection::vec(any::<bool>(), 7),
    ) {
        let history = History::new(1 << 20);
        let mut expected = Vec::new();
        for id in 0..count {
            let key = ItemKey::of_id(&format!("msg_{id}"));
            let mut item = message(id, "user");
            if edited[id] {
                history.remember(key, set_text("edited"));
                item["content"][0]["text"] = json!("edited");
            }
            if joined[id] {
                history.remember(key, Amendment { before: vec!["1".into()], after: vec!["2".into(), "3".into()], ..Amendment::default() });
            }
            if removed[id] {
                history.remember(key, Amendment::removed("no"));
            } else if joined[id] {
                expected.extend([json!(1), item, json!(2), json!(3)]);
            } else {
                expected.push(item);
            }
        }
        let input: Vec<Value> = (0..count).map(|id| message(id, "user")).collect();
        let (got, states) = replayed(&history, &json!({"model": "m", "input": input, "stream": true}), TurnKind::Continuation);
        prop_assert_eq!(&got["input"], &Value::from(expected));
        prop_assert_eq!(states.len(), got["input"].as_array().unwrap().len());
    }
}
