//! The log: one bounded queue, one thread that writes.
//!
//! Exchange lines and tracing events go through the same queue, so the file's order is theirs.
//! Whoever logs never waits: a full queue drops the line and counts it.

mod entry;
mod exchange;
mod install;
mod numbers;
mod pipe;
mod render;
mod rotating;
#[cfg(test)]
mod tests;

pub(crate) use exchange::{ExchangeLog, SlowLimit};
pub(crate) use install::{LevelHandle, install};
pub(crate) use numbers::{human_bytes, human_time};
pub(crate) use pipe::{Guard, Pipe, Sinks};
pub(crate) use rotating::{Rotating, numbered};
