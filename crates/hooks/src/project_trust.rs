//! What the user trusted, for the status line and the slash commands of a project.

use std::path::{Path, PathBuf};

use codex_plus_project::settings::{Owner, ProjectSettings};
use codex_plus_project::trust::Trust;

use crate::folders::Folders;
use crate::scripts::{named_scripts, rewritten};
use crate::set::{Trusted, locate};
use crate::trust::{Digest, Inventory, ItemKind, Pins, Standing, TrustStore};

/// Trust as it stands in the state folder, read anew at each question.
#[derive(Debug, Clone)]
pub struct ProjectTrust {
    store: TrustStore,
    state: PathBuf,
    home: Option<PathBuf>,
}

impl ProjectTrust {
    /// The trust kept in a state folder; `home` is the user's home folder.
    pub fn new(state_folder: &Path, home: Option<PathBuf>) -> Self {
        Self {
            store: TrustStore::new(state_folder),
            state: state_folder.to_owned(),
            home,
        }
    }

    fn pins(&self, inventory: &Inventory) -> Option<Pins> {
        self.store
            .pins(inventory)
            .inspect_err(|error| tracing::warn!(%error, "nothing of a project is run"))
            .ok()
    }
}

impl Trust for ProjectTrust {
    fn status_line(&self, settings: &ProjectSettings) -> Option<String> {
        let line = settings.status_line.as_ref()?;
        let inventory = Inventory::take(settings);
        let pins = self.pins(&inventory)?;
        let trusted = |kind| {
            let mut items = inventory.items.iter();
            items.any(|item| {
                item.kind == kind && inventory.standing(item, &pins) == Standing::Trusted
            })
        };
        if line.owner == Owner::Project && !trusted(ItemKind::StatusLine) {
            return None;
        }
        let folders = Folders {
            project: settings.project.clone(),
            home: settings.home.clone(),
        };
        let trusted = Trusted::of(&inventory, pins, &self.state).ok()?;
        let scripts = named_scripts(&line.command, &folders, line.owner);
        let scripts = scripts.into_iter().map(|script| locate(script, &trusted));
        let scripts = scripts.collect::<Result<Vec<_>, _>>().ok()?;
        Some(rewritten(&line.command, &scripts))
    }

    fn command_file(&self, project: &Path, file: &Path, content: &[u8]) -> bool {
        let settings = ProjectSettings::load(Some(project), self.home.as_deref());
        let inventory = Inventory::take(&settings);
        let Some(pins) = self.pins(&inventory) else {
            return false;
        };
        let Ok(inside) = file.strip_prefix(project) else {
            return false;
        };
        let name = inside.to_string_lossy();
        let digest = Digest::of(content);
        let mut items = inventory.items.iter();
        items.any(|item| {
            item.kind == ItemKind::File
                && item.name == name
                && item.digest == digest
                && inventory.standing(item, &pins) == Standing::Trusted
        })
    }
}
