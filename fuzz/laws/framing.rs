//! Any split gives the same body, which ends at the same byte, and is the same when written anew.

use codex_plus_wire::framing::{BodyReader, FramingError};

type Read = (
    Vec<u8>,
    Result<Option<usize>, FramingError>,
    Option<Vec<u8>>,
);

/// The body, where it ends if it does, and its trailers.
fn read<'a>(mut reader: BodyReader, pieces: impl Iterator<Item = &'a [u8]>) -> Read {
    let (mut body, mut used) = (Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() && !reader.is_ended() {
            let skipped = match reader.skip(piece) {
                Ok(skipped) => skipped,
                Err(error) => return (body, Err(error), None),
            };
            piece = &piece[skipped..];
            let taken = reader.take(piece.len());
            assert!(skipped + taken > 0, "it would never end");
            body.extend(&piece[..taken]);
            piece = &piece[taken..];
            used += skipped + taken;
        }
    }
    let ended = reader.is_ended().then_some(used);
    (body, Ok(ended), reader.take_trailers())
}

pub(crate) fn check(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let split = usize::from(*size).max(1);
    let chunked = |stream: &[u8], split| read(BodyReader::chunked(), stream.chunks(split));
    let whole = chunked(stream, usize::MAX);
    assert_eq!(chunked(stream, split), whole);
    if let (body, Ok(Some(end)), trailers) = &whole {
        assert!(body.len() < *end && *end <= stream.len());
        assert_eq!(chunked(&stream[..*end], 1), whole);
        // Nothing less was a whole body.
        let (_, less, _) = chunked(&stream[..end - 1], usize::MAX);
        assert_eq!(less, Ok(None));
        let mut anew = Vec::new();
        for chunk in body.chunks(split) {
            anew.extend(format!("{:X};x\r\n", chunk.len()).bytes());
            anew.extend(chunk);
            anew.extend(b"\r\n");
        }
        anew.extend(b"0\r\n");
        anew.extend(trailers.as_deref().unwrap_or(b"\r\n"));
        let again = chunked(&anew, usize::MAX);
        assert_eq!((&again.0, &again.2), (body, trailers));
        assert_eq!(again.1, Ok(Some(anew.len())));
    }
    let (body, ended, _) = read(BodyReader::length(u64::from(*size)), stream.chunks(split));
    let length = usize::from(*size).min(stream.len());
    assert_eq!(body, stream[..length]);
    assert_eq!(ended, Ok((length == usize::from(*size)).then_some(length)));
}
