use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn edited(document: &str, edits: &[Patch]) -> Result<String, PatchError> {
    apply(&Bytes::from(document.to_owned()), edits)
        .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn path(text: &str) -> Vec<PathPart> {
    text.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse()
                .map_or_else(|_| PathPart::from(part), PathPart::Index)
        })
        .collect()
}

fn edit(op: PatchOp, at: &str, value: &str) -> Patch {
    Patch {
        op,
        path: path(at),
        value: Bytes::from(value.to_owned()),
    }
}

#[test]
fn an_edit_leaves_every_other_byte() {
    let document = r#"{ "a" : [ 1 , {"b":"x"} ] , "c":1e2 }"#;
    for (op, at, value, expected) in [
        (
            PatchOp::Set,
            "a/1/b",
            "\"y\"",
            r#"{ "a" : [ 1 , {"b":"y"} ] , "c":1e2 }"#,
        ),
        (
            PatchOp::Set,
            "a/1/d",
            "2",
            r#"{ "a" : [ 1 , {"b":"x","d":2} ] , "c":1e2 }"#,
        ),
        (
            PatchOp::Set,
            "d",
            "null",
            r#"{ "a" : [ 1 , {"b":"x"} ] , "c":1e2,"d":null }"#,
        ),
        (
            PatchOp::Insert,
            "a/0",
            "0",
            r#"{ "a" : [ 0,1 , {"b":"x"} ] , "c":1e2 }"#,
        ),
        (
            PatchOp::Insert,
            "a/2",
            "3",
            r#"{ "a" : [ 1 , {"b":"x"},3 ] , "c":1e2 }"#,
        ),
        (
            PatchOp::Append,
            "a",
            "3",
            r#"{ "a" : [ 1 , {"b":"x"},3 ] , "c":1e2 }"#,
        ),
        (
            PatchOp::Remove,
            "a/0",
            "",
            r#"{ "a" : [ {"b":"x"} ] , "c":1e2 }"#,
        ),
        (PatchOp::Remove, "a/1", "", r#"{ "a" : [ 1 ] , "c":1e2 }"#),
        (
            PatchOp::Remove,
            "a/1/b",
            "",
            r#"{ "a" : [ 1 , {} ] , "c":1e2 }"#,
        ),
        (PatchOp::Remove, "c", "", r#"{ "a" : [ 1 , {"b":"x"} ] }"#),
        (PatchOp::Set, "", "[]", "[]"),
    ] {
        assert_eq!(
            edited(document, &[edit(op, at, value)]).unwrap(),
            expected,
            "{op:?} {at}"
        );
    }
}

#[test]
fn what_is_not_there_or_no_json_is_refused() {
    let document = r#"{"a":[1]}"#;
    for (op, at, value) in [
        (PatchOp::Set, "b/c", "1"),
        (PatchOp::Set, "a/1", "1"),
        (PatchOp::Insert, "a/2", "1"),
        (PatchOp::Insert, "a/b", "1"),
        (PatchOp::Append, "", "1"),
        (PatchOp::Remove, "b", ""),
        (PatchOp::Remove, "a/3", ""),
        (PatchOp::Remove, "", ""),
    ] {
        assert!(
            matches!(
                edited(document, &[edit(op, at, value)]),
                Err(PatchError::Path(_))
            ),
            "{op:?} {at}"
        );
    }
    assert_eq!(
        edited(document, &[edit(PatchOp::Set, "a", "1,2")]),
        Err(PatchError::NotJson)
    );
    assert_eq!(
        edited("[1", &[edit(PatchOp::Set, "0", "1")]),
        Err(PatchError::NotJson)
    );
}

#[test]
fn a_key_may_hold_escapes_and_stand_twice() {
    let document = "{\"a\\\"b\":1,\"a\\\"b\":2}";
    let set = Patch::set(vec![PathPart::from("a\"b")], "3");
    assert_eq!(
        edited(document, &[set]).unwrap(),
        "{\"a\\\"b\":1,\"a\\\"b\":3}"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every place of a document.
fn places(value: &Value, at: &mut Vec<PathPart>, found: &mut Vec<Vec<PathPart>>) {
    found.push(at.clone());
    let children: Vec<(PathPart, &Value)> = match value {
        Value::Array(array) => array
            .iter()
            .enumerate()
            .map(|(i, v)| (i.into(), v))
            .collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.as_str().into(), v)).collect(),
        _ => Vec::new(),
    };
    for (part, child) in children {
        at.push(part);
        places(child, at, found);
        at.pop();
    }
}

/// The same edit on a tree.
fn on_tree(document: &mut Value, edit: &Patch) -> Option<()> {
    let value: Value = serde_json::from_slice(&edit.value).unwrap_or(Value::Null);
    let pointer = |parts: &[PathPart]| {
        parts
            .iter()
            .map(|part| match part {
                PathPart::Index(index) => format!("/{index}"),
                PathPart::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            })
            .collect::<String>()
    };
    if edit.op == PatchOp::Append {
        document
            .pointer_mut(&pointer(&edit.path))?
            .as_array_mut()?
            .push(value);
        return Some(());
    }
    let Some((last, before)) = edit.path.split_last() else {
        *document = value;
        return (edit.op == PatchOp::Set).then_some(());
    };
    match (edit.op, document.pointer_mut(&pointer(before))?, last) {
        (PatchOp::Set, Value::Object(map), PathPart::Key(key)) => {
            map.insert(key.clone(), value);
        }
        (PatchOp::Remove, Value::Object(map), PathPart::Key(key)) => {
            map.remove(key)?;
        }
        (PatchOp::Set, Value::Array(array), PathPart::Index(at)) => *array.get_mut(*at)? = value,
        (PatchOp::Insert, Value::Array(array), PathPart::Index(at)) => {
            (*at <= array.len()).then(|| array.insert(*at, value))?;
        }
        (PatchOp::Remove, Value::Array(array), PathPart::Index(at)) => {
            (*at < array.len()).then(|| array.remove(*at))?;
        }
        _ => return None,
    }
    Some(())
}

proptest! {
    #[test]
    fn bytes_and_trees_agree(
        document in any_json(),
        value in any_json(),
        op in prop_oneof![Just(PatchOp::Set), Just(PatchOp::Insert), Just(PatchOp::Remove), Just(PatchOp::Append)],
        pick in any::<prop::sample::Index>(),
        pretty in any::<bool>(),
    ) {
        let mut found = Vec::new();
        places(&document, &mut Vec::new(), &mut found);
        let at = found[pick.index(found.len())].clone();
        let edit = Patch { op, path: at, value: if op == PatchOp::Remove { Bytes::new() } else { value.to_string().into() } };
        let text = if pretty { serde_json::to_string_pretty(&document).unwrap() } else { document.to_string() };
        let mut tree = document.clone();
        let expected = on_tree(&mut tree, &edit).map(|()| tree);
        let got = edited(&text, &[edit]).ok().map(|text| serde_json::from_str::<Value>(&text).unwrap());
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn edits_in_order_mean_what_the_ones_before_left() {
    let edits = [
        edit(PatchOp::Remove, "input/1", ""),
        edit(PatchOp::Remove, "input/0", ""),
        edit(PatchOp::Append, "input", "7"),
    ];
    assert_eq!(
        edited(&json!({"input": [1, 2]}).to_string(), &edits).unwrap(),
        r#"{"input":[7]}"#
    );
}

/// The scanner alone would let these bytes pass within a string.
#[test]
fn a_document_that_is_not_utf8_is_not_edited() {
    let document = Bytes::from_static(b"{\"a\":\"\xbd\"}");
    let edit = Patch::set(vec!["b".into()], "1");
    assert_eq!(apply(&document, &[edit]), Err(PatchError::NotJson));
}

/// What an edit brings is read for itself, so it has to be told how deep it will stand.
#[test]
fn a_value_may_be_nested_as_deep_as_its_place_allows() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (op, at, document) in [
        (PatchOp::Set, "a/0", r#"{"a":[1]}"#),
        (PatchOp::Set, "a/b", r#"{"a":{}}"#),
        (PatchOp::Insert, "a/0", r#"{"a":[1]}"#),
        (PatchOp::Append, "a", r#"{"a":[1]}"#),
    ] {
        let deepest = edited(document, &[edit(op, at, &nested(125))]).unwrap();
        assert!(serde_json::from_str::<Value>(&deepest).is_ok(), "{op:?}");
        let deeper = edited(document, &[edit(op, at, &nested(126))]);
        assert_eq!(deeper, Err(PatchError::NotJson), "{op:?}");
    }
}

#[test]
fn a_document_that_is_not_json_is_not_edited() {
    for document in [
        "",
        "{",
        r#"{"a":1} x"#,
        r#"{"a":1,}"#,
        r#"{"b":[1,{"a":]}]}"#,
    ] {
        for edits in [vec![], vec![edit(PatchOp::Set, "a", "2")]] {
            assert_eq!(
                edited(document, &edits),
                Err(PatchError::NotJson),
                "{document}"
            );
        }
    }
    let latin = Bytes::from_static(b"{\"a\":\"\xe9\"}");
    let edit = edit(PatchOp::Set, "a", "2");
    assert_eq!(apply(&latin, &[edit]), Err(PatchError::NotJson));
}
