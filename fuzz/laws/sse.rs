//! Any split gives the same frames, and no byte is lost.

use bytes::Bytes;
use codex_plus_wire::sse::{SseFrame, SseFramer};

fn frames<'a>(limit: usize, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<SseFrame>, Bytes) {
    let mut framer = SseFramer::new(limit);
    let mut found = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        found.extend(std::iter::from_fn(|| framer.next_frame()));
    }
    framer.end();
    found.extend(framer.next_frame());
    (found, framer.finish().unwrap_or_default())
}

pub(crate) fn check(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let whole = frames(usize::MAX, std::iter::once(stream));
    assert_eq!(frames(usize::MAX, stream.chunks(size)), whole);
    for limit in [16, usize::MAX] {
        let (found, rest) = frames(limit, stream.chunks(size));
        let raw: Vec<u8> = found
            .iter()
            .flat_map(|frame| &frame.raw)
            .chain(&rest)
            .copied()
            .collect();
        assert_eq!(raw, stream);
        for frame in found {
            let span = frame.data_span();
            if let (Some(span), Some(data)) = (span, frame.data()) {
                assert_eq!(frame.raw[span], *data);
                // A CR or LF cannot stand in one line, so the data fits where it was.
                assert_eq!(frame.with_data(&data), frame.raw);
            }
            let _ = (frame.event(), frame.is_comment());
        }
    }
}
