//! Bytes that are not UTF-8 are found, however short or long the strings around them are.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use bytes::Bytes;
use codex_plus_wire::request::{BodyError, RequestBody};

#[test]
fn bytes_that_are_not_utf8_are_found_wherever_they_are() {
    for length in (0..150).chain([300, 1_000]) {
        let text = "x".repeat(length);
        for body in [
            format!(r#"{{"input":"{text}"}}"#),
            format!(
                r#"{{"{text}":1,"input":[{{"role":"user","content":"\\u001b{text}\\n"}}],"a":{{}}}}"#
            ),
        ] {
            assert!(RequestBody::parse(Bytes::from(body.clone())).is_ok());
            for offset in 0..body.len() {
                let mut bytes = body.clone().into_bytes();
                bytes[offset] = 0xff;
                let error = RequestBody::parse(bytes.into()).unwrap_err();
                assert_eq!(error, BodyError::Utf8 { offset });
            }
        }
    }
}
