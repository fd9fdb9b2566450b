//! The Responses API on the wire: pure, synchronous readers and editors of bytes.
//!
//! Nothing here does I/O or waits; every reader is bounded by a limit its caller gives or by a
//! constant named beside it, and none panics on bytes from outside. One room per layer of the
//! wire, outermost first:
//!
//! - [`framing`]: where the body of an HTTP/1.1 message ends.
//! - [`encoding`]: `Content-Encoding`, decoded within a limit and encoded again.
//! - [`request`]: the request body, read and edited in place.
//! - [`patch`]: edits of a JSON text by path, down to the bytes they are about.
//! - [`turn`]: what a request is: a new prompt, a continuation, a compaction, ...
//! - [`sse`]: server-sent events cut out of a byte stream, however it was split.
//! - [`frame`]: WebSocket frames and the messages they carry.
//! - [`event`]: typed views of the response events, the same in SSE and WebSocket.

pub mod encoding;
pub mod event;
pub mod frame;
pub mod framing;
mod json;
pub mod patch;
pub mod request;
pub mod sse;
pub mod turn;
