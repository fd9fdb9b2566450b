//! What a hostile client, upstream, page or file can try, beyond what `guard` shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "attacks/bodies.rs"]
mod bodies;
#[path = "attacks/canaries.rs"]
mod canaries;
#[path = "attacks/files.rs"]
mod files;
#[path = "attacks/smuggling.rs"]
mod smuggling;
#[path = "attacks/sockets.rs"]
mod sockets;
#[path = "attacks/strict.rs"]
mod strict;
mod support;
