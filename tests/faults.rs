//! What can go wrong, as the client sees it; and what the log must never hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "faults/answers.rs"]
mod answers;
#[path = "faults/clients.rs"]
mod clients;
#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/cuts.rs"]
mod cuts;
#[path = "faults/descriptors.rs"]
mod descriptors;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/early.rs"]
mod early;
#[path = "faults/nonsense.rs"]
mod nonsense;
#[path = "faults/secrets.rs"]
mod secrets;
#[path = "faults/sockets.rs"]
mod sockets;
#[path = "faults/stalls.rs"]
mod stalls;
mod support;
