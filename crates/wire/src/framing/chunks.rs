//! Chunks and the lines between them (RFC 9112, 7.1).

use super::{FramingError, take};

/// Bound on what lines of sizes hold beside the sizes, in all chunks of a body together.
const BESIDE_SIZES: usize = 16 << 10;
/// Bound on all trailer fields in bytes, and on their number.
const TRAILERS: usize = 16 << 10;
const TRAILER_LINES: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: State,
    /// Of the chunk that is read.
    left: u64,
    beside_sizes: usize,
    trailers: Vec<u8>,
    trailer_lines: usize,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    FirstDigit,
    Size,
    /// White space behind a size.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The first byte of a trailer, or the CR of the last line.
    EndCr,
    Trailer,
    TrailerLf,
    EndLf,
    Ended,
}

impl Chunks {
    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(super) fn take_trailers(&mut self) -> Option<Vec<u8>> {
        let whole = self.is_ended() && !self.trailers.is_empty();
        whole.then(|| std::mem::take(&mut self.trailers))
    }

    pub(super) fn take(&mut self, available: usize) -> usize {
        if self.state != State::Data {
            return 0;
        }
        let taken = take(&mut self.left, available);
        if self.left == 0 {
            self.state = State::DataCr;
        }
        taken
    }

    pub(super) fn skip(&mut self, bytes: &[u8]) -> Result<usize, FramingError> {
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(self.state, State::Data | State::Ended) {
                return Ok(at);
            }
            self.state = self.next(*byte)?;
        }
        Ok(bytes.len())
    }

    fn next(&mut self, byte: u8) -> Result<State, FramingError> {
        Ok(match (self.state, byte) {
            (State::FirstDigit | State::Size, b'0'..=b'9') => self.digit(byte - b'0')?,
            (State::FirstDigit | State::Size, b'a'..=b'f') => self.digit(byte - b'a' + 10)?,
            (State::FirstDigit | State::Size, b'A'..=b'F') => self.digit(byte - b'A' + 10)?,
            (State::Size | State::Space | State::Extension, b'\r') => State::SizeLf,
            (State::Size | State::Space, b';') => State::Extension,
            (State::Size | State::Space, b' ' | b'\t') => {
                self.beside_size()?;
                State::Space
            }
            // Some take a LF alone for the end of a line; nobody shall read another chunk there.
            (State::Extension, b'\n') => return Err(FramingError::LineEnd),
            (State::Extension, _) => {
                self.beside_size()?;
                State::Extension
            }
            (State::SizeLf, b'\n') if self.left == 0 => State::EndCr,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::FirstDigit,
            (State::EndCr, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => {
                if !self.trailers.is_empty() {
                    self.trailers.extend(b"\r\n");
                }
                State::Ended
            }
            (State::EndCr | State::Trailer, _) => {
                self.trailer(byte)?;
                if byte == b'\r' {
                    State::TrailerLf
                } else {
                    State::Trailer
                }
            }
            (State::TrailerLf, b'\n') => {
                self.trailer(byte)?;
                self.trailer_lines += 1;
                if self.trailer_lines > TRAILER_LINES {
                    return Err(FramingError::Limit("trailers"));
                }
                State::EndCr
            }
            (State::FirstDigit | State::Size | State::Space, _) => return Err(FramingError::Size),
            _ => return Err(FramingError::LineEnd),
        })
    }

    fn digit(&mut self, digit: u8) -> Result<State, FramingError> {
        if self.left == 0 && digit == 0 {
            self.beside_size()?;
        }
        let size = self.left.checked_mul(16).ok_or(FramingError::Overflow)?;
        self.left = size | u64::from(digit);
        Ok(State::Size)
    }

    fn beside_size(&mut self) -> Result<(), FramingError> {
        self.beside_sizes += 1;
        if self.beside_sizes >= BESIDE_SIZES {
            return Err(FramingError::Limit("extensions"));
        }
        Ok(())
    }

    fn trailer(&mut self, byte: u8) -> Result<(), FramingError> {
        if self.trailers.len() >= TRAILERS {
            return Err(FramingError::Limit("trailers"));
        }
        self.trailers.push(byte);
        Ok(())
    }
}
