#![no_main]

#[path = "../laws/encoding.rs"]
mod encoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| encoding::check(data));
