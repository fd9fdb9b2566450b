#![no_main]

#[path = "../laws/command_file.rs"]
mod command_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| command_file::check(data));
