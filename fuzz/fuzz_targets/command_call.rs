#![no_main]

#[path = "../laws/command_call.rs"]
mod command_call;

libfuzzer_sys::fuzz_target!(|data: &[u8]| command_call::check(data));
