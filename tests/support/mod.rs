//! What the end-to-end suites share: the built proxy as a child process, and the two ends of the
//! line, spoken by hand so that every byte can be told.
#![allow(dead_code, reason = "each suite uses a part of it")]

#[path = "../daemon/home.rs"]
pub(crate) mod home;
pub(crate) mod machine;
pub(crate) mod peer;
pub(crate) mod proxy;
pub(crate) mod secure;
pub(crate) mod socket;
pub(crate) mod tools;
pub(crate) mod upstream;

use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Keeps a broken test from hanging; nothing is measured by it.
const HANG_GUARD: Duration = Duration::from_mins(1);

/// Waits for `what`, or ends the test.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG_GUARD, what)
        .await
        .expect("nothing came within a minute")
}

/// Waits until `done`; the limit only keeps a broken test from hanging.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited a minute for {what}");
}

/// Lower-case hex, as the stand-in tells it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// `len` bytes of text that compress to about half, the same every time.
pub(crate) fn text(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 16);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(format!("{state:016x}").as_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
