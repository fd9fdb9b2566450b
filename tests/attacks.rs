//! What a hostile client, upstream, page or file can try, beyond what `guard` shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]
#![allow(
    clippy::too_many_lines,
    reason = "what can be tried is one table, to be read from top to bottom"
)]

#[path = "attacks/answers.rs"]
mod answers;
#[path = "attacks/bodies.rs"]
mod bodies;
#[path = "attacks/bombs.rs"]
mod bombs;
#[path = "attacks/canaries.rs"]
mod canaries;
#[path = "attacks/chunks.rs"]
mod chunks;
#[path = "attacks/files.rs"]
mod files;
#[path = "attacks/names.rs"]
mod names;
#[path = "attacks/smuggling.rs"]
mod smuggling;
#[path = "attacks/sockets.rs"]
mod sockets;
#[path = "attacks/streams.rs"]
mod streams;
#[path = "attacks/strict.rs"]
mod strict;
mod support;
#[path = "attacks/terminal.rs"]
mod terminal;
