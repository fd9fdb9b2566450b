//! What the system gives a running proxy, and what of it the proxy has taken.

use std::process::Command;

use super::peer::get;
use super::proxy::Proxy;

impl Proxy {
    /// Threads.
    pub(crate) fn threads(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        tasks.unwrap().count()
    }

    /// Processes it has started that are still there, dead ones it did not wait for included.
    pub(crate) fn children(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let children = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
        let children: String = children.collect();
        children
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// Processor time used so far, in the ticks of the system's clock (100 a second).
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // The 14th and 15th of all, the name being the second.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Sets one of its soft limits, as `prlimit` names it; what is open already stays.
    pub(crate) fn limit(&self, what: &str, value: impl std::fmt::Display) {
        let status = Command::new("prlimit")
            .arg(format!("--pid={}", self.pid()))
            .arg(format!("--{what}={value}:"))
            .status();
        assert!(status.unwrap().success());
    }

    /// Leaves it this many descriptors more. The limit is on their numbers, among which there are
    /// gaps.
    pub(crate) fn leave_descriptors(&self, count: usize) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let open: std::collections::HashSet<usize> = open
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        let mut free = (0..).filter(|number| !open.contains(number));
        let limit = free.nth(count).unwrap();
        self.limit("nofile", limit);
    }

    /// Done when no exchange is under way any more. One is over a moment after its sockets are.
    pub(crate) async fn idle(&self) {
        let start = std::time::Instant::now();
        loop {
            let (head, body) = get(self.address, "/codex-plus/status").await;
            assert_eq!(head.status(), 200);
            let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let live = status["exchanges"]["live"].as_u64().unwrap();
            if live == 0 {
                return;
            }
            let waited = start.elapsed().as_secs() >= 60;
            assert!(!waited, "waited a minute for the end of {live} exchanges");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}
