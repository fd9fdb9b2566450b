//! A new process in the place of the old one, and the signals: nothing that lives is cut, nobody
//! is turned away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "restart/failures.rs"]
mod failures;
#[path = "restart/handover.rs"]
mod handover;
#[path = "restart/history.rs"]
mod history;
#[path = "restart/signals.rs"]
mod signals;
#[path = "restart/ticking.rs"]
mod ticking;

mod support;
