//! The script files that a command names, and how they are started.
//!
//! A bare name is looked up in the hooks folders, a `.py` or `.sh` file without a run bit gets
//! its interpreter, and a file inside the project is one that must be trusted. Files that only a
//! shell can find (`$(...)`, other variables) are not seen here.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use codex_plus_project::settings::{FOLDERS, Owner};

use crate::folders::Folders;
use crate::shell_words::{Word, quote, words};

/// Programs whose first file argument is what really runs.
const LAUNCHERS: &[&str] = &[
    ".", "bash", "bun", "dash", "deno", "env", "exec", "nice", "node", "nohup", "perl", "php",
    "python", "python3", "ruby", "sh", "source", "time", "timeout", "tsx", "uv", "uvx", "zsh",
];

/// A script that a command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedScript {
    /// Where its name stands in the command.
    pub(crate) span: Range<usize>,
    /// The file, links resolved.
    pub(crate) path: PathBuf,
    /// Its path within the project, when it is there.
    pub(crate) in_project: Option<PathBuf>,
    /// What must stand before it.
    pub(crate) interpreter: Option<&'static str>,
}

/// Finds the scripts a command names. `python` runs `.py` files without a run bit.
pub(crate) fn named_scripts(command: &str, folders: &Folders, owner: Owner) -> Vec<NamedScript> {
    let finder = Finder {
        working: folders.working().to_owned(),
        project: folders.guarded(),
        hooks: hooks_folders(folders, owner),
    };
    let project = folders.project.as_deref().unwrap_or(folders.working());
    let mut scripts = Vec::new();
    // Whether the program of the simple command is one that starts its first file argument.
    let mut launching = false;
    for word in words(command, &project.to_string_lossy()) {
        let name = word.value.as_deref().unwrap_or_default();
        if word.position == 0 {
            let program = Path::new(name).file_name().unwrap_or_default();
            let program = program.to_string_lossy();
            launching = LAUNCHERS.contains(&program.as_ref()) || program.starts_with("python3.");
        }
        let runs = word.position == 0 || launching;
        let found = finder.find(name, runs, word.position == 0);
        if let Some(found) = found {
            launching &= word.position == 0;
            scripts.push(finder.script(word, found));
        }
    }
    scripts
}

/// A command in which each script's name is replaced by the file that is to run.
pub(crate) fn rewritten(command: &str, scripts: &[(NamedScript, PathBuf)]) -> String {
    let mut text = command.to_owned();
    for (script, path) in scripts.iter().rev() {
        let path = quote(&path.to_string_lossy());
        let start = script.interpreter.map(|i| format!("{i} "));
        text.replace_range(
            script.span.clone(),
            &format!("{}{path}", start.unwrap_or_default()),
        );
    }
    text
}

/// The hooks folders in the order in which a bare name is looked up: one's own come first, so
/// that a project cannot put its script in the place of the user's.
fn hooks_folders(folders: &Folders, owner: Owner) -> Vec<PathBuf> {
    let roots = match owner {
        Owner::Project => [&folders.project, &folders.home],
        Owner::Home => [&folders.home, &folders.project],
    };
    roots
        .into_iter()
        .flatten()
        .flat_map(|root| FOLDERS.map(|folder| root.join(folder).join("hooks")))
        .collect()
}

struct Finder {
    working: PathBuf,
    project: Option<PathBuf>,
    hooks: Vec<PathBuf>,
}

impl Finder {
    /// The file a name means: as it is written, and with links resolved.
    fn find(&self, name: &str, runs: bool, is_program: bool) -> Option<(PathBuf, PathBuf)> {
        if name.is_empty() || name.starts_with('-') {
            return None;
        }
        if name.contains('/') || !is_program {
            let found = file(self.working.join(name));
            if let Some(found) = found {
                return (runs || self.is_hook_file(&found.1)).then_some(found);
            }
        }
        // A name like `jq` means the program, unless there is none.
        let bare = !name.contains('/') && runs && (name.contains('.') || !on_path(name));
        let mut places = self.hooks.iter().filter(|_| bare);
        places.find_map(|folder| file(folder.join(name)))
    }

    fn is_hook_file(&self, path: &Path) -> bool {
        let mut folders = self.hooks.iter().filter_map(|f| f.canonicalize().ok());
        folders.any(|folder| path.starts_with(folder))
    }

    fn script(&self, word: Word, (written, path): (PathBuf, PathBuf)) -> NamedScript {
        let within = |root: &PathBuf| {
            let inside = path.strip_prefix(root).ok();
            // A link out of the project is the project's word, not that of where it leads: as
            // the link itself it is never trusted.
            inside
                .or_else(|| written.strip_prefix(root).ok())
                .or_else(|| written.strip_prefix(&self.working).ok())
                .map(Path::to_owned)
        };
        NamedScript {
            span: word.span,
            in_project: self.project.as_ref().and_then(within),
            interpreter: (word.position == 0).then(|| interpreter(&path)).flatten(),
            path,
        }
    }
}

fn file(written: PathBuf) -> Option<(PathBuf, PathBuf)> {
    let path = written.canonicalize().ok().filter(|path| path.is_file())?;
    Some((written, path))
}

fn interpreter(path: &Path) -> Option<&'static str> {
    let runs = path
        .metadata()
        .is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    match path.extension()?.to_str()? {
        "py" if !runs => Some("python3"),
        "sh" if !runs => Some("sh"),
        _ => None,
    }
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
