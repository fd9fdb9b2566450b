//! One line, put together from all that counts for a directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use tokio::sync::Semaphore;

use super::command::{self, CommandRun};
use super::config::{Config, Mode};
use super::{output, pull_request};
use crate::folder::project_of;
use crate::git::{Facts, Git, Place, PullRequest, RepositoryKind, Standing};
use crate::settings::{Owner, ProjectSettings};
use crate::trust::Trust;

/// How long a pull request's state is believed; changing branches asks anew.
const PULL_REQUEST_AGE: Duration = Duration::from_mins(1);

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The template.
    Template,
    /// The command of `statusLine`.
    Command,
}

/// The status line of a directory, as it was when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusLine {
    /// The line without colours; `None` when there is nothing to show.
    pub text: Option<String>,
    /// The line with the colours its command gave it.
    #[serde(skip)]
    pub coloured: Option<String>,
    /// Who wrote it.
    pub source: Source,
    /// Where it is shown in a conversation.
    pub mode: Mode,
    /// What git says.
    pub facts: Facts,
}

impl StatusLine {
    /// Whether git had its say, or has none.
    pub fn is_complete(&self) -> bool {
        let has_tree =
            self.facts.standing == Standing::Repository && self.facts.kind != RepositoryKind::Bare;
        self.source == Source::Command || !has_tree || self.facts.changes.is_some()
    }
}

/// What lines are put together with.
pub(super) struct Composer {
    pub(super) config: Config,
    pub(super) home: Option<PathBuf>,
    pub(super) trust: Arc<dyn Trust>,
    pub(super) git: Git,
    pub(super) gh: OsString,
    /// Threads that may read at once: dead mounts must not use up all there are.
    pub(super) readers: Arc<Semaphore>,
}

/// A pull request as it was told last.
#[derive(Debug, Clone)]
pub(super) struct KnownPullRequest {
    branch: String,
    at: Instant,
    told: PullRequest,
}

/// What reading the directory's files gave.
struct Read {
    place: Place,
    facts: Facts,
    project: PathBuf,
    command: Option<String>,
    command_time: Option<Duration>,
    mode: Option<Mode>,
    index: Option<SystemTime>,
}

/// A line and what is needed to keep it fresh.
pub(super) struct Composed {
    pub(super) line: StatusLine,
    pub(super) place: Place,
    pub(super) project: PathBuf,
    /// Which index git read: another one may mean other folders to watch.
    pub(super) index: Option<SystemTime>,
    /// The repository and branch whose pull request should be asked for.
    pub(super) ask: Option<(PathBuf, String)>,
}

impl Composer {
    /// Puts a line together; `early` is given what the files alone say. Files are read on a thread
    /// where waiting is allowed: on a dead network mount it hangs there, and nowhere else.
    pub(super) async fn compose(
        self: &Arc<Self>,
        directory: &Path,
        known: Option<&KnownPullRequest>,
        early: impl FnOnce(StatusLine),
    ) -> Option<Composed> {
        let permit = Arc::clone(&self.readers).acquire_owned().await.ok()?;
        let (composer, path) = (Arc::clone(self), directory.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let _held_while_reading = permit;
            composer.read(&path)
        });
        let mut read = read.await.ok()?;
        let ask = self.pull_request(&mut read.facts, known);
        let mut line = StatusLine {
            text: self.config.template.render(&read.facts),
            coloured: None,
            source: Source::Template,
            mode: read.mode.unwrap_or(self.config.mode),
            facts: read.facts,
        };
        early(line.clone());
        self.git.complete(directory, &mut line.facts).await;
        line.text = self.config.template.render(&line.facts);
        if let Some(command) = read.command.filter(|_| read.place != Place::Gone) {
            let run = CommandRun {
                command: &command,
                directory,
                project: &read.project,
                time: read
                    .command_time
                    .unwrap_or(self.config.command_timeout.get()),
            };
            if let Some(coloured) = command::run(run).await {
                line.text = Some(output::plain(&coloured));
                line.coloured = Some(coloured);
                line.source = Source::Command;
            }
        }
        Some(Composed {
            line,
            place: read.place,
            project: read.project,
            index: read.index,
            ask,
        })
    }

    fn read(&self, directory: &Path) -> Read {
        let (place, facts) = Facts::at_a_glance(directory);
        let project = project_of(directory, self.home.as_deref());
        let settings = ProjectSettings::load(Some(&project), self.home.as_deref());
        let line = settings.status_line.as_ref();
        // One's own command may name a script of the project, so it is asked about as well.
        let command = line.and_then(|_| self.trust.status_line(&settings));
        // A repository may keep the line out of the conversation; putting it in takes trust.
        let mode = settings
            .status_line_mode
            .as_ref()
            .and_then(|(mode, owner)| {
                let mode = Mode::parse(mode)?;
                let trusted = line.is_some_and(|line| line.owner == *owner) && command.is_some();
                let believed = *owner == Owner::Home || mode == Mode::Off || trusted;
                believed.then_some(mode)
            });
        let index = match &place {
            Place::Repository { git_dir, .. } => git_dir.join("index").metadata().ok(),
            _ => None,
        };
        Read {
            index: index.and_then(|meta| meta.modified().ok()),
            place,
            facts,
            project,
            command_time: line.and_then(|line| line.timeout),
            command,
            mode,
        }
    }

    /// Says what is known of the pull request; what is to be asked when that is nothing, or old.
    fn pull_request(
        &self,
        facts: &mut Facts,
        known: Option<&KnownPullRequest>,
    ) -> Option<(PathBuf, String)> {
        if !self.config.pull_request {
            return None;
        }
        let (root, branch) = (facts.root.clone()?, facts.branch()?.to_owned());
        let known = known.filter(|known| known.branch == branch);
        if let Some(known) = known {
            facts.pull_request = known.told.clone();
        }
        let is_new = known.is_some_and(|known| known.at.elapsed() < PULL_REQUEST_AGE);
        (!is_new).then_some((root, branch))
    }

    /// Asks for a pull request, and puts it into a line of ours.
    pub(super) async fn ask(
        &self,
        (root, branch): (PathBuf, String),
        line: &mut StatusLine,
    ) -> KnownPullRequest {
        let time = self.config.timeout.get();
        let told = pull_request::ask(&self.gh, &root, &branch, time).await;
        line.facts.pull_request = told.clone();
        if line.source == Source::Template {
            line.text = self.config.template.render(&line.facts);
        }
        KnownPullRequest {
            branch,
            at: Instant::now(),
            told,
        }
    }
}
