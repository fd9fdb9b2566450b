//! The user's code on the line.
//!
//! - [`event`], [`input`], [`output`]: the contract: what a hook is told and what it may say.
//! - [`matcher`], [`set`]: which hooks an event is for.
//! - [`runner`]: how commands and HTTP hooks are run. [`python`]: how Python hooks are.
//! - [`dispatcher`], [`merge`], [`stats`]: all hooks of an event, in parallel, as one answer.
//! - [`trust`]: whose hooks may run at all; [`project_trust`]: the same for other things that run.

pub mod config;
pub mod dispatcher;
pub mod engine;
pub mod event;
pub mod folders;
pub mod input;
pub mod matcher;
pub mod merge;
pub mod output;
pub mod project_trust;
pub mod python;
pub mod runner;
mod scripts;
pub mod set;
mod shell_words;
pub mod stats;
pub mod trust;
