//! An edit leaves JSON, and does to the text what the same edit does to a tree.

use bytes::Bytes;
use codex_plus_wire::patch::{Patch, PatchOp, PathPart, apply};
use serde_json::Value;
use serde_json::value::RawValue;

/// A document, and behind its last line break the edits: `[op, path, value]`, or without a value.
pub(crate) fn check(data: &[u8]) {
    let Some(end) = data.iter().rposition(|byte| *byte == b'\n') else {
        return;
    };
    let (document, edits) = (&data[..end], &data[end + 1..]);
    let edits: Vec<Patch> =
        match serde_json::from_slice::<Vec<(PatchOp, Vec<PathPart>, Value)>>(edits) {
            Ok(edits) => edits
                .into_iter()
                .map(|(op, path, value)| Patch {
                    op,
                    path,
                    value: value.to_string().into(),
                })
                .collect(),
            // Values as they come: what is not JSON is refused, not written.
            Err(_) => vec![Patch::set(vec!["a".into()], edits.to_vec())],
        };
    let before = Bytes::copy_from_slice(document);
    let Ok(after) = apply(&before, &edits) else {
        return;
    };
    assert!(serde_json::from_slice::<&RawValue>(&after).is_ok());
    // Of two keys with one name a tree keeps one only.
    let Ok(mut tree) = serde_json::from_slice::<Value>(document) else {
        return;
    };
    if keys_in(document) != keys_of(&tree) {
        return;
    }
    for edit in &edits {
        let Ok(value) = serde_json::from_slice(&edit.value) else {
            return;
        };
        change(&mut tree, edit, value);
    }
    if let Ok(found) = serde_json::from_slice::<Value>(&after) {
        assert_eq!(found, tree);
    }
}

fn change(tree: &mut Value, edit: &Patch, value: Value) {
    let mut way = edit.path.as_slice();
    let end = match (edit.op, way.split_last()) {
        (PatchOp::Append, _) => None,
        (_, Some((end, above))) => {
            way = above;
            Some(end)
        }
        (_, None) => {
            *tree = value;
            return;
        }
    };
    let at = way.iter().fold(tree, |at, part| match part {
        PathPart::Key(key) => at.get_mut(key.as_str()).expect("it was found in the text"),
        PathPart::Index(index) => at.get_mut(*index).expect("it was found in the text"),
    });
    match (at, edit.op, end) {
        (Value::Array(items), PatchOp::Append, None) => items.push(value),
        (Value::Array(items), PatchOp::Set, Some(PathPart::Index(index))) => items[*index] = value,
        (Value::Array(items), PatchOp::Insert, Some(PathPart::Index(index))) => {
            items.insert(*index, value);
        }
        (Value::Array(items), PatchOp::Remove, Some(PathPart::Index(index))) => {
            items.remove(*index);
        }
        (Value::Object(map), PatchOp::Set, Some(PathPart::Key(key))) => {
            map.insert(key.clone(), value);
        }
        (Value::Object(map), PatchOp::Remove, Some(PathPart::Key(key))) => {
            map.remove(key).expect("it was found in the text");
        }
        (at, op, end) => panic!("{op:?} of {end:?} was done in {at}"),
    }
}

fn keys_of(tree: &Value) -> usize {
    match tree {
        Value::Array(list) => list.iter().map(keys_of).sum(),
        Value::Object(map) => map.len() + map.values().map(keys_of).sum::<usize>(),
        _ => 0,
    }
}

/// Strings that stand before a colon.
fn keys_in(text: &[u8]) -> usize {
    let (mut keys, mut at) = (0, 0);
    while at < text.len() {
        at += 1;
        if text[at - 1] != b'"' {
            continue;
        }
        while at < text.len() && text[at] != b'"' {
            at += 1 + usize::from(text[at] == b'\\');
        }
        at += 1;
        let behind = text.get(at..).unwrap_or_default();
        let next = behind.iter().find(|byte| !byte.is_ascii_whitespace());
        keys += usize::from(next == Some(&b':'));
    }
    keys
}
