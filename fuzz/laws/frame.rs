//! Any split gives the same messages; headers and close payloads are written as they were read.

use bytes::Bytes;
use codex_plus_wire::frame::{
    Close, FrameError, FrameHeader, FrameScanner, Message, MessageAssembler,
};

const LIMIT: usize = 4096;

fn messages<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, Option<FrameError>) {
    let mut assembler = MessageAssembler::new(LIMIT);
    let mut found = Vec::new();
    for chunk in chunks {
        assembler.push(Bytes::copy_from_slice(chunk));
        loop {
            match assembler.next_message() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

pub(crate) fn check(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let whole = messages(std::iter::once(stream));
    assert_eq!(messages(stream.chunks(size)), whole);
    for message in &whole.0 {
        assert!(message.payload.len() <= LIMIT);
    }
    if let Ok(Some((header, len))) = FrameHeader::parse(stream) {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        assert_eq!(bytes, stream[..len]);
    }
    if let Ok(Some(close)) = Close::parse(stream) {
        assert_eq!(close.encode(), stream);
    }
    let mut scanner = FrameScanner::new();
    for chunk in stream.chunks(size) {
        if scanner.scan(chunk).is_err() {
            break;
        }
    }
}
