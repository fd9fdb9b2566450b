//! The fuzz targets under plain cargo: the kept corpus first, then a fixed number of cases made
//! from it, the same every time.
//!
//! `CODEX_PLUS_FUZZ_SECONDS` makes it go on for so long, with other cases at every run. A case that
//! fails is kept, and told by its path: put it into `fuzz/corpus/TARGET` with the fix.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a law that does not hold ends the test"
)]

#[path = "../fuzz/laws/command_call.rs"]
mod command_call;
#[path = "../fuzz/laws/command_file.rs"]
mod command_file;
#[path = "../fuzz/laws/encoding.rs"]
mod encoding;
#[path = "../fuzz/laws/event.rs"]
mod event;
#[path = "../fuzz/laws/frame.rs"]
mod frame;
#[path = "../fuzz/laws/framing.rs"]
mod framing;
#[path = "../fuzz/laws/git_status.rs"]
mod git_status;
#[path = "../fuzz/laws/history_line.rs"]
mod history_line;
#[path = "../fuzz/laws/hook_file.rs"]
mod hook_file;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "../fuzz/laws/patch.rs"]
mod patch;
#[path = "../fuzz/laws/request.rs"]
mod request;
#[path = "../fuzz/laws/sse.rs"]
mod sse;
#[path = "../fuzz/laws/turn.rs"]
mod turn;
#[path = "../fuzz/laws/worker_frame.rs"]
mod worker_frame;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mutate::Mutator;

/// Cases of each target beside its corpus.
const CASES: usize = 4_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(self::folder().join(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(ending).unwrap_or(&name).to_owned())
        .collect();
    names.sort();
    names
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let kept = names(&format!("corpus/{target}"), "");
    let read = |name: String| {
        let path = folder().join("corpus").join(target).join(&name);
        let bytes = std::fs::read(path).unwrap();
        (name, bytes)
    };
    kept.into_iter().map(read).collect()
}

/// How long each target goes on, when that was asked for.
fn time() -> Option<Duration> {
    let asked = std::env::var("CODEX_PLUS_FUZZ_SECONDS").ok()?;
    let seconds: u64 = asked.parse().expect("CODEX_PLUS_FUZZ_SECONDS is a number");
    Some(Duration::from_secs(seconds))
}

fn run(target: &str, law: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
    for (name, bytes) in &corpus {
        let held = catch_unwind(AssertUnwindSafe(|| law(bytes))).is_ok();
        assert!(
            held,
            "fuzz/corpus/{target}/{name} breaks the law of {target}"
        );
    }
    let time = time();
    let seed = time.map_or(1, |_| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap().as_secs() | 1
    });
    let mut mutator = Mutator::new(seed, corpus.into_iter().map(|(_, bytes)| bytes).collect());
    let started = Instant::now();
    let mut cases = 0;
    while time.map_or(cases < CASES, |time| started.elapsed() < time) {
        let case = mutator.next();
        cases += 1;
        if catch_unwind(AssertUnwindSafe(|| law(&case))).is_err() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("fuzz-{target}-{seed}-{cases}"));
            std::fs::write(&kept, &case).unwrap();
            panic!(
                "case {cases} of {target} with seed {seed}: {}",
                kept.display()
            );
        }
    }
}

macro_rules! laws {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            run(stringify!($target), $target::check);
        })*

        /// A target that is not in this list would never run, nor one without a corpus.
        #[test]
        fn every_target_is_here_with_its_corpus() {
            let here = [$(stringify!($target)),*];
            for folder in ["laws", "fuzz_targets", "corpus"] {
                assert_eq!(names(folder, ".rs"), here, "fuzz/{folder}");
            }
        }
    };
}

mod laws {
    use super::*;

    laws! {
        command_call command_file encoding event frame framing git_status history_line hook_file patch
        request sse turn worker_frame
    }
}
