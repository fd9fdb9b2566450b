//! What a user may set of the line: the proxy's part of the configuration file.
//!
//! Every field has a default, so an empty file is a valid one. The binary merges the layers
//! (flags, environment, project file, user file) before this type is read.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

pub use codex_plus_project::quantity::{ByteSize, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The proxy's configuration.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, named as in the file"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on. Anything but loopback also needs `guard.token`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where exchanges go: `auto` (by the kind of login) or one base URL such as
    /// `https://api.openai.com/v1`.
    pub upstream: String,
    /// Carry everything and read nothing: every filter is off.
    pub passthrough: bool,
    /// Carry WebSocket connections. When false they are answered 426, and Codex uses POST.
    pub websocket: bool,
    /// Tell in `Server-Timing` where the time went until an answer's head. When false only
    /// requests with the header `x-codex-plus-timing` are told.
    pub server_timing: bool,
    /// Keep what filters changed in conversations over a restart, in `history.jsonl` of the state
    /// folder, which only its owner may read.
    pub keep_history: bool,
    /// How the way to the provider is made.
    pub tls: Tls,
    /// Who may enter.
    pub guard: Guard,
    /// How much may enter.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000)),
            upstream: "auto".to_owned(),
            passthrough: false,
            websocket: true,
            keep_history: true,
            server_timing: false,
            tls: Tls::default(),
            guard: Guard::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// How the way to the provider is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM files with certificate authorities to trust beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// Allow `http://` upstreams that are not on loopback. Keys then travel unencrypted.
    pub allow_plain_http: bool,
}

/// Who may enter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// What a client must send in `x-codex-plus-token`. Required when listening beyond loopback.
    pub token: Option<String>,
    /// Host names accepted in `Host` beside `localhost` and loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// Web origins (such as `http://localhost:3000`) whose pages may call the proxy.
    pub allowed_origins: Vec<String>,
}

/// How much may enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest request body, as it is on the wire.
    pub body: ByteSize,
    /// Largest request or answer body after decompression, when a filter reads it.
    pub decoded: ByteSize,
    /// Largest request head (request line and headers).
    pub head: ByteSize,
    /// Largest server-sent event that a filter is shown; longer ones pass unread.
    pub event: ByteSize,
    /// Largest WebSocket message that a filter is shown.
    pub websocket_message: ByteSize,
    /// Memory of what was changed in conversations, to be changed the same way when it comes back.
    pub history: ByteSize,
    /// Connections open at once; further ones wait in the listener's queue.
    pub connections: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: ByteSize::mebibytes(128),
            decoded: ByteSize::mebibytes(256),
            head: ByteSize::kibibytes(256),
            event: ByteSize::mebibytes(16),
            websocket_message: ByteSize::mebibytes(64),
            history: ByteSize::mebibytes(64),
            connections: NonZeroU32::MIN.saturating_add(19_999),
        }
    }
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Reaching the upstream: name look-up, TCP and TLS, all tries together.
    pub connect: TimeSpan,
    /// A client sending its request head, and a kept-alive connection staying silent.
    pub head: TimeSpan,
    /// A client going quiet in the middle of a request body.
    pub body_idle: TimeSpan,
    /// An upstream going quiet: before its answer's head, or between two pieces of the answer.
    pub stream_idle: TimeSpan,
    /// A WebSocket side going quiet before it is pinged.
    pub ping: TimeSpan,
    /// A client waiting for a filter before it is told that the answer goes on.
    pub waiting: TimeSpan,
    /// Live streams finishing after a stop was asked for.
    pub drain: TimeSpan,
    /// Live streams finishing in the old process after a restart. It takes no new ones meanwhile.
    pub handover: TimeSpan,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: TimeSpan::seconds(10),
            head: TimeSpan::seconds(120),
            body_idle: TimeSpan::seconds(60),
            // Codex itself gives a stream 300 s between events (seen with 0.169.0); ending it
            // earlier would turn a slow answer into a reconnect.
            stream_idle: TimeSpan::seconds(600),
            ping: TimeSpan::seconds(30),
            // Codex gives a stream up after 300 s without an event, comments aside (0.169.0).
            waiting: TimeSpan::seconds(60),
            drain: TimeSpan::seconds(10),
            // The provider ends a WebSocket connection after an hour.
            handover: TimeSpan::seconds(3_600),
        }
    }
}
