//! What a working directory says.
//!
//! - [`settings`]: the `settings.json` layers of the project and of the home folder.
//! - [`git`]: which branch, how far from its upstream, what changed.
//! - [`status_line`]: all that in one line, kept fresh in the background.
//! - [`commands`]: prompts kept in markdown files.
//! - [`watch`]: folders watched, a bounded number of them.
//! - [`trust`]: the caller's word on what a project may run.
//! - [`quantity`]: sizes and lengths of time as people write them in settings.

pub mod commands;
mod folder;
pub mod git;
mod looks;
mod process;
pub mod quantity;
pub mod settings;
pub mod status_line;
pub mod trust;
pub mod watch;

pub use folder::project_of;
