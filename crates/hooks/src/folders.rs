//! The two folders that hooks come from.

use std::path::{Path, PathBuf};

/// Where a hook works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    /// The working directory of the client.
    pub project: Option<PathBuf>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
}

impl Folders {
    /// The project when it is another folder than home, links resolved: what must be trusted.
    pub fn guarded(&self) -> Option<PathBuf> {
        let project = self.project.as_ref()?.canonicalize().ok()?;
        let home = self.home.as_ref().and_then(|home| home.canonicalize().ok());
        (home.as_ref() != Some(&project)).then_some(project)
    }

    /// The project if it is there, else the home folder, else the root.
    pub fn working(&self) -> &Path {
        [&self.project, &self.home]
            .into_iter()
            .flatten()
            .find(|folder| folder.is_dir())
            .map_or(Path::new("/"), PathBuf::as_path)
    }
}
