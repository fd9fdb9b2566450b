//! The status line of a working directory: composed in the background, answered from a cache.

mod cache;
mod command;
mod compose;
mod config;
mod entry;
mod output;
mod plan;
mod pull_request;
mod template;

pub use cache::StatusLines;
pub use compose::{Source, StatusLine};
pub use config::{Config, Mode};
pub use output::{chosen_line, plain};
pub use template::{Template, TemplateError};
