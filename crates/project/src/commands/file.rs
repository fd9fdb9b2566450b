//! One command file.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::body::Body;
use super::frontmatter::Frontmatter;
use crate::looks::{Looks, Saw, is_absent};
use crate::settings::Owner;

/// A command file as it was read.
#[derive(Debug, Clone)]
pub struct CommandFile {
    /// The name it is called by, such as `git:sync`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// What it says about itself.
    pub frontmatter: Frontmatter,
    /// Its text.
    pub body: Body,
    /// The bytes that were read.
    pub content: Vec<u8>,
}

/// Why a command file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder, device, socket or pipe.
    #[error("{path} is not a regular file; replace it by one", path = .path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than the setting allows.
    #[error("{path} is larger than {limit} bytes; make it smaller, or raise `commands.file`", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The setting.
        limit: usize,
    },
    /// It is not UTF-8.
    #[error("{path} is not UTF-8; save it again as UTF-8", path = .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The prompt it makes is too large.
    #[error(
        "`/{name}` makes a prompt larger than {limit} bytes; shorten it, or raise `commands.prompt`"
    )]
    PromptTooLarge {
        /// The command.
        name: String,
        /// The setting.
        limit: usize,
    },
}

impl CommandFile {
    /// Reads a file; `None` when there is none. A project's may not be a link: it could lead to
    /// any file of the user's. Blocking file I/O.
    pub(super) fn read(
        looks: &mut Looks,
        name: &str,
        path: &Path,
        owner: Owner,
        limit: usize,
    ) -> Result<Option<Self>, CommandError> {
        let unreadable = |source| CommandError::Unreadable {
            path: path.to_owned(),
            source,
        };
        // Opening a pipe must not wait for its writer.
        let mut flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        if owner == Owner::Project {
            flags |= rustix::fs::OFlags::NOFOLLOW;
        }
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_absent(&error) => {
                looks.note(path, owner == Owner::Home, Saw::Nothing);
                return Ok(None);
            }
            Err(error) => return Err(unreadable(error)),
        };
        let meta = file.metadata().map_err(unreadable)?;
        // Before its content: what is written meanwhile leaves other times.
        looks.note(path, owner == Owner::Home, Saw::of(&meta));
        if !meta.is_file() {
            return Err(CommandError::NotAFile {
                path: path.to_owned(),
            });
        }
        let mut content = Vec::new();
        file.take(limit as u64 + 1)
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        if content.len() > limit {
            return Err(CommandError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        let Ok(text) = std::str::from_utf8(&content) else {
            return Err(CommandError::NotText {
                path: path.to_owned(),
            });
        };
        let (frontmatter, body) = Frontmatter::split(text);
        Ok(Some(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            owner,
            body: Body::parse(body.trim()),
            frontmatter,
            content,
        }))
    }
}
