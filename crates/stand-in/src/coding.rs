//! Content-encodings: undone (within a bound) to read a request, applied to an answer.

use std::borrow::Cow;
use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::HeaderValue;

use crate::answer::Encoding;

/// Largest decoded request body, in bytes.
const DECODED_LIMIT: u64 = 256 << 20;

/// The plain bytes of a body, or `None` when the encoding is unknown or broken
/// or the result too large.
pub(crate) fn decode<'a>(body: &'a [u8], encoding: Option<&HeaderValue>) -> Option<Cow<'a, [u8]>> {
    let Some(encoding) = encoding else {
        return Some(Cow::Borrowed(body));
    };
    match encoding.as_bytes() {
        b"identity" => Some(Cow::Borrowed(body)),
        b"zstd" => read(zstd::stream::read::Decoder::new(body).ok()?),
        b"gzip" | b"x-gzip" => read(MultiGzDecoder::new(body)),
        _ => None,
    }
}

fn read<'a>(from: impl Read) -> Option<Cow<'a, [u8]>> {
    let mut plain = Vec::new();
    from.take(DECODED_LIMIT + 1).read_to_end(&mut plain).ok()?;
    (plain.len() as u64 <= DECODED_LIMIT).then_some(Cow::Owned(plain))
}

/// Encodes an answer piece by piece, so that every event can be read on arrival.
pub(crate) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    pub(crate) fn new(encoding: Encoding) -> std::io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Zstd => {
                Self::Zstd(Box::new(zstd::stream::write::Encoder::new(Vec::new(), 0)?))
            }
        })
    }

    /// The encoded form of one piece, complete in itself for a streaming decoder.
    pub(crate) fn piece(&mut self, plain: &[u8]) -> std::io::Result<Bytes> {
        let out = match self {
            Self::Gzip(encoder) => {
                encoder.write_all(plain)?;
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(plain)?;
                encoder.flush()?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(out).into())
    }

    /// The bytes that end the encoded body.
    pub(crate) fn end(self) -> std::io::Result<Bytes> {
        let tail = match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        Ok(tail.into())
    }
}

impl Encoding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}
