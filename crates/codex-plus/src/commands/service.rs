//! `codex-plus service`: the proxy under the user's service manager.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::cli::{ServiceArgs, ServiceCommand, ServiceInstallArgs};
use crate::daemon::{Instance, StateDir};
use crate::environment::{self, Environment};
use crate::output::{self, Exit};
use crate::service::{self, Control, Failed, Job, Kind, Note, Standing};

use super::{flag_words, load_settings, stop};

pub(crate) fn service(env: &Environment, command: &ServiceCommand) -> anyhow::Result<Exit> {
    match command {
        ServiceCommand::Install(args) => install(env, args),
        ServiceCommand::Uninstall(args) => uninstall(env, args),
        ServiceCommand::Status(args) => status(env, args),
    }
}

/// A service's files and what stands there.
pub(crate) struct Files {
    pub(crate) kind: Kind,
    pub(crate) files: Vec<(PathBuf, Standing)>,
}

impl Files {
    pub(crate) fn look(kind: Kind, env: &Environment) -> anyhow::Result<Self> {
        let files = kind.paths(env)?.into_iter().map(|path| {
            let standing = Standing::of(&path)
                .with_context(|| format!("cannot look at {}", path.display()))?;
            Ok((path, standing))
        });
        let files = files.collect::<anyhow::Result<_>>()?;
        Ok(Self { kind, files })
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|(path, _)| path.clone()).collect()
    }

    /// The files that are ours.
    pub(crate) fn ours(&self) -> impl Iterator<Item = (&PathBuf, &Note)> {
        self.files
            .iter()
            .filter_map(|(path, standing)| match standing {
                Standing::Ours { note, .. } => Some((path, note)),
                Standing::Absent | Standing::Foreign => None,
            })
    }

    /// Whether all of them are ours and say this.
    fn say(&self, texts: &[String]) -> bool {
        let mut both = self.files.iter().zip(texts);
        both.all(
            |((_, there), wanted)| matches!(there, Standing::Ours { text, .. } if text == wanted),
        )
    }

    /// Fails, with its name, when one of them is not ours.
    fn refuse_foreign(&self) -> anyhow::Result<()> {
        let foreign = self
            .files
            .iter()
            .find(|(_, there)| *there == Standing::Foreign);
        if let Some((path, _)) = foreign {
            bail!(
                "{} was written or edited by somebody else and is left alone; move it away and \
                 try again",
                path.display()
            );
        }
        Ok(())
    }

    /// Ends the service and removes the files that are ours. What the service manager says about
    /// it is returned, for the files go in any case.
    pub(crate) fn remove(&self, control: &Control) -> anyhow::Result<Option<Failed>> {
        let mut failed = None;
        if control.is_there() {
            failed = control.take_down().err();
        }
        let mut folders = Vec::new();
        for (path, note) in self.ours() {
            service::remove(path).with_context(|| format!("cannot remove {}", path.display()))?;
            folders.extend(note.folders.iter().cloned());
        }
        if let Some(path) = self.paths().first() {
            service::remove_link(path);
        }
        service::remove_empty(&folders);
        if control.is_there() && failed.is_none() {
            failed = control.forget().err();
        }
        Ok(failed)
    }
}

fn install(env: &Environment, args: &ServiceInstallArgs) -> anyhow::Result<Exit> {
    let kind = args.service.kind();
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let loaded = load_settings(env, &args.line)?;
    crate::serve::check(&loaded)?;
    let proxy = &loaded.settings.proxy;
    let mut flags = flag_words(&args.line);
    let state_dir = args
        .state
        .state_dir
        .is_some()
        .then(|| state.folder().to_owned());
    if let Some(folder) = &state_dir {
        let folder = folder
            .to_str()
            .context("the state folder's name is not valid UTF-8")?;
        flags.extend(["--state-dir".to_owned(), folder.to_owned()]);
    }
    let program = std::env::current_exe().context("cannot find our own program file")?;
    let job = Job::new(
        env,
        program,
        flags,
        proxy.listen,
        proxy.timeouts.drain.get(),
    )?;
    for name in environment::secrets().filter(|name| env.get(name).is_some()) {
        output::warning(format!(
            "{name} is a secret and was left out of the service's files; put it into config.toml"
        ));
    }
    let texts = kind.texts(&job);
    let files = Files::look(kind, env)?;
    files.refuse_foreign()?;
    let control = Control::new(kind, env);
    let unchanged = files.say(&texts);
    let was_active = control.is_active();
    if !unchanged {
        if was_active {
            control.take_down()?;
        }
        write(&files, &texts, env, state_dir)?;
    }
    let active = unchanged && was_active;
    if control.is_there() && !active {
        // Its port is the service's from now on.
        if Instance::running(&state)?.is_some_and(|running| !running.service) {
            stop::tell(&stop::end(&state)?);
        }
        if let Err(error) = control.bring_up(&files.paths()) {
            let line = control.bring_up_line(&files.paths());
            bail!(
                "the files of the service are written, but {error}; when that is mended, run: {line}"
            );
        }
    }
    let told = Told {
        headline: if active {
            "is installed already"
        } else {
            "is installed"
        },
        next: (!control.is_there()).then(|| control.bring_up_line(&files.paths())),
    };
    told.tell(&args.service, kind, &files.paths());
    Ok(Exit::Success)
}

fn write(
    files: &Files,
    texts: &[String],
    env: &Environment,
    state_dir: Option<PathBuf>,
) -> anyhow::Result<()> {
    let state_dir = state_dir.or_else(|| env.path(environment::STATE_DIR));
    let mut note = Note {
        folders: Vec::new(),
        state_dir,
    };
    for (_, there) in files.ours() {
        note.folders.extend(there.folders.iter().cloned());
    }
    note.folders.dedup();
    for ((path, _), text) in files.files.iter().zip(texts) {
        note = service::write(path, text, note)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn uninstall(env: &Environment, args: &ServiceArgs) -> anyhow::Result<Exit> {
    let kind = args.kind();
    let files = Files::look(kind, env)?;
    files.refuse_foreign()?;
    let control = Control::new(kind, env);
    let was = files.ours().next().is_some();
    let mut next = None;
    if was || control.is_active() {
        if let Some(error) = files.remove(&control)? {
            output::warning(format!("the files are removed, but {error}"));
        }
        next = (!control.is_there()).then(|| control.take_down_line());
    }
    let told = Told {
        headline: if was {
            "is removed"
        } else {
            "was not installed"
        },
        next,
    };
    told.tell(args, kind, &files.paths());
    Ok(Exit::Success)
}

/// What was done, and what the user has to do still.
struct Told {
    headline: &'static str,
    next: Option<String>,
}

impl Told {
    fn tell(&self, args: &ServiceArgs, kind: Kind, paths: &[PathBuf]) {
        if args.json {
            return output::json(&json!({
                "manager": kind.name(),
                "done": self.headline,
                "files": paths,
                "next": self.next,
            }));
        }
        output::line(format!("The service ({}) {}.", kind.name(), self.headline));
        for path in paths {
            output::line(format!("  {}", path.display()));
        }
        if let Some(next) = &self.next {
            output::line(format!(
                "Its service manager was not found on PATH; run: {next}"
            ));
        }
    }
}

fn status(env: &Environment, args: &ServiceArgs) -> anyhow::Result<Exit> {
    let kind = args.kind();
    let files = Files::look(kind, env)?;
    let control = Control::new(kind, env);
    let installed = files.ours().count() == files.files.len();
    let asked = |answer: fn(&Control) -> bool| control.is_there().then(|| answer(&control));
    let (enabled, active) = (asked(Control::is_enabled), asked(Control::is_active));
    if args.json {
        let each = files
            .files
            .iter()
            .map(|(path, standing)| json!({"path": path, "standing": standing.name()}));
        output::json(&json!({
            "manager": kind.name(),
            "installed": installed,
            "enabled": enabled,
            "active": active,
            "files": each.collect::<Vec<Value>>(),
        }));
        return Ok(Exit::Success);
    }
    let word = |answer: Option<bool>, yes, no| match answer {
        Some(true) => yes,
        Some(false) => no,
        None => "its service manager was not found on PATH",
    };
    output::line(format!(
        "The service ({}) is {}installed.",
        kind.name(),
        if installed { "" } else { "not " }
    ));
    if installed {
        output::line(format!(
            "  at login  {}",
            word(enabled, "enabled", "not enabled")
        ));
        output::line(format!(
            "  now       {}",
            word(active, "active", "not active")
        ));
    }
    for (path, standing) in &files.files {
        output::line(format!("  {:<9} {}", standing.name(), path.display()));
    }
    Ok(Exit::Success)
}
