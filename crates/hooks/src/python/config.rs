//! How the workers of a pool are.

use std::path::PathBuf;
use std::time::Duration;

/// How the workers are.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The interpreter; `None` looks for the project's `.venv` or `venv`, then takes `python3`.
    pub python: Option<PathBuf>,
    /// The workers' folder, and where a virtual environment is looked for. Its interpreter is the
    /// project's code too: give a folder only if the user trusts it.
    pub project: Option<PathBuf>,
    /// At most so many workers. One is kept, and another one to spare while the pool is used;
    /// others start when calls would have to wait behind hooks that block theirs.
    pub max_workers: usize,
    /// At most so many calls at once on each worker; more wait.
    pub max_in_flight: usize,
    /// A hook's time if its metadata gives none.
    pub timeout: Duration,
    /// The time a worker has to come up.
    pub start_timeout: Duration,
    /// A worker whose loop does not answer for so long gets no new calls, and those it has not
    /// begun go elsewhere.
    pub blocked_after: Duration,
    /// A worker beyond the first that has nothing to do for so long is ended.
    pub idle_after: Duration,
    /// A worker still blocked so long after a call timed out on it is killed.
    pub kill_grace: Duration,
    /// A worker's memory in bytes. Over it a hook gets a `MemoryError`; at 80 % of it the worker
    /// is replaced.
    pub memory_limit: Option<u64>,
    /// No frame is longer, in bytes.
    pub frame_limit: usize,
    /// The least level of Python's logging that is taken.
    pub log_level: &'static str,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            python: None,
            project: None,
            max_workers: 16,
            max_in_flight: 32,
            timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(10),
            blocked_after: Duration::from_millis(40),
            idle_after: Duration::from_mins(1),
            kill_grace: Duration::from_millis(500),
            memory_limit: Some(1024 * 1024 * 1024),
            frame_limit: 64 * 1024 * 1024,
            log_level: "INFO",
        }
    }
}
