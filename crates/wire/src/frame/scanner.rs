//! Frame and message boundaries in a stream of bytes that is passed on as it comes.

use super::{FrameError, FrameHeader, Opcode};

/// What the scanner saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A header is complete. Its first bytes may have come in earlier chunks.
    Header(FrameHeader),
    /// This many bytes of payload.
    Payload(usize),
}

/// One thing seen, and how many bytes of the given input end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What was seen.
    pub scan: Scan,
    /// Bytes of the input it took.
    pub consumed: usize,
}

/// Follows frames through chunks of any size, keeping at most one header.
///
/// After an error the stream has no meaning; the scanner must not be fed again.
#[derive(Debug, Clone, Default)]
pub struct FrameScanner {
    /// The beginning of a header.
    partial: Vec<u8>,
    /// Payload bytes of the current frame that are still to come.
    remaining: u64,
    /// Between the first and the last frame of a fragmented message.
    fragmented: bool,
}

impl FrameScanner {
    /// A scanner at the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// True between two frames.
    pub fn at_boundary(&self) -> bool {
        self.partial.is_empty() && self.remaining == 0
    }

    /// True between two messages. Control frames may stand inside a message.
    pub fn at_message_boundary(&self) -> bool {
        self.at_boundary() && !self.fragmented
    }

    /// Looks at the beginning of `input`; call again with what was not consumed. `None` when all
    /// of `input` is taken: it was empty or the beginning of a header.
    ///
    /// # Errors
    /// [`FrameError`] for headers and orders of frames that RFC 6455 does not allow.
    pub fn step(&mut self, input: &[u8]) -> Result<Option<Step>, FrameError> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.remaining > 0 {
            let here = usize::try_from(self.remaining)
                .unwrap_or(usize::MAX)
                .min(input.len());
            self.remaining -= here as u64;
            return Ok(Some(Step {
                scan: Scan::Payload(here),
                consumed: here,
            }));
        }
        let known = self.partial.len();
        let wanted = FrameHeader::MAX_LEN - known.min(FrameHeader::MAX_LEN);
        self.partial
            .extend_from_slice(input.get(..wanted).unwrap_or(input));
        let Some((header, len)) = FrameHeader::parse(&self.partial)? else {
            return Ok(None);
        };
        self.partial.clear();
        self.follow(&header)?;
        self.remaining = header.payload_len;
        Ok(Some(Step {
            scan: Scan::Header(header),
            consumed: len - known,
        }))
    }

    /// All that is seen in `chunk`.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn scan(&mut self, mut chunk: &[u8]) -> Result<Vec<Scan>, FrameError> {
        let mut seen = Vec::new();
        while let Some(step) = self.step(chunk)? {
            seen.push(step.scan);
            chunk = chunk.get(step.consumed..).unwrap_or_default();
        }
        Ok(seen)
    }

    /// Keeps track of messages in pieces.
    fn follow(&mut self, header: &FrameHeader) -> Result<(), FrameError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        if (header.opcode == Opcode::Continuation) != self.fragmented {
            return Err(FrameError::Order);
        }
        self.fragmented = !header.fin;
        Ok(())
    }
}
