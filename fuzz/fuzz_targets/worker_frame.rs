#![no_main]

#[path = "../laws/worker_frame.rs"]
mod worker_frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| worker_frame::check(data));
