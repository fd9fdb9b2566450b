//! Python hooks, run in persistent worker processes.
//!
//! [`discover`] finds hook files, [`PythonPool`] runs their methods. A worker is a subprocess of the
//! project's Python that speaks [`frame`]s over a Unix socket; it carries its own copy of the
//! `codex_plus` package, so nothing has to be installed.

mod call;
mod carried;
mod config;
mod crew;
mod edit;
pub mod frame;
mod hook;
mod inbox;
mod link;
mod log;
mod metadata;
mod outbox;
mod pool;
mod process;
mod program;
mod reply;
mod spare;
mod watch;
mod worker;

pub use call::{Call, Method, Outcome, PythonError, Reply, RequestMeta};
pub use config::PoolConfig;
pub use crew::PoolStatus;
pub use edit::{Edit, EditOp, PathError, PathPart, apply};
pub use hook::{Discovery, HookProblem, PythonHook, discover};
pub use log::LogRecord;
pub use metadata::{HookType, InputScope, Metadata, MetadataError};
pub use pool::PythonPool;

/// A lock whose holder cannot panic half-way.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
