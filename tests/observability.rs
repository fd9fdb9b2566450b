//! What the proxy tells about itself: timings in answers, metrics, traces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "observability/bench.rs"]
mod bench;
#[path = "observability/hooks.rs"]
mod hooks;
#[path = "observability/metrics.rs"]
mod metrics;
#[path = "observability/otlp.rs"]
mod otlp;
#[path = "observability/server_timing.rs"]
mod server_timing;
mod support;
