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

/// The inside of a long literal: plain runs and escapes in every place of a block, and a few things
/// that have no place there.
fn long_literal() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z/ n]{0,70}",
        4 => prop::sample::select(vec![
            r"\n", r#"\""#, r"\\", r"\\\\\\", r"\t", r"\u001b", r"\/", r"\r", "é", r"\b", r"\f",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\n", "\"", r"\", r"\x", r"\u12g4", r"\u00"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_long_literal_ends_where_its_first_quote_stands(inside in long_literal()) {
        let text = format!("\"{inside}\" ");
        let mut literals = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        let wanted = literals.next().unwrap().ok().map(|_| literals.byte_offset());
        let mut cursor = Cursor::new(text.as_bytes(), 0);
        let found = cursor.skip().ok();
        prop_assert_eq!(found.clone().map(|span| span.end), wanted);
        // A key says what it says, so escapes in it must not be overlooked.
        if let Some(span) = found {
            let literal = &text[span];
            let object = format!("{{{literal}:1}}");
            let mut key = Vec::new();
            Cursor::new(object.as_bytes(), 0)
                .object(|cursor, name| {
                    key = name.to_vec();
                    cursor.skip().map(|_| ())
                })
                .map_err(|error: Malformed| error)
                .unwrap();
            let said: String = serde_json::from_str(literal).unwrap();
            prop_assert_eq!(key, said.into_bytes());
        }
    }

    /// A literal that is wrong is so at the same byte, however long it is.
    #[test]
    fn reading_stops_at_the_byte_that_has_no_place(plain in 0..300_usize, escapes in 0..3_usize) {
        let inside = r"\\".repeat(escapes) + &"a".repeat(plain);
        for bad in ["\u{1}", r"\x", r"\u12g4", r"\ug234", r"\u123:", r"\u/123", r"\u1@23", r"\u1`23"] {
            let text = format!("\"{inside}{bad}{}\"", "b".repeat(100));
            let stopped = Cursor::new(text.as_bytes(), 0).skip().unwrap_err();
            prop_assert_eq!(stopped.offset, 1 + inside.len());
        }
    }

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
