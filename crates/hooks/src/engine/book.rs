//! The hooks of one project, ready to run: read, checked for trust, compiled.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codex_plus_project::settings::{FOLDERS, Owner, ProjectSettings, SettingsError};

use crate::event::HookEvent;
use crate::folders::Folders;
use crate::python::{Discovery, HookType, PythonHook, PythonPool, discover};
use crate::set::{HookSet, Trusted, Withheld};
use crate::trust::{Digest, Inventory, Pins, Snapshot, Standing};

/// What a project's hooks are, at one moment.
#[derive(Debug)]
pub struct Book {
    /// The project, as it was looked up.
    pub project: Option<PathBuf>,
    /// Its settings layers.
    pub settings: Arc<ProjectSettings>,
    /// The command and HTTP hooks that may run.
    pub set: HookSet,
    /// The Python hooks that were found, in the order in which they run.
    pub python: Vec<Found>,
    /// What cannot be used, and why.
    pub problems: Vec<String>,
    /// Whether everything the project would have run is trusted.
    pub(super) is_trusted: bool,
    /// Where its Python hooks run.
    pub(super) pool: Arc<PythonPool>,
}

/// A Python hook and whether it runs.
#[derive(Debug, Clone)]
pub struct Found {
    /// The hook.
    pub hook: PythonHook,
    /// Whose it is.
    pub owner: Owner,
    /// Why it does not run, if it does not.
    pub off: Option<Off>,
}

/// Why a Python hook does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Off {
    /// It says so itself.
    #[error("it says `enabled: false`")]
    Disabled,
    /// It is the project's, and nobody looked at it yet.
    #[error("it is not trusted; look at it with `codex-plus trust --show`")]
    New,
    /// It was changed since it was trusted.
    #[error("it was changed since it was trusted; look at it with `codex-plus trust --show`")]
    Changed,
    /// Another hook of this name comes before it.
    #[error("a hook of the same name comes before it")]
    Shadowed,
}

/// What a book is made from.
pub(super) struct Sources<'a> {
    pub(super) project: Option<&'a Path>,
    pub(super) home: Option<&'a Path>,
    pub(super) state: &'a Path,
    pub(super) pins: &'a dyn Fn(&Inventory) -> Pins,
    pub(super) previous: Option<&'a Book>,
}

impl Book {
    /// Reads everything. Blocking file I/O, bounded.
    pub(super) fn load(from: &Sources<'_>, pool: impl FnOnce(bool) -> Arc<PythonPool>) -> Self {
        let mut settings = Arc::new(ProjectSettings::load(from.project, from.home));
        let mut problems: Vec<String> = settings.problems.iter().map(ToString::to_string).collect();
        // A file in the middle of being edited does not switch its hooks off.
        if let Some(previous) = from.previous
            && settings.problems.iter().any(is_of_a_file)
            && !previous.settings.problems.iter().any(is_of_a_file)
        {
            settings = Arc::clone(&previous.settings);
            problems.push("the settings stay as they were before".to_owned());
        }
        let inventory = Inventory::take(&settings);
        let pins = (from.pins)(&inventory);
        let is_trusted = inventory.is_trusted(&pins);
        let trusted = Trusted::of(&inventory, pins.clone(), from.state).unwrap_or_else(|error| {
            problems.push(format!(
                "the project's trusted files cannot be kept in {}: {error}",
                from.state.display()
            ));
            Trusted {
                pins: pins.clone(),
                snapshot: Snapshot::default(),
            }
        });
        let set = HookSet::compile(&settings, &trusted);
        let python = find_python(from, &inventory, &pins, &mut problems);
        Self {
            project: from.project.map(Path::to_owned),
            settings,
            set,
            python,
            problems,
            is_trusted,
            pool: pool(is_trusted),
        }
    }

    /// Whether no hook of any kind would run.
    pub fn is_empty(&self) -> bool {
        self.set.hooks().next().is_none() && !self.has_any_python()
    }

    /// Whether any command or HTTP hook may be for this event.
    pub fn is_for(&self, event: HookEvent) -> bool {
        self.set.is_interested(event)
    }

    /// The Python hooks of a type that run, in order.
    pub fn python(&self, kind: HookType) -> impl Iterator<Item = &PythonHook> {
        let running = self.python.iter().filter(|found| found.off.is_none());
        running
            .map(|found| &found.hook)
            .filter(move |hook| hook.metadata.hook_type == kind)
    }

    /// Whether any Python hook runs.
    pub fn has_any_python(&self) -> bool {
        self.python.iter().any(|found| found.off.is_none())
    }

    /// Whether any Python hook of this type runs.
    pub fn has_python(&self, kind: HookType) -> bool {
        self.python(kind).next().is_some()
    }

    /// What would run if it were trusted: a name, and why it does not run.
    pub fn withheld(&self) -> Vec<(String, String)> {
        let python = self.python.iter().filter_map(|found| match found.off {
            Some(off @ (Off::New | Off::Changed)) => {
                Some((found.hook.path.display().to_string(), off.to_string()))
            }
            _ => None,
        });
        let settings = self.set.withheld.iter();
        let settings = settings.map(|(name, why)| (name.clone(), why.to_string()));
        python.chain(settings).collect()
    }

    /// How many hooks wait for the user's trust.
    pub fn untrusted(&self) -> usize {
        let untrusted = |why: &Withheld| matches!(why, Withheld::Untrusted | Withheld::Script(_));
        let settings = self.set.withheld.iter().filter(|(_, why)| untrusted(why));
        let python = self.python.iter();
        let python = python.filter(|found| matches!(found.off, Some(Off::New | Off::Changed)));
        settings.count() + python.count()
    }
}

/// Whether the whole file is left out, rather than one entry of it.
fn is_of_a_file(error: &SettingsError) -> bool {
    !matches!(error, SettingsError::Hook { .. })
}

/// The folders that Python hooks may be in, in order, and whose they are.
pub(super) fn hook_folders(project: Option<&Path>, home: Option<&Path>) -> Vec<(PathBuf, Owner)> {
    let folders = Folders {
        project: project.map(Path::to_owned),
        home: home.map(Path::to_owned),
    };
    // Working in the home folder itself, its files are the user's own.
    let project = project.filter(|_| folders.guarded().is_some());
    let roots = project.map(|root| (root, Owner::Project));
    roots
        .into_iter()
        .chain(home.map(|root| (root, Owner::Home)))
        .flat_map(|(root, owner)| FOLDERS.map(|name| (root.join(name).join("hooks"), owner)))
        .collect()
}

fn find_python(
    from: &Sources<'_>,
    inventory: &Inventory,
    pins: &Pins,
    problems: &mut Vec<String>,
) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut names = HashSet::new();
    for (folder, owner) in hook_folders(from.project, from.home) {
        let Discovery {
            mut hooks,
            problems: broken,
        } = discover(std::slice::from_ref(&folder));
        for problem in broken {
            let path = problem.path.display();
            problems.push(format!("{path}: {}", problem.message));
            // A file in the middle of being edited stays what it was.
            let before = from.previous.into_iter().flat_map(|book| &book.python);
            let kept = before.filter(|found| found.hook.path == problem.path);
            hooks.extend(kept.map(|found| found.hook.clone()));
        }
        for hook in hooks {
            let off = match owner {
                Owner::Home => None,
                Owner::Project => distrust(&hook, inventory, pins),
            };
            let off = off.or((!hook.metadata.enabled).then_some(Off::Disabled));
            // What may not run cannot keep the user's own hook of the same name from running.
            let off = match off {
                Some(Off::New | Off::Changed) => off,
                off if names.insert(hook.metadata.name.clone()) => off,
                _ => Some(Off::Shadowed),
            };
            found.push(Found { hook, owner, off });
        }
    }
    found.sort_by_key(|found| found.hook.metadata.priority);
    found
}

/// Why a project's hook may not run, if it may not: only these very bytes were trusted.
fn distrust(hook: &PythonHook, inventory: &Inventory, pins: &Pins) -> Option<Off> {
    let digest = Digest::of(&hook.source);
    let project = inventory.project.as_ref();
    let path = hook
        .path
        .parent()
        .and_then(|folder| folder.canonicalize().ok());
    let path = path.and_then(|folder| Some(folder.join(hook.path.file_name()?)));
    let inside = project
        .zip(path.as_ref())
        .and_then(|(project, path)| path.strip_prefix(project).ok());
    let item = inside.and_then(|inside| {
        let name = inside.to_string_lossy();
        inventory.items.iter().find(|item| item.name == name)
    });
    match item {
        Some(item) if item.digest == digest => match inventory.standing(item, pins) {
            Standing::Trusted => None,
            Standing::New => Some(Off::New),
            Standing::Changed => Some(Off::Changed),
        },
        // A link, or a file that was written in between.
        _ => Some(Off::New),
    }
}
