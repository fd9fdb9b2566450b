//! Slash commands: prompts kept in markdown files, with arguments, file references and shell lines.
//!
//! ```text
//! PROJECT/.codexplus/commands  PROJECT/.claude/commands  ~/.codexplus/commands  ~/.claude/commands
//! ```
//!
//! The first file of a name wins; `git/sync.md` is `/git:sync`. A file is looked up by its name at
//! the moment it is used, so it is never out of date. One that was found is kept, with what was seen
//! on the way to it: while all of that is still so, nothing is opened and read again.

mod body;
mod config;
mod expand;
mod file;
mod find;
mod frontmatter;
mod invocation;
mod kept;
mod permission;
mod references;
mod shell;

pub use body::Body;
pub use config::Config;
pub use expand::{Commands, Expansion};
pub use file::{CommandError, CommandFile};
pub use find::Listed;
pub use frontmatter::Frontmatter;
pub use invocation::{Invocation, split_arguments};
pub use permission::AllowedTools;

/// Whether a command file with this content has shell lines.
pub fn runs_shell(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    Body::parse(Frontmatter::split(&text).1).runs_shell()
}
