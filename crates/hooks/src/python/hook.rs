//! Hook files: found, read once, and hashed as they will be run.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::metadata::{Metadata, MetadataError};

/// No hook file is longer, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// A hook file as it was read. A changed file is another value with another hash.
#[derive(Clone, Debug)]
pub struct PythonHook {
    /// Where it was read.
    pub path: PathBuf,
    /// What it says of itself.
    pub metadata: Metadata,
    /// SHA-256 of `source`: what trust is given to, and the very bytes that run.
    pub hash: [u8; 32],
    /// The file's bytes.
    pub source: Bytes,
}

/// A file that looks like a hook but cannot be one.
#[derive(Clone, Debug)]
pub struct HookProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with its line.
    pub message: String,
}

/// What [`discover`] found.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// By priority, then in the order of the folders and file names.
    pub hooks: Vec<PythonHook>,
    /// Files to tell the user about.
    pub problems: Vec<HookProblem>,
}

impl PythonHook {
    /// Makes a hook of a file's bytes; `None` when it has no metadata and so is no hook.
    pub fn parse(path: &Path, source: Bytes) -> Result<Option<Self>, MetadataError> {
        let text = String::from_utf8_lossy(&source);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let Some(metadata) = Metadata::parse(&text, &stem)? else {
            return Ok(None);
        };
        let hash = Sha256::digest(&source).into();
        Ok(Some(Self {
            path: path.to_owned(),
            metadata,
            hash,
            source,
        }))
    }

    /// Reads a hook file.
    pub fn read(path: &Path) -> Result<Option<Self>, HookProblem> {
        let problem = |message: String| HookProblem {
            path: path.to_owned(),
            message,
        };
        let file = File::open(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
        let mut source = Vec::new();
        file.take(LONGEST_FILE + 1)
            .read_to_end(&mut source)
            .map_err(|error| problem(format!("cannot be read: {error}")))?;
        if source.len() as u64 > LONGEST_FILE {
            return Err(problem("is longer than 1 MiB".to_owned()));
        }
        Self::parse(path, source.into()).map_err(|error| problem(error.to_string()))
    }
}

/// The hooks of these folders (first: the project's `.codexplus/hooks`). Of several with one name
/// the first wins. A folder that does not exist has none.
pub fn discover(folders: &[PathBuf]) -> Discovery {
    let mut found = Discovery::default();
    let mut names = HashSet::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "py") && path.is_file())
            .collect();
        paths.sort();
        for path in paths {
            match PythonHook::read(&path) {
                Ok(Some(hook)) if names.insert(hook.metadata.name.clone()) => {
                    found.hooks.push(hook);
                }
                Ok(_) => {}
                Err(problem) => found.problems.push(problem),
            }
        }
    }
    found.hooks.sort_by_key(|hook| hook.metadata.priority);
    found
}
