//! Everything a project would have run, with its content.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use codex_plus_project::commands;
use codex_plus_project::settings::{FOLDERS, HookDefinition, HookHandler, Owner, ProjectSettings};

use super::digest::Digest;
use super::pins::Pins;
use crate::folders::Folders;
use crate::scripts::named_scripts;

/// Largest hook file in bytes, most of them, and how deep their folders may go.
const LARGEST_FILE: u64 = 4 << 20;
const MOST_FILES: usize = 512;
const DEEPEST: usize = 6;

/// What kind of thing would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A file in a hooks folder, one that a command names, or a slash command with shell lines.
    File,
    /// A hook of a settings file.
    Definition,
    /// The status line's command.
    StatusLine,
}

/// One thing that would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// A file's path within the project; of a definition its event and what it runs.
    pub name: String,
    /// The digest of `content`.
    pub digest: Digest,
    /// The bytes that were read: a file's, or a definition's in a fixed form.
    pub content: Bytes,
}

/// How an item stands towards the pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Pinned with this content.
    Trusted,
    /// Never pinned.
    New,
    /// A file that was pinned with another content.
    Changed,
}

/// Everything a project would have run.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The project, links resolved; `None` when there is none or it is the home folder.
    pub project: Option<PathBuf>,
    /// Files by path, then definitions in order.
    pub items: Vec<Item>,
}

impl Inventory {
    /// Reads all that a project would have run. Blocking file I/O, bounded.
    pub fn take(settings: &ProjectSettings) -> Self {
        let folders = Folders {
            project: settings.project.clone(),
            home: settings.home.clone(),
        };
        let Some(project) = folders.guarded() else {
            return Self::default();
        };
        let mut files = BTreeMap::new();
        for folder in FOLDERS {
            collect(&project, &project.join(folder).join("hooks"), 0, &mut files);
            let mut commands = BTreeMap::new();
            collect(
                &project,
                &project.join(folder).join("commands"),
                0,
                &mut commands,
            );
            // Those without shell lines run nothing.
            commands.retain(|_, content| commands::runs_shell(content));
            files.extend(commands);
        }
        let mut items = Vec::new();
        let all = settings.hooks.iter();
        let all = all.flat_map(|(event, groups)| groups.iter().map(move |group| (event, group)));
        for (event, group) in all {
            for hook in &group.hooks {
                if let HookHandler::Command { command, .. } = &hook.handler {
                    add_scripts(command, &folders, hook.owner, &project, &mut files);
                }
                if hook.owner == Owner::Project {
                    items.push(definition(event, &group.matcher, hook));
                }
            }
        }
        if let Some(line) = &settings.status_line {
            add_scripts(&line.command, &folders, line.owner, &project, &mut files);
            if line.owner == Owner::Project {
                let content = Bytes::from(line.command.clone());
                items.push(Item {
                    kind: ItemKind::StatusLine,
                    name: line.command.clone(),
                    digest: Digest::of(&content),
                    content,
                });
            }
        }
        let files = files.into_iter().map(|(path, content)| Item {
            kind: ItemKind::File,
            name: path.to_string_lossy().into_owned(),
            digest: Digest::of(&content),
            content,
        });
        Self {
            project: Some(project),
            items: files.chain(items).collect(),
        }
    }

    /// How an item of this inventory stands.
    pub fn standing(&self, item: &Item, pins: &Pins) -> Standing {
        match item.kind {
            ItemKind::File => match pins.files.get(&item.name) {
                Some(digest) if *digest == item.digest => Standing::Trusted,
                Some(_) => Standing::Changed,
                None => Standing::New,
            },
            _ if pins.definitions.contains(&item.digest) => Standing::Trusted,
            _ => Standing::New,
        }
    }

    /// Whether everything in it is trusted.
    pub fn is_trusted(&self, pins: &Pins) -> bool {
        let mut items = self.items.iter();
        items.all(|item| self.standing(item, pins) == Standing::Trusted)
    }

    /// The trusted files, by path within the project.
    pub fn trusted_files<'a>(
        &'a self,
        pins: &'a Pins,
    ) -> impl Iterator<Item = (&'a str, &'a Bytes)> {
        self.items
            .iter()
            .filter(|item| item.kind == ItemKind::File)
            .filter(|item| self.standing(item, pins) == Standing::Trusted)
            .map(|item| (item.name.as_str(), &item.content))
    }
}

/// The digest by which a settings file's hook is pinned.
pub(crate) fn definition_digest(event: &str, matcher: &str, hook: &HookDefinition) -> Digest {
    Digest::of(definition_text(event, matcher, hook).as_bytes())
}

/// All that decides what runs and when, in a form that depends on nothing else.
fn definition_text(event: &str, matcher: &str, hook: &HookDefinition) -> String {
    let handler = match &hook.handler {
        HookHandler::Command { command, detached } => {
            serde_json::json!({"command": command, "async": detached})
        }
        HookHandler::Http {
            url,
            headers,
            allowed_env_vars,
        } => serde_json::json!({"url": url, "headers": headers, "allowed": allowed_env_vars}),
    };
    let timeout = hook.timeout.map(|timeout| timeout.as_millis().to_string());
    serde_json::json!([event, matcher, hook.condition, timeout, handler]).to_string()
}

fn definition(event: &str, matcher: &str, hook: &HookDefinition) -> Item {
    let content = Bytes::from(definition_text(event, matcher, hook));
    let what = match &hook.handler {
        HookHandler::Command { command, .. } => command,
        HookHandler::Http { url, .. } => url,
    };
    Item {
        kind: ItemKind::Definition,
        name: format!("{event}: {what}"),
        digest: Digest::of(&content),
        content,
    }
}

type Files = BTreeMap<PathBuf, Bytes>;

fn add_scripts(command: &str, folders: &Folders, owner: Owner, project: &Path, files: &mut Files) {
    for script in named_scripts(command, folders, owner) {
        if let Some(inside) = script.in_project
            && files.len() < MOST_FILES
            && let Some(content) = read(&project.join(&inside))
        {
            files.insert(inside, content);
        }
    }
}

/// Adds the regular files below a folder. Links are passed over: what they lead to can be
/// swapped without a trace here.
fn collect(project: &Path, folder: &Path, depth: usize, files: &mut Files) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().take(MOST_FILES).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && depth < DEEPEST && entry.file_name() != "__pycache__" {
            collect(project, &path, depth + 1, files);
        } else if kind.is_file()
            && files.len() < MOST_FILES
            && let Ok(inside) = path.strip_prefix(project)
            && let Some(content) = read(&path)
        {
            files.insert(inside.to_owned(), content);
        }
    }
}

/// A regular file's bytes: neither a link nor a pipe, and not beyond the limit.
fn read(path: &Path) -> Option<Bytes> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= LARGEST_FILE).then(|| content.into())
}
