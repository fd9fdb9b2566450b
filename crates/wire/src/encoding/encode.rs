//! Applying one coding again after an edit, fast rather than small.

use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Coding, EncodingError};

/// The level the zstd library calls its default and Codex uses; it is fast enough.
const ZSTD_LEVEL: i32 = 3;

/// Brotli's fastest level that still finds distant repeats.
const BROTLI_QUALITY: i32 = 2;

/// Brotli's window as a power of two: 1 MiB.
const BROTLI_WINDOW_LOG: i32 = 20;

pub(super) fn encode(coding: Coding, body: &[u8]) -> Result<Vec<u8>, EncodingError> {
    compress(coding, body).map_err(|_| EncodingError::corrupt(coding, "the compressor failed"))
}

fn compress(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Identity => Ok(body.to_vec()),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Br => {
            let params = BrotliEncoderParams {
                quality: BROTLI_QUALITY,
                lgwin: BROTLI_WINDOW_LOG,
                size_hint: body.len(),
                ..BrotliEncoderParams::default()
            };
            let mut encoded = Vec::new();
            brotli::BrotliCompress(&mut &*body, &mut encoded, &params)?;
            Ok(encoded)
        }
        Coding::Zstd => zstd::stream::encode_all(body, ZSTD_LEVEL),
    }
}
