//! WebSocket connections as their two ends see them: messages, control frames and endings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "websocket/ends.rs"]
mod ends;
#[path = "websocket/frames.rs"]
mod frames;
#[path = "websocket/handshake.rs"]
mod handshake;
#[path = "websocket/messages.rs"]
mod messages;
mod support;
#[path = "websocket/turns.rs"]
mod turns;
