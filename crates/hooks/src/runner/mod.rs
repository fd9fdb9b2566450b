//! How a hook of a settings file is run.
//!
//! - [`command`]: `sh -c`, in a process group of its own.
//! - [`http`]: a POST request over connections that are kept.

pub mod command;
pub mod http;
mod output;
mod process;
mod warden;
