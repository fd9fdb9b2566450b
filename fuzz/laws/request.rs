//! Reading agrees with `serde_json`; an edit changes its span and nothing else.

use bytes::Bytes;
use codex_plus_wire::request::{BodyError, RequestBody};
use serde_json::value::RawValue;

pub(crate) fn check(data: &[u8]) {
    let source = Bytes::copy_from_slice(data);
    let read = RequestBody::parse(source.clone());
    let known = serde_json::from_slice::<&RawValue>(data);
    let mut body = match (read, known) {
        (Ok(body), Ok(_)) => body,
        (Ok(_), Err(error)) => panic!("accepted what is not JSON: {error}"),
        // The reader wants an object, and bounds nesting and items.
        (Err(BodyError::Malformed { offset }), Ok(raw)) => {
            let nested = data
                .iter()
                .filter(|byte| matches!(byte, b'{' | b'['))
                .count()
                > 120;
            assert!(
                nested || !raw.get().starts_with('{'),
                "refused JSON at {offset}"
            );
            return;
        }
        (Err(_), _) => return,
    };
    assert_eq!(body.clone().into_bytes(), source);
    let known = serde_json::from_slice::<serde_json::Value>(data).ok();
    if let Some(tree) = &known {
        let string = |key: &str| tree.get(key).and_then(|value| value.as_str());
        assert_eq!(body.model().as_deref(), string("model"));
        assert_eq!(body.message_type().as_deref(), string("type"));
        assert_eq!(
            body.prompt_cache_key().as_deref(),
            string("prompt_cache_key")
        );
        if let Some(items) = tree.get("input").and_then(|input| input.as_array()) {
            assert_eq!(body.items().len(), items.len());
            for (item, tree) in body.items().iter().zip(items) {
                let id = tree.get("id").and_then(|id| id.as_str());
                assert_eq!(item.id().as_deref(), id);
            }
        }
    }
    let spans: Vec<_> = body
        .items()
        .iter()
        .flat_map(|item| {
            let _ = (
                item.kind(),
                item.role(),
                item.content_item_kinds(),
                item.output_parts(),
            );
            item.text_parts()
        })
        .map(|part| part.span)
        .collect();
    let mut expected = data.to_vec();
    for span in spans.into_iter().rev() {
        body.set_text(span.clone(), "new\n")
            .expect("texts do not overlap");
        expected.splice(span, br#""new\n""#.iter().copied());
    }
    assert_eq!(body.len(), expected.len());
    body.commit().expect("texts for texts");
    assert_eq!(body.into_bytes(), expected);
}
