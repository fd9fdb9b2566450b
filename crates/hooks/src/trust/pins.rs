//! What the user trusted, kept in a file of the state folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::inventory::{Inventory, ItemKind};

/// Largest state file that is read, in bytes.
const LARGEST_STATE: u64 = 16 << 20;

/// What was trusted of one project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Files by path within the project.
    pub files: BTreeMap<String, Digest>,
    /// Hooks of settings files, and the status line.
    pub definitions: BTreeSet<Digest>,
}

/// Why trust could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The state file could not be read or written.
    #[error("{path} cannot be used: {source}; until then no project is trusted", path = .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state file is damaged.
    #[error("{path} is damaged; remove it and trust your projects again", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The file of pins.
#[derive(Debug, Clone)]
pub struct TrustStore {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    projects: BTreeMap<PathBuf, Pins>,
}

impl TrustStore {
    /// The store in a state folder, which must be the user's own.
    pub fn new(state_folder: &Path) -> Self {
        Self {
            path: state_folder.join("trust.json"),
        }
    }

    /// What was trusted of an inventory's project.
    pub fn pins(&self, inventory: &Inventory) -> Result<Pins, TrustError> {
        let Some(project) = &inventory.project else {
            return Ok(Pins::default());
        };
        Ok(self.load()?.projects.remove(project).unwrap_or_default())
    }

    /// Trusts exactly what is in an inventory, and nothing that the project had before.
    pub fn trust(&self, inventory: &Inventory) -> Result<Pins, TrustError> {
        let mut pins = Pins::default();
        for item in &inventory.items {
            match item.kind {
                ItemKind::File => {
                    pins.files.insert(item.name.clone(), item.digest.clone());
                }
                ItemKind::Definition | ItemKind::StatusLine => {
                    pins.definitions.insert(item.digest.clone());
                }
            }
        }
        if let Some(project) = &inventory.project {
            let kept = pins.clone();
            self.update(|state| {
                state.projects.insert(project.clone(), kept);
            })?;
        }
        Ok(pins)
    }

    /// Forgets a project; its path with links resolved.
    pub fn forget(&self, project: &Path) -> Result<(), TrustError> {
        self.update(|state| {
            state.projects.remove(project);
        })
    }

    fn load(&self) -> Result<State, TrustError> {
        let mut text = Vec::new();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags())
            .open(&self.path);
        match opened {
            Ok(file) => file
                .take(LARGEST_STATE)
                .read_to_end(&mut text)
                .map_err(|error| self.failed(error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            Err(error) => return Err(self.failed(error)),
        };
        serde_json::from_slice(&text).map_err(|_| TrustError::Damaged {
            path: self.path.clone(),
        })
    }

    /// Changes the file in one step: two at once do not lose each other's change.
    fn update(&self, change: impl FnOnce(&mut State)) -> Result<(), TrustError> {
        let failed = |error| self.failed(error);
        let _held = self.lock().map_err(failed)?;
        let mut state = self.load()?;
        change(&mut state);
        let text = serde_json::to_vec_pretty(&state)
            .map_err(io::Error::other)
            .map_err(failed)?;
        let draft = self.path.with_extension("json.draft");
        let _ = std::fs::remove_file(&draft);
        let mut file = private().create_new(true).open(&draft).map_err(failed)?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&draft, &self.path))
            .map_err(failed)
    }

    fn lock(&self) -> io::Result<File> {
        let file = private()
            .create(true)
            .open(self.path.with_extension("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn failed(&self, source: io::Error) -> TrustError {
        let path = self.path.clone();
        TrustError::State { path, source }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(flags());
    options
}

fn flags() -> i32 {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    flags.bits().cast_signed()
}
