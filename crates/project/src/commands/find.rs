//! Where command files are: one by its name, or all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::{CommandError, CommandFile};
use super::invocation::is_word;
use crate::looks::{Looks, Saw};
use crate::settings::{FOLDERS, Owner};

/// Most files that are listed, and how deep their folders may go.
const MOST_FILES: usize = 1_000;
const DEEPEST: usize = 8;

/// The folders of command files, in order of precedence.
pub(super) fn roots(
    looks: &mut Looks,
    project: &Path,
    home: Option<&Path>,
) -> Vec<(PathBuf, Owner)> {
    // Working in the home folder itself: its files are the user's own, and count once.
    let is_home = home.is_some_and(|home| {
        home == project
            || match (looks.see(home, true), looks.see(project, true)) {
                (home @ Saw::Folder { .. }, project) => home == project,
                _ => false,
            }
    });
    let project = (!is_home).then_some((project, Owner::Project));
    let home = home.map(|home| (home, Owner::Home));
    let of = |(root, owner): (&Path, Owner)| {
        FOLDERS.map(|folder| (root.join(folder).join("commands"), owner))
    };
    project.into_iter().chain(home).flat_map(of).collect()
}

/// The file of a name.
pub(super) fn find(
    looks: &mut Looks,
    roots: &[(PathBuf, Owner)],
    name: &str,
    limit: usize,
) -> Result<Option<CommandFile>, CommandError> {
    let mut inside: PathBuf = name.split(':').collect();
    inside.as_mut_os_string().push(".md");
    for (root, owner) in roots {
        // Each folder on the way as well as the file: none of them may be a link out of a project.
        if *owner == Owner::Project && !is_plain(looks, root, &inside) {
            continue;
        }
        if let Some(file) = CommandFile::read(looks, name, &root.join(&inside), *owner, limit)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether all folders between a project's top and a command file are folders, not links.
fn is_plain(looks: &mut Looks, root: &Path, inside: &Path) -> bool {
    let path = root.join(inside);
    let between = inside.components().count() + 2;
    path.ancestors()
        .skip(1)
        .take(between.saturating_sub(1))
        .all(|folder| looks.see(folder, false).is_folder())
}

/// A command for people to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name, such as `git:sync`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What arguments it takes.
    pub argument_hint: Option<String>,
    /// `allowed-tools`, as written.
    pub allowed_tools: Option<String>,
    /// The model it was written for.
    pub model: Option<String>,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it has shell lines.
    pub runs_shell: bool,
    /// Whether those may run: it is the user's own, or trusted. True without any.
    pub trusted: bool,
}

/// All files that can be called, by name, and what is wrong with the others.
pub(super) fn all(
    roots: &[(PathBuf, Owner)],
    limit: usize,
) -> (BTreeMap<String, CommandFile>, Vec<CommandError>) {
    let (mut files, mut problems) = (BTreeMap::new(), Vec::new());
    let mut looks = Looks::default();
    for (root, owner) in roots {
        let mut names = Vec::new();
        if *owner == Owner::Home || is_plain(&mut looks, root, Path::new("x")) {
            collect(root, *owner, &mut Vec::new(), &mut names);
        }
        for words in names {
            let name = words.join(":");
            if files.contains_key(&name) || files.len() >= MOST_FILES {
                continue;
            }
            let mut path: PathBuf = root.join(words.iter().collect::<PathBuf>());
            path.as_mut_os_string().push(".md");
            match CommandFile::read(&mut looks, &name, &path, *owner, limit) {
                Ok(Some(file)) => {
                    files.insert(name, file);
                }
                Ok(None) => {}
                Err(error) => problems.push(error),
            }
        }
    }
    (files, problems)
}

fn collect(folder: &Path, owner: Owner, words: &mut Vec<String>, names: &mut Vec<Vec<String>>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if names.len() >= MOST_FILES {
            return;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = entry.path();
        // One's own folder may be a link into a folder of dotfiles.
        let meta = match owner {
            Owner::Project => path.symlink_metadata(),
            Owner::Home => path.metadata(),
        };
        let Ok(meta) = meta else { continue };
        if meta.is_dir() && words.len() < DEEPEST && is_word(name) {
            words.push(name.to_owned());
            collect(&path, owner, words, names);
            words.pop();
        } else if meta.is_file()
            && let Some(stem) = name.strip_suffix(".md").filter(|stem| is_word(stem))
        {
            let mut found = words.clone();
            found.push(stem.to_owned());
            names.push(found);
        }
    }
}
