use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::answer::Answer;

/// How the stand-in behaves. `Config::default()` suits tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// What a WebSocket handshake on `…/responses` gets.
    pub websocket: WebSocketMode,
    /// The answer when the script is empty.
    pub default_answer: Answer,
    /// Answers put into the script at start.
    pub script: Vec<Answer>,
    /// How many requests are remembered, the newest win. 0 only counts them and
    /// skips hashing, which is what benchmarks want.
    pub keep: usize,
    /// Bytes of bodies remembered in all; the oldest records go first.
    pub keep_bytes: usize,
    /// Bytes of one body remembered. A longer one keeps its length and hash only.
    pub keep_body: usize,
    /// Largest request body or WebSocket message accepted, in bytes.
    pub body_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            websocket: WebSocketMode::Accept,
            default_answer: Answer::default(),
            script: Vec::new(),
            keep: 10_000,
            keep_bytes: 1 << 30,
            keep_body: 64 << 20,
            body_limit: 256 << 20,
        }
    }
}

/// What a WebSocket handshake gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebSocketMode {
    /// The upgrade is accepted.
    #[default]
    Accept,
    /// The upgrade is answered with this HTTP status; 426 makes Codex 0.169.0
    /// fall back to POST at once and quietly.
    Refuse(u16),
}
