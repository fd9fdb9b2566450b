//! The frame codec, for any frames cut anywhere, and for garbage.

use bytes::{Bytes, BytesMut};
use codex_plus_hooks::python::frame::{
    Frame, FrameError, Kind, decode, encode, encode_split, split,
};
use proptest::prelude::*;

const KINDS: [Kind; 11] = [
    Kind::Load,
    Kind::Call,
    Kind::Cancel,
    Kind::Ping,
    Kind::Hello,
    Kind::Unchanged,
    Kind::Patch,
    Kind::Value,
    Kind::Error,
    Kind::Log,
    Kind::Pong,
];

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    let frame = (proptest::sample::select(&KINDS[..]), any::<u64>(), payload);
    let frame = frame.prop_map(|(kind, call, payload)| Frame {
        kind,
        call,
        payload: Bytes::from(payload),
    });
    proptest::collection::vec(frame, 0..8)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(sent in frames(), sizes in proptest::collection::vec(1_usize..80, 1..40)) {
        let data: Vec<u8> = sent
            .iter()
            .flat_map(|frame| encode(frame.kind, frame.call, &frame.payload).to_vec())
            .collect();
        let (mut read, mut got, mut rest) = (BytesMut::new(), Vec::new(), &data[..]);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            read.extend_from_slice(piece);
            rest = after;
            while let Some(frame) = decode(&mut read, 1000).unwrap() {
                got.push(frame);
            }
        }
        prop_assert_eq!(got, sent);
        prop_assert!(read.is_empty());
    }

    #[test]
    fn garbage_never_panics(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut read = BytesMut::from(&data[..]);
        while let Ok(Some(frame)) = decode(&mut read, 100) {
            let _ = split(frame.payload);
        }
    }

    #[test]
    fn head_and_rest_come_apart(head in proptest::collection::vec(any::<u8>(), 0..100), rest in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut data = encode_split(Kind::Call, 5, &head, rest.len());
        data.extend_from_slice(&rest);
        let frame = decode(&mut data, 1000).unwrap().unwrap();
        prop_assert_eq!(split(frame.payload).unwrap(), (Bytes::from(head), Bytes::from(rest)));
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_it_is_read() {
    let mut read = BytesMut::from(&encode(Kind::Log, 1, &[0; 101])[..20]);
    let refused = decode(&mut read, 100);
    assert_eq!(
        refused,
        Err(FrameError::TooLong {
            length: 101,
            limit: 100
        })
    );
}
