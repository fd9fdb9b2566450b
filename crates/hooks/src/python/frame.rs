//! Frames between the proxy and a worker: kind (1 byte), call id (8), length (4), big-endian, then
//! that many bytes. The same numbers stand in `src/codex_plus/worker/frames.py`.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before a frame's payload.
pub const HEAD: usize = 13;

/// What a frame says. From the proxy: 1 to 4; from the worker: 16 and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A hook file's bytes and metadata.
    Load = 1,
    /// Run a method of a loaded hook.
    Call = 2,
    /// Give a call up.
    Cancel = 3,
    /// Answer with a pong once the loop comes to it.
    Ping = 4,
    /// The worker is up.
    Hello = 16,
    /// The call changed nothing.
    Unchanged = 17,
    /// The call's edits.
    Patch = 18,
    /// The call's value.
    Value = 19,
    /// The call raised.
    Error = 20,
    /// A log record.
    Log = 21,
    /// The loop is alive.
    Pong = 22,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Load,
            2 => Self::Call,
            3 => Self::Cancel,
            4 => Self::Ping,
            16 => Self::Hello,
            17 => Self::Unchanged,
            18 => Self::Patch,
            19 => Self::Value,
            20 => Self::Error,
            21 => Self::Log,
            22 => Self::Pong,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it says.
    pub kind: Kind,
    /// The call it belongs to; 0 for none.
    pub call: u64,
    /// The rest.
    pub payload: Bytes,
}

/// The peer does not speak this protocol, or sent more than the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A byte that names no kind of frame.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// A length over the limit.
    #[error("a frame of {length} bytes, over the limit of {limit}")]
    TooLong {
        /// What the frame said, in bytes.
        length: usize,
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// A split payload whose head is longer than itself.
    #[error("a frame whose head is cut short")]
    Cut,
}

/// Puts a frame's fixed part before a payload of `length` bytes.
pub fn put_head(out: &mut BytesMut, kind: Kind, call: u64, length: usize) {
    out.reserve(HEAD);
    out.put_u8(kind as u8);
    out.put_u64(call);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

/// A frame with a plain payload.
pub fn encode(kind: Kind, call: u64, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEAD + payload.len());
    put_head(&mut out, kind, call, payload.len());
    out.put_slice(payload);
    out.freeze()
}

/// The beginning of a frame whose payload is a head and a `rest` of so many bytes; the rest itself
/// is written after it, so that a large body is not copied.
pub fn encode_split(kind: Kind, call: u64, head: &[u8], rest: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(HEAD + 4 + head.len());
    put_head(&mut out, kind, call, 4 + head.len() + rest);
    out.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    out.put_slice(head);
    out
}

/// What a call's frame says beside its request and its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called {
    /// The number of the hook.
    pub hook: u32,
    /// The number of the method.
    pub method: u8,
    /// Behind another call it may come to wait, and then be wanted back: the worker is to say when
    /// it begins.
    pub shared: bool,
}

/// The beginning of a call's frame, whose payload of so many bytes is written after it. The request
/// stands apart: a hook that does not look at it need not have it read.
pub fn encode_call(call: u64, called: Called, request: &[u8], payload: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(HEAD + 10 + request.len());
    put_head(&mut out, Kind::Call, call, 10 + request.len() + payload);
    out.put_u32(called.hook);
    out.put_u8(called.method);
    out.put_u8(called.shared.into());
    out.put_u32(u32::try_from(request.len()).unwrap_or(u32::MAX));
    out.put_slice(request);
    out
}

/// A split payload's head and rest.
pub fn split(mut payload: Bytes) -> Result<(Bytes, Bytes), FrameError> {
    let length = payload.try_get_u32().map_err(|_| FrameError::Cut)? as usize;
    if length > payload.len() {
        return Err(FrameError::Cut);
    }
    let head = payload.split_to(length);
    Ok((head, payload))
}

/// Takes the first frame out of what was read, when it is whole. After an error the stream has no
/// meaning any more.
pub fn decode(read: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameError> {
    // A wrong kind is told by its first byte: garbage may be too short to be a frame.
    let Some(&first) = read.first() else {
        return Ok(None);
    };
    let kind = Kind::from_byte(first).ok_or(FrameError::Kind(first))?;
    if read.len() < HEAD {
        return Ok(None);
    }
    let mut fixed = &read[1..HEAD];
    let call = fixed.get_u64();
    let length = fixed.get_u32() as usize;
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    if read.len() < HEAD + length {
        // Only as much as is there and as much again: a length alone must not take memory.
        let missing = HEAD + length - read.len();
        read.reserve(missing.min(read.len().max(64 * 1024)));
        return Ok(None);
    }
    read.advance(HEAD);
    let payload = read.split_to(length).freeze();
    Ok(Some(Frame {
        kind,
        call,
        payload,
    }))
}
