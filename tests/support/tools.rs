//! The clients that tests run for real; `run_tests.sh` puts them below `target/test-tools`.

use std::path::{Path, PathBuf};

/// The Codex CLI of the version that `tests/tools/package.json` pins, or the one that
/// `CODEX_PLUS_TEST_CODEX` names.
pub(crate) fn codex() -> PathBuf {
    match std::env::var_os("CODEX_PLUS_TEST_CODEX") {
        Some(path) => there(path.into()),
        None => installed("codex/node_modules/.bin/codex"),
    }
}

/// The Python that has the `OpenAI` SDK.
pub(crate) fn python() -> PathBuf {
    installed("venv/bin/python")
}

/// The folder in which Node finds the `OpenAI` SDK.
pub(crate) fn node_modules() -> PathBuf {
    installed("codex/node_modules/openai");
    installed("codex/node_modules")
}

/// The library that moves a process's clock.
pub(crate) fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let folders = folders.filter_map(|entry| Some(entry.ok()?.path()));
    let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    let found = libraries.into_iter().find(|library| library.exists());
    there(found.unwrap_or_else(|| PathBuf::from("/usr/lib/faketime/libfaketimeMT.so.1")))
}

/// A file of the checkout.
pub(crate) fn checkout(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(name)
}

fn installed(name: &str) -> PathBuf {
    let folder = checkout("target/test-tools").canonicalize();
    there(folder.unwrap_or_default().join(name))
}

/// A missing client fails the test: one that is skipped shows nothing.
fn there(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing; run ./run_tests.sh, which installs it",
        path.display()
    );
    path
}
