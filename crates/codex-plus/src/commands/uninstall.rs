//! `codex-plus uninstall`: everything the proxy wrote, taken away again.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::UninstallArgs;
use crate::daemon::{StateDir, Stopped};
use crate::environment::{Environment, STATE_DIR};
use crate::output::{self, Exit};
use crate::service::{Control, Kind, Note, remove_empty};

use super::service::Files;
use super::stop;

/// The names of our files in a state folder; drafts of them have further endings.
const NAMES: &[&str] = &[
    "proxy.pid",
    "proxy.json",
    "proxy.sock",
    "proxy.lock",
    "proxy.log",
    "trust.json",
    "trust.lock",
    "history.jsonl",
    "history.draft",
    "folders.json",
];
/// Copies of what the user trusted.
const TRUSTED: &str = "trusted";

pub(crate) fn uninstall(env: &Environment, args: &UninstallArgs) -> anyhow::Result<Exit> {
    let service = Files::look(Kind::of_system(), env)?;
    let states = states(env, args, &service)?;
    let plan = Plan::of(env, args, &service, &states)?;
    plan.tell();
    if !args.yes && !is_agreed()? {
        return Ok(Exit::Failure);
    }
    if service.ours().next().is_some() {
        let control = Control::new(service.kind, env);
        if let Some(error) = service.remove(&control)? {
            output::warning(format!("the service's files are removed, but {error}"));
        }
        if !control.is_there() {
            output::note(format!(
                "If the service runs, end it: {}",
                control.take_down_line()
            ));
        }
    }
    for state in &states {
        let stopped = stop::end(state)?;
        if !matches!(stopped, Stopped::NotRunning { .. }) {
            stop::tell(&stopped);
        }
    }
    for state in &states {
        // Anew: a daemon that ends writes its last words.
        let made = state.made();
        for path in of_state(state)? {
            remove(&path)?;
        }
        let folder = state.folder().to_owned();
        let of_old = Some(&folder) == env.default_state_dir().as_ref();
        remove_empty(if made.is_empty() && of_old {
            std::slice::from_ref(&folder)
        } else {
            &made
        });
    }
    for path in &plan.settings {
        remove(path)?;
        if let Some(folder) = path
            .parent()
            .filter(|folder| folder.ends_with("codex-plus"))
        {
            remove_empty(&[folder.to_owned()]);
        }
    }
    output::line("Done.");
    Ok(Exit::Success)
}

/// The state folders in use: the one named now, the user's own, and the service's.
fn states(
    env: &Environment,
    args: &UninstallArgs,
    service: &Files,
) -> anyhow::Result<Vec<StateDir>> {
    let named = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let of_user = named.of_user(env);
    let mut states = vec![named, of_user];
    for Note { state_dir, .. } in service.ours().map(|(_, note)| note) {
        if let Some(folder) = state_dir {
            states.push(StateDir::resolve(Some(folder), env)?);
        }
    }
    let mut seen = BTreeSet::new();
    states.retain(|state| seen.insert(state.folder().to_owned()));
    Ok(states)
}

/// What goes and what stays.
struct Plan {
    goes: Vec<PathBuf>,
    stays: Vec<String>,
    /// The user's settings, which go only when asked for.
    settings: Vec<PathBuf>,
}

impl Plan {
    fn of(
        env: &Environment,
        args: &UninstallArgs,
        service: &Files,
        states: &[StateDir],
    ) -> anyhow::Result<Self> {
        let mut goes: Vec<PathBuf> = service.ours().map(|(path, _)| path.clone()).collect();
        for state in states {
            goes.extend(of_state(state)?);
        }
        let mut stays = Vec::new();
        let mut settings: Vec<PathBuf> = env
            .user_config()
            .into_iter()
            .filter(|path| path.exists())
            .collect();
        if args.purge {
            goes.extend(settings.iter().cloned());
        } else {
            let kept = settings.drain(..);
            stays.extend(
                kept.map(|path| format!("{}: your settings; --purge removes them", path.display())),
            );
        }
        let foreign = service
            .files
            .iter()
            .filter(|(path, there)| path.symlink_metadata().is_ok() && there.name() == "not ours");
        stays
            .extend(foreign.map(|(path, _)| {
                format!("{}: written or edited by somebody else", path.display())
            }));
        for folder in [".codexplus", ".claude"] {
            let path = env
                .home()
                .map(|home| home.join(folder))
                .filter(|path| path.exists());
            stays.extend(path.map(|path| format!("{}: your hooks and commands", path.display())));
        }
        let codex = env.codex_home().filter(|path| path.exists());
        stays.extend(codex.map(|path| {
            format!(
                "{}: Codex's own; nothing in it was ever changed",
                path.display()
            )
        }));
        stays.extend(shell_lines(env));
        if let Ok(program) = std::env::current_exe() {
            stays.push(format!(
                "{}: this program; remove it yourself",
                program.display()
            ));
        }
        if env.path(STATE_DIR).is_none() && args.state.state_dir.is_none() {
            stays.push("state folders that were named by --state-dir; name them again here".into());
        }
        Ok(Self {
            goes,
            stays,
            settings,
        })
    }

    fn tell(&self) {
        if self.goes.is_empty() {
            output::line("There is nothing to remove.");
        } else {
            output::line("To be removed:");
        }
        for path in &self.goes {
            output::line(format!("  {}", path.display()));
        }
        output::line("Left as it is:");
        for text in &self.stays {
            output::line(format!("  {text}"));
        }
    }
}

/// Start-up files of shells that still call us.
fn shell_lines(env: &Environment) -> Vec<String> {
    let Some(home) = env.home() else {
        return Vec::new();
    };
    let names = [
        ".bashrc",
        ".bash_profile",
        ".profile",
        ".zshrc",
        ".config/fish/config.fish",
    ];
    names
        .iter()
        .map(|name| home.join(name))
        .filter(|path| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("codex-plus shell-init"))
        })
        .map(|path| {
            format!(
                "{}: take out its `codex-plus shell-init` line",
                path.display()
            )
        })
        .collect()
}

/// Our files in a state folder, which may hold others too.
fn of_state(state: &StateDir) -> anyhow::Result<Vec<PathBuf>> {
    let shown = state.folder().display();
    let entries = match std::fs::read_dir(state.folder()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot look into {shown}")),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot look into {shown}"))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(is_ours) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_ours(name: &str) -> bool {
    let of_file = |known: &&str| {
        let Some(ending) = name.strip_prefix(*known) else {
            return false;
        };
        // Rotated logs and drafts end in numbers, one kind of draft in its name.
        let number = ending.strip_prefix('.');
        ending.is_empty()
            || ending == ".draft"
            || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    name == TRUSTED || NAMES.iter().any(of_file)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let folder = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let removed = if folder {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn is_agreed() -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        output::error("nothing was removed; pass --yes to remove it without being asked");
        return Ok(false);
    }
    output::note("Remove it? [y/N]");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("no answer came")?;
    let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !agreed {
        output::note("Nothing was removed.");
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_names_of_ours_are_taken() {
        for name in [
            "proxy.log",
            "proxy.log.3",
            "proxy.json.4711",
            "trust.json.draft",
            "trusted",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "proxy.log.bak",
            "proxy.logs",
            "notes.txt",
            "trusted.old",
            "proxy.log.",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
