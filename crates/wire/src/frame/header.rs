//! Frame headers.

use bytes::Bytes;

use super::{FrameError, apply_mask};

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with a message.
    Continuation = 0,
    /// Begins a text message.
    Text = 1,
    /// Begins a binary message.
    Binary = 2,
    /// Closes the connection.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, FrameError> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(FrameError::ReservedOpcode(bits)),
        })
    }

    /// Close, ping and pong.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Largest payload of a control frame, in bytes.
const MAX_CONTROL: u64 = 125;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // they are the bits of the wire
pub struct FrameHeader {
    /// The message ends with this frame.
    pub fin: bool,
    /// Set by permessage-deflate on the first frame of a compressed message (RFC 7692).
    pub rsv1: bool,
    /// Not used by any extension in use.
    pub rsv2: bool,
    /// Not used by any extension in use.
    pub rsv3: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key; clients mask, servers do not.
    pub mask: Option<[u8; 4]>,
    /// Payload length in bytes.
    pub payload_len: u64,
}

impl FrameHeader {
    /// Longest header, in bytes.
    pub const MAX_LEN: usize = 14;

    /// The header of an unfragmented frame.
    pub fn new(opcode: Opcode, mask: Option<[u8; 4]>, payload_len: u64) -> Self {
        Self {
            fin: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask,
            payload_len,
        }
    }

    /// Reads a header and says how many bytes it has; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError`] as soon as the bytes cannot become a valid header.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(first) = bytes.first() else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(first & 0x0f)?;
        let fin = first & 0x80 != 0;
        if opcode.is_control() && !fin {
            return Err(FrameError::Control);
        }
        let Some(second) = bytes.get(1) else {
            return Ok(None);
        };
        let short = u64::from(second & 0x7f);
        if opcode.is_control() && short > MAX_CONTROL {
            return Err(FrameError::Control);
        }
        let rest = bytes.get(2..).unwrap_or_default();
        let (payload_len, extended) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(len) => (u64::from_be_bytes(*len), 8),
                None => return Ok(None),
            },
            len => (len, 0),
        };
        // The shortest form must be used, and the highest bit must be zero.
        let minimal = match extended {
            2 => payload_len > MAX_CONTROL,
            8 => payload_len > u64::from(u16::MAX) && payload_len >> 63 == 0,
            _ => true,
        };
        if !minimal {
            return Err(FrameError::Length);
        }
        let mut len = 2 + extended;
        let mut mask = None;
        if second & 0x80 != 0 {
            match rest
                .get(extended..)
                .and_then(|rest| rest.first_chunk::<4>())
            {
                Some(key) => mask = Some(*key),
                None => return Ok(None),
            }
            len += 4;
        }
        let header = Self {
            fin,
            rsv1: first & 0x40 != 0,
            rsv2: first & 0x20 != 0,
            rsv3: first & 0x10 != 0,
            opcode,
            mask,
            payload_len,
        };
        Ok(Some((header, len)))
    }

    /// Appends the header's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = bit(self.fin, 0x80) | bit(self.rsv1, 0x40) | bit(self.rsv2, 0x20);
        out.push(flags | bit(self.rsv3, 0x10) | self.opcode as u8);
        let masked = bit(self.mask.is_some(), 0x80);
        let [.., high, low] = self.payload_len.to_be_bytes();
        match self.payload_len {
            0..=125 => out.push(masked | low),
            126..=0xffff => out.extend_from_slice(&[masked | 0x7e, high, low]),
            _ => {
                out.push(masked | 0x7f);
                out.extend_from_slice(&self.payload_len.to_be_bytes());
            }
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[], |key| key.as_slice()));
    }
}

/// Writes an unfragmented frame, masked when a key is given.
pub fn encode_frame(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + FrameHeader::MAX_LEN);
    FrameHeader::new(opcode, mask, payload.len() as u64).encode(&mut frame);
    let start = frame.len();
    frame.extend_from_slice(payload);
    if let Some(key) = mask {
        apply_mask(frame.get_mut(start..).unwrap_or_default(), key, 0);
    }
    Bytes::from(frame)
}
