//! From a prompt that names a command to the prompt that is sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::Piece;
use super::config::Config;
use super::file::{CommandError, CommandFile};
use super::find::{self, Listed};
use super::invocation::{Invocation, split_arguments};
use super::kept::{Found, Kept};
use super::{references, shell};
use crate::folder::{project_of, project_seen};
use crate::looks::Looks;
use crate::settings::Owner;
use crate::trust::Trust;

/// How long a look-up may take: a dead network mount must not hold a prompt up for longer.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The slash commands of all directories. Clones share them.
#[derive(Clone)]
pub struct Commands {
    config: Arc<Config>,
    home: Option<PathBuf>,
    trust: Arc<dyn Trust>,
    kept: Arc<Kept>,
}

/// What a prompt became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The command's name.
    pub name: String,
    /// The file it came from.
    pub path: PathBuf,
    /// The prompt that is sent.
    pub text: String,
    /// What was left as it stands, and why; in words for the user.
    pub left: Vec<String>,
}

impl Commands {
    /// Commands of the given home folder and of any project; `trust` decides about the shell lines
    /// of projects.
    pub fn new(config: &Config, home: Option<PathBuf>, trust: Arc<dyn Trust>) -> Self {
        Self {
            config: Arc::new(config.clone()),
            home,
            trust,
            kept: Arc::default(),
        }
    }

    /// Whether prompts are looked at.
    pub fn is_enabled(&self) -> bool {
        self.config.enabled
    }

    /// What a prompt calls, if it could call anything. Pure, and cheap for all other prompts.
    pub fn invocation(&self, prompt: &str) -> Option<Invocation> {
        if !self.config.enabled {
            return None;
        }
        Invocation::parse(prompt, &self.config.prefixes)
    }

    /// Every command of a directory by name, and what is wrong with some files. Blocking file I/O.
    pub fn list(&self, directory: &Path) -> (Vec<Listed>, Vec<CommandError>) {
        let project = project_of(directory, self.home.as_deref());
        let roots = find::roots(&mut Looks::default(), &project, self.home.as_deref());
        let (files, problems) = find::all(&roots, self.config.file.get());
        let listed = files.into_values().map(|file| Listed {
            runs_shell: file.body.runs_shell(),
            trusted: !file.body.runs_shell() || self.trusts(&project, &file),
            allowed_tools: Some(file.frontmatter.allowed_tools.as_str().to_owned())
                .filter(|text| !text.is_empty()),
            name: file.name,
            description: file.frontmatter.description,
            argument_hint: file.frontmatter.argument_hint,
            model: file.frontmatter.model,
            path: file.path,
        });
        (listed.collect(), problems)
    }

    /// The prompt that a call stands for in a directory; `None` when there is no such command.
    ///
    /// # Errors
    /// [`CommandError`] when there is one that cannot be used.
    pub async fn expand(
        &self,
        directory: &Path,
        call: &Invocation,
    ) -> Result<Option<Expansion>, CommandError> {
        let found = match self.kept.get(directory, &call.name) {
            Some(found) => found,
            None => match self.look_up(directory, &call.name).await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let mut left = Vec::new();
        let text = self.fill(&found, call, &mut left).await?;
        Ok(Some(Expansion {
            name: found.file.name.clone(),
            path: found.file.path.clone(),
            text,
            left,
        }))
    }

    /// Looks for the file of a name, where waiting is allowed.
    async fn look_up(
        &self,
        directory: &Path,
        name: &str,
    ) -> Result<Option<Arc<Found>>, CommandError> {
        let (commands, path, name) = (self.clone(), directory.to_owned(), name.to_owned());
        let finding = tokio::task::spawn_blocking(move || commands.find(&path, &name));
        if let Ok(found) = tokio::time::timeout(LOOK_UP, finding).await {
            return found.unwrap_or(Ok(None));
        }
        tracing::warn!(directory = %directory.display(), "commands could not be looked up in time");
        Ok(None)
    }

    fn find(&self, directory: &Path, name: &str) -> Result<Option<Arc<Found>>, CommandError> {
        let began = Instant::now();
        let mut looks = Looks::default();
        let project = project_seen(&mut looks, directory, self.home.as_deref());
        let roots = find::roots(&mut looks, &project, self.home.as_deref());
        let Some(file) = find::find(&mut looks, &roots, name, self.config.file.get())? else {
            return Ok(None);
        };
        // Trust may be given and taken at any time, and asking for it reads files.
        let asks = file.owner == Owner::Project && file.body.asks_for_trust();
        let found = Arc::new(Found {
            trusted: !asks || self.trusts(&project, &file),
            project,
            file,
        });
        if !asks {
            self.kept.keep(directory, &found, looks, began);
        }
        Ok(Some(found))
    }

    fn trusts(&self, project: &Path, file: &CommandFile) -> bool {
        file.owner == Owner::Home || self.trust.command_file(project, &file.path, &file.content)
    }

    /// Puts everything in its place. Only what the file and the arguments say is searched for
    /// references: the output of a shell line or a variable stands for itself.
    async fn fill(
        &self,
        found: &Found,
        call: &Invocation,
        left: &mut Vec<String>,
    ) -> Result<String, CommandError> {
        let Found {
            project,
            file,
            trusted,
        } = found;
        let words = split_arguments(&call.arguments);
        let or = |value: Option<&str>, default: &str| match value {
            Some(value) if !value.is_empty() => value.to_owned(),
            _ => default.to_owned(),
        };
        let (mut text, mut said) = (String::new(), String::new());
        let until = Instant::now() + self.config.timeout.get();
        for piece in &file.body.pieces {
            let written = match piece {
                Piece::Text(text) => text.clone(),
                Piece::All { default } => or(Some(&call.arguments), default),
                Piece::Nth { index, default } => or(words.get(*index).map(String::as_str), default),
                Piece::Variable { name, default } => {
                    // A stranger's file is not told what stands in the environment.
                    let value = std::env::var(name).ok().filter(|_| *trusted);
                    text.push_str(&or(value.as_deref(), default));
                    said.push(' ');
                    continue;
                }
                Piece::Shell(line) => {
                    let output = self.shell(found, call, line, until).await;
                    text.push_str(&output.unwrap_or_else(|why| {
                        left.push(why);
                        format!("!`{line}`")
                    }));
                    said.push(' ');
                    continue;
                }
            };
            text.push_str(&written);
            said.push_str(&written);
        }
        if !call.arguments.is_empty() && !file.body.takes_arguments() {
            let last = format!("\n\nARGUMENTS: {}", call.arguments);
            text.push_str(&last);
            said.push_str(&last);
        }
        if said.contains('@') {
            let (folder, limit) = (project.to_owned(), self.config.reference.get());
            let attached =
                tokio::task::spawn_blocking(move || references::attachments(&said, &folder, limit));
            text.push_str(&attached.await.unwrap_or_default());
        }
        let limit = self.config.prompt.get();
        if text.len() > limit {
            return Err(CommandError::PromptTooLarge {
                name: file.name.clone(),
                limit,
            });
        }
        Ok(text)
    }

    /// What a shell line prints, or why it did not run.
    async fn shell(
        &self,
        Found {
            project,
            file,
            trusted,
        }: &Found,
        call: &Invocation,
        line: &str,
        until: Instant,
    ) -> Result<String, String> {
        if !trusted {
            return Err(format!(
                "`{line}` did not run: you have not trusted {}",
                file.path.display()
            ));
        }
        if !file.frontmatter.allowed_tools.permits_shell(line) {
            return Err(format!(
                "`{line}` did not run: `allowed-tools` of {} does not permit it",
                file.path.display()
            ));
        }
        let time = until.saturating_duration_since(Instant::now());
        if time.is_zero() {
            return Err(format!(
                "`{line}` did not run: `commands.timeout` was used up"
            ));
        }
        let limit = self.config.output.get();
        shell::run(line, &call.arguments, project, time, limit)
            .await
            .map_err(|why| format!("`{line}` gave no output: {why} (`commands.timeout`)"))
    }
}
