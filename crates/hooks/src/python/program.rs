//! Which interpreter runs hooks.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// An interpreter, as it is started.
#[derive(Clone, Deserialize)]
pub(super) struct Program {
    /// Its file, or a name to look up.
    #[serde(rename = "executable")]
    pub(super) path: PathBuf,
    /// All its environment; none is that of the proxy.
    #[serde(rename = "environment")]
    pub(super) variables: Option<BTreeMap<String, String>>,
    /// Whether it only looks for another one, which is to say which it is.
    #[serde(skip)]
    pub(super) is_shim: bool,
}

impl fmt::Debug for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables may be secrets.
        self.path.fmt(out)
    }
}

impl Program {
    /// What is at this path, in the proxy's own environment.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            variables: None,
            is_shim: is_shim(path),
        }
    }
}

/// The interpreter for hooks: the configured one, else the project's virtual environment, else
/// `python3` from the path.
pub(super) fn interpreter(configured: Option<&Path>, project: Option<&Path>) -> PathBuf {
    if let Some(python) = configured {
        return python.to_owned();
    }
    project
        .into_iter()
        .flat_map(|folder| [".venv/bin/python", "venv/bin/python"].map(|end| folder.join(end)))
        .find(|python| python.is_file())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// Whether this is a version manager's script that looks for the interpreter each time: pyenv, asdf
/// and mise keep them in a folder of that name. Another wrapper may do more, and is never passed by.
fn is_shim(python: &Path) -> bool {
    let bare = python.components().count() == 1;
    let path = std::env::var_os("PATH").filter(|_| bare);
    let in_path = path.into_iter().flat_map(|path| {
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        folders
    });
    let found = in_path
        .map(|folder| folder.join(python))
        .find(|file| file.is_file());
    let file = found.unwrap_or_else(|| python.to_owned());
    file.parent().and_then(Path::file_name) == Some(OsStr::new("shims"))
}
