//! SSE frames: the same however the bytes are split, and nothing is ever lost.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use bytes::Bytes;
use codex_plus_wire::sse::{SseFrame, SseFramer};
use proptest::prelude::*;

/// Frames, and what is left, of a stream that arrives in `chunks`.
fn frames<'a>(
    limit: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<SseFrame>, Vec<u8>) {
    let mut framer = SseFramer::new(limit);
    let mut found = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = framer.next_frame() {
            found.push(frame);
        }
    }
    framer.end();
    found.extend(framer.next_frame());
    (found, framer.finish().unwrap_or_default().to_vec())
}

fn whole(stream: &[u8]) -> (Vec<SseFrame>, Vec<u8>) {
    frames(1 << 20, [stream])
}

#[test]
fn terminators_of_every_kind() {
    for end in [
        "\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\r\n\n", "\n\r", "\r\n\r",
    ] {
        let stream = format!("event: a\ndata: 1{end}data: 2{end}");
        let (found, rest) = whole(stream.as_bytes());
        assert_eq!(found.len(), 2, "{end:?}");
        assert_eq!(found[0].event(), Some(&b"a"[..]));
        assert_eq!(found[0].data().as_deref(), Some(&b"1"[..]), "{end:?}");
        assert_eq!(found[1].data().as_deref(), Some(&b"2"[..]), "{end:?}");
        assert!(rest.is_empty());
    }
}

#[test]
fn fields_as_the_standard_reads_them() {
    let (found, rest) = whole(b"\xef\xbb\xbfdata:one\ndata:  two\ndata\nid: 7\nevent:x\ndatax: no\n\n: ping\n\n\ndata: cut");
    assert_eq!(found[0].data().as_deref(), Some(&b"one\n two\n"[..]));
    assert_eq!(found[0].event(), Some(&b"x"[..]));
    assert!(found[0].data_span().is_none() && !found[0].is_comment());
    assert!(found[1].is_comment() && found[1].data().is_none());
    assert!(found[2].is_comment());
    assert_eq!((found.len(), rest.as_slice()), (3, &b"data: cut"[..]));
}

#[test]
fn a_frame_in_one_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\r\n\r\n");
    let mut framer = SseFramer::new(100);
    framer.push(chunk.clone());
    let first = framer.next_frame().unwrap();
    let second = framer.next_frame().unwrap();
    assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(second.raw.as_ptr(), chunk[first.raw.len()..].as_ptr());
}

#[test]
fn a_long_frame_passes_in_pieces_and_the_next_is_read_again() {
    let stream = [b"data: ".as_slice(), &[b'x'; 1000], b"\n\ndata: ok\n\n"].concat();
    for size in [1, 7, 64, 5000] {
        let (found, rest) = frames(100, stream.chunks(size));
        let (last, pieces) = found.split_last().unwrap();
        assert!(
            pieces
                .iter()
                .all(|p| p.is_opaque() && p.data().is_none() && !p.is_comment())
        );
        assert_eq!(last.data().as_deref(), Some(&b"ok"[..]));
        assert!(!last.is_opaque() && rest.is_empty());
    }
}

#[test]
fn replacing_data_keeps_the_rest_of_the_frame() {
    let (found, _) = whole(b": c\r\nevent: e\r\ndata:{1}\r\nid: 3\r\n\r\n");
    assert_eq!(
        found[0].with_data(b"{22}"),
        ": c\r\nevent: e\r\ndata:{22}\r\nid: 3\r\n\r\n"
    );
    assert_eq!(
        found[0].with_data(b"a\nb"),
        "event: e\ndata: a\ndata: b\n\n"
    );
    assert_eq!(SseFrame::encode(None, b""), "data: \n\n");
}

/// Streams of the pieces that matter.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "data: x", "event: y", ":", "\u{feff}", "data"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Cuts `bytes` at the given places.
fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut from = 0;
    at.into_iter()
        .map(|to| &bytes[std::mem::replace(&mut from, to)..to])
        .collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        stream in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let expected = whole(&stream);
        prop_assert_eq!(&frames(1 << 20, split(&stream, &cuts)), &expected);
        prop_assert_eq!(&frames(1 << 20, stream.chunks(1)), &expected);
    }

    #[test]
    fn nothing_is_lost_even_over_the_limit(
        stream in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        limit in 0_usize..40,
    ) {
        let (found, rest) = frames(limit, split(&stream, &cuts));
        let raw: Vec<u8> = found.iter().flat_map(|frame| frame.raw.to_vec()).chain(rest).collect();
        prop_assert_eq!(raw, stream.clone());
        // Which frames are read does not depend on the split.
        let read = |frames: Vec<SseFrame>| frames.into_iter().filter(|f| !f.is_opaque()).map(|f| f.raw).collect::<Vec<_>>();
        prop_assert_eq!(read(found), read(frames(limit, [stream.as_slice()]).0));
    }

    #[test]
    fn what_is_written_is_read_back(event in "[a-z.]{1,20}", data in "[ -~\n]{0,200}") {
        let (found, rest) = whole(&SseFrame::encode(Some(&event), data.as_bytes()));
        prop_assert_eq!((found.len(), rest.len()), (1, 0));
        prop_assert_eq!(found[0].event(), Some(event.as_bytes()));
        let read = found[0].data();
        prop_assert_eq!(read.as_deref(), Some(data.as_bytes()));
    }
}
