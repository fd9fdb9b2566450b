//! Whole messages out of frames, together with the exact bytes they came in.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{FrameError, FrameHeader, FrameScanner, Opcode, Scan, apply_mask};

/// Most frames one message may come in; each costs memory even when it is empty.
const MAX_FRAMES: usize = 65_536;

/// A message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Text, binary, close, ping or pong.
    pub opcode: Opcode,
    /// True when permessage-deflate compressed the payload, which is not undone.
    pub compressed: bool,
    /// The payload of all its frames, unmasked.
    pub payload: Bytes,
    /// Its frames exactly as they came: pass these on when nothing was edited.
    pub raw: Vec<Bytes>,
}

/// Collects frames into messages. Control frames come out as they arrive, also between the
/// frames of a message.
#[derive(Debug)]
pub struct MessageAssembler {
    limit: usize,
    scanner: FrameScanner,
    input: VecDeque<Bytes>,
    /// The beginning of a frame that did not arrive in one chunk.
    partial: BytesMut,
    /// The last header seen, until its payload is complete.
    header: Option<FrameHeader>,
    /// The message that is being collected; its payload stands in `joined`.
    open: Option<Message>,
    joined: BytesMut,
    /// Payload bytes of `open`, the current frame included.
    size: u64,
    failed: Option<FrameError>,
}

impl MessageAssembler {
    /// An assembler for messages of at most `limit` bytes of payload.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            scanner: FrameScanner::new(),
            input: VecDeque::new(),
            partial: BytesMut::new(),
            header: None,
            open: None,
            joined: BytesMut::new(),
            size: 0,
            failed: None,
        }
    }

    /// Takes the next bytes of the connection.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.input.push_back(chunk);
        }
    }

    /// True between two messages: nothing is kept back.
    pub fn at_boundary(&self) -> bool {
        self.input.is_empty() && self.scanner.at_message_boundary()
    }

    /// The next message or control frame; `None` until more bytes are pushed.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] as soon as a header announces a message over the limit, and what
    /// [`FrameScanner`] refuses. An error stays: the connection cannot be read any further.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance();
        self.failed = result.as_ref().err().copied();
        result
    }

    fn advance(&mut self) -> Result<Option<Message>, FrameError> {
        while let Some(mut chunk) = self.input.pop_front() {
            let (taken, header) = self.take_frame(&chunk)?;
            let part = chunk.split_to(taken);
            if !chunk.is_empty() {
                self.input.push_front(chunk);
            }
            let Some(header) = header else {
                self.partial.extend_from_slice(&part);
                continue;
            };
            let frame = if self.partial.is_empty() {
                part
            } else {
                self.partial.extend_from_slice(&part);
                self.partial.split().freeze()
            };
            if let Some(message) = self.add(header, frame)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// How many bytes of `chunk` belong to the current frame, and its header if it ends there.
    fn take_frame(&mut self, chunk: &[u8]) -> Result<(usize, Option<FrameHeader>), FrameError> {
        let mut taken = 0;
        while let Some(step) = self.scanner.step(chunk.get(taken..).unwrap_or_default())? {
            taken += step.consumed;
            if let Scan::Header(header) = step.scan {
                self.admit(&header)?;
                self.header = Some(header);
            }
            if self.scanner.at_boundary() {
                return Ok((taken, self.header.take()));
            }
        }
        Ok((chunk.len(), None))
    }

    /// Checks the limits before any payload is kept.
    fn admit(&mut self, header: &FrameHeader) -> Result<(), FrameError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        self.size = self.size.saturating_add(header.payload_len);
        let frames = self.open.as_ref().map_or(0, |message| message.raw.len());
        if self.size > self.limit as u64 || frames >= MAX_FRAMES {
            return Err(FrameError::TooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// Adds a whole frame; gives back what is complete with it.
    fn add(&mut self, header: FrameHeader, frame: Bytes) -> Result<Option<Message>, FrameError> {
        let payload = payload(&header, &frame)?;
        if header.opcode.is_control() {
            let (opcode, compressed) = (header.opcode, header.rsv1);
            return Ok(Some(Message {
                opcode,
                compressed,
                payload,
                raw: vec![frame],
            }));
        }
        let mut message = match self.open.take() {
            None => {
                let (opcode, compressed) = (header.opcode, header.rsv1);
                Message {
                    opcode,
                    compressed,
                    payload: payload.clone(),
                    raw: Vec::new(),
                }
            }
            Some(message) => message,
        };
        message.raw.push(frame);
        if !header.fin || message.raw.len() > 1 {
            self.joined.extend_from_slice(&payload);
            message.payload = Bytes::new();
        }
        if !header.fin {
            self.open = Some(message);
            return Ok(None);
        }
        self.size = 0;
        if message.raw.len() > 1 {
            message.payload = self.joined.split().freeze();
        }
        Ok(Some(message))
    }
}

/// The payload of a whole frame: a slice of it, or an unmasked copy.
fn payload(header: &FrameHeader, frame: &Bytes) -> Result<Bytes, FrameError> {
    let len = usize::try_from(header.payload_len).map_err(|_| FrameError::Length)?;
    let start = frame.len().checked_sub(len).ok_or(FrameError::Length)?;
    let payload = frame.slice(start..);
    let Some(key) = header.mask else {
        return Ok(payload);
    };
    let mut unmasked = BytesMut::from(&*payload);
    apply_mask(&mut unmasked, key, 0);
    Ok(unmasked.freeze())
}
