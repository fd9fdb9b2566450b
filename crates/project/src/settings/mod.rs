//! The `settings.json` layers: the project's folders first, then those of the home folder.
//!
//! ```text
//! PROJECT/.codexplus  PROJECT/.claude  ~/.codexplus  ~/.claude      first wins
//! in each of them: settings.local.json, then settings.json
//! ```
//!
//! The first layer that sets a scalar wins; lists concatenate in the order above. A file that
//! cannot be used is left out and reported, and the others still count.

mod document;
mod file;
mod stamp;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use document::{HookDefinition, HookHandler, MatcherGroup, StatusLineSetting};
pub use file::{LARGEST_FILE, SettingsError};
use stamp::Stamp;

/// The folders a layer may live in, in order of precedence.
pub const FOLDERS: [&str; 2] = [".codexplus", ".claude"];
/// The files in each folder, in order of precedence.
const FILES: [&str; 2] = ["settings.local.json", "settings.json"];

/// Whose a layer is: a project's counts only once the user trusted it, the home folder's always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The working directory, which may be a repository of strangers.
    Project,
    /// The user.
    Home,
}

/// One settings file that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is, as it was looked for (symbolic links not resolved).
    pub path: Arc<Path>,
    /// Whose it is.
    pub owner: Owner,
    stamp: Option<Stamp>,
}

impl Source {
    /// Whether a file was there.
    pub fn exists(&self) -> bool {
        self.stamp.is_some()
    }
}

/// What all layers say together.
#[derive(Debug, Default)]
pub struct ProjectSettings {
    /// The working directory, if there is one.
    pub project: Option<PathBuf>,
    /// The home folder, if it is known.
    pub home: Option<PathBuf>,
    /// By event name, in order of precedence. Names are as written: an unknown one is kept.
    pub hooks: BTreeMap<String, Vec<MatcherGroup>>,
    /// The status line of the first layer that sets one.
    pub status_line: Option<StatusLineSetting>,
    /// `statusLine.mode` of the first layer that sets one, as written, and whose layer that is.
    pub status_line_mode: Option<(String, Owner)>,
    /// Every file looked for, in order of precedence.
    pub sources: Vec<Source>,
    /// What could not be used, and why.
    pub problems: Vec<SettingsError>,
}

impl ProjectSettings {
    /// Reads all layers. Never fails: what is wrong is in [`ProjectSettings::problems`].
    ///
    /// Does blocking file I/O of at most eight files of [`LARGEST_FILE`] bytes.
    pub fn load(project: Option<&Path>, home: Option<&Path>) -> Self {
        let mut settings = Self {
            project: project.map(Path::to_owned),
            home: home.map(Path::to_owned),
            ..Self::default()
        };
        // Working in the home folder itself: its files are the user's own, and count once.
        let project = project.filter(|project| home.is_none_or(|home| !same(project, home)));
        let roots = project.map(|root| (root, Owner::Project));
        for (root, owner) in roots
            .into_iter()
            .chain(home.map(|root| (root, Owner::Home)))
        {
            for folder in FOLDERS {
                for name in FILES {
                    settings.add(root, &root.join(folder).join(name), owner);
                }
            }
        }
        settings
    }

    /// Whether a file came, went or changed since this was loaded: eight `stat` calls, no reading.
    pub fn is_stale(&self) -> bool {
        self.sources
            .iter()
            .any(|source| Stamp::of(&source.path) != source.stamp)
    }

    fn add(&mut self, root: &Path, path: &Path, owner: Owner) {
        let path: Arc<Path> = path.into();
        // A repository could point its settings at any file of the user's; one's own may be a
        // link into a folder of dotfiles.
        let within = (owner == Owner::Project).then_some(root);
        let (stamp, read) = file::read(&path, within);
        match read {
            Ok(None) => {}
            Ok(Some(text)) => match document::Document::parse(&text, &path) {
                Ok(document) => self.merge(document, &path, owner),
                Err(error) => self.problems.push(error),
            },
            Err(error) => self.problems.push(error),
        }
        self.sources.push(Source { path, owner, stamp });
    }

    fn merge(&mut self, document: document::Document, path: &Arc<Path>, owner: Owner) {
        let (groups, problems) = document.hooks(path, owner);
        for (event, group) in groups {
            self.hooks.entry(event).or_default().push(group);
        }
        self.problems.extend(problems);
        if self.status_line_mode.is_none() {
            self.status_line_mode = document.status_line_mode().map(|mode| (mode, owner));
        }
        if self.status_line.is_none() {
            self.status_line = document.status_line(path, owner);
        }
    }
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}
