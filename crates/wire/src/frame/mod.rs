//! WebSocket frames (RFC 6455, section 5) and the messages they carry.

mod assembler;
mod close;
mod header;
mod mask;
mod scanner;

pub use assembler::{Message, MessageAssembler};
pub use close::{Close, CloseCode};
pub use header::{FrameHeader, Opcode, encode_frame};
pub use mask::apply_mask;
pub use scanner::{FrameScanner, Scan, Step};

/// Why bytes are not the frames of a WebSocket connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Opcodes 3-7 and 11-15.
    #[error("reserved WebSocket opcode {0}")]
    ReservedOpcode(u8),
    /// A length in more bytes than it needs, or over 2^63.
    #[error("WebSocket frame length in a form RFC 6455 does not allow")]
    Length,
    /// A control frame in pieces or over 125 bytes.
    #[error("WebSocket control frame in pieces or over 125 bytes")]
    Control,
    /// A continuation without a message, or a new message inside another.
    #[error("WebSocket fragments out of order")]
    Order,
    /// A message over the limit.
    #[error("WebSocket message over {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A close payload that is cut short or not UTF-8, or a code that must not be sent.
    #[error("invalid WebSocket close payload")]
    Close,
}
