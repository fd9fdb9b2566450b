//! The cursor against `serde_json`, which is the authority on what is JSON.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Cursor, Malformed, quote, unescape};

fn accepts(text: &str) -> bool {
    let mut cursor = Cursor::new(text.as_bytes(), 0);
    cursor.skip().and_then(|_| cursor.end()).is_ok()
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn nesting_is_bounded() {
    assert!(accepts(&nested(127)));
    assert!(!accepts(&nested(128)));
    assert!(!accepts(&nested(1_000_000)));
    // The depth is given back on the way out.
    assert!(accepts(&format!("[{}]", vec![nested(100); 50].join(","))));
}

#[test]
fn the_odd_corners_of_the_grammar() {
    for good in [
        "0",
        "-0",
        "1.5e+3",
        "[]",
        "{}",
        " [ ] ",
        r#"{"a":{}}"#,
        r#""\ud800""#,
        "1E9",
    ] {
        assert!(accepts(good), "{good}");
    }
    for bad in [
        "",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "[1,]",
        "{,}",
        r#"{"a":1,}"#,
        r#"{"a"}"#,
        "[1 2]",
        "tru",
        "nul",
        "\"\t\"",
        r#""\x""#,
        r#""\u12g4""#,
        "\"",
        "[}",
        "{]",
        "1 2",
        "NaN",
        r"{1:2}",
    ] {
        assert!(!accepts(bad), "{bad}");
    }
}

#[test]
fn half_a_surrogate_pair_is_replaced_not_refused() {
    let text = unescape(br#""a\ud800b""#).unwrap();
    assert!(text.starts_with('a') && text.ends_with('b') && text.contains('\u{fffd}'));
    assert_eq!(unescape(b"12"), None);
}

#[test]
fn an_escaped_key_is_the_key_it_says() {
    let mut keys = Vec::new();
    Cursor::new(br#"{"mod\u0065l":1}"#, 0)
        .object(|cursor, key| {
            keys.push(key.to_vec());
            cursor.skip().map(|_| ())
        })
        .map_err(|error: Malformed| error)
        .unwrap();
    assert_eq!(keys, [b"model".to_vec()]);
}

/// Text made of the bytes JSON is made of: close enough to JSON to reach every branch.
fn jsonish() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\"",
            "\"a\"",
            "\"\\n\"",
            "\\",
            "\\u",
            "00e9",
            "é",
            "0",
            "1",
            "-",
            ".",
            "e",
            "+",
            "true",
            "false",
            "null",
            "\u{1}",
            "{\"k\":",
            "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,40}",
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn accepts_what_serde_json_accepts(text in jsonish()) {
        prop_assert_eq!(accepts(&text), serde_json::from_str::<&RawValue>(&text).is_ok());
    }

    #[test]
    fn text_survives_quoting(text in any::<String>()) {
        let literal = quote(&text);
        prop_assert!(accepts(std::str::from_utf8(&literal).unwrap()));
        let back = unescape(&literal);
        prop_assert_eq!(back.as_deref(), Some(text.as_str()));
    }
}
