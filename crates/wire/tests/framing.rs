//! Bodies: the same however the bytes are split, and nothing behind their end is theirs.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use codex_plus_wire::framing::{BodyReader, FramingError};
use proptest::prelude::*;

/// What came of a stream: the body, how many bytes it took, its trailers, how it ended.
#[derive(Debug, PartialEq)]
struct Read {
    body: Vec<u8>,
    used: usize,
    trailers: Option<Vec<u8>>,
    ended: Result<bool, FramingError>,
}

fn read<'a>(mut reader: BodyReader, pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let (mut body, mut used) = (Vec::new(), 0);
    let ended = 'stream: {
        for mut piece in pieces {
            while !reader.is_ended() && !piece.is_empty() {
                match reader.skip(piece) {
                    Ok(skipped) => {
                        piece = &piece[skipped..];
                        used += skipped;
                    }
                    Err(error) => break 'stream Err(error),
                }
                let taken = reader.take(piece.len());
                body.extend(&piece[..taken]);
                piece = &piece[taken..];
                used += taken;
            }
        }
        Ok(reader.is_ended())
    };
    // Where framing breaks within a piece is nobody's business.
    let used = if ended.is_ok() { used } else { 0 };
    let trailers = reader.take_trailers();
    Read {
        body,
        used,
        trailers,
        ended,
    }
}

fn chunked(stream: &[u8]) -> Read {
    read(BodyReader::chunked(), [stream])
}

#[test]
fn chunks_end_where_they_say() {
    let stream = b"5\r\nhello\r\n1;a=\"b;c\"\r\n \r\n005 \t\r\nworld\r\n0;last\r\n\r\nmore";
    let found = chunked(stream);
    assert_eq!(found.body, b"hello world");
    assert_eq!((found.used, found.ended), (stream.len() - 4, Ok(true)));
    assert_eq!(found.trailers, None);
    let found = chunked(b"A\r\n0123456789\r\n0\r\nx: y\r\nz:\r\n\r\n");
    assert_eq!(found.body, b"0123456789");
    assert_eq!(found.trailers.as_deref(), Some(&b"x: y\r\nz:\r\n\r\n"[..]));
}

#[test]
fn what_is_no_chunk_is_refused() {
    use FramingError::{Limit, LineEnd, Overflow, Size};
    let long = format!("3;{}\r\nabc", "x".repeat(20_000));
    let zeros = "0".repeat(20_000);
    let many = "1;xxxxxxxxxxxxxxxx\r\na\r\n".repeat(2_000);
    let trailers = format!("0\r\n{}", "x: y\r\n".repeat(200));
    let trailer = format!("0\r\nx: {}", "y".repeat(20_000));
    for (stream, error) in [
        ("\r\n", Size),
        (";a\r\n", Size),
        (" 3\r\n", Size),
        ("+3\r\n", Size),
        ("0x3\r\n", Size),
        ("3 3\r\n", Size),
        ("3g\r\n", Size),
        ("3\nabc", Size),
        ("3\rabc", LineEnd),
        ("3;a\nb\r\n", LineEnd),
        ("3;a\rb\r\n", LineEnd),
        ("10000000000000003\r\n", Overflow),
        ("3\r\nabcd\r\n", LineEnd),
        ("3\r\nabc\n", LineEnd),
        ("3\r\nabc\rx", LineEnd),
        ("0\r\n\rx", LineEnd),
        ("0\r\nx: y\rz", LineEnd),
        (&long, Limit("extensions")),
        (&zeros, Limit("extensions")),
        (&many, Limit("extensions")),
        (&trailers, Limit("trailers")),
        (&trailer, Limit("trailers")),
    ] {
        assert_eq!(chunked(stream.as_bytes()).ended, Err(error), "{stream:.40}");
    }
}

#[test]
fn lengths_and_the_end_of_the_connection() {
    let found = read(BodyReader::length(5), [&b"hel"[..], b"lo more"]);
    assert_eq!((&found.body[..], found.used), (&b"hello"[..], 5));
    assert!(BodyReader::length(0).is_ended());
    let mut short = BodyReader::length(5);
    assert_eq!(short.take(4), 4);
    assert_eq!(short.left(), Some(1));
    assert_eq!(short.close(), Err(FramingError::Incomplete));
    let mut open = BodyReader::until_close();
    assert_eq!(open.take(7), 7);
    assert!(!open.is_ended());
    assert_eq!(open.close(), Ok(()));
    assert_eq!((open.is_ended(), open.take(1)), (true, 0));
    // All of the data came, but not that it was all.
    let mut cut = BodyReader::chunked();
    assert_eq!(cut.skip(b"1\r\n"), Ok(3));
    assert_eq!(cut.take(1), 1);
    assert_eq!(cut.skip(b"\r\n0\r\n\r"), Ok(6));
    assert_eq!(cut.close(), Err(FramingError::Incomplete));
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        trailers in prop::bool::ANY,
        behind in prop::collection::vec(any::<u8>(), 0..10),
        flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        size in 1usize..20,
    ) {
        let mut stream = Vec::new();
        for chunk in &chunks {
            stream.extend(format!("{:x}\r\n", chunk.len()).bytes());
            stream.extend(chunk);
            stream.extend(b"\r\n");
        }
        stream.extend(if trailers { &b"0\r\nx: y\r\n\r\n"[..] } else { b"0\r\n\r\n" });
        let end = stream.len();
        stream.extend(&behind);
        if let Some((at, byte)) = &flip {
            let at = at.index(stream.len());
            stream[at] ^= byte;
        }
        let whole = chunked(&stream);
        if flip.is_none() {
            prop_assert_eq!(&whole.body, &chunks.concat());
            prop_assert_eq!((whole.used, &whole.ended), (end, &Ok(true)));
        }
        prop_assert_eq!(read(BodyReader::chunked(), stream.chunks(size)), whole);
    }
}
