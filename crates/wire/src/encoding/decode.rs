//! Undoing one coding. Every decoder must reach its end exactly where the input ends.

use std::io::{ErrorKind, Read};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::output::Output;
use super::{Coding, EncodingError};

/// Largest zstd window as a power of two: 8 MB, what RFC 9659 allows in a content coding.
const ZSTD_WINDOW_LOG: u32 = 23;

const DAMAGED: &str = "damaged data";
const CUT_SHORT: &str = "cut short";
const TRAILING: &str = "bytes behind the end";

pub(super) fn decode(coding: Coding, input: &[u8], limit: usize) -> Result<Vec<u8>, EncodingError> {
    if input.is_empty() && coding != Coding::Identity {
        return Err(EncodingError::corrupt(coding, CUT_SHORT));
    }
    match coding {
        Coding::Identity if input.len() > limit => Err(EncodingError::TooLarge { limit }),
        Coding::Identity => Ok(input.to_vec()),
        Coding::Gzip => read_all(coding, MultiGzDecoder::new(input), limit),
        Coding::Deflate => deflate(input, limit),
        Coding::Br => brotli(input, limit),
        Coding::Zstd => zstd(input, limit),
    }
}

/// For decoders that report a cut or trailing garbage by themselves.
fn read_all(
    coding: Coding,
    mut decoder: impl Read,
    limit: usize,
) -> Result<Vec<u8>, EncodingError> {
    let mut output = Output::new(limit);
    loop {
        match decoder.read(output.room()) {
            Ok(0) => return Ok(output.into_vec()),
            Ok(read) => output.wrote(read)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(EncodingError::corrupt(coding, CUT_SHORT));
            }
            Err(_) => return Err(EncodingError::corrupt(coding, DAMAGED)),
        }
    }
}

/// zstd frames one after another.
fn zstd(input: &[u8], limit: usize) -> Result<Vec<u8>, EncodingError> {
    let damaged = |_| EncodingError::corrupt(Coding::Zstd, DAMAGED);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(damaged)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(damaged)?;
    read_all(Coding::Zstd, decoder, limit)
}

/// "deflate" is zlib by the standard; raw deflate is what some senders make of it.
fn deflate(input: &[u8], limit: usize) -> Result<Vec<u8>, EncodingError> {
    if !looks_like_zlib(input) {
        return inflate(input, false, limit);
    }
    match inflate(input, true, limit) {
        // Raw data can begin with two bytes that look like a zlib header.
        Err(error @ EncodingError::Corrupt { .. }) => inflate(input, false, limit).or(Err(error)),
        result => result,
    }
}

/// RFC 1950: method 8, a window of at most 32 KiB, and a check over both bytes.
fn looks_like_zlib(input: &[u8]) -> bool {
    let [first, second, ..] = input else {
        return false;
    };
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([*first, *second]) % 31 == 0
}

fn inflate(input: &[u8], zlib: bool, limit: usize) -> Result<Vec<u8>, EncodingError> {
    let mut output = Output::new(limit);
    let mut state = Decompress::new(zlib);
    let mut rest = input;
    loop {
        let (before_in, before_out) = (state.total_in(), state.total_out());
        let status = state
            .decompress(rest, output.room(), FlushDecompress::None)
            .map_err(|_| EncodingError::corrupt(Coding::Deflate, DAMAGED))?;
        let read = step(before_in, state.total_in());
        let written = step(before_out, state.total_out());
        rest = rest.get(read..).unwrap_or_default();
        output.wrote(written)?;
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(output.into_vec()),
            Status::StreamEnd => return Err(EncodingError::corrupt(Coding::Deflate, TRAILING)),
            // There was room and nothing came: the end of the stream is missing.
            _ if read == 0 && written == 0 => {
                return Err(EncodingError::corrupt(Coding::Deflate, CUT_SHORT));
            }
            _ => {}
        }
    }
}

/// One call's share of a running total; a buffer's length always fits.
fn step(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}

fn brotli(input: &[u8], limit: usize) -> Result<Vec<u8>, EncodingError> {
    let mut output = Output::new(limit);
    // "Strict" refuses windows over 16 MiB, which are outside RFC 7932.
    let mut state = BrotliState::new_strict(
        StandardAlloc::default(),
        StandardAlloc::default(),
        StandardAlloc::default(),
    );
    let (mut unread, mut offset, mut total) = (input.len(), 0, 0);
    loop {
        let room = output.room();
        let (mut free, mut written) = (room.len(), 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut offset,
            input,
            &mut free,
            &mut written,
            room,
            &mut total,
            &mut state,
        );
        output.wrote(written)?;
        let problem = match result {
            BrotliResult::ResultSuccess if unread == 0 => return Ok(output.into_vec()),
            BrotliResult::ResultSuccess => TRAILING,
            BrotliResult::NeedsMoreInput => CUT_SHORT,
            BrotliResult::ResultFailure => DAMAGED,
            BrotliResult::NeedsMoreOutput => continue,
        };
        return Err(EncodingError::corrupt(Coding::Br, problem));
    }
}
