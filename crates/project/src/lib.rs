//! What a working directory says.
//!
//! - [`settings`]: the `settings.json` layers of the project and of the home folder.
//! - [`quantity`]: sizes and lengths of time as people write them in settings.

pub mod quantity;
pub mod settings;
