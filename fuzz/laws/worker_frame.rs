//! Frames of a worker: any split gives the same ones, and they are written as they were read.

use bytes::{Bytes, BytesMut};
use codex_plus_hooks::python::frame::{Frame, FrameError, decode, encode, encode_split, split};

const LIMIT: usize = 4096;

fn frames<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Frame>, Option<FrameError>, BytesMut) {
    let (mut read, mut found) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        read.extend_from_slice(chunk);
        loop {
            match decode(&mut read, LIMIT) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error), BytesMut::new()),
            }
        }
    }
    (found, None, read)
}

pub(crate) fn check(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let whole = frames(std::iter::once(stream));
    assert_eq!(frames(stream.chunks(usize::from(*size).max(1))), whole);
    let (found, _, rest) = whole;
    let mut written = Vec::new();
    for frame in &found {
        assert!(frame.payload.len() <= LIMIT);
        written.extend_from_slice(&encode(frame.kind, frame.call, &frame.payload));
        if let Ok((head, tail)) = split(frame.payload.clone()) {
            let mut again = encode_split(frame.kind, frame.call, &head, tail.len());
            again.extend_from_slice(&tail);
            assert_eq!(decode(&mut again, LIMIT), Ok(Some(frame.clone())));
        }
    }
    assert!(stream.starts_with(&written));
    assert!(rest.is_empty() || stream.ends_with(&rest));
    let _ = split(Bytes::copy_from_slice(stream));
}
