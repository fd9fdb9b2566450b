//! What the system says about a target's processes: processor time, memory, descriptors.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

/// A target's processes, their parent first.
#[derive(Debug, Clone)]
pub(crate) struct Processes(Vec<u32>);

impl Processes {
    /// A process and, as they are now, its children and theirs.
    pub(crate) fn tree(root: u32) -> Self {
        let mut found = vec![root];
        let mut at = 0;
        while let Some(pid) = found.get(at).copied() {
            found.extend(children(pid));
            at += 1;
        }
        Self(found)
    }

    /// Processor time used so far by all threads that live, in nanoseconds. The scheduler's own
    /// account: ticks of 10 ms would be too coarse for a slice of a second.
    pub(crate) fn cpu(&self) -> u64 {
        self.0.iter().map(|pid| threads_cpu(*pid)).sum()
    }

    /// Memory in use now, in bytes: proportional shares, so that forked workers count once.
    pub(crate) fn memory(&self) -> u64 {
        let of = |pid: &u32| {
            let shares = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
            shares.and_then(|text| kilobytes(&text, "Pss:"))
        };
        self.0.iter().filter_map(of).sum::<u64>() * 1024
    }

    /// Resident memory, in bytes; what forked workers share counts for each.
    pub(crate) fn resident(&self) -> u64 {
        let of = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok();
            status.and_then(|text| kilobytes(&text, "VmRSS:"))
        };
        self.0.iter().filter_map(of).sum::<u64>() * 1024
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        let of = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.0.iter().map(of).sum()
    }

    /// Asks the first process to end, and waits until it has.
    pub(crate) fn end(&self, patience: Duration) {
        let Some(pid) = i32::try_from(self.0[0]).ok().and_then(Pid::from_raw) else {
            return;
        };
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
        let until = std::time::Instant::now() + patience;
        while self.is_alive() {
            if std::time::Instant::now() > until {
                let _ = kill_process(pid, Signal::KILL);
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_alive(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.0[0]));
        // After the name in brackets stands the state; Z has ended and waits for its parent.
        state.is_ok_and(|text| {
            !text
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .starts_with(" Z")
        })
    }
}

fn children(pid: u32) -> Vec<u32> {
    let lists = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = lists.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn threads_cpu(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    threads
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The most descriptors a process may open here.
pub(crate) fn descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // What is not allowed shows in what is asked for next.
    let _ = setrlimit(Resource::Nofile, all);
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

/// A line about the machine: processors, kernel.
pub(crate) fn machine() -> anyhow::Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let count = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    let release = kernel.split('-').next().unwrap_or_default();
    Ok(format!("{count} x {model}, Linux {}", release.trim()))
}

/// Where built programs of this workspace are.
pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    Ok(own
        .parent()
        .context("the folder of this program")?
        .to_owned())
}
