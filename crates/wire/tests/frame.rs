//! WebSocket frames: headers, masks, boundaries, messages.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use bytes::Bytes;
use codex_plus_wire::frame::{
    Close, CloseCode, FrameError, FrameHeader, FrameScanner, Message, MessageAssembler, Opcode,
    Scan, apply_mask, encode_frame,
};
use proptest::prelude::*;

fn frame(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin,
        ..FrameHeader::new(opcode, mask, payload.len() as u64)
    };
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    apply_mask(&mut bytes[start..], mask.unwrap_or_default(), 0);
    bytes
}

fn messages<'a>(
    limit: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Message>, Option<FrameError>) {
    let mut assembler = MessageAssembler::new(limit);
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

#[test]
fn the_examples_of_the_rfc() {
    // Section 5.7: a masked "Hello", and one in two fragments.
    let masked = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    let (found, _) = messages(100, [&masked[..]]);
    assert_eq!(
        (found[0].opcode, &found[0].payload[..]),
        (Opcode::Text, &b"Hello"[..])
    );
    assert_eq!(found[0].raw.concat(), masked);
    assert_eq!(
        encode_frame(Opcode::Text, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d])),
        masked[..]
    );
    let (found, _) = messages(100, [&b"\x01\x03Hel"[..], b"\x89\x00", b"\x80\x02lo"]);
    assert_eq!(found[0].opcode, Opcode::Ping);
    assert_eq!(
        (found[1].opcode, &found[1].payload[..]),
        (Opcode::Text, &b"Hello"[..])
    );
    assert_eq!(found[1].raw, [&b"\x01\x03Hel"[..], b"\x80\x02lo"]);
}

#[test]
fn what_the_rfc_forbids() {
    let error = |bytes: &[u8]| FrameHeader::parse(bytes).unwrap_err();
    assert_eq!(error(&[0x83]), FrameError::ReservedOpcode(3));
    assert_eq!(error(&[0x8f]), FrameError::ReservedOpcode(15));
    assert_eq!(error(&[0x09]), FrameError::Control);
    assert_eq!(error(&[0x89, 126]), FrameError::Control);
    assert_eq!(error(&[0x81, 126, 0, 125]), FrameError::Length);
    assert_eq!(
        error(&[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        FrameError::Length
    );
    assert_eq!(
        error(&[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        FrameError::Length
    );
    assert_eq!(messages(9, [&b"\x80\x00"[..]]).1, Some(FrameError::Order));
    assert_eq!(
        messages(9, [&b"\x01\x00\x81\x00"[..]]).1,
        Some(FrameError::Order)
    );
}

#[test]
fn a_message_over_the_limit_is_refused_at_its_header() {
    let header = &frame(true, Opcode::Binary, None, &[0; 1000])[..4];
    assert_eq!(
        messages(999, [header]).1,
        Some(FrameError::TooLarge { limit: 999 })
    );
    assert_eq!(messages(1000, [header]).1, None);
    let parts = [
        frame(false, Opcode::Text, None, b"abc"),
        frame(true, Opcode::Continuation, None, b"de"),
    ];
    let limit = FrameError::TooLarge { limit: 4 };
    assert_eq!(messages(4, parts.iter().map(Vec::as_slice)).1, Some(limit));
    // Endless empty fragments cost memory too.
    let mut endless = frame(false, Opcode::Text, None, b"");
    endless.extend(frame(false, Opcode::Continuation, None, b"").repeat(70_000));
    assert_eq!(messages(4, [endless.as_slice()]).1, Some(limit));
}

#[test]
fn an_error_stays() {
    let mut assembler = MessageAssembler::new(10);
    assembler.push(Bytes::from_static(b"\x83\x00\x81\x00"));
    assert!(assembler.next_message().is_err());
    assert_eq!(assembler.next_message(), Err(FrameError::ReservedOpcode(3)));
}

#[test]
fn an_unmasked_message_in_one_chunk_is_a_slice_of_it() {
    let chunk = encode_frame(Opcode::Text, b"hello", None);
    let mut assembler = MessageAssembler::new(10);
    assembler.push(chunk.clone());
    let message = assembler.next_message().unwrap().unwrap();
    assert_eq!(message.raw[0].as_ptr(), chunk.as_ptr());
    assert_eq!(message.payload.as_ptr(), chunk[2..].as_ptr());
    assert!(assembler.at_boundary());
}

#[test]
fn close_payloads() {
    assert_eq!(Close::parse(b""), Ok(None));
    assert_eq!(Close::parse(b"\x03"), Err(FrameError::Close));
    assert_eq!(Close::parse(b"\x03\xed"), Err(FrameError::Close)); // 1005 is never sent
    assert_eq!(Close::parse(b"\x03\xe8\xff"), Err(FrameError::Close));
    let close = Close {
        code: CloseCode::TOO_BIG,
        reason: "ä".repeat(100),
    };
    let cut = Close::parse(&close.encode()).unwrap().unwrap();
    assert_eq!((cut.code, cut.reason), (CloseCode::TOO_BIG, "ä".repeat(61)));
}

/// A connection: data messages in pieces with control frames between them.
fn connection() -> impl Strategy<Value = Vec<u8>> {
    let payload = || prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..20), 1 => prop::collection::vec(any::<u8>(), 120..300)];
    let mask = || prop::option::of(any::<[u8; 4]>());
    let control = (prop::collection::vec(any::<u8>(), 0..125), mask())
        .prop_map(|(payload, mask)| frame(true, Opcode::Ping, mask, &payload));
    let message = (
        prop::collection::vec((payload(), mask(), prop::option::of(control)), 1..4),
        any::<bool>(),
    )
        .prop_map(|(parts, text)| {
            let last = parts.len() - 1;
            let mut bytes = Vec::new();
            for (index, (payload, mask, ping)) in parts.into_iter().enumerate() {
                let first = if text { Opcode::Text } else { Opcode::Binary };
                let opcode = if index == 0 {
                    first
                } else {
                    Opcode::Continuation
                };
                bytes.extend(frame(index == last, opcode, mask, &payload));
                bytes.extend(ping.unwrap_or_default());
            }
            bytes
        });
    prop::collection::vec(message, 0..5).prop_map(|messages| messages.concat())
}

/// Headers, and the payload length that followed each.
fn scan<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<(FrameHeader, usize)>, bool) {
    let mut scanner = FrameScanner::new();
    let mut seen: Vec<(FrameHeader, usize)> = Vec::new();
    for chunk in chunks {
        for item in scanner.scan(chunk).unwrap() {
            match item {
                Scan::Header(header) => seen.push((header, 0)),
                Scan::Payload(len) => seen.last_mut().unwrap().1 += len,
            }
        }
    }
    (seen, scanner.at_message_boundary())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames_and_messages(bytes in connection(), size in 1_usize..40) {
        let (expected, error) = messages(1 << 20, [bytes.as_slice()]);
        prop_assert_eq!(error, None);
        for size in [1, size] {
            let (found, _) = messages(1 << 20, bytes.chunks(size));
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(scan(bytes.chunks(size)), scan([bytes.as_slice()]));
        }
        let (headers, boundary) = scan([bytes.as_slice()]);
        prop_assert!(boundary);
        prop_assert!(headers.iter().all(|(header, len)| header.payload_len == *len as u64));
        let raw: usize = expected.iter().flat_map(|message| &message.raw).map(Bytes::len).sum();
        prop_assert_eq!(raw, bytes.len());
    }

    #[test]
    fn headers_survive_the_wire(
        (fin, rsv1, rsv2, rsv3) in any::<(bool, bool, bool, bool)>(),
        mask in prop::option::of(any::<[u8; 4]>()),
        payload_len in prop_oneof![0_u64..70_000, 0_u64..=u64::MAX >> 1],
    ) {
        let header = FrameHeader { fin, rsv1, rsv2, rsv3, opcode: Opcode::Text, mask, payload_len };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        for len in 0..bytes.len() {
            prop_assert_eq!(FrameHeader::parse(&bytes[..len]), Ok(None));
        }
        prop_assert_eq!(FrameHeader::parse(&bytes), Ok(Some((header, bytes.len()))));
    }

    #[test]
    fn masking_by_words_is_masking_by_bytes(
        payload in prop::collection::vec(any::<u8>(), 0..100),
        mask in any::<[u8; 4]>(),
        offset in 0_usize..9,
    ) {
        let mut masked = payload.clone();
        apply_mask(&mut masked, mask, offset);
        let expected: Vec<u8> = payload.iter().enumerate().map(|(i, b)| b ^ mask[(i + offset) % 4]).collect();
        prop_assert_eq!(masked, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_split_alike(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let whole = messages(64, [bytes.as_slice()]);
        prop_assert_eq!(messages(64, bytes.chunks(1)), whole);
    }
}
