//! The hooks of a settings file that may run, compiled and by event.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codex_plus_project::settings::{HookDefinition, HookHandler, Owner, ProjectSettings};

use crate::event::{HookEvent, Subject};
use crate::folders::Folders;
use crate::input::HookInput;
use crate::matcher::{Condition, Matcher, MatcherError};
use crate::runner::http::Target;
use crate::scripts::{NamedScript, named_scripts, rewritten};
use crate::trust::{Inventory, Pins, Snapshot, definition_digest};

/// A hook that may run.
#[derive(Debug, Clone)]
pub struct SettingsHook {
    /// Where it stands, such as `.claude/settings.json: hooks.Stop[0].hooks[1]`: what logs and
    /// statistics call it. What it runs may hold secrets.
    pub name: String,
    /// What runs.
    pub handler: Handler,
    /// How long it may take; `None` leaves it to the event.
    pub timeout: Option<Duration>,
    matcher: Matcher,
    condition: Option<Condition>,
}

/// What a hook runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// A shell command.
    Command {
        /// The text given to `sh -c`, with trusted copies in place of a project's scripts.
        command: String,
        /// Started and left to itself: nobody waits for its result.
        detached: bool,
    },
    /// A POST request.
    Http(Arc<Target>),
}

/// Why a hook does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It is the project's, and nobody looked at it yet.
    #[error("it is not trusted; look at it with `codex-plus trust --show`")]
    Untrusted,
    /// It names a script of the project that is new or changed.
    #[error("its script {} is not trusted; look at it with `codex-plus trust --show`", .0.display())]
    Script(PathBuf),
    /// No event of this name is known.
    #[error("there is no event {0:?}")]
    Event(String),
    /// Its matcher or condition cannot be used.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// `if` asks for a tool where there is none.
    #[error("`if` needs an event of one tool call; take it out or move the hook")]
    Condition,
}

/// All hooks of the settings files, ready to run.
#[derive(Debug, Clone, Default)]
pub struct HookSet {
    hooks: BTreeMap<HookEvent, Vec<SettingsHook>>,
    /// The hooks that do not run, by name, and why.
    pub withheld: Vec<(String, Withheld)>,
    /// Where they run.
    pub folders: Folders,
}

/// What a project's hooks are measured against.
#[derive(Debug, Clone, Default)]
pub struct Trusted {
    /// What the user trusted.
    pub pins: Pins,
    /// Copies of the trusted files.
    pub snapshot: Snapshot,
}

impl Trusted {
    /// Compares an inventory with its pins and copies what is trusted into `state_folder`.
    pub fn of(
        inventory: &Inventory,
        pins: Pins,
        state_folder: &std::path::Path,
    ) -> std::io::Result<Self> {
        let snapshot = Snapshot::make(state_folder, inventory, &pins)?;
        Ok(Self { pins, snapshot })
    }
}

impl HookSet {
    /// Compiles the hooks of settings. Blocking file look-ups; call it off the line.
    pub fn compile(settings: &ProjectSettings, trusted: &Trusted) -> Self {
        let mut set = Self {
            folders: Folders {
                project: settings.project.clone(),
                home: settings.home.clone(),
            },
            ..Self::default()
        };
        for (event, groups) in &settings.hooks {
            for group in groups {
                for hook in &group.hooks {
                    let name = format!("{}: {}", hook.file.display(), hook.place);
                    match set.hook(event, &group.matcher, hook, trusted) {
                        Ok((event, hook)) => set.hooks.entry(event).or_default().push(hook),
                        Err(why) => set.withheld.push((name, why)),
                    }
                }
            }
        }
        set
    }

    /// Whether any hook may be for this event: when not, nothing need be prepared.
    pub fn is_interested(&self, event: HookEvent) -> bool {
        self.hooks.contains_key(&event)
    }

    /// Whether any hook may be for this event about this subject, conditions aside.
    pub fn may_match(&self, event: HookEvent, subject: &str) -> bool {
        let mut hooks = self.hooks.get(&event).into_iter().flatten();
        hooks.any(|hook| hook.matcher.matches(Some(subject)))
    }

    /// Every hook that may run, by event and in declared order.
    pub fn hooks(&self) -> impl Iterator<Item = (HookEvent, &SettingsHook)> {
        let all = self.hooks.iter();
        all.flat_map(|(event, hooks)| hooks.iter().map(|hook| (*event, hook)))
    }

    /// The hooks for an input, in declared order, identical ones once.
    pub fn matching<'a>(&'a self, input: &HookInput) -> Vec<&'a SettingsHook> {
        let mut found: Vec<&SettingsHook> = Vec::new();
        for hook in self.hooks.get(&input.event()).into_iter().flatten() {
            let known = || found.iter().any(|other| other.handler == hook.handler);
            if hook.is_for(input) && !known() {
                found.push(hook);
            }
        }
        found
    }

    fn hook(
        &self,
        event: &str,
        matcher: &str,
        hook: &HookDefinition,
        trusted: &Trusted,
    ) -> Result<(HookEvent, SettingsHook), Withheld> {
        let known = HookEvent::from_name(event);
        let known = known.ok_or_else(|| Withheld::Event(event.to_owned()))?;
        let condition = hook.condition.as_deref().map(Condition::parse);
        let compiled = SettingsHook {
            name: format!("{}: {}", hook.file.display(), hook.place),
            timeout: hook.timeout,
            matcher: Matcher::parse(matcher)?,
            condition: condition.transpose()?,
            handler: self.handler(hook, trusted)?,
        };
        if compiled.condition.is_some() && known.subject() != Subject::ToolName {
            return Err(Withheld::Condition);
        }
        let digest = definition_digest(event, matcher, hook);
        if hook.owner == Owner::Project && !trusted.pins.definitions.contains(&digest) {
            return Err(Withheld::Untrusted);
        }
        Ok((known, compiled))
    }

    fn handler(&self, hook: &HookDefinition, trusted: &Trusted) -> Result<Handler, Withheld> {
        let (command, detached) = match &hook.handler {
            HookHandler::Command { command, detached } => (command, *detached),
            HookHandler::Http {
                url,
                headers,
                allowed_env_vars,
            } => {
                let target = Target::new(url, headers, allowed_env_vars);
                return Ok(Handler::Http(Arc::new(target)));
            }
        };
        let scripts = named_scripts(command, &self.folders, hook.owner);
        let located = scripts.into_iter().map(|script| locate(script, trusted));
        let located = located.collect::<Result<Vec<_>, _>>()?;
        Ok(Handler::Command {
            command: rewritten(command, &located),
            detached,
        })
    }
}

/// The file that is to run: a project's script only as the trusted copy.
pub(crate) fn locate(
    script: NamedScript,
    trusted: &Trusted,
) -> Result<(NamedScript, PathBuf), Withheld> {
    let Some(inside) = &script.in_project else {
        let path = script.path.clone();
        return Ok((script, path));
    };
    match trusted.snapshot.file(inside) {
        Some(copy) => Ok((script, copy)),
        None => Err(Withheld::Script(inside.clone())),
    }
}

impl SettingsHook {
    fn is_for(&self, input: &HookInput) -> bool {
        let holds = |condition: &Condition| input.tool().is_some_and(|call| condition.holds(call));
        self.matcher.matches(input.subject()) && self.condition.as_ref().is_none_or(holds)
    }
}
