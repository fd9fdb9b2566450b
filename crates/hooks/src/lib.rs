//! The user's code on the line.

pub mod python;
