#![no_main]

#[path = "../laws/hook_file.rs"]
mod hook_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hook_file::check(data));
