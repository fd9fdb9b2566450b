//! What a process needs, and whether that grows.

use std::fmt;
use std::time::Duration;

/// Memory may end this much above what it was: 5 %, and 8 MiB for what the allocator rounds up.
const MEMORY_PERCENT: u64 = 5;
const MEMORY_KIB: u64 = 8 << 10;
/// Connections to the provider that were kept a moment longer, a hook that is just ending.
const DESCRIPTORS: u64 = 8;
const THREADS: u64 = 2;

/// A process after a round, while no client is connected. Read from `/proc`; where there is none,
/// only errors count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) pid: u32,
    round: usize,
    after: Duration,
    rss_kib: u64,
    descriptors: u64,
    threads: u64,
    errors: usize,
}

impl Sample {
    pub(crate) const HEADINGS: &str =
        "round seconds     pid  rss MiB  descriptors  threads  errors";

    pub(crate) fn take(pid: u32, round: usize, after: Duration, errors: usize) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        Self {
            pid,
            round,
            after,
            rss_kib: number("VmRSS:"),
            descriptors: open.map_or(0, |entries| entries.count() as u64),
            threads: number("Threads:"),
            errors,
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            round,
            after,
            rss_kib,
            descriptors,
            threads,
            errors,
        } = self;
        let (seconds, mib) = (after.as_secs(), rss_kib >> 10);
        write!(
            f,
            "{round:>5} {seconds:>7} {pid:>7} {mib:>8} {descriptors:>12} {threads:>8} {errors:>7}"
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

const LIMITS: [Limit; 3] = [
    Limit {
        what: "KiB of memory",
        read: |sample| sample.rss_kib,
        percent: MEMORY_PERCENT,
        margin: MEMORY_KIB,
    },
    Limit {
        what: "descriptors",
        read: |sample| sample.descriptors,
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
