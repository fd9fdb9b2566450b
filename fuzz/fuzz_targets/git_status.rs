#![no_main]

#[path = "../laws/git_status.rs"]
mod git_status;

libfuzzer_sys::fuzz_target!(|data: &[u8]| git_status::check(data));
