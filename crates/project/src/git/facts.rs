//! The facts, and how they are taken.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;

use super::operation::Operation;
use super::place::Place;
use super::status::StatusReport;
use crate::process::{self, Bounds};

/// Bytes of `git status` output that are read; more makes the counts lower bounds.
const LARGEST_OUTPUT: usize = 8 << 20;
/// Variables that would turn git towards another repository than the directory's own.
const MISLEADING: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
];

/// What a directory is to git.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// There is no such directory.
    Gone,
    /// It belongs to no repository.
    #[default]
    Outside,
    /// There is a `.git` that git cannot use.
    Broken,
    /// It belongs to a repository.
    Repository,
}

/// Which kind of repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryKind {
    /// One with a working tree of its own.
    #[default]
    Main,
    /// A linked worktree.
    Worktree,
    /// A submodule of another one.
    Submodule,
    /// One without a working tree.
    Bare,
}

/// What is checked out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// A branch.
    Branch(String),
    /// A branch without a commit yet.
    Unborn(String),
    /// A commit, by its id.
    Detached(String),
    /// It could not be told.
    #[default]
    Unknown,
}

/// The branch that the one checked out follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// Its short name, such as `origin/main`.
    pub name: String,
    /// Commits ahead of it and behind it; `None` when it is gone.
    pub distance: Option<(u64, u64)>,
}

/// How many paths differ from the commit that is checked out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Paths that differ between commit and index.
    pub staged: u64,
    /// Paths that differ between index and working tree.
    pub modified: u64,
    /// Paths git does not know, a folder of them as one.
    pub untracked: u64,
    /// Paths with conflicts.
    pub conflicts: u64,
    /// Whether there may be more than was counted.
    pub at_least: bool,
}

impl Changes {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.staged + self.modified + self.untracked + self.conflicts > 0
    }
}

/// What is known of the branch's pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullRequest {
    /// Nobody asked, or nobody could tell.
    #[default]
    NotAsked,
    /// There is none.
    None,
    /// There is one.
    Found {
        /// Its number.
        number: u64,
        /// `open`, `draft`, `merged` or `closed`.
        state: String,
    },
}

/// What git says of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Name of the repository's top folder, else of the directory.
    pub name: String,
    /// What the directory is to git.
    pub standing: Standing,
    /// The top of the working tree; of a bare repository its folder.
    pub root: Option<PathBuf>,
    /// Which kind of repository.
    pub kind: RepositoryKind,
    /// What is checked out.
    pub head: Head,
    /// The operation under way.
    pub operation: Option<Operation>,
    /// The branch that is followed.
    pub upstream: Option<Upstream>,
    /// What differs from the commit; `None` when git gave no answer in time, or there is no
    /// working tree.
    pub changes: Option<Changes>,
    /// The branch's pull request.
    pub pull_request: PullRequest,
}

impl Facts {
    /// What the files say. Blocking file I/O of microseconds, on a local disk.
    pub fn at_a_glance(directory: &Path) -> (Place, Self) {
        let place = Place::find(directory);
        let mut facts = Self {
            name: place.name(directory),
            standing: match &place {
                Place::Gone => Standing::Gone,
                Place::Outside => Standing::Outside,
                Place::Broken(_) => Standing::Broken,
                Place::Repository { .. } => Standing::Repository,
            },
            ..Self::default()
        };
        if let Place::Repository {
            root,
            git_dir,
            kind,
            ..
        } = &place
        {
            facts.root = Some(root.clone());
            facts.kind = *kind;
            facts.head = place.head();
            facts.operation = Operation::find(git_dir);
        }
        (place, facts)
    }

    /// The branch by name: the one checked out, or the one an operation works on.
    pub fn branch(&self) -> Option<&str> {
        match &self.head {
            Head::Branch(name) | Head::Unborn(name) => Some(name),
            Head::Detached(_) | Head::Unknown => self.operation.as_ref()?.branch.as_deref(),
        }
    }
}

/// How git is asked.
#[derive(Debug, Clone)]
pub struct Git {
    /// The program.
    pub program: OsString,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Default for Git {
    fn default() -> Self {
        Self {
            program: "git".into(),
            timeout: Duration::from_secs(5),
        }
    }
}

impl Git {
    /// Adds what only git knows to facts taken at a glance.
    pub async fn complete(&self, directory: &Path, facts: &mut Facts) {
        if facts.standing != Standing::Repository || facts.kind == RepositoryKind::Bare {
            return;
        }
        let arguments = ["status", "--porcelain=v2", "--branch", "-z"];
        let ended = process::run(
            self.command(directory, &arguments),
            &[],
            Bounds {
                time: self.timeout,
                output: LARGEST_OUTPUT,
            },
        );
        match ended.await {
            Ok(ended) if ended.code == Some(0) => {
                let report = StatusReport::parse(&ended.output, ended.cut);
                if report.head != Head::Unknown {
                    facts.head = report.head;
                }
                facts.upstream = report.upstream;
                facts.changes = Some(report.changes);
            }
            // Refused: a HEAD that leads nowhere, a damaged index, or somebody else's folder. What
            // the files say still counts, if they say anything.
            Ok(ended) if ended.code == Some(128) && facts.head == Head::Unknown => {
                facts.standing = Standing::Broken;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "git status gave no answer"),
        }
    }

    /// The folders that hold tracked files, relative to `root`; `None` when git does not tell in
    /// time or in `limit` bytes.
    pub(crate) async fn tracked_folders(&self, root: &Path, limit: usize) -> Option<Vec<PathBuf>> {
        use std::os::unix::ffi::OsStrExt as _;
        let bounds = Bounds {
            time: self.timeout,
            output: limit,
        };
        let ended = process::run(self.command(root, &["ls-files", "-z"]), &[], bounds);
        let ended = ended.await.ok()?;
        if ended.code != Some(0) || ended.cut {
            return None;
        }
        let mut folders = std::collections::BTreeSet::from([PathBuf::new()]);
        let mut last: &[u8] = b"";
        for path in ended.output.split(|byte| *byte == 0) {
            let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            let folder = path.get(..slash).unwrap_or_default();
            // The list is sorted, so neighbours mostly share their folder.
            if folder == last {
                continue;
            }
            last = folder;
            let folder = Path::new(std::ffi::OsStr::from_bytes(folder));
            folders.extend(folder.ancestors().map(Path::to_owned));
        }
        Some(folders.into_iter().collect())
    }

    /// Asks without side effects: no lock on the index, no terminal, no network, no program that
    /// a repository's settings name for watching its files.
    fn command(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--no-optional-locks", "-c", "core.fsmonitor=false", "-C"])
            .arg(directory)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1");
        for name in MISLEADING {
            command.env_remove(name);
        }
        command
    }
}
