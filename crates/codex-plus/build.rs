//! Lays the program out, so that less of it is mapped: what a start runs stands side by side, and the
//! addresses that the loader puts right are told in 10 KB, not in 900.

use std::env;
use std::path::Path;
use std::process::Command;

/// The first glibc that reads them so.
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=layout/start.ld");
    println!("cargo::rerun-if-env-changed=CODEX_PLUS_LAYOUT");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    // Seen to work with the linkers of this one: lld, the compiler's own, and GNU ld.
    let known = variable("TARGET") == "x86_64-unknown-linux-gnu";
    let optimised = variable("PROFILE") == "release";
    // A linker of the user's own need not know such scripts.
    let theirs = env::var_os("RUSTC_LINKER").is_some()
        || variable("CARGO_ENCODED_RUSTFLAGS").contains("link");
    let left_out = variable("CODEX_PLUS_LAYOUT") == "none";
    if !known || !optimised || theirs || left_out {
        return;
    }
    let script = Path::new(&variable("CARGO_MANIFEST_DIR")).join("layout/start.ld");
    println!("cargo::rustc-link-arg-bins=-T");
    println!("cargo::rustc-link-arg-bins={}", script.display());
    if variable("HOST") == variable("TARGET") && glibc() >= Some(PACKED_SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of the C library here, where the program will run.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let told = String::from_utf8(told.ok()?.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
