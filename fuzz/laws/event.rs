//! A peek agrees with reading; spans are what they say.

use codex_plus_wire::event::{EventKind, ResponseEvent};

pub(crate) fn check(data: &[u8]) {
    let peeked = EventKind::peek(data);
    let Ok(event) = ResponseEvent::parse(data) else {
        return;
    };
    assert!(serde_json::from_slice::<&serde_json::value::RawValue>(data).is_ok());
    // They may differ only when "type" is there twice.
    if event.kind() != peeked {
        assert!(
            data.windows(6).filter(|word| *word == b"\"type\"").count() > 1
                || data.contains(&b'\\')
        );
    }
    let part = match event {
        ResponseEvent::Delta(_, text) | ResponseEvent::Done(_, text) => text.text,
        ResponseEvent::ItemAdded(item) | ResponseEvent::ItemDone(item) => {
            assert!(item.span.end <= data.len());
            item.call.and_then(|call| call.input)
        }
        ResponseEvent::Failed(failure) | ResponseEvent::Error(failure) => failure.message,
        _ => None,
    };
    if let Some(part) = part {
        let raw = &data[part.span];
        match serde_json::from_slice::<String>(raw) {
            Ok(text) => assert_eq!(text, part.text),
            Err(_) if raw.starts_with(b"\"") => {} // half a surrogate pair
            Err(_) => assert_eq!(raw, part.text.as_bytes()),
        }
    }
}
