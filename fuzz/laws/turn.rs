//! The prompt's span is the prompt's text, and what was seen is not new.

use bytes::Bytes;
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::{Turn, TurnKind, TurnMetadata};

pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = TurnMetadata::parse(text);
        let _ = Turn::from_head(Some(text), Some(text));
    }
    let Ok(body) = RequestBody::parse(Bytes::copy_from_slice(data)) else {
        return;
    };
    for seen in [false, true] {
        let turn = Turn::read(&body, None, None, &|_| seen);
        let Some(prompt) = turn.prompt else { continue };
        assert!(prompt.item < body.items().len());
        let literal = &body.bytes()[prompt.text_span.clone()];
        if let Ok(text) = serde_json::from_slice::<String>(literal) {
            assert_eq!(text, prompt.text);
        }
        assert!(!(seen && prompt.id.is_some() && turn.kind == TurnKind::Prompt));
        let mut edited = body.clone();
        edited
            .set_text(prompt.text_span, "other")
            .expect("the only edit");
        edited.commit().expect("a text for a text");
    }
}
