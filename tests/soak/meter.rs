//! What a process needs, and whether that grows.

use std::fmt;
use std::time::Duration;

/// Memory may end this much above what it was: 5 %, and 8 MiB for what the allocator rounds up.
const MEMORY_PERCENT: u64 = 5;
const MEMORY_KIB: u64 = 8 << 10;
/// The most memory of a round depends on how many large payloads meet in it: a third more, and two
/// of them.
const PEAK_PERCENT: u64 = 33;
const PEAK_KIB: u64 = 40 << 10;
/// And never more than this: eight clients, each with the largest payload on its way there and back,
/// held twice, and what the process needs besides.
const PEAK_MOST_KIB: u64 = (8 * 2 * 2 * 10 + 128) << 10;
/// Connections to the provider that were kept a moment longer, a hook that is just ending.
const DESCRIPTORS: u64 = 8;
/// What a Python worker holds open in the proxy. How many of them run depends on how busy the machine
/// is, not on how long the proxy has been up, so they are counted by themselves.
const WORKER_DESCRIPTORS: u64 = 3;
/// The default of `hooks.workers`.
const WORKERS: u64 = 16;
const THREADS: u64 = 2;

/// A process after a round, while no client is connected. Read from `/proc`; where there is none,
/// only errors count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) pid: u32,
    round: usize,
    after: Duration,
    rss_kib: u64,
    peak_kib: u64,
    descriptors: u64,
    workers: u64,
    threads: u64,
    errors: usize,
}

impl Sample {
    pub(crate) const HEADINGS: &str =
        "round seconds     pid  rss MiB  peak MiB  descriptors  workers  threads  errors";

    pub(crate) fn take(pid: u32, round: usize, after: Duration, errors: usize) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        // The kernel begins a new peak with this word.
        let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        Self {
            pid,
            round,
            after,
            rss_kib: number("VmRSS:"),
            peak_kib: number("VmHWM:"),
            descriptors: open.map_or(0, |entries| entries.count() as u64),
            workers: children(pid),
            threads: number("Threads:"),
            errors,
        }
    }
}

/// The processes it has started that are still there: while nobody asks, its Python workers.
fn children(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let lists = tasks.into_iter().flatten().flatten();
    lists
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .map(|list| list.split_whitespace().count() as u64)
        .sum()
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            round,
            after,
            rss_kib,
            peak_kib,
            descriptors,
            workers,
            threads,
            errors,
        } = self;
        let (seconds, mib, peak) = (after.as_secs(), rss_kib >> 10, peak_kib >> 10);
        write!(
            f,
            "{round:>5} {seconds:>7} {pid:>7} {mib:>8} {peak:>9} {descriptors:>12} {workers:>8} {threads:>8} {errors:>7}"
        )
    }
}

/// What is read of a sample, and by what part (in percent) and how much the last third may be more.
struct Limit {
    what: &'static str,
    read: fn(&Sample) -> u64,
    percent: u64,
    margin: u64,
}

const LIMITS: [Limit; 4] = [
    Limit {
        what: "KiB of memory",
        read: |sample| sample.rss_kib,
        percent: MEMORY_PERCENT,
        margin: MEMORY_KIB,
    },
    Limit {
        what: "KiB of memory at the peak",
        read: |sample| sample.peak_kib,
        percent: PEAK_PERCENT,
        margin: PEAK_KIB,
    },
    Limit {
        what: "descriptors but for those of workers",
        read: |sample| {
            let theirs = sample.workers * WORKER_DESCRIPTORS;
            sample.descriptors.saturating_sub(theirs)
        },
        percent: 0,
        margin: DESCRIPTORS,
    },
    Limit {
        what: "threads",
        read: |sample| sample.threads,
        percent: 0,
        margin: THREADS,
    },
];

/// The first third of the samples is warming up. The least of the last third may not be more than
/// the least of the second one, within the margins. The least, for what is lost never comes back,
/// while the buffers of a large payload may or may not have been given back when a sample is taken.
pub(crate) fn assert_no_trend(samples: &[Sample]) {
    let most = samples.iter().map(|sample| sample.workers).max();
    assert!(most <= Some(WORKERS), "{most:?} workers");
    let peak = samples.iter().map(|sample| sample.peak_kib).max();
    assert!(peak <= Some(PEAK_MOST_KIB), "{peak:?} KiB at the peak");
    let third = samples.len() / 3;
    let (before, last) = samples.split_at(samples.len() - third);
    let second = &before[before.len() - third..];
    for Limit {
        what,
        read,
        percent,
        margin,
    } in LIMITS
    {
        let span = |part: &[Sample]| {
            let read = || part.iter().map(read);
            (read().min().unwrap(), read().max().unwrap())
        };
        let ((was, was_most), (is, is_most)) = (span(second), span(last));
        let told = format!(
            "{what}: {was} to {was_most} in the second third, {is} to {is_most} in the last one"
        );
        println!("{told}");
        assert!(is <= was + was * percent / 100 + margin, "grows: {told}");
    }
}
