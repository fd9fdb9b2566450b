//! The proxy as a background process: its state folder, its lock, and finding it again.

mod activation;
mod handover;
mod instance;
mod lock;
mod port;
mod probe;
mod short;
mod spawn;
mod state;
mod stop;

pub(crate) use activation::activated;
pub(crate) use handover::{Door, Leash, Taken, take};
pub(crate) use instance::{Instance, reachable, remove_pid_file, sign_off};
pub(crate) use lock::{Lock, Locked};
pub(crate) use port::owner;
pub(crate) use probe::{Health, Probe};
pub(crate) use spawn::{Spawned, detach, let_go_of_stderr, spawn};
pub(crate) use state::{StateDir, missing, write_private};
pub(crate) use stop::{Stopped, stop};
