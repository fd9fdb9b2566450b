#![no_main]

#[path = "../laws/history_line.rs"]
mod history_line;

libfuzzer_sys::fuzz_target!(|data: &[u8]| history_line::check(data));
